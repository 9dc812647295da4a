import type { Path } from "../wire/path.ts";
import { type JobEntry, type JobState, slotOf } from "./job.ts";
import { type Candidate, isEligible } from "./placement.ts";
import { type PendingRequest, type Plan, planJob } from "./schedule.ts";

/** Everything a node knows about a job that it does not run. */
export interface Knowledge {
  /** Whether there is an entry at all. */
  readonly exists: boolean;
  /** `undefined` also where what is there is no job entry. */
  readonly entry: JobEntry | undefined;
  readonly request: PendingRequest | undefined;
  readonly state: JobState | undefined;
  /** Whether there is an owner record. */
  readonly owned: boolean;
  readonly slot: string;
  readonly node: Candidate;
  readonly codeKey: string | undefined;
  /** Seconds since 1970. */
  readonly now: number;
}

/** What a node that may own the job is to do about it. */
export type Decision =
  /** `missing`: the code it would need and can't use. */
  | { readonly type: "none"; readonly missing?: Path }
  | { readonly type: "wait"; readonly ms: number }
  | {
      readonly type: "start";
      readonly plan: Plan & { readonly type: "start" };
      readonly entry: JobEntry;
      readonly codeKey: string;
    }
  | { readonly type: "lost" }
  | { readonly type: "forget" }
  /** The job is gone, and what is kept of it can go too. */
  | { readonly type: "remove" };

/** Pure. */
export function decide(known: Knowledge): Decision {
  const { exists, entry, state, node, slot } = known;
  if (!exists) return { type: state !== undefined || known.owned ? "remove" : "none" };
  if (entry === undefined) return { type: "none" };
  if (slotOf(entry.place, node.name) !== slot) {
    // It is run elsewhere now. Of what ran here, somebody has to say that it runs no more.
    return { type: state?.stopped === null ? "lost" : "none" };
  }
  return isEligible(entry, node) ? decidePlan(entry, known) : { type: "none" };
}

function decidePlan(entry: JobEntry, known: Knowledge): Decision {
  const { state, request, codeKey, now } = known;
  const plan = planJob({ entry, state, request, codeKey, now });
  if (plan.type === "idle") return idle(entry, codeKey);
  if (plan.type !== "start") return plan;
  if (plan.at > now) return { type: "wait", ms: (plan.at - now) * 1000 };
  // The plan is to start, so there is code.
  return { type: "start", plan, entry, codeKey: codeKey ?? "" };
}

function idle(entry: JobEntry, codeKey: string | undefined): Decision {
  const missing = codeKey === undefined && entry.enabled;
  return missing ? { type: "none", missing: entry.code } : { type: "none" };
}
