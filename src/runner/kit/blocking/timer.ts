import { checkSeconds } from "../timer.ts";
import type { BlockingEvents } from "./events-api.ts";

/** The timers of a run that its code may still hear of, by their numbers. */
export type RunningTimers = Map<number, BlockingTimer>;

/**
 * Runs out once, after a number of seconds: then a `TimerMsg` is in `_info`. It can be started again, also
 * before it ran out. `wait()` waits for that.
 */
export class BlockingTimer {
  readonly #events: BlockingEvents;
  readonly #running: RunningTimers;
  readonly #id: number;
  /** Whether it has run out; `undefined` as far as is known here. */
  #ranOut: boolean | undefined;

  constructor(id: number, events: BlockingEvents, running: RunningTimers) {
    this.#id = id;
    this.#events = events;
    this.#running = running;
  }

  /** Starts it, anew if it is running. After 0 seconds or less nothing ever happens, as in DistKV. */
  run(seconds: number): void {
    checkSeconds(seconds);
    if (seconds <= 0) {
      this.cancel();
      return this.#end(false);
    }
    this.#ranOut = undefined;
    this.#running.set(this.#id, this);
    this.#events.startTimer(this.#id, seconds);
  }

  /** Stops it; false if it wasn't running. */
  cancel(): boolean {
    if (this.#ranOut !== undefined || !this.#events.cancelTimer(this.#id)) return false;
    this.#end(false);
    return true;
  }

  /**
   * Blocks until it has run out, or the run is to end: then that is thrown. False where it was stopped, or
   * never ran.
   */
  wait(): boolean {
    if (this.#ranOut === undefined) {
      this.#events.waitTimer(this.#id);
      this.#end(true);
    }
    return this.#ranOut === true;
  }

  #end(ranOut: boolean): void {
    this.#ranOut = ranOut;
    this.#running.delete(this.#id);
  }
}
