import { type AbortOptions, onAbort } from "../base/abort.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import type { Path } from "../wire/path.ts";
import type { Cursor, EngineEvent, EngineWatch, WatchOptions } from "./engine.ts";
import type { HubConnection } from "./hub-link.ts";
import type { HubHandle } from "./hub-protocol.ts";

interface Batch {
  readonly events: readonly EngineEvent[];
  /** Undefined where the batch is of our own making and moves nothing. */
  readonly cursor: Cursor | undefined;
  /** Lets the hub send the next. */
  readonly taken: Deferred<void>;
}

/** Batches that may wait here before the hub waits too. */
const READY_BATCHES = 2;

/**
 * A watch that goes on over connections: each one begins behind the last batch that came over the one
 * before. What a hub sends over a connection that is no more is ignored.
 */
export class HubWatch implements EngineWatch, AsyncIterator<readonly EngineEvent[]> {
  readonly #prefix: Path;
  readonly #maxBacklog: number | undefined;
  readonly #onEnd: () => void;
  readonly #queue: Batch[] = [];
  /** Behind what came. */
  #received: Cursor | undefined;
  /** Behind what was handed out. */
  #delivered: Cursor;
  /** What came so far is a complete state, so that the next connection may go on behind it. */
  #complete: boolean;
  #stale = false;
  #owesLive = false;
  #handle: { close(): PromiseLike<void> } | undefined;
  #round = 0;
  #ended = false;
  #error: { readonly reason: unknown } | undefined;
  #waiting: Deferred<void> | undefined;
  #listener: Disposable | undefined;

  constructor(
    prefix: Path,
    options: Omit<WatchOptions, keyof AbortOptions> & {
      readonly store: string;
      readonly onEnd: () => void;
    },
  ) {
    this.#prefix = prefix;
    this.#maxBacklog = options.maxBacklog;
    this.#onEnd = options.onEnd;
    this.#received = options.after;
    this.#delivered = options.after ?? { store: options.store, revision: 0 };
    this.#complete = options.after !== undefined;
  }

  get cursor(): Cursor {
    return this.#delivered;
  }

  listen(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const listener = onAbort(signal, () => this.end({ reason: signal.reason }));
    if (!this.#ended) this.#listener = listener;
  }

  /** Begins, or goes on, over this connection. */
  attach(connection: HubConnection): void {
    if (this.#ended) return;
    this.#round += 1;
    const round = this.#round;
    const resumes = this.#complete && this.#received !== undefined;
    if (this.#stale && !resumes) {
      // Part of a state that will never be complete came already.
      this.#push([{ type: "reset", cause: "store" }], undefined);
      this.#owesLive = true;
    }
    this.#stale = false;
    const sink = async (events: readonly EngineEvent[], cursor: Cursor): Promise<void> => {
      if (this.#round === round) await this.#receive(events, cursor);
    };
    const options = {
      ...(resumes ? { after: this.#received } : {}),
      ...(this.#maxBacklog === undefined ? {} : { maxBacklog: this.#maxBacklog }),
    };
    void connection.hub.watch(this.#prefix, options, sink).then(
      (handle) => this.#started(handle as unknown as HubHandle, round),
      // The connection is lost; the next one attaches again.
      () => {},
    );
  }

  /** The connection is lost. */
  detach(): void {
    if (this.#ended || this.#stale) return;
    this.#round += 1;
    this.#stale = true;
    this.#handle = undefined;
    this.#push([{ type: "stale" }], undefined);
  }

  end(error?: { readonly reason: unknown }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#round += 1;
    this.#error = error;
    for (const batch of this.#queue.splice(0)) batch.taken.resolve();
    void this.#handle?.close().then(undefined, () => {});
    this.#handle = undefined;
    this.#listener?.[Symbol.dispose]();
    this.#onEnd();
    this.#wake();
  }

  async next(): Promise<IteratorResult<readonly EngineEvent[]>> {
    while (this.#queue.length === 0 && !this.#ended) {
      this.#waiting ??= deferred();
      await this.#waiting.promise;
    }
    const batch = this.#queue.shift();
    if (batch !== undefined) {
      this.#delivered = batch.cursor ?? this.#delivered;
      batch.taken.resolve();
      return { done: false, value: batch.events };
    }
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error.reason;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<readonly EngineEvent[]>> {
    this.end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
  }

  #started(handle: HubHandle, round: number): void {
    const remote = handle as unknown as { close(): PromiseLike<void> };
    if (this.#ended) void remote.close().then(undefined, () => {});
    else if (this.#round === round) this.#handle = remote;
  }

  async #receive(events: readonly EngineEvent[], cursor: Cursor): Promise<void> {
    const out: EngineEvent[] = [];
    for (const event of events) {
      out.push(event);
      if (event.type === "reset") this.#complete = false;
      if (event.type === "live") this.#owesLive = false;
      if (event.type === "ready") {
        this.#complete = true;
        if (this.#owesLive) out.push({ type: "live" });
        this.#owesLive = false;
      }
    }
    this.#received = cursor;
    const batch = this.#push(out, cursor);
    if (this.#queue.length > READY_BATCHES) await batch.taken.promise;
  }

  #push(events: readonly EngineEvent[], cursor: Cursor | undefined): Batch {
    const batch = { events, cursor, taken: deferred<void>() };
    this.#queue.push(batch);
    this.#wake();
    return batch;
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
