import type { Superseded } from "./job.ts";

/** What a run may do at this moment. */
export type HoldPhase =
  /** The job is its own, by this process's own clock. */
  | "held"
  /** Its node is cut off: it goes on by its partition policy, and may not act on the tree. */
  | "detached"
  /** Another run began meanwhile. */
  | "superseded"
  /** It has no right to be there any more. */
  | "over";

/** A run's hold on its job. */
export interface Hold {
  readonly phase: HoldPhase;
  /** Who has the job instead. */
  readonly superseded: Superseded | undefined;
  /** Resolves when it is not detached any more, with what it is then. */
  settled(): Promise<HoldPhase>;
}
