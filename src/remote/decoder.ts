import type { Reader } from "../wire/reader.ts";
import { readValue, type ValueReadExtension } from "../wire/value.ts";
import { reachesPast, refusalOf } from "./builtins.ts";
import type { Call } from "./call.ts";
import { malformed, type ReceivedTarget, Tag } from "./codec.ts";
import { type KnownErrors, readError } from "./errors.ts";
import type { ExportTable } from "./exports.ts";
import { GraphReader } from "./graph.ts";
import { type ImportSource, type ImportTable, Shape } from "./imports.ts";
import { Chunk } from "./iteration-source.ts";
import { List } from "./list.ts";
import { ReceivedNames } from "./names.ts";
import type { Policy } from "./policy.ts";
import { ITEMS_OF_REFERENCE, MAX_PATH_STEPS } from "./protocol.ts";
import { Reflection } from "./reflect.ts";
import { plainTypes, type RemoteType } from "./remote-type.ts";
import { readScalar, RegisteredSymbols } from "./scalars.ts";
import { readableFrom, type RemoteStreamEnd, writableTo } from "./streams.ts";
import { stubOf } from "./stub-handle.ts";
import type { UniqueSymbols } from "./symbols.ts";
import { KnownTypes } from "./typed.ts";
import type { ValueClasses } from "./value-classes.ts";

/** What the decoder needs of its session. */
export interface DecoderContext extends ImportSource {
  /** Set where this side uses proxies. */
  readonly types: TypeReader | undefined;
  /** Whether both sides tell the types of what they send references to. */
  readonly tells: boolean;
  readonly exports: ExportTable;
  readonly imports: ImportTable;
  readonly errors: KnownErrors;
  readonly symbols: UniqueSymbols;
  readonly values: ValueClasses;
  /** Of what the peer may do here. */
  readonly policy: Policy;
  /** `undefined` for an id that is in use, as of signals. */
  receivePromise(id: number): Promise<unknown> | undefined;
  receiveSignal(id: number): AbortController | undefined;
  /** What a target and a path stand for here: the value, a promise of it, or a `PendingOperand`. */
  evaluate(target: ReceivedTarget, path: readonly string[]): unknown;
}

/** Reads what a `DescribedTypes` wrote. */
export interface TypeReader {
  readReference(reader: Reader, parts: TypeReaderParts): object;
  /** What this engine has by that name. */
  intrinsic(name: string): object;
}

/** What it needs of the decoder whose frame it is in. */
export interface TypeReaderParts {
  readName(reader: Reader): string;
  readValue(reader: Reader): unknown;
}

/** An argument that has to be waited for before the call is made. */
export class PendingOperand {
  readonly promise: PromiseLike<unknown>;
  readonly #now: (() => unknown) | undefined;

  /** `now` gives the value, or a promise, of what depends on a request that waits to be served. */
  constructor(promise: PromiseLike<unknown>, now?: () => unknown) {
    this.promise = promise;
    this.#now = now;
  }

  /** An operand as it is when its request is served: a thread that blocks can't wait for promises. */
  static settled(operand: unknown): unknown {
    if (!(operand instanceof PendingOperand) || operand.#now === undefined) return operand;
    const value = operand.#now();
    return value instanceof Promise ? new PendingOperand(value) : value;
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
  readonly #types = new KnownTypes();
  #graph: GraphReader | undefined;
  /** Set while the answer to a call is read. */
  #asked: Call | undefined;

  constructor(context: DecoderContext) {
    this.#context = context;
  }

  readValue(reader: Reader): unknown {
    return readValue(reader, this);
  }

  /** As `readValue`, of the answer to a call. */
  readAnswer(reader: Reader, call: Call): unknown {
    this.#asked = call;
    try {
      return readValue(reader, this);
    } finally {
      this.#asked = undefined;
    }
  }

  readName(reader: Reader): string {
    return this.#names.read(reader) ?? malformed("a name that was never sent");
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
      path.push(this.readName(reader));
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
        return readError(reader, this.#context.errors, () => readValue(reader, this));
      default:
        return this.#readRare(tag, reader);
    }
  }

  #readRare(tag: number, reader: Reader): unknown {
    switch (tag) {
      case Tag.scalar:
        return readScalar(reader, this.#symbols, this.#context.symbols);
      case Tag.chunk:
        return this.#readChunk(reader);
      case Tag.graph:
        return this.#readGraph(reader);
      case Tag.node:
        return this.#graph?.read(reader) ?? malformed("a node outside of a graph");
      default:
        return this.#readForProxies(tag, reader);
    }
  }

  #readForProxies(tag: number, reader: Reader): unknown {
    const { types } = this.#context;
    if (tag === Tag.list) return this.#readList(reader);
    if (tag === Tag.packed) return this.#readPacked(reader);
    if (tag === Tag.stream) return this.#readStream(reader);
    if (tag === Tag.typed && this.#context.tells) return this.#readTyped(reader);
    if (types !== undefined && tag === Tag.described) return types.readReference(reader, this);
    if (types !== undefined && tag === Tag.intrinsic) {
      return this.#readIntrinsic(this.readName(reader), types);
    }
    return malformed(`there is no tag ${tag}`);
  }

  /**
   * The peer means what it has itself by the name. For code of this side it is what this side has, to
   * which no policy applies, whoever has it changed or called: unless the code asked for that very
   * thing, it gets something that does no harm.
   */
  #readIntrinsic(name: string, types: TypeReader): object {
    const found = types.intrinsic(name);
    if (this.#context.policy === "trusted") return found;
    if (this.#asked !== undefined && isAskedFor(this.#asked, name, found)) return found;
    if (typeof found !== "function") return Object.create(found) as object;
    return reachesPast(found) ? refusalOf(name) : found;
  }

  #readStream(reader: Reader): ReadableStream | WritableStream {
    const isWritable = reader.u8() === 1;
    const end = readValue(reader, this);
    if (stubOf(end) === undefined) malformed("a stream that is nowhere");
    return isWritable ? writableTo(end as RemoteStreamEnd) : readableFrom(end as RemoteStreamEnd);
  }

  #readPacked(reader: Reader): unknown {
    const valueClass = this.#context.values.named(this.readName(reader));
    if (valueClass === undefined) malformed("an instance of a class that this side doesn't know");
    return valueClass.unpack(readValue(reader, this));
  }

  #readList(reader: Reader): List {
    const count = reader.varint();
    reader.enter(count, 1);
    const values: unknown[] = [];
    for (let i = 0; i < count; i++) values.push(readValue(reader, this));
    reader.leave();
    return new List(values);
  }

  #readReference(reader: Reader): object {
    const number = reader.varint();
    reader.count(ITEMS_OF_REFERENCE);
    const shape = (number % 4) as Shape;
    const { imports, tells } = this.#context;
    const type = tells ? typeOfShape(shape) : undefined;
    return imports.receive((number - shape) / 4, shape, this.#context, type);
  }

  #readTyped(reader: Reader): object {
    const number = reader.varint();
    reader.count(ITEMS_OF_REFERENCE);
    const shape = (number % 4) as Shape;
    if (shape !== Shape.object && shape !== Shape.constructor) malformed("a type of no class");
    const type = this.#types.read(reader, (from) => this.readName(from));
    return this.#context.imports.receive((number - shape) / 4, shape, this.#context, type);
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
    if (value instanceof PendingOperand) return direct ? value : value.promise;
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

/** Of what every object has, a proxy's code may ask for its own. */
function isAskedFor({ reflection, path: [key] }: Call, name: string, found: object): boolean {
  if (reflection === Reflection.prototype) return true;
  if (reflection !== Reflection.get || key === undefined) return false;
  if (key === "constructor") return typeof found === "function";
  return key === "prototype" || name.endsWith(`.prototype.${key}`);
}

/** Of references that are not typed. What the instances of a function are may change. */
function typeOfShape(shape: Shape): RemoteType | undefined {
  if (shape === Shape.object) return plainTypes.object;
  if (shape === Shape.array) return plainTypes.array;
  return shape === Shape.function ? plainTypes.function : undefined;
}
