import { onAbort } from "./abort.ts";
import { type Deferred, deferred } from "./deferred.ts";

/**
 * Something to be iterated once, that is ended by whoever leaves the loop: a subclass says what comes
 * next, and what it is to end.
 */
export abstract class Iteration<T> implements AsyncIterableIterator<T>, AsyncDisposable {
  abstract next(): Promise<IteratorResult<T>>;
  abstract [Symbol.asyncDispose](): Promise<void>;

  async return(): Promise<IteratorResult<T>> {
    await this[Symbol.asyncDispose]();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/**
 * An iteration whose items come by themselves: its reader waits for them, and what has not been taken
 * when it ends is not given any more. A subclass keeps the items and calls `wake()` when there are any.
 */
export abstract class Feed<T> extends Iteration<T> {
  #ended = false;
  #error: { readonly reason: unknown } | undefined;
  #waiting: Deferred<void> | undefined;
  #listener: Disposable | undefined;
  /** Of who found none: to be called when there may be one. */
  #polled: (() => void) | undefined;

  /** The next item; `undefined` where its reader has to wait. */
  protected abstract take(): T | undefined;

  /** Called once, when it has ended in whatever way: forgets what was not taken, and tells others. */
  protected abstract whenEnded(): void;

  get ended(): boolean {
    return this.#ended;
  }

  /** Ends it with the signal's reason. */
  abortWith(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const listener = onAbort(signal, () => this.end({ reason: signal.reason }));
    if (!this.#ended) this.#listener = listener;
  }

  /** Whoever reads gets the error once, if there is one, and then the end. Idempotent. */
  end(error?: { readonly reason: unknown }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#listener?.[Symbol.dispose]();
    this.whenEnded();
    this.wake();
  }

  override async next(): Promise<IteratorResult<T>> {
    while (!this.#ended) {
      const value = this.take();
      if (value !== undefined) return { done: false, value };
      this.#waiting ??= deferred();
      const { promise } = this.#waiting;
      this.whenAsked();
      await promise;
    }
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error.reason;
    return { done: true, value: undefined };
  }

  /**
   * The next item, if it is there. Where it is not, `wake` is called once, in the very step in which it may be or in
   * which the feed ends; how it has ended `next` says.
   */
  poll(wake: () => void): T | undefined {
    if (this.#ended) return undefined;
    const item = this.take();
    if (item !== undefined) return item;
    this.#polled = wake;
    this.whenAsked();
    return undefined;
  }

  /**
   * Hands each item to `taker` in the very step in which it comes: to wake a reader of `next` takes some more
   * of them. Where `taker` gives a promise, the next item waits for that. Ends as reading would.
   */
  handTo(taker: (item: T) => Promise<void> | undefined): Promise<void> {
    const end = deferred<void>();
    const hand = (): void => {
      try {
        for (let item = this.poll(hand); item !== undefined; item = this.poll(hand)) {
          const room = taker(item);
          if (room !== undefined) return void room.then(hand, end.reject);
        }
        if (!this.#ended) return;
        this.next().then(() => end.resolve(), end.reject);
      } catch (error) {
        end.reject(error);
      }
    };
    hand();
    return end.promise;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.end();
  }

  /** Called each time before its reader waits. */
  protected whenAsked(): void {}

  /** Has the reader look again whether there is something to take. */
  protected wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
    const polled = this.#polled;
    this.#polled = undefined;
    polled?.();
  }
}

/** As `Feed.handTo` where it is one; as reading otherwise. */
export async function handTo<T>(
  items: AsyncIterable<T>,
  taker: (item: T) => Promise<void> | undefined,
): Promise<void> {
  if (items instanceof Feed) return (items as Feed<T>).handTo(taker);
  for await (const item of items) await taker(item);
}
