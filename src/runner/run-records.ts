import type { Path } from "../wire/path.ts";
import type { JobEntry, JobState, Run, RunReason } from "./job.ts";
import { CAUSE_TEXT, errorRecordOf, type RunResult, type StopCause } from "./settle.ts";

/** What is known of a run when it starts. */
export interface StartFacts {
  readonly node: string;
  readonly token: number;
  /** The code's key. */
  readonly code: string;
  readonly reason: RunReason;
  readonly started: number;
}

/** The state of a job that is being started. */
export function startedState(before: JobState | undefined, facts: StartFacts): JobState {
  const sameCode = before?.code === facts.code;
  return {
    ...facts,
    stopped: null,
    run: String(facts.token),
    backoff: before?.backoff ?? 0,
    result: before?.result ?? null,
    ...(sameCode ? keptOfCode(before) : {}),
    ...(before?.losses === undefined ? {} : { losses: before.losses }),
    ...(before?.request === undefined ? {} : { request: before.request }),
  };
}

/** What is held against code, until it changes. */
function keptOfCode({ stalls, harm, suspected }: JobState): Partial<JobState> {
  return {
    ...(stalls === undefined ? {} : { stalls }),
    ...(harm === undefined ? {} : { harm }),
    ...(suspected === undefined ? {} : { suspected }),
  };
}

export function newRun(job: Path, entry: JobEntry, facts: StartFacts): Run {
  return { ...facts, id: String(facts.token), job, params: entry.data };
}

export function endedRun(run: Run, result: RunResult, stopped: number): Run {
  const { outcome, cause, value, error } = result;
  return {
    ...run,
    stopped,
    outcome,
    ...(cause === undefined ? {} : { cause }),
    ...(value === undefined ? {} : { result: value }),
    ...(error === undefined ? {} : { error: errorRecordOf(error) }),
  };
}

/** How a run ended, by its record: what was to be written into the state next. */
export function resultOf(run: Run): RunResult | undefined {
  const { outcome, cause, result, error } = run;
  // A run that was lost is settled anew, by whoever comes next. So is a job whose next owner was lost
  // before it could write that it had begun.
  if (outcome === undefined || outcome === "lost" || run.superseded !== undefined) return undefined;
  return {
    outcome,
    ...(cause !== undefined && Object.hasOwn(CAUSE_TEXT, cause)
      ? { cause: cause as StopCause }
      : {}),
    value: result,
    ...(error === undefined ? {} : { error }),
  };
}
