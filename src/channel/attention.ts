import { canLook, Patience } from "./patience.ts";

/** So long after the last that came it is looked for more. */
const LOOK_MS = 0.15;

/** What this needs of its thread. */
export interface AttentionHost {
  readonly canLook: boolean;
  /** In milliseconds. */
  now(): number;
  /** Calls `look` when the event loop has looked for what came, without sleeping. */
  soon(look: () => void): void;
}

const THREAD: AttentionHost = {
  canLook,
  now: () => performance.now(),
  soon: (look) => void setImmediate(look),
};

/**
 * Keeps the event loop of this thread from sleeping for a moment, so that what comes then finds it awake:
 * where somebody blocks until it is answered, to be woken takes longer than to answer. Everything else of
 * the loop goes on meanwhile. Only where that has paid lately, and never for long: who asks now and then
 * costs nothing.
 */
export class Attention {
  readonly #host: AttentionHost;
  readonly #patience = new Patience();
  #isLooking = false;
  #hasCome = false;
  #since = 0;
  readonly #look = (): void => {
    const now = this.#host.now();
    this.#isLooking = this.#patience.goesOn(now) && this.#goesOn(now);
    if (this.#isLooking) this.#host.soon(this.#look);
  };

  constructor(host: AttentionHost = THREAD) {
    this.#host = host;
  }

  /** Something has come after which more may come at once. */
  expectMore(): void {
    this.#hasCome = true;
    if (this.#isLooking || !this.#host.canLook) return;
    const now = this.#host.now();
    if (!this.#patience.paysAt(now)) return;
    this.#isLooking = true;
    this.#hasCome = false;
    this.#since = now;
    this.#patience.begin(now);
    this.#host.soon(this.#look);
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
