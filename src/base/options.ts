import { closest } from "./closest.ts";
import { kindOf } from "./kind-of.ts";

/** The names of all options of one kind: one that is missing in the table does not compile. */
export type OptionNames<Options extends object> = Readonly<Record<keyof Options, true>>;

/** What may be given where nothing but a signal is looked at. */
export const ABORT_OPTIONS: OptionNames<{ signal?: unknown }> = { signal: true };

/**
 * Refuses what a caller has misspelt, which would else be ignored without a word. Costs next to
 * nothing where no option is given.
 *
 * @param of what they are options of, as "tree.set"
 * @throws TypeError for an option that does not exist, with the one that looks like it, for a `signal`
 *   that is none, and for options that are no object
 */
export function checkOptions<Options extends object>(
  options: Options,
  names: OptionNames<Options>,
  of: string,
): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`the options of ${of} are an object, not ${kindOf(options)}`);
  }
  for (const name in options) {
    // Not `in`: what every object inherits is no option.
    if (names[name] !== true) throw unknownOption(name, Object.keys(names), of);
    if (name === "signal") checkSignal(options[name], of);
  }
}

function unknownOption(name: string, known: readonly string[], of: string): TypeError {
  const like = closest(name, known);
  const hint = like === undefined ? `it has ${known.join(", ")}` : `did you mean ${like}?`;
  return new TypeError(`${of} has no option ${JSON.stringify(name)} (${hint})`);
}

/** One of another realm or package counts. */
function checkSignal(signal: unknown, of: string): void {
  if (signal === undefined) return;
  const { aborted, addEventListener } = (signal ?? {}) as Partial<AbortSignal>;
  if (typeof aborted === "boolean" && typeof addEventListener === "function") return;
  throw new TypeError(`the signal of ${of} is an AbortSignal, not ${kindOf(signal)}`);
}
