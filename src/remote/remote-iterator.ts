import { Chunk, FIRST_CHUNK, MAX_CHUNK } from "./iteration-source.ts";
import { arrivedItem } from "./pairs.ts";
import { Operation } from "./protocol.ts";
import { stubOf } from "./stub-handle.ts";

interface Source {
  pull(count: number): Promise<Chunk>;
  end(): Promise<void>;
}

/** The near side: asks for chunks that double in size, and for the next when the last is used up. */
export class RemoteIterator implements AsyncIterableIterator<unknown> {
  readonly #first: PromiseLike<unknown>;
  #source: Source | undefined;
  #begun = false;
  #values: readonly unknown[] = [];
  #at = 0;
  #done = false;
  #chunk: number;
  readonly #maxChunk: number;
  #turn: Promise<unknown> = Promise.resolve();

  /** `first` is the answer to the request that began the iteration: a `Chunk`. */
  constructor(first: PromiseLike<unknown>, maxChunk: number = MAX_CHUNK) {
    this.#first = first;
    this.#maxChunk = maxChunk;
    this.#chunk = Math.min(FIRST_CHUNK, maxChunk);
  }

  next(): Promise<IteratorResult<unknown>> {
    return this.#inTurn(() => this.#advance());
  }

  /** Ends it on the other side too, also while a `next()` waits there. */
  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    if (!this.#begun) await this.#inTurn(() => this.#begin());
    const source = this.#source;
    this.#finish(false);
    if (source !== undefined) {
      try {
        await source.end();
      } finally {
        stubOf(source)?.release();
      }
    }
    return { done: true, value };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #advance(): Promise<IteratorResult<unknown>> {
    if (!this.#begun) await this.#begin();
    while (this.#at >= this.#values.length) {
      if (this.#done || this.#source === undefined) return { done: true, value: undefined };
      await this.#pull(this.#source);
    }
    const value = arrivedItem(this.#values[this.#at++]);
    // A loop over something synchronous waits for each item, as it would here.
    return { done: false, value: value instanceof Promise ? await value : value };
  }

  async #begin(): Promise<void> {
    this.#begun = true;
    try {
      this.#take((await this.#first) as Chunk);
    } catch (error) {
      this.#finish(true);
      throw error;
    }
  }

  async #pull(source: Source): Promise<void> {
    try {
      this.#take((await pull(source, this.#chunk)) as Chunk);
      this.#chunk = Math.min(this.#chunk * 2, this.#maxChunk);
    } catch (error) {
      this.#finish(true);
      throw error;
    }
  }

  #take(chunk: Chunk): void {
    if (!(chunk instanceof Chunk)) throw new TypeError("the peer answered with no chunk");
    if (this.#done) return;
    this.#values = chunk.values;
    this.#at = 0;
    this.#source ??= chunk.source as Source | undefined;
    if (chunk.done) this.#finish(true, chunk.values);
  }

  #finish(release: boolean, values: readonly unknown[] = []): void {
    this.#done = true;
    this.#values = values;
    this.#at = 0;
    if (release && this.#source !== undefined) stubOf(this.#source)?.release();
    this.#source = undefined;
  }

  /** Calls of `next` that overlap are answered in their order. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** However long it takes: what is waited for may be anything. */
function pull(source: Source, count: number): PromiseLike<unknown> {
  const stub = stubOf(source);
  return stub === undefined
    ? source.pull(count)
    : stub.request(Operation.call, [count], ["pull"], Infinity);
}
