import { closest } from "../base/closest.ts";
import { kindOf } from "../base/kind-of.ts";
import { checkOptions, type OptionNames } from "../base/options.ts";
import { DEFAULT_SESSION_LIMITS } from "./protocol.ts";
import type { SessionOptions } from "./session.ts";

export const SESSION_OPTIONS: OptionNames<SessionOptions> = {
  exports: true,
  policy: true,
  plain: true,
  limits: true,
  name: true,
  clock: true,
  log: true,
  signal: true,
  onError: true,
  credentials: true,
  authenticate: true,
  valueClasses: true,
  trace: true,
  callSites: true,
  heartbeat: true,
  timeoutMs: true,
  unref: true,
};

const LIMITS = Object.fromEntries(
  Object.keys(DEFAULT_SESSION_LIMITS).map((name) => [name, true]),
) as OptionNames<typeof DEFAULT_SESSION_LIMITS>;

/**
 * Refuses what a session would not look at, or would misunderstand: a policy that is misspelt must not
 * become a weaker one.
 *
 * @throws TypeError
 */
export function checkSessionOptions<Options extends SessionOptions>(
  options: Options,
  names: OptionNames<Options>,
  of: string,
): void {
  checkOptions(options, names, of);
  const { limits, plain, policy, timeoutMs } = options;
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw new TypeError(`the timeoutMs of ${of} is a number above 0, not ${String(timeoutMs)}`);
  }
  if (limits !== undefined) checkOptions(limits, LIMITS, `${of}'s limits`);
  checkWord(policy, ["capability", "trusted"], `the policy of ${of}`);
  checkWord(plain, ["reference", "copy"], `the plain of ${of}`);
}

function checkWord(word: unknown, known: readonly string[], what: string): void {
  if (word === undefined || known.some((one) => one === word)) return;
  const like = typeof word === "string" ? closest(word, known) : undefined;
  const hint = like === undefined ? "" : ` (did you mean ${like}?)`;
  throw new TypeError(`${what} is one of ${known.join(", ")}, not ${kindOf(word)}${hint}`);
}
