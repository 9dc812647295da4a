import type { BanyanError } from "../base/errors.ts";
import type { ByteCalls } from "../remote/byte-calls.ts";
import type { Cursor, EngineEvent } from "./engine.ts";
import { Window } from "./hub-window.ts";
import { canPack, type EventBatch, packEvents, writeEvents } from "./packed-events.ts";
import { MAX_PACKED_BYTES } from "./packed-write.ts";

/**
 * Takes a batch, as in `packed-events.ts` where that was asked for and is possible; resolves when there is room
 * for more. With an `error`, the watch has ended.
 */
export type WatchSink = (
  events: readonly EngineEvent[] | Uint8Array,
  cursor?: Cursor,
  error?: BanyanError,
) => Promise<void> | void;

export interface NewsWayOptions {
  /** Of the watch, as the client calls it. */
  readonly id: number;
  readonly sink: WatchSink;
  /** The sink takes packed batches. */
  readonly packed: boolean | undefined;
  /** The client takes them in requests of bytes alone. */
  readonly calls: ByteCalls | undefined;
  /** The client is gone. */
  readonly onFailure: () => unknown;
}

/** Batches that may be on their way to a client before it has said that it took the first. */
const BATCHES_AHEAD = 4;
/** Of an event, besides its value. */
const EVENT_BYTES = 64;

/** How the news of one watch get to a client: in the shortest form that it takes. */
export class NewsWay {
  readonly #options: NewsWayOptions;
  readonly #ahead: Window;

  constructor(options: NewsWayOptions) {
    this.#options = options;
    this.#ahead = new Window(BATCHES_AHEAD, options.onFailure);
  }

  /** Resolves when there is room for the next batch; undefined where there is. */
  send(batch: EventBatch): Promise<void> | undefined {
    const { sink, packed, calls } = this.#options;
    const { events, cursor } = batch;
    const size = sizeOf(events);
    if (packed !== true || !canPack(events)) return this.#ahead.add(sink(events, cursor), size);
    if (calls !== undefined && size <= MAX_PACKED_BYTES) return this.#ask(calls, batch);
    const bytes = packEvents(batch);
    return this.#ahead.add(sink(bytes), bytes.length);
  }

  #ask(calls: ByteCalls, batch: EventBatch): Promise<void> | undefined {
    let size = 0;
    const taken = calls.ask((writer) => {
      const before = writer.length;
      writer.varint(this.#options.id);
      writeEvents(writer, batch);
      size = writer.length - before;
    });
    return this.#ahead.add(taken as Promise<void>, size);
  }
}

/** Roughly, as they are sent. */
function sizeOf(events: readonly EngineEvent[]): number {
  let size = EVENT_BYTES * events.length;
  for (const event of events) if (event.type === "put") size += event.entry.value.length;
  return size;
}
