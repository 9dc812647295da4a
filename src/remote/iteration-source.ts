import { Lent } from "./exports.ts";
import { crossingItem, notePairs } from "./pairs.ts";

/** So many items are asked for at first. */
export const FIRST_CHUNK = 8;
/** No chunk has more, however much is asked for. */
export const MAX_CHUNK = 256;
/** So many turns of the microtask queue an item may take to be in the chunk of the one before it. */
const PATIENCE_TURNS = 8;

/** Items of an iteration on their way. Crosses by value; `source` is where the rest comes from. */
export class Chunk {
  readonly #isChunk = true;
  readonly values: readonly unknown[];
  readonly done: boolean;
  readonly source: object | undefined;

  constructor(values: readonly unknown[], done: boolean, source: object | undefined) {
    this.values = values;
    this.done = done;
    this.source = source;
  }

  /** Asks nothing of the value, which may be a Proxy that throws at whatever it is asked. */
  static is(value: unknown): value is Chunk {
    return typeof value === "object" && value !== null && #isChunk in value && value.#isChunk;
  }
}

/**
 * The serving side of one iteration, which the peer holds until it is done. It never takes more out
 * of the iterator than it was asked for.
 */
export class IterationSource extends Lent {
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  /** Taken, and found to be too much for the message. */
  #rest: readonly unknown[] = [];
  /** Asked for, and not there in time for the chunk. */
  #ahead: Promise<IteratorResult<unknown>> | undefined;
  #failure: { readonly reason: unknown } | undefined;
  #done = false;
  #ended = false;

  /** `onReleased` gets what ends the iterator, once the peer holds this no more. */
  constructor(
    iterator: Iterator<unknown> | AsyncIterator<unknown>,
    onReleased: (end: () => Promise<void>) => void = (end) => void end().catch(() => {}),
  ) {
    super(() => onReleased(() => this.end()));
    this.#iterator = iterator;
  }

  /** The next items, `count` at most, and at least one unless it is done. */
  pull(count: number): Chunk | Promise<Chunk> {
    const limit = Math.min(Math.max(1, Math.floor(count) || 1), MAX_CHUNK);
    const values = [...this.#rest];
    this.#rest = [];
    if (this.#failure !== undefined && values.length === 0) throw this.#failure.reason;
    return this.#done || values.length > 0
      ? new Chunk(values, this.#done, this)
      : this.#collect(values, limit);
  }

  /** Ends the iterator, as leaving a loop does. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#done) await this.#iterator.return?.();
  }

  /**
   * Takes items back that did not go into the message; they come first in the next chunk. Static, for
   * the peer can call every method of an instance.
   */
  static putBack(source: IterationSource, values: readonly unknown[]): void {
    source.#rest = values;
  }

  /** Ends the iteration of a chunk that can't be sent: the peer has nothing to end it by. */
  static abandon(chunk: unknown): void {
    if (Chunk.is(chunk) && chunk.source instanceof IterationSource) {
      void chunk.source.end().catch(() => {});
    }
  }

  #collect(values: unknown[], limit: number): Chunk | Promise<Chunk> {
    while (values.length < limit) {
      const result = this.#next();
      if (result === undefined) break;
      if (result instanceof Promise) return this.#collectLater(values, limit, result);
      this.#add(values, result);
      if (this.#done) break;
    }
    return new Chunk(values, this.#done, this);
  }

  async #collectLater(
    values: unknown[],
    limit: number,
    first: Promise<IteratorResult<unknown>>,
  ): Promise<Chunk> {
    let next: Promise<IteratorResult<unknown>> | IteratorResult<unknown> | undefined = first;
    while (next !== undefined) {
      const result: IteratorResult<unknown> | undefined | false =
        next instanceof Promise ? await this.#within(next, values.length === 0) : next;
      if (result === undefined) break;
      if (result === false) {
        this.#ahead = next as Promise<IteratorResult<unknown>>;
        break;
      }
      this.#add(values, result);
      if (this.#done || values.length >= limit) break;
      next = this.#next();
    }
    if (values.length === 0 && this.#failure !== undefined) throw this.#failure.reason;
    return new Chunk(values, this.#done, this);
  }

  /** False where it is not there soon; undefined where the iterator failed. */
  async #within(
    next: Promise<IteratorResult<unknown>>,
    wait: boolean,
  ): Promise<IteratorResult<unknown> | undefined | false> {
    const found: (IteratorResult<unknown> | undefined)[] = [];
    const settled = next.then(
      (value) => void found.push(value),
      (reason: unknown) => {
        this.#fail(reason);
        found.push(undefined);
      },
    );
    if (wait) await settled;
    for (let turn = 0; turn < PATIENCE_TURNS && found.length === 0; turn++) await Promise.resolve();
    return found.length === 0 ? false : found[0];
  }

  #next(): Promise<IteratorResult<unknown>> | IteratorResult<unknown> | undefined {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined) return ahead;
    try {
      const result = this.#iterator.next();
      return "then" in result ? Promise.resolve(result) : result;
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #fail(reason: unknown): void {
    this.#failure = { reason };
    this.#ended = true;
  }

  #add(values: unknown[], result: IteratorResult<unknown>): void {
    if (result.done === true) {
      this.#done = true;
    } else {
      values.push(crossingItem(this.#iterator, result.value));
    }
  }
}

/**
 * Begins an iteration on behalf of the peer: over what `for await` would take here.
 *
 * @throws TypeError for what can't be iterated
 */
export function serveIterator(object: unknown): Chunk | Promise<Chunk> {
  const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = Object(object) as {
    [Symbol.asyncIterator]?: () => AsyncIterator<unknown>;
    [Symbol.iterator]?: () => Iterator<unknown>;
  };
  if (typeof later === "function") {
    // It may take long until the first item is there; meanwhile the peer must be able to give up.
    return new Chunk([], false, new IterationSource(Reflect.apply(later, object, [])));
  }
  if (typeof now !== "function") throw new TypeError("the remote object is not iterable");
  const iterator = Reflect.apply(now, object, []);
  notePairs(now, iterator);
  return new IterationSource(iterator).pull(FIRST_CHUNK);
}
