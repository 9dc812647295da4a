/**
 * Things in order that come in pages: one by one with `for await`, a page at a time where each one's
 * share of the waiting counts, or all together.
 */
export class Listing<T> implements AsyncIterable<T> {
  readonly #open: () => AsyncIterable<readonly T[]>;

  /** `open` is called each time it is read, from the start. */
  constructor(open: () => AsyncIterable<readonly T[]>) {
    this.#open = open;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for await (const page of this.#open()) yield* page;
  }

  /** The pages as they are read. None is empty. */
  async *pages(): AsyncGenerator<readonly T[], void> {
    for await (const page of this.#open()) {
      if (page.length > 0) yield page;
    }
  }

  /** All of it: for what fits into memory. */
  async toArray(): Promise<T[]> {
    let all: T[] | undefined;
    for await (const page of this.#open()) {
      if (all === undefined) all = page.slice();
      else for (const item of page) all.push(item);
    }
    return all ?? [];
  }

  /** What `change` makes of each. */
  map<U>(change: (item: T) => U): Listing<U> {
    const open = this.#open;
    return new Listing(async function* () {
      for await (const page of open()) yield page.map(change);
    });
  }
}
