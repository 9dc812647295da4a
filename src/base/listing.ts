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

  [Symbol.asyncIterator](): AsyncIterableIterator<T, void, undefined> {
    return new Items(this.#open()[Symbol.asyncIterator]());
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

/**
 * One by one, as an async generator gives them, but with a promise for each and nothing else: a page that
 * is there is not waited for again.
 */
class Items<T> implements AsyncIterableIterator<T, void, undefined> {
  readonly #pages: AsyncIterator<readonly T[]>;
  #page: readonly T[] = [];
  #at = 0;
  #ended = false;
  /** The last call that has to wait; what comes behind it waits, too. */
  #waiting: Promise<unknown> | undefined;

  constructor(pages: AsyncIterator<readonly T[]>) {
    this.#pages = pages;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, void>> {
    if (this.#waiting === undefined && this.#at < this.#page.length) {
      return Promise.resolve({ done: false, value: this.#page[this.#at++] as T });
    }
    return this.#inTurn(() => this.#take());
  }

  return(): Promise<IteratorResult<T, void>> {
    return this.#inTurn(async () => {
      const { length } = this.#page;
      this.#at = length;
      if (!this.#ended) {
        this.#ended = true;
        await this.#pages.return?.();
      }
      return { done: true, value: undefined };
    });
  }

  async #take(): Promise<IteratorResult<T, void>> {
    while (this.#at === this.#page.length) {
      if (this.#ended) return { done: true, value: undefined };
      await this.#turnPage();
    }
    return { done: false, value: this.#page[this.#at++] as T };
  }

  async #turnPage(): Promise<void> {
    // Whatever comes of it: after an error there is nothing more.
    this.#ended = true;
    const page = await this.#pages.next();
    if (page.done === true) return;
    this.#ended = false;
    this.#page = page.value;
    this.#at = 0;
  }

  #inTurn<R>(work: () => Promise<R>): Promise<R> {
    const before = this.#waiting;
    const result = before === undefined ? work() : before.then(work, work);
    this.#waiting = result;
    const ended = (): void => {
      if (this.#waiting === result) this.#waiting = undefined;
    };
    void result.then(ended, ended);
    return result;
  }
}
