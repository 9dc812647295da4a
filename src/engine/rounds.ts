/**
 * Work that is done for everybody who waits for it at once: whoever asks while a round gathers is in it,
 * and whoever asks later is in the next, of which there is one.
 */
export class Rounds {
  readonly #work: (gathered: () => void) => Promise<void>;
  readonly #onEnd: () => void;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #isGathering = false;

  /**
   * @param work calls `gathered` when what is asked for from then on has to wait for another round
   * @param onEnd called behind each round, when another may begin
   */
  constructor(work: (gathered: () => void) => Promise<void>, onEnd: () => void = () => {}) {
    this.#work = work;
    this.#onEnd = onEnd;
  }

  /** Ends with the round that is under way, if there is one. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** Resolves when all that was there when it was called is done; rejects as that round's work does. */
  ask(): Promise<void> {
    if (this.#running === undefined) return this.start();
    if (this.#isGathering) return this.#running;
    this.#next ??= this.#running.then(() => this.start());
    return this.#next;
  }

  /** The round that is under way, or a new one. */
  start(): Promise<void> {
    this.#running ??= this.#round();
    // Who waits for it hears of a failure.
    this.#running.catch(() => {});
    return this.#running;
  }

  async #round(): Promise<void> {
    this.#isGathering = true;
    try {
      await this.#work(() => {
        this.#isGathering = false;
      });
    } finally {
      this.#running = undefined;
      this.#next = undefined;
      this.#onEnd();
    }
  }
}
