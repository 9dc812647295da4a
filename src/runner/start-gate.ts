import type { Clock } from "../base/clock.ts";

/** Something that wants to start, and can be told to try again. */
export interface Starter {
  evaluate(): void;
}

/**
 * Spreads the starts of a node: one per `spacingMs`, those that were due first going first. Without a
 * spacing everybody passes.
 */
export class StartGate {
  readonly #clock: Clock;
  readonly #spacingMs: number;
  readonly #waiting = new Map<Starter, number>();
  #openAt = 0;
  #timer: Disposable | undefined;

  constructor(clock: Clock, spacingMs: number) {
    this.#clock = clock;
    this.#spacingMs = spacingMs;
    this.#openAt = clock.now();
  }

  /** Whether `starter` may start now; otherwise it is evaluated again when its turn has come. */
  pass(starter: Starter, due: number): boolean {
    if (this.#spacingMs <= 0) return true;
    this.#waiting.set(starter, due);
    const now = this.#clock.now();
    if (now < this.#openAt || this.#first() !== starter) {
      this.#arm();
      return false;
    }
    this.#waiting.delete(starter);
    this.#openAt = now + this.#spacingMs;
    this.#arm();
    return true;
  }

  cancel(starter: Starter): void {
    this.#waiting.delete(starter);
  }

  close(): void {
    this.#waiting.clear();
    this.#timer?.[Symbol.dispose]();
  }

  #first(): Starter | undefined {
    let first: Starter | undefined;
    let earliest = Infinity;
    for (const [starter, due] of this.#waiting) {
      if (due < earliest) [first, earliest] = [starter, due];
    }
    return first;
  }

  #arm(): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#waiting.size === 0) return;
    this.#timer = this.#clock.after(Math.max(0, this.#openAt - this.#clock.now()), () => {
      const next = this.#first();
      if (next === undefined) return;
      next.evaluate();
      // It was its turn, so if it is still here it no longer wants to start.
      this.#waiting.delete(next);
      this.#arm();
    });
  }
}
