import type { JobState } from "./job.ts";

/** The state, if that is one; what somebody else wrote in its place counts as none. */
export function toJobState(value: unknown): JobState | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const state = value as Partial<Record<keyof JobState, unknown>>;
  const sound =
    typeof state.started === "number" &&
    (state.stopped === null || typeof state.stopped === "number") &&
    typeof state.token === "number" &&
    typeof state.backoff === "number" &&
    [state.node, state.run, state.code, state.reason].every((text) => typeof text === "string");
  return sound ? (value as JobState) : undefined;
}
