import type { Clock } from "../base/clock.ts";

export interface ManualClockOptions {
  /** What `wall` says at the start, in milliseconds since 1970. */
  readonly wallMs?: number | undefined;
}

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Time that stands still until a test moves it. */
export class ManualClock implements Clock {
  #now = 0;
  #wallAtStart: number;
  readonly #timers = new Set<Timer>();

  constructor({ wallMs = Date.UTC(2026, 0, 1) }: ManualClockOptions = {}) {
    this.#wallAtStart = wallMs;
  }

  /** How many timers are set: what a test's disposal checks for leaks. */
  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#wallAtStart + this.#now;
  }

  /** Sets the wall clock, as a person or NTP does; `now` and the timers don't notice. */
  setWall(wallMs: number): void {
    this.#wallAtStart = wallMs - this.#now;
  }

  after(delayMs: number, run: () => void): Disposable {
    const timer: Timer = { at: this.#now + Math.max(delayMs, 0), run };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  }

  /**
   * Runs what falls due within `ms`, in order of time and then of setting; timers that those set
   * count too. What waits for promises in between has not run: use `advanceAsync` for that.
   */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let timer = this.#nextUntil(end); timer !== undefined; timer = this.#nextUntil(end)) {
      this.#fire(timer);
    }
    this.#now = end;
  }

  /** As `advance`, and lets promises settle and input arrive before, between and after timers. */
  async advanceAsync(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let timer = this.#nextUntil(end); timer !== undefined; timer = this.#nextUntil(end)) {
      this.#fire(timer);
      await settle();
    }
    this.#now = end;
  }

  #nextUntil(end: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer;
    }
    return next;
  }

  #fire(timer: Timer): void {
    this.#timers.delete(timer);
    this.#now = Math.max(this.#now, timer.at);
    timer.run();
  }
}

/** One turn of the event loop: every microtask that is due, and those that they queue, have run. */
function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
