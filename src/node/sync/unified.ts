/** A line, and which of the texts has it. */
interface DiffLine {
  readonly mark: " " | "-" | "+";
  readonly text: string;
}

/** More steps than that from one text to the other are not looked for: all of it was replaced. */
const MAX_STEPS = 500;
const CONTEXT = 3;
const NO_END = "\\ No newline at end of file";

/**
 * How to make one text of the other, as `diff -u` prints it without its first two lines: as few lines as
 * there can be (Myers, An O(ND) difference algorithm, 1986). Empty where they are the same.
 */
export function unifiedDiff(before: string, after: string): string {
  if (before === after) return "";
  const lines = compareLines(linesOf(before), linesOf(after));
  return hunksOf(lines)
    .map(([from, to]) => hunk(lines, from, to))
    .join("");
}

/** With the ends that they have. */
function linesOf(text: string): readonly string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function compareLines(before: readonly string[], after: readonly string[]): readonly DiffLine[] {
  const least = Math.min(before.length, after.length);
  let start = 0;
  while (start < least && before[start] === after[start]) start++;
  let same = 0;
  while (same < least - start && before.at(-1 - same) === after.at(-1 - same)) same++;
  const changed = compareMiddle(
    before.slice(start, before.length - same),
    after.slice(start, after.length - same),
  );
  return [
    ...marked(" ", before.slice(0, start)),
    ...changed,
    ...marked(" ", before.slice(before.length - same)),
  ];
}

/** How far one gets on each diagonal with so many steps, and back along the way that was taken. */
function compareMiddle(before: readonly string[], after: readonly string[]): DiffLine[] {
  const far = new Map([[1, 0]]);
  const trace: ReadonlyMap<number, number>[] = [];
  const steps = Math.min(MAX_STEPS, before.length + after.length);
  for (let step = 0; step <= steps; step++) {
    trace.push(new Map(far));
    for (let k = -step; k <= step; k += 2) {
      let x = isDown(far, k, step) ? (far.get(k + 1) ?? 0) : (far.get(k - 1) ?? 0) + 1;
      while (x < before.length && x - k < after.length && before[x] === after[x - k]) x++;
      far.set(k, x);
      if (x >= before.length && x - k >= after.length) return wayBack(trace, before, after);
    }
  }
  return [...marked("-", before), ...marked("+", after)];
}

function marked(mark: DiffLine["mark"], lines: readonly string[]): DiffLine[] {
  return lines.map((text) => ({ mark, text }));
}

function isDown(far: ReadonlyMap<number, number>, k: number, step: number): boolean {
  return k === -step || (k !== step && (far.get(k - 1) ?? -1) < (far.get(k + 1) ?? -1));
}

function wayBack(
  trace: readonly ReadonlyMap<number, number>[],
  before: readonly string[],
  after: readonly string[],
): DiffLine[] {
  const lines: DiffLine[] = [];
  let [x, y] = [before.length, after.length];
  const keep = (from: number, fromY: number): void => {
    for (; x > from && y > fromY; y--) lines.push({ mark: " ", text: before[--x] ?? "" });
  };
  for (const [step, far] of [...trace.entries()].toReversed()) {
    if (step === 0) continue;
    const down = isDown(far, x - y, step);
    const k = x - y + (down ? 1 : -1);
    const from = far.get(k) ?? 0;
    keep(from, from - k);
    if (down) lines.push({ mark: "+", text: after[--y] ?? "" });
    else lines.push({ mark: "-", text: before[--x] ?? "" });
  }
  keep(0, 0);
  return lines.toReversed();
}

/** From where to where: changes with the lines around them, together where those touch. */
function hunksOf(lines: readonly DiffLine[]): readonly (readonly [number, number])[] {
  const hunks: [number, number][] = [];
  for (const [i, { mark }] of lines.entries()) {
    if (mark === " ") continue;
    const from = Math.max(0, i - CONTEXT);
    const to = Math.min(lines.length, i + 1 + CONTEXT);
    const last = hunks.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = to;
    else hunks.push([from, to]);
  }
  return hunks;
}

function hunk(lines: readonly DiffLine[], from: number, to: number): string {
  const range = (other: "-" | "+"): string => {
    const has = ({ mark }: DiffLine): boolean => mark !== other;
    const first = lines.slice(0, from).filter(has).length;
    const count = lines.slice(from, to).filter(has).length;
    // A range of nothing names the line before it.
    return `${count === 0 ? first : first + 1},${count}`;
  };
  const body = lines.slice(from, to).map(({ mark, text }) => {
    return text.endsWith("\n") ? `${mark}${text}` : `${mark}${text}\n${NO_END}\n`;
  });
  return `@@ -${range("+")} +${range("-")} @@\n${body.join("")}`;
}
