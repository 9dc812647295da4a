/** A terminal, as far as it says how high it is. */
type Terminal = NodeJS.WritableStream & { readonly rows?: number | undefined };

/** Where a terminal does not say it. */
const ROWS = 24;
/** Long lines are cut off by the terminal, and don't take a second one. */
const NO_WRAP = "\u001B[?7l";
const WRAP = "\u001B[?7h";
const CLEAR_BELOW = "\u001B[J";

/** Text at the end of a terminal's screen that is drawn again and again in the same place. */
export class Screen {
  readonly #terminal: Terminal;
  /** How many lines were drawn last. */
  #lines = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** In the place of what was drawn before; what does not fit is counted. */
  draw(text: string): void {
    const { rows = 0 } = this.#terminal;
    const lines = fitting(text.split("\n"), rows > 0 ? rows : ROWS);
    const up = this.#lines === 0 ? "" : `\u001B[${this.#lines}A`;
    this.#lines = lines.length;
    // In one piece, so that nobody sees half of it.
    this.#terminal.write(`${up}\r${CLEAR_BELOW}${NO_WRAP}${lines.join("\n")}\n${WRAP}`);
  }
}

/** The last line of the screen is the cursor's. */
function fitting(lines: readonly string[], rows: number): readonly string[] {
  const room = Math.max(2, rows - 1);
  if (lines.length <= room) return lines;
  const shown = lines.slice(0, room - 1);
  return [...shown, `and ${lines.length - shown.length} more`];
}
