import { CliError } from "../base/errors.ts";
import { parseJson } from "../node/json.ts";
import { fromJson } from "./plain.ts";

/** `name=json`, as `--eval` takes it. @throws CliError `CLI_USAGE` */
export function assignment(text: string): [string, unknown] {
  const equals = text.indexOf("=");
  if (equals < 1) {
    throw new CliError("CLI_USAGE", `${text} is no name=value`);
  }
  return [text.slice(0, equals), jsonOrText(text.slice(equals + 1))];
}

/** JSON where it is some, the text itself where not. */
export function jsonOrText(word: string): unknown {
  try {
    return fromJson(parseJson(word));
  } catch {
    return word;
  }
}

/** @throws CliError `CLI_USAGE` for what is no revision */
export function revisionArgument(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0 && text.trim() !== "") return number;
  throw new CliError("CLI_USAGE", `${text} is no revision; revisions are whole numbers from 0`);
}

/** Does what the words of the command line ask for; what can't be asked for is their fault. @throws CliError `CLI_USAGE` */
export async function asAsked<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new CliError("CLI_USAGE", error.message, { cause: error });
  }
}

const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `30d`, `12h`, `15m`, `90s`, in milliseconds. @throws CliError `CLI_USAGE` */
export function durationArgument(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS_MS[unit] ?? 0);
  if (ms > 0) return ms;
  throw new CliError("CLI_USAGE", `${text} is no time; say it as 30d, 12h, 15m or 90s`);
}
