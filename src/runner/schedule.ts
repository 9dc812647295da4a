import { backoffMs } from "../base/backoff.ts";
import type { JobEntry, JobState, RunReason, ThreadHarm } from "./job.ts";
import { inputKey } from "./input-key.ts";
import { unitHash } from "./unit-hash.ts";

/** A request that may still have to be seen to. */
export interface PendingRequest {
  readonly action: "run" | "cancel";
  readonly revision: number;
  /** Seconds since 1970. */
  readonly time: number;
}

export interface ScheduleInput {
  readonly entry: JobEntry;
  readonly state: JobState | undefined;
  readonly request: PendingRequest | undefined;
  /** The key of the code as it is now; `undefined` while it is missing or broken. */
  readonly codeKey: string | undefined;
  /** Seconds since 1970. */
  readonly now: number;
}

/** What is to be done about a job that nobody runs at the moment. `why` is for people. */
export type Plan =
  /** Nothing, until something changes. */
  | { readonly type: "idle"; readonly why: string }
  /** Start it at that moment (seconds since 1970), which may be past. */
  | {
      readonly type: "start";
      readonly at: number;
      readonly reason: RunReason;
      readonly why: string;
    }
  /** It waits to be tried again, and somebody called that off: forget the failures. */
  | { readonly type: "forget"; readonly why: string }
  /** Its state says that it runs, so whoever ran it is gone: settle that first. */
  | { readonly type: "lost"; readonly why: string };

/** Code that blocked or ended its thread this often is not started again until it changes. */
export const MAX_STALLS = 2;

const HARM_TEXT: Readonly<Record<ThreadHarm, string>> = {
  stall: "blocked the thread",
  exit: "ended the thread",
  memory: "held too much memory",
};

/** A request that nobody saw to in this time (seconds) is void. */
const REQUEST_VALID = 600;

/** Whether and when a job that is not running is to be started. Pure: every node comes to the same. */
export function planJob(input: ScheduleInput): Plan {
  const { entry, state, codeKey, now } = input;
  const running = state !== undefined && state.stopped === null;
  if (running) return { type: "lost", why: `${state.node} ran it and is gone` };
  if (!entry.enabled) return { type: "idle", why: "disabled" };
  const requested = planRequest(input);
  if (requested?.type === "forget") return requested;
  if (codeKey === undefined) return { type: "idle", why: "its code is missing or broken" };
  if (isPoisoned(state, codeKey)) {
    const harm = HARM_TEXT[state?.harm ?? "stall"];
    return { type: "idle", why: `its code ${harm} ${state?.stalls} times` };
  }
  return requested ?? planTime(entry, state, { codeKey, now });
}

/** Whether the code under this key is not to be started again. */
function isPoisoned(state: JobState | undefined, codeKey: string): boolean {
  return state !== undefined && state.code === codeKey && (state.stalls ?? 0) >= MAX_STALLS;
}

/** The request that nobody has seen to yet. */
export function pendingRequest(input: {
  readonly state: JobState | undefined;
  readonly request: PendingRequest | undefined;
  readonly now: number;
}): PendingRequest | undefined {
  const { state, request, now } = input;
  if (request === undefined || request.revision <= (state?.request ?? 0)) return undefined;
  // It was made while this very run was under way, whatever the clocks say.
  if (state?.stopped === null && request.revision > state.token) return request;
  return Math.abs(now - request.time) <= REQUEST_VALID ? request : undefined;
}

/** When a job that failed is tried again, in seconds since 1970. The jitter is the same everywhere. */
export function retryAt(entry: JobEntry, state: JobState): number {
  const waitMs = backoffMs(state.backoff, {
    delayMs: entry.delay * 1000,
    factor: entry.backoff,
    maxMs: entry.max_delay * 1000,
    jitter: entry.jitter,
    random: () => unitHash(`retry ${state.token}`),
  });
  return (state.stopped ?? state.started) + waitMs / 1000;
}

function planRequest(input: ScheduleInput): Plan | undefined {
  const pending = pendingRequest(input);
  if (pending?.action === "run") {
    // Now, also where the asker's clock is ahead.
    const at = Math.min(pending.time, input.now);
    return { type: "start", at, reason: "manual", why: "somebody asked for it" };
  }
  const waits = (input.state?.backoff ?? 0) > 0 || input.state?.again !== undefined;
  return pending !== undefined && waits
    ? { type: "forget", why: "somebody cancelled it" }
    : undefined;
}

function planTime(
  entry: JobEntry,
  state: JobState | undefined,
  { codeKey, now }: { codeKey: string; now: number },
): Plan {
  const { target } = entry;
  const again = state?.again;
  // What somebody asked for, and was interrupted, is still asked for.
  if (again !== undefined && (target !== null || state?.reason === "manual")) {
    return { type: "start", at: now, reason: again, why: "its last run was interrupted" };
  }
  if (target === null) return { type: "idle", why: "no target" };
  if (state !== undefined && state.backoff > 0) return planRetry(entry, state, { codeKey, now });
  if (state === undefined || target > state.started) {
    const when = target <= now ? "due" : "waiting for its target";
    return { type: "start", at: target, reason: "first", why: when };
  }
  return planRepeat(entry, state, now);
}

function planRepeat(entry: JobEntry, state: JobState, now: number): Plan {
  if (entry.repeat <= 0) return { type: "idle", why: "it ran, and does not repeat" };
  const at = (state.stopped ?? state.started) + entry.repeat;
  return { type: "start", at, reason: "repeat", why: at <= now ? "due" : "waiting to repeat" };
}

function planRetry(
  entry: JobEntry,
  state: JobState,
  { codeKey, now }: { codeKey: string; now: number },
): Plan {
  // Other code may be the repair: the wait was for the old one.
  if (state.code !== codeKey) {
    return {
      type: "start",
      at: now,
      reason: "code-change",
      why: "its code changed after a failure",
    };
  }
  if (state.input !== undefined && state.input !== inputKey(entry)) {
    const why = "its entry changed after a failure";
    return { type: "start", at: now, reason: "code-change", why };
  }
  const times = state.backoff === 1 ? "once" : `${state.backoff} times in a row`;
  return { type: "start", at: retryAt(entry, state), reason: "retry", why: `it failed ${times}` };
}
