import type { JobEntry } from "./job.ts";
import { slotOf } from "./job.ts";
import { type Candidate, isEligible } from "./placement.ts";
import { pendingRequest, type PendingRequest } from "./schedule.ts";
import type { StopCause } from "./settle.ts";
import { sameValue } from "./same-value.ts";
import type { JobState } from "./job.ts";

export interface RunningJob {
  /** What it was started with. */
  readonly entry: JobEntry;
  readonly codeKey: string;
  readonly slot: string;
  readonly state: JobState;
}

/** How things are now. */
export interface Present {
  /** `undefined` with `exists`: somebody wrote an entry that is none; the run goes on with the old one. */
  readonly entry: JobEntry | undefined;
  readonly exists: boolean;
  readonly request: PendingRequest | undefined;
  /** Of the entry's code; `undefined` while it is missing or broken. */
  readonly codeKey: string | undefined;
  readonly node: Candidate;
  /** Seconds since 1970. */
  readonly now: number;
}

/** Why a running job is to be stopped; `undefined` if it may go on. Pure. */
export function whyStop(run: RunningJob, present: Present): StopCause | undefined {
  const { entry } = present;
  if (!present.exists) return "removed";
  if (pendingRequest({ ...present, state: run.state })?.action === "cancel") return "request";
  return entry === undefined ? undefined : whyEntryStops(run, { ...present, entry });
}

function whyEntryStops(
  run: RunningJob,
  present: Present & { readonly entry: JobEntry },
): StopCause | undefined {
  const { entry, node } = present;
  if (!entry.enabled) return "disabled";
  if (slotOf(entry.place, node.name) !== run.slot || !isEligible(entry, node)) return "moved";
  if (entry.target !== run.entry.target) {
    return entry.target !== null && entry.target <= present.now ? "edit" : "unscheduled";
  }
  if (!isSameRun(entry, run.entry)) return "edit";
  const changed = present.codeKey !== undefined && present.codeKey !== run.codeKey;
  return changed ? "code-change" : undefined;
}

/** Whether a run of one entry can go on under the other: the schedule and the notes don't matter. */
function isSameRun(a: JobEntry, b: JobEntry): boolean {
  return (
    a.code.equals(b.code) &&
    a.executor === b.executor &&
    a.partition === b.partition &&
    a.timeout === b.timeout &&
    a.ok_after === b.ok_after &&
    sameValue(a.data, b.data)
  );
}
