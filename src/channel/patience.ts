import { availableParallelism } from "node:os";

const MAX_CREDIT = 8;
/** What one wait in vain costs, in waits that paid. */
const COST = 3;
/** What doesn't pay may do so later: each so many times it is tried. */
const TIMES_PER_TRIAL = 32;

/** Who looked last so long ago was kept from it, most likely by somebody else who needs the processor. */
const INTERRUPTED_MS = 1;
/** For so many times as long it doesn't look then: at first, and where that goes on. */
const MIN_REST = 8;
const MAX_REST = 256;

/** On one processor, whoever looks keeps away what it looks for. */
export const canLook: boolean = availableParallelism() > 1;

/** Whether it pays to look a little for what comes where the thread could go to sleep: as it did lately. */
export class Patience {
  #credit = MAX_CREDIT;
  #times = 0;
  #lookedAt = 0;
  #rest = MIN_REST;
  #restUntil = 0;

  get pays(): boolean {
    return this.paysAt(this.#restUntil > 0 ? performance.now() : 0);
  }

  /** The same for those who know what time it is. */
  paysAt(now: number): boolean {
    if (now < this.#restUntil) return false;
    if (this.#credit > 0) return true;
    this.#times = (this.#times + 1) % TIMES_PER_TRIAL;
    return this.#times === 0;
  }

  /** Tells how it went, and answers with that. */
  learn(paid: boolean): boolean {
    this.#credit = paid ? Math.min(this.#credit + 1, MAX_CREDIT) : Math.max(this.#credit - COST, 0);
    return paid;
  }

  /** To be called before the first look, by those who look for long. */
  begin(now: number): void {
    this.#lookedAt = now;
  }

  /**
   * To be called with each look. False where somebody else had the processor since the one before: whoever
   * goes on looking is made to wait again, for longer than it takes to be woken.
   */
  goesOn(now: number): boolean {
    const gone = now - this.#lookedAt;
    this.#lookedAt = now;
    if (gone < INTERRUPTED_MS) return true;
    this.#rest =
      now > this.#restUntil + this.#rest * gone ? MIN_REST : Math.min(this.#rest * 2, MAX_REST);
    this.#restUntil = now + this.#rest * gone;
    return false;
  }
}
