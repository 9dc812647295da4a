/** Lets so many calls be unanswered at a time. */
export class Window {
  readonly #size: number;
  readonly #onFailure: () => unknown;
  readonly #unanswered: Promise<void>[] = [];

  /** `onFailure` is called when a call failed: the client is gone. */
  constructor(size: number, onFailure: () => unknown) {
    this.#size = size;
    this.#onFailure = onFailure;
  }

  /** Resolves when there is room for the next; undefined where there is. */
  add(call: Promise<void> | void): Promise<void> | undefined {
    const answered = Promise.resolve(call).catch(() => void this.#onFailure());
    this.#unanswered.push(answered);
    return this.#unanswered.length >= this.#size ? this.#unanswered.shift() : undefined;
  }
}
