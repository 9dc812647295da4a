import type { Clock } from "../base/clock.ts";

export interface StallWatchOptions {
  readonly clock: Clock;
  /** The counter that the watched thread keeps moving. */
  readonly read: () => number;
  /** How long it may stand still. */
  readonly limitMs: number;
  /** Called once per `start()`, and the watch is over then. */
  readonly onStall: () => void;
}

/** Looks often enough that a stall is found soon after the limit, and seldom enough to cost nothing. */
const CHECKS_PER_LIMIT = 8;
const MIN_INTERVAL_MS = 20;

/**
 * Tells that a counter stands still. It counts only the time in which it was itself awake: after the
 * process was stopped, or the machine slept, everybody gets the whole limit again.
 */
export class StallWatch implements Disposable {
  readonly #options: StallWatchOptions;
  readonly #intervalMs: number;
  #timer: Disposable | undefined;
  #seen = 0;
  #stillMs = 0;
  #checkedAt = 0;

  constructor(options: StallWatchOptions) {
    this.#options = options;
    this.#intervalMs = Math.max(options.limitMs / CHECKS_PER_LIMIT, MIN_INTERVAL_MS);
  }

  /** Counts from now; a second call changes nothing. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#seen = this.#options.read();
    this.#stillMs = 0;
    this.#checkedAt = this.#options.clock.now();
    this.#arm();
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #arm(): void {
    this.#timer = this.#options.clock.after(this.#intervalMs, () => this.#check());
  }

  #check(): void {
    const { clock, read, limitMs, onStall } = this.#options;
    const now = clock.now();
    const count = read();
    if (count === this.#seen) {
      this.#stillMs += Math.min(now - this.#checkedAt, 2 * this.#intervalMs);
    } else {
      this.#seen = count;
      this.#stillMs = 0;
    }
    this.#checkedAt = now;
    if (this.#stillMs < limitMs) return this.#arm();
    this.#timer = undefined;
    onStall();
  }
}
