import { closest } from "../base/closest.ts";
import { kindOf } from "../base/kind-of.ts";
import { checkOptions, type OptionNames } from "../base/options.ts";
import { DEFAULT_SESSION_LIMITS, type SessionLimits } from "./protocol.ts";
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
  peerBlocks: true,
};

const MAX_TIMER_MS = 2 ** 31 - 1;

/** What each limit may be at least and at most; all are whole numbers. */
const RANGES: Readonly<Record<keyof SessionLimits, readonly [number, number]>> = {
  // Every peer has to be able to say as much, and lengths have 32 bits.
  maxMessageBytes: [16 * 1024, 2 ** 32 - 1],
  maxPendingCalls: [1, Number.MAX_SAFE_INTEGER],
  maxExports: [1, Number.MAX_SAFE_INTEGER],
  // What is nested deeper does not fit on the stack.
  maxDepth: [1, 1_024],
  maxItems: [1, Number.MAX_SAFE_INTEGER],
  maxRequestsPerMessage: [1, Number.MAX_SAFE_INTEGER],
  maxUnsentBytes: [1, Number.MAX_SAFE_INTEGER],
  helloMs: [1, MAX_TIMER_MS],
  closeGraceMs: [0, MAX_TIMER_MS],
};

const LIMITS = Object.fromEntries(
  Object.keys(DEFAULT_SESSION_LIMITS).map((name) => [name, true]),
) as OptionNames<typeof DEFAULT_SESSION_LIMITS>;

/**
 * Refuses what a session would not look at, or would misunderstand: a policy that is misspelt must not
 * become a weaker one.
 *
 * @throws TypeError; RangeError for a limit that is none
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
  if (limits !== undefined) {
    checkOptions(limits, LIMITS, `${of}'s limits`);
    checkLimits(limits, of);
  }
  checkWord(policy, ["capability", "trusted"], `the policy of ${of}`);
  checkWord(plain, ["reference", "copy"], `the plain of ${of}`);
}

/** A limit that compares as false with everything is no limit. */
function checkLimits(limits: Partial<SessionLimits>, of: string): void {
  for (const [name, value] of Object.entries(limits) as [keyof SessionLimits, unknown][]) {
    if (value === undefined) continue;
    const [least, most] = RANGES[name];
    const isWithin = Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
    if (isWithin) continue;
    const shown = typeof value === "number" ? String(value) : kindOf(value);
    throw new RangeError(
      `${name} of ${of}'s limits is a whole number from ${least} to ${most}, not ${shown}`,
    );
  }
}

function checkWord(word: unknown, known: readonly string[], what: string): void {
  if (word === undefined || known.some((one) => one === word)) return;
  const like = typeof word === "string" ? closest(word, known) : undefined;
  const hint = like === undefined ? "" : ` (did you mean ${like}?)`;
  throw new TypeError(`${what} is one of ${known.join(", ")}, not ${kindOf(word)}${hint}`);
}
