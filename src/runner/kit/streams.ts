import { deferred, type Deferred } from "../../base/deferred.ts";
import type { RunHostApi, StreamItem, StreamSink } from "./host-api.ts";
import type { RunEvent } from "./messages.ts";

/** What takes one stream's items. */
export interface StreamTarget {
  /** Resolves when there is room for more. */
  put(items: readonly StreamItem[]): Promise<void> | void;
  end(error?: unknown): void;
}

/** One stream from the node, as its user holds it. Closing it twice is fine. */
export interface OpenStream {
  close(): Promise<void>;
}

/** The streams of one run. A class of its own, so that it crosses by reference. */
export class Streams implements StreamSink {
  readonly #host: RunHostApi;
  readonly #onTold: (event: RunEvent) => void;
  readonly #targets = new Map<number, StreamTarget>();
  #last = 0;

  /** `onTold` gets what the node tells by itself. */
  constructor(host: RunHostApi, onTold: (event: RunEvent) => void) {
    this.#host = host;
    this.#onTold = onTold;
  }

  /** How many are open. */
  get size(): number {
    return this.#targets.size;
  }

  /** A number for something the host is to keep for this run. */
  nextId(): number {
    return ++this.#last;
  }

  /** `begin` asks the host for the stream; when it has, this resolves. */
  async open(target: StreamTarget, begin: (stream: number) => Promise<void>): Promise<OpenStream> {
    const stream = this.nextId();
    this.#targets.set(stream, target);
    try {
      await begin(stream);
    } catch (error) {
      this.#targets.delete(stream);
      throw error;
    }
    return { close: () => this.#close(stream) };
  }

  async put(stream: number, items: readonly StreamItem[]): Promise<void> {
    await this.#targets.get(stream)?.put(items);
  }

  end(stream: number, error?: unknown): void {
    const target = this.#targets.get(stream);
    this.#targets.delete(stream);
    target?.end(error);
  }

  tell(event: RunEvent): void {
    this.#onTold(event);
  }

  /** The run is over: the host closes its side by itself. */
  closeAll(): void {
    for (const stream of this.#targets.keys()) this.end(stream);
  }

  async #close(stream: number): Promise<void> {
    if (!this.#targets.has(stream)) return;
    this.end(stream);
    await this.#host.closeStream(stream);
  }
}

/** Items that may wait for the reader before the node is told to wait. */
const MAX_WAITING = 256;

/** A stream for one reader that sets the pace. Breaking out of the loop closes it. */
export class StreamReader<T> implements AsyncIterableIterator<T>, AsyncDisposable, StreamTarget {
  readonly #items: T[] = [];
  #stream: OpenStream | undefined;
  #waiting: Deferred<void> | undefined;
  #room: Deferred<void> | undefined;
  #end: { readonly error?: unknown } | undefined;

  static async open<T>(
    streams: Streams,
    begin: (stream: number) => Promise<void>,
  ): Promise<StreamReader<T>> {
    const reader = new StreamReader<T>();
    reader.#stream = await streams.open(reader, begin);
    return reader;
  }

  async put(items: readonly StreamItem[]): Promise<void> {
    if (this.#end !== undefined) return;
    // The stream carries what its reader was opened for.
    this.#items.push(...(items as readonly T[]));
    this.#waiting?.resolve();
    this.#waiting = undefined;
    if (this.#items.length < MAX_WAITING) return;
    this.#room ??= deferred();
    await this.#room.promise;
  }

  end(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#waiting?.resolve();
    this.#room?.resolve();
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    while (this.#items.length === 0 && this.#end === undefined) {
      this.#waiting ??= deferred();
      await this.#waiting.promise;
    }
    if (this.#items.length > 0) {
      const value = this.#items.shift() as T;
      if (this.#items.length === 0) {
        this.#room?.resolve();
        this.#room = undefined;
      }
      return { done: false, value };
    }
    const end = this.#end;
    this.#end = {};
    if (end !== undefined && "error" in end) throw end.error;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  async close(): Promise<void> {
    this.#items.length = 0;
    await this.#stream?.close();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
