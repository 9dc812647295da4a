import type { Clock } from "../base/clock.ts";
import type { JobState } from "./job.ts";

/**
 * When a node first saw that a run had ended, by its own steady clock. The end as it is written is by
 * somebody's wall clock, which may have been ahead: a wait that counts from there could last for hours, and
 * a target that was set later would be taken for one before it.
 */
export class Sighting {
  #state: string | undefined;
  #at = 0;

  /**
   * The state with an end no later than it was seen.
   *
   * @param written the revision of the job's entry: what was written before the run has had its turn by it,
   *   whatever the clocks say
   */
  of(state: JobState | undefined, clock: Clock, written: number): JobState | undefined {
    if (state === undefined || state.stopped === null) return state;
    const name = `${state.token} ${state.stopped}`;
    if (this.#state !== name) [this.#state, this.#at] = [name, clock.now()];
    const latest = (clock.wall() - (clock.now() - this.#at)) / 1000;
    if (state.stopped <= latest) return state;
    const started = written > state.token ? Math.min(state.started, latest) : state.started;
    return { ...state, started, stopped: latest };
  }
}
