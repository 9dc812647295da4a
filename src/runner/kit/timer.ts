import type { Clock } from "../../base/clock.ts";
import { type Deferred, deferred } from "../../base/deferred.ts";

/** What a timer needs of its run. */
export interface TimerOwner {
  readonly clock: Clock;
  /** Called when a timer runs out. */
  onTimer(timer: Timer): void;
  /** Calls `end` when the run ends; call the result when the timer is over before that. */
  own(end: (reason: unknown) => void): () => void;
}

interface RunningTimer {
  readonly timer: Disposable;
  readonly disown: () => void;
}

/**
 * Runs out once, after a number of seconds: then a `TimerMsg` is in `_info`. It can be started again,
 * also before it ran out. Awaiting it waits for that: true when it ran out, false when it was
 * cancelled. When the run is cancelled, the wait rejects with the reason.
 */
export class Timer implements PromiseLike<boolean> {
  readonly #owner: TimerOwner;
  #running: RunningTimer | undefined;
  #done = pending();

  constructor(owner: TimerOwner) {
    this.#owner = owner;
  }

  /** Whether it is going to run out. */
  get active(): boolean {
    return this.#running !== undefined;
  }

  /** Starts it, anew if it is running. After 0 seconds or less nothing ever happens, as in DistKV. */
  run(seconds: number): void {
    checkSeconds(seconds);
    if (this.#running !== undefined) this.#stop();
    else this.#done = pending();
    if (seconds <= 0) return this.#done.resolve(false);
    const timer = this.#owner.clock.after(seconds * 1000, () => {
      this.#stop();
      this.#owner.onTimer(this);
      this.#done.resolve(true);
    });
    const disown = this.#owner.own((reason) => {
      this.#stop();
      this.#done.reject(reason);
    });
    this.#running = { timer, disown };
  }

  /** Stops it; false if it wasn't running. */
  cancel(): boolean {
    if (this.#running === undefined) return false;
    this.#stop();
    this.#done.resolve(false);
    return true;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- awaiting a timer is what people expect of one
  then<A = boolean, B = never>(
    onFulfilled?: ((ranOut: boolean) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#done.promise.then(onFulfilled, onRejected);
  }

  #stop(): void {
    if (this.#running === undefined) return;
    this.#running.timer[Symbol.dispose]();
    this.#running.disown();
    this.#running = undefined;
  }
}

/** Most timers are not awaited: then nobody minds how they end. */
function pending(): Deferred<boolean> {
  const done = deferred<boolean>();
  done.promise.catch(() => {});
  return done;
}

/** @throws TypeError */
export function checkSeconds(seconds: unknown): void {
  if (typeof seconds !== "number" || Number.isNaN(seconds)) {
    throw new TypeError(`a timer takes a number of seconds, not ${String(seconds)}`);
  }
}
