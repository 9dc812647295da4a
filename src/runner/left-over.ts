import type { JobState } from "./job.ts";
import type { OwnedJob } from "./owned-job.ts";
import { resultOf } from "./run-records.ts";
import type { ShiftParts } from "./shift.ts";
import { type Loss, settleLost, settleRun } from "./settle.ts";

/** Settles a run whose node is gone: how it ended, if that was written, or else as lost. */
export async function settleLeftOver(
  job: OwnedJob,
  { before, stopped: now, unsettled }: LeftOver,
  { node, runs, reports }: ShiftParts,
): Promise<void> {
  const run = await runs.get(job.at, before.token);
  const result = run === undefined ? undefined : resultOf(run);
  const stopped = run?.stopped ?? now;
  if (result !== undefined) {
    return job.setState(settleRun(before, result, { stopped, request: before.request }));
  }
  const loss = lossOf(before, node, unsettled);
  // The record first, as ever: whoever finds the state as it was settles it once more. Where the run
  // itself has said how it ended, that stays.
  const said = run?.superseded !== undefined;
  if (run !== undefined && !said) await job.writeRun({ ...run, stopped, outcome: "lost" });
  await job.setState(settleLost(before, { stopped, loss }));
  reports.lost(job.at, before, loss);
}

/** Somebody called off what waits to be tried again. */
export async function forgetRetries(
  job: OwnedJob,
  { again: _again, next: _next, ...state }: JobState,
  request: number | undefined,
): Promise<void> {
  await job.setState({ ...state, backoff: 0, ...(request === undefined ? {} : { request }) });
}

interface LeftOver {
  readonly before: JobState;
  /** Seconds since 1970; where the record has no better. */
  readonly stopped: number;
  /** The token of a run that this process ended, and had no right any more to say so. */
  readonly unsettled: number | undefined;
}

function lossOf(before: JobState, node: string, unsettled: number | undefined): Loss {
  if (before.node !== node) return "gone";
  return before.token === unsettled ? "cut off" : "restarted";
}
