import type { Reader } from "../wire/reader.ts";
import { readValue, type ValueReadExtension } from "../wire/value.ts";
import { malformed, type ReceivedTarget, Tag } from "./codec.ts";
import { type KnownErrors, readError } from "./errors.ts";
import type { ExportTable } from "./exports.ts";
import { GraphReader } from "./graph.ts";
import type { ImportSource, ImportTable, Shape } from "./imports.ts";
import { Chunk } from "./iteration-source.ts";
import { ReceivedNames } from "./names.ts";
import { MAX_PATH_STEPS } from "./protocol.ts";
import { readScalar, RegisteredSymbols } from "./scalars.ts";

/** What the decoder needs of its session. */
export interface DecoderContext extends ImportSource {
  readonly exports: ExportTable;
  readonly imports: ImportTable;
  readonly errors: KnownErrors;
  /** `undefined` for an id that is in use, as of signals. */
  receivePromise(id: number): Promise<unknown> | undefined;
  receiveSignal(id: number): AbortController | undefined;
  /** What a target and a path stand for here: the value, or a promise of it. */
  evaluate(target: ReceivedTarget, path: readonly string[]): unknown;
}

/** An argument that has to be waited for before the call is made. */
export class PendingOperand {
  readonly promise: PromiseLike<unknown>;

  constructor(promise: PromiseLike<unknown>) {
    this.promise = promise;
  }
}

/**
 * Reads what the peer's `Encoder` wrote. Every reference in a frame is taken hold of as it is read, so
 * that nothing of it can be gone by the time it is used.
 */
export class Decoder implements ValueReadExtension {
  readonly #context: DecoderContext;
  readonly #names = new ReceivedNames();
  readonly #symbols = new RegisteredSymbols();
  #graph: GraphReader | undefined;

  constructor(context: DecoderContext) {
    this.#context = context;
  }

  readValue(reader: Reader): unknown {
    return readValue(reader, this);
  }

  readTarget(reader: Reader): ReceivedTarget {
    const number = reader.varint();
    return number % 2 === 0
      ? { type: "export", id: number / 2 }
      : { type: "result", distance: (number - 1) / 2 };
  }

  readPath(reader: Reader): string[] {
    const length = reader.u8();
    if (length > MAX_PATH_STEPS) malformed(`a path of ${length} steps`);
    const path: string[] = [];
    for (let i = 0; i < length; i++) {
      path.push(this.#names.read(reader) ?? malformed("a name that was never sent"));
    }
    return path;
  }

  /** @throws WireError `WIRE_MALFORMED`; what the session throws at ids it doesn't know */
  read(tag: number, reader: Reader): unknown {
    switch (tag) {
      case Tag.reference:
        return this.#readReference(reader);
      case Tag.home:
        return this.#readHome(reader);
      case Tag.expression:
        return this.#readExpression(reader);
      case Tag.promise:
        return this.#readPromise(reader);
      case Tag.signal:
        return this.#readSignal(reader);
      case Tag.error:
        return readError(reader, this.#context.errors);
      default:
        return this.#readRare(tag, reader);
    }
  }

  #readRare(tag: number, reader: Reader): unknown {
    switch (tag) {
      case Tag.scalar:
        return readScalar(reader, this.#symbols);
      case Tag.chunk:
        return this.#readChunk(reader);
      case Tag.graph:
        return this.#readGraph(reader);
      case Tag.node:
        return this.#graph?.read(reader) ?? malformed("a node outside of a graph");
      default:
        return malformed(`there is no tag ${tag}`);
    }
  }

  #readReference(reader: Reader): object {
    const number = reader.varint();
    const shape = number % 4;
    if (shape === 3) malformed("a reference of an unknown shape");
    const id = (number - shape) / 4;
    return this.#context.imports.receive(id, shape as Shape, this.#context);
  }

  #readHome(reader: Reader): object {
    const id = reader.varint();
    return (
      this.#context.exports.get(id) ??
      malformed(`no object was ever sent as ${id}, or it was given back`)
    );
  }

  #readExpression(reader: Reader): unknown {
    const direct = reader.u8() === 1;
    const target = this.readTarget(reader);
    const path = this.readPath(reader);
    const value = this.#context.evaluate(target, path);
    if (direct) return value instanceof Promise ? new PendingOperand(value) : value;
    return Promise.resolve(value);
  }

  #readPromise(reader: Reader): unknown {
    const number = reader.varint();
    const direct = number % 2 === 1;
    const id = (number - (direct ? 1 : 0)) / 2;
    const promise = this.#context.receivePromise(id) ?? malformed(`promise ${id} came twice`);
    return direct ? new PendingOperand(promise) : promise;
  }

  #readSignal(reader: Reader): AbortSignal {
    const id = reader.varint();
    const controller = this.#context.receiveSignal(id) ?? malformed(`signal ${id} came twice`);
    if (reader.u8() === 1) controller.abort(readValue(reader, this));
    return controller.signal;
  }

  #readChunk(reader: Reader): Chunk {
    const values: unknown[] = [];
    while (reader.u8() === 1) {
      reader.count(1);
      values.push(readValue(reader, this));
    }
    const done = reader.u8() === 1;
    const source = done ? undefined : readValue(reader, this);
    return new Chunk(values, done, source as object | undefined);
  }

  #readGraph(reader: Reader): unknown {
    const frozen = reader.u8() === 1;
    if (this.#graph !== undefined) malformed("a graph within a graph");
    this.#graph = new GraphReader(() => readValue(reader, this));
    try {
      const root = readValue(reader, this);
      if (frozen) this.#graph.freeze();
      return root;
    } finally {
      this.#graph = undefined;
    }
  }
}
