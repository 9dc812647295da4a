import { canLook, Patience } from "./patience.ts";

/** So long after the last that came it is looked for more. */
const LOOK_MS = 0.15;

/**
 * Keeps the event loop of this thread from sleeping for a moment, so that what comes then finds it awake:
 * where somebody blocks until it is answered, to be woken takes longer than to answer. Everything else of
 * the loop goes on meanwhile. Only where that has paid lately, and never for long: who asks now and then
 * costs nothing.
 */
class Attention {
  readonly #patience = new Patience();
  #isLooking = false;
  #hasCome = false;
  #since = 0;
  readonly #look = (): void => {
    const now = performance.now();
    this.#isLooking = this.#patience.goesOn(now) && this.#goesOn(now);
    if (this.#isLooking) setImmediate(this.#look);
  };

  /** Something has come after which more may come at once. */
  expectMore(): void {
    this.#hasCome = true;
    if (this.#isLooking || !canLook || !this.#patience.pays) return;
    this.#isLooking = true;
    this.#hasCome = false;
    this.#since = performance.now();
    this.#patience.begin(this.#since);
    setImmediate(this.#look);
  }

  #goesOn(now: number): boolean {
    if (!this.#hasCome) return now - this.#since < LOOK_MS || this.#patience.learn(false);
    this.#hasCome = false;
    this.#since = now;
    return this.#patience.learn(true);
  }
}

/** This thread's. */
export const attention: Attention = new Attention();
