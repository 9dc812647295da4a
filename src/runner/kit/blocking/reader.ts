import type { StreamItem } from "../host-api.ts";
import type { BlockingEvents } from "./events-api.ts";

/** A stream for one reader, who waits for the next item. Breaking out of the loop closes it. */
export class BlockingReader<T extends StreamItem> implements IterableIterator<T>, Disposable {
  readonly #events: BlockingEvents;
  readonly #id: number;

  constructor(events: BlockingEvents, id: number) {
    this.#events = events;
    this.#id = id;
  }

  next(): IteratorResult<T, undefined> {
    // The stream carries what its reader was opened for.
    const value = this.#events.read(this.#id) as T | undefined;
    return value === undefined ? { done: true, value } : { done: false, value };
  }

  return(): IteratorResult<T, undefined> {
    this.close();
    return { done: true, value: undefined };
  }

  close(): void {
    this.#events.close(this.#id);
  }

  [Symbol.iterator](): this {
    return this;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
