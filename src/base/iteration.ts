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
