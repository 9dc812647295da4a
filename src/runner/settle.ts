import type { LossBlame } from "../executor/executor.ts";
import type { JobState, RunErrorRecord, RunOutcome, RunReason, ThreadHarm } from "./job.ts";

/** Why a runner stopped a run. */
export type StopCause =
  /** The entry points at other code, has other data, or is to be run otherwise. */
  | "edit"
  /** The code it runs is another now. */
  | "code-change"
  /** The job belongs to other nodes now. */
  | "moved"
  /** Its target was changed to another moment, or to none. */
  | "unscheduled"
  | "disabled"
  | "removed"
  /** Somebody cancelled it. */
  | "request"
  | "timeout"
  /** The node closes. */
  | "drain"
  /** The node's lease is over. */
  | "lease"
  /** The job has another owner: a write was refused. */
  | "fenced"
  /** It went on while its node was cut off, and the job has another owner. */
  | "superseded";

/** How a run ended, as the runner saw it. */
export interface RunResult {
  readonly outcome: RunOutcome;
  /** Why it was stopped, where it was. */
  readonly cause?: StopCause;
  readonly value?: unknown;
  readonly error?: unknown;
  /** The code has put the error on record itself. */
  readonly recorded?: boolean;
  /** The stored lines it was at when it blocked its thread. */
  readonly frames?: readonly string[];
  /** Of a run that was lost with its thread, what is known about why. */
  readonly blame?: LossBlame | undefined;
}

/** What people read about a run that was stopped. */
export const CAUSE_TEXT: Readonly<Record<StopCause, string>> = {
  edit: "the entry changed",
  "code-change": "the code changed",
  moved: "it belongs to another node now",
  unscheduled: "its target changed",
  disabled: "it was disabled",
  removed: "the job was deleted",
  request: "somebody cancelled it",
  timeout: "it took too long",
  drain: "its node closed",
  lease: "its node could not renew its lease",
  fenced: "another run has taken the job over",
  superseded: "another run began while its node was cut off",
};

/** Starts again what was stopped for this reason. */
const AGAIN: Readonly<Partial<Record<StopCause, RunReason>>> = {
  edit: "code-change",
  "code-change": "code-change",
  moved: "takeover",
  drain: "takeover",
};

/** The state after a run that this node owned to its end. Pure. */
export function settleRun(
  state: JobState,
  result: RunResult,
  { stopped, request }: { readonly stopped: number; readonly request: number | undefined },
): JobState {
  const { again: _a, comment: _c, next: _n, losses: _l, suspected, ...kept } = state;
  const base: JobState = {
    ...kept,
    // Later than the start, however short the run was and whatever the wall clock did.
    stopped: Math.max(stopped, state.started + 0.001),
    ...(request === undefined ? {} : { request }),
  };
  const failed = { ...base, backoff: state.backoff + 1 };
  switch (result.outcome) {
    case "ok":
      return { ...base, backoff: 0, result: result.value ?? null };
    case "error":
    case "timeout":
      return { ...failed, comment: commentOf(result) };
    case "stalled":
    case "crashed":
      // Kept after a success too: the thread it shares is not to be lost for it again and again.
      return {
        ...failed,
        stalls: (state.stalls ?? 0) + 1,
        harm: harmOf(result),
        comment: commentOf(result),
      };
    case "lost":
      return { ...base, again: "lane", ...suspicion(suspected, result) };
    case "cancelled":
      break;
  }
  return settleCancelled(base, result);
}

/** How a run was lost. */
export type Loss =
  /** Its node is gone, or was gone for a while, and another goes on with it. */
  | "gone"
  /** Its own node goes on with it, and is another process now. */
  | "restarted"
  /** Its own node goes on with it, and had ended it because it could not renew its lease. */
  | "cut off";

/** A job is at once started elsewhere so many times in a row; then it is taken for the cause. */
const MAX_LOSSES = 3;
/** Of a run that was lost later than this (seconds) after its start, nobody thinks that. */
const SOON = 10;

/**
 * The state after a run that was lost with its node, which a later owner of the job settles. Another
 * node goes on at once; the same node has been restarted, and that counts as a failure, as in DistKV.
 * So does a job that takes one node after the other with it.
 */
export function settleLost(
  state: JobState,
  { stopped, loss }: { readonly stopped: number; readonly loss: Loss },
): JobState {
  const { again: _again, comment: _comment, next: _next, ...kept } = state;
  const base = { ...kept, stopped: Math.max(stopped, state.started + 0.001) };
  if (loss === "cut off") {
    return { ...base, again: "failover", comment: "its node could not renew its lease" };
  }
  const losses = base.stopped - state.started < SOON ? (state.losses ?? 0) + 1 : 1;
  const failed = { ...base, losses, backoff: state.backoff + 1 };
  if (loss === "restarted") return { ...failed, comment: "the node was restarted" };
  if (losses > MAX_LOSSES) {
    return { ...failed, comment: `${losses} nodes in a row went away soon after its start` };
  }
  return { ...base, losses, again: "failover", comment: `node ${state.node} went away` };
}

/** What is kept of whatever a run ended with. */
export function errorRecordOf(error: unknown): RunErrorRecord {
  if (typeof error !== "object" || error === null) {
    return { name: "Error", message: textOf(error) };
  }
  const { name, code, message, stack } = error as Partial<Record<keyof RunErrorRecord, unknown>>;
  return {
    name: typeof name === "string" ? name : "Error",
    ...(typeof code === "string" ? { code } : {}),
    message: typeof message === "string" ? message : textOf(error),
    ...(typeof stack === "string" ? { stack } : {}),
  };
}

function suspicion(rounds = 0, { blame }: RunResult): Pick<JobState, "suspected"> {
  const suspected = rounds + (blame === "any" ? 1 : 0);
  return suspected === 0 ? {} : { suspected };
}

function harmOf({ outcome, error }: RunResult): ThreadHarm {
  if (outcome === "stalled") return "stall";
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return code === "EXECUTOR_MEMORY" ? "memory" : "exit";
}

function settleCancelled(base: JobState, result: RunResult): JobState {
  const { cause } = result;
  const kept = { ...base, comment: commentOf(result) };
  const again = cause === undefined ? undefined : AGAIN[cause];
  if (again !== undefined) return { ...kept, again };
  // Somebody's decision ends the story: it does not wait to be tried again.
  return { ...kept, backoff: 0 };
}

function commentOf({ outcome, cause, error, frames }: RunResult): string {
  if (cause !== undefined) return `${outcome}: ${CAUSE_TEXT[cause]}`;
  if (outcome === "stalled") return `it blocked its thread at ${frames?.[0] ?? "an unknown place"}`;
  return error === undefined ? outcome : `${outcome}: ${errorRecordOf(error).message}`;
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "something that has no text";
  }
}
