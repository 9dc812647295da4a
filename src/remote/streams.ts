import { Lent } from "./exports.ts";
import { Chunk, IterationSource } from "./iteration-source.ts";
import { Operation } from "./protocol.ts";
import { RemoteIterator } from "./remote-iterator.ts";
import { stubOf } from "./stub-handle.ts";

/** What crosses instead of a stream: what is read from, or written to, over there. */
export type StreamEnd = ReadableEnd | WritableEnd;

/** So many pieces of a stream are asked for at a time: they may be large. */
const MAX_STREAM_CHUNK = 16;

const ends = new WeakMap<object, StreamEnd>();

/** What stands for a stream of ours: the same one each time. @throws TypeError for one that is locked */
export function endOf(stream: ReadableStream | WritableStream): StreamEnd {
  let end = ends.get(stream);
  if (end === undefined) {
    end = stream instanceof ReadableStream ? new ReadableEnd(stream) : new WritableEnd(stream);
    ends.set(stream, end);
  }
  end.sent();
  return end;
}

/** Whether to end a stream that no peer holds: not where it was only sent in vain, and is again. */
class Holding {
  #times = 0;

  sent(): void {
    this.#times++;
  }

  released(end: () => Promise<unknown>): void {
    const times = this.#times;
    queueMicrotask(() => {
      if (times === this.#times) void end().catch(() => {});
    });
  }
}

/** The serving side of a readable stream: read when it is asked for more, and cancelled when it is let go. */
class ReadableEnd extends IterationSource {
  readonly #reader: ReadableStreamDefaultReader;
  readonly #holding: Holding;

  constructor(stream: ReadableStream) {
    const reader = stream.getReader();
    const holding = new Holding();
    super(
      {
        next: () => reader.read() as Promise<IteratorResult<unknown>>,
        return: async () => {
          await reader.cancel();
          return { done: true, value: undefined };
        },
      },
      (end) => holding.released(end),
    );
    this.#reader = reader;
    this.#holding = holding;
  }

  sent(): void {
    this.#holding.sent();
  }

  async cancel(reason: unknown): Promise<void> {
    await this.#reader.cancel(reason);
    await this.end();
  }
}

/** The serving side of a writable stream. Each write is answered when the stream has room for more. */
class WritableEnd extends Lent {
  readonly #writer: WritableStreamDefaultWriter;
  readonly #holding: Holding;
  #isOver = false;

  constructor(stream: WritableStream) {
    const holding = new Holding();
    super(() => holding.released(() => this.abort(new Error("the writer is gone"))));
    this.#writer = stream.getWriter();
    this.#holding = holding;
  }

  sent(): void {
    this.#holding.sent();
  }

  async write(chunk: unknown): Promise<void> {
    await this.#writer.ready;
    // Whether it works out is told by the next one, or by `close`.
    this.#writer.write(chunk).catch(() => {});
    await this.#writer.ready;
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#writer.close();
  }

  async abort(reason: unknown): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#writer.abort(reason);
  }
}

/** The near side of a `StreamEnd` that is elsewhere. */
export interface RemoteStreamEnd {
  pull(count: number): Promise<Chunk>;
  end(): Promise<void>;
  cancel(reason: unknown): Promise<void>;
  write(chunk: unknown): Promise<void>;
  close(): Promise<void>;
  abort(reason: unknown): Promise<void>;
}

/** Also in a browser too old for one of them. */
export function isStream(value: object): value is ReadableStream | WritableStream {
  return (
    (typeof ReadableStream === "function" && value instanceof ReadableStream) ||
    (typeof WritableStream === "function" && value instanceof WritableStream)
  );
}

const sources = new WeakMap<object, object>();

/** The reference that a stream from elsewhere lives by. */
export function sourceOf(stream: object): object | undefined {
  return sources.get(stream);
}

/** A stream of this side that reads what is read over there, when it is asked for more. */
export function readableFrom(end: RemoteStreamEnd): ReadableStream {
  const iterator = new RemoteIterator(Promise.resolve(new Chunk([], false, end)), MAX_STREAM_CHUNK);
  const stream = new ReadableStream(
    {
      pull: async (controller) => {
        const { done, value } = await iterator.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      cancel: async (reason) => {
        await end.cancel(reason);
        await iterator.return();
      },
    },
    { highWaterMark: 0 },
  );
  sources.set(stream, end);
  return stream;
}

/** A stream of this side that writes over there; it has room when the one over there has. */
export function writableTo(end: RemoteStreamEnd): WritableStream {
  const stream = new WritableStream({
    write: async (chunk) => await write(end, chunk),
    close: async () => {
      await end.close();
      stubOf(end)?.release();
    },
    abort: async (reason) => {
      await end.abort(reason);
      stubOf(end)?.release();
    },
  });
  sources.set(stream, end);
  return stream;
}

/** However long it takes: until there is room over there. */
async function write(end: RemoteStreamEnd, chunk: unknown): Promise<void> {
  const stub = stubOf(end);
  if (stub === undefined) await end.write(chunk);
  else await stub.request(Operation.call, [chunk], ["write"], Infinity);
}
