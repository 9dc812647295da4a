import type { Path } from "../wire/path.ts";
import type { JobEntry, JobState, Run, RunReason } from "./job.ts";
import { errorRecordOf, type RunResult } from "./settle.ts";

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
    ...(sameCode && before.stalls !== undefined ? { stalls: before.stalls } : {}),
    ...(before?.request === undefined ? {} : { request: before.request }),
  };
}

export function newRun(job: Path, entry: JobEntry, facts: StartFacts): Run {
  return { ...facts, id: String(facts.token), job, params: entry.data };
}

export function endedRun(run: Run, result: RunResult, stopped: number): Run {
  const { outcome, value, error } = result;
  return {
    ...run,
    stopped,
    outcome,
    ...(value === undefined ? {} : { result: value }),
    ...(error === undefined ? {} : { error: errorRecordOf(error) }),
  };
}
