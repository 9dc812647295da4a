import { kindOf, type ObjectKind } from "../wire/kind.ts";
import { encode } from "../wire/encode.ts";
import type { ValueWriteExtension } from "../wire/extension.ts";
import { writeIfBytes } from "../wire/views.ts";
import type { Writer } from "../wire/writer.ts";
import { ByReference, byValue, ByValue, isDeeplyFrozen, PlainCopy } from "./by-value.ts";
import { Call, RemotePromise, type Target } from "./call.ts";
import { type PlainMode, Tag } from "./codec.ts";
import { DescribedTypes } from "./described.ts";
import type { EncoderContext } from "./encoder-context.ts";
import { writeError } from "./errors.ts";
import { GraphWriter } from "./graph.ts";
import { Imported, Shape } from "./imports.ts";
import { Chunk, IterationSource } from "./iteration-source.ts";
import { intrinsicName } from "./intrinsics.ts";
import { List } from "./list.ts";
import { SentNames } from "./names.ts";
import { checkLeaving } from "./policy.ts";
import { ITEMS_OF_REFERENCE, MAX_PATH_STEPS } from "./protocol.ts";
import { isScalar, RegisteredSymbols, writeScalar } from "./scalars.ts";
import { shapeOf } from "./shape-of.ts";
import { endOf, isStream } from "./streams.ts";
import { inheritsFromStub, type StubHandle, stubOf } from "./stub-handle.ts";
import { ToldTypes } from "./typed.ts";

const MAX_CHUNK_BYTES = 64 * 1024;

/**
 * Turns what crosses a session into bytes: plain values by `wire/value.ts`, the rest here. It knows
 * what the frame at hand has added to the session's tables, so that a frame that fails to encode
 * leaves nothing behind.
 */
export class Encoder implements ValueWriteExtension {
  readonly #context: EncoderContext;
  readonly #names = new SentNames();
  readonly #symbols = new RegisteredSymbols();
  #exported: number[] = [];
  #promises: number[] = [];
  #signals: Disposable[] = [];
  #inRequest = false;
  #plain: PlainMode;
  #namesBefore = 0;
  /** The request that is being written, or was last. */
  #request = 0;
  #graph: GraphWriter | undefined;
  readonly #types: DescribedTypes | undefined;
  readonly #told: ToldTypes | undefined;
  #typesBefore = 0;

  constructor(context: EncoderContext) {
    this.#context = context;
    this.#plain = context.plain;
    const { describes: policy, tells } = context;
    const writeName = (writer: Writer, name: string): void => this.#names.write(writer, name);
    if (policy !== undefined) {
      this.#types = new DescribedTypes({
        policy,
        exportObject: (object) => this.#export(object),
        writeName,
        writeValue: (writer, value) => encode(writer, value, this),
      });
    } else if (tells !== undefined) this.#told = new ToldTypes(tells, writeName);
  }

  /**
   * Begins a frame: what `rollBack` returns to. `request` is the number of requests up to it. Signals
   * cross as such only in requests, which they end with; elsewhere they are objects like others.
   */
  begin(request: number, isRequest: boolean): void {
    this.#request = request;
    this.#inRequest = isRequest;
    this.#clear();
  }

  #clear(): void {
    // Asked first, because nearly always there is nothing, and setting a length costs more than asking.
    if (this.#exported.length > 0) this.#exported = [];
    if (this.#promises.length > 0) this.#promises = [];
    if (this.#signals.length > 0) this.#signals = [];
    this.#namesBefore = this.#names.size;
    this.#typesBefore = (this.#told ?? this.#types)?.size ?? 0;
  }

  /** The listeners on signals that the frame passed on; the caller's to dispose of. */
  takeSignals(): Disposable[] | undefined {
    return this.#signals.length === 0 ? undefined : this.#signals;
  }

  /** Takes everything back that the frame has added to the tables. */
  rollBack(): void {
    for (const id of this.#exported) this.#context.exports.release(id, 1);
    for (const id of this.#promises) this.#context.cancelPromise(id);
    for (const signal of this.#signals) signal[Symbol.dispose]();
    this.#names.rewind(this.#namesBefore);
    (this.#told ?? this.#types)?.rewind(this.#typesBefore);
    this.#graph = undefined;
    this.#clear();
  }

  /** @throws WireError; RemoteError `REMOTE_LIMIT`; whatever a getter of the value throws */
  write(writer: Writer, value: unknown): boolean {
    if (typeof value === "symbol") return this.#writeScalar(writer, value);
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
    const stub = stubOf(value);
    if (stub !== undefined) this.#writeStub(writer, stub, false);
    else if (typeof value === "function") this.#writeReference(writer, value, shapeOf(value));
    else this.#writeObject(writer, value);
    return true;
  }

  /** Of every object: whether it crosses in another way than as the plain value it may be. */
  claims(value: object): boolean {
    if (stubOf(value) !== undefined) return true;
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === Array.prototype) return this.#claimsPlain();
    if (this.#context.usesProxies && inheritsFromStub(value)) return true;
    return CLAIMED[kindOf(value)] ?? this.#claimsPlain();
  }

  writeValue(writer: Writer, value: unknown): void {
    // Bytes have no other way to cross.
    if (!writeIfBytes(writer, value)) encode(writer, value, this);
  }

  /** As `writeValue`; a result or property of the peer's is resolved there, before the call. */
  writeOperand(writer: Writer, value: unknown): void {
    if (writeIfBytes(writer, value)) return;
    if ((typeof value === "object" || typeof value === "function") && value !== null) {
      const stub = stubOf(value);
      if (stub !== undefined) {
        this.#writeStub(writer, stub, true);
        return;
      }
      const call = RemotePromise.callOf(value);
      if (call !== undefined) {
        this.#writeResult(writer, call, true);
        return;
      }
    }
    encode(writer, value, this);
  }

  writeTarget(writer: Writer, target: Target): void {
    writer.varint(target instanceof Call ? (this.#request - target.id) * 2 + 1 : target.id * 2);
  }

  writePath(writer: Writer, path: readonly string[]): void {
    if (path.length > MAX_PATH_STEPS) {
      throw new RangeError(`a path of ${path.length} steps is over the limit of ${MAX_PATH_STEPS}`);
    }
    writer.u8(path.length);
    for (const name of path) this.#names.write(writer, name);
  }

  #claimsPlain(): boolean {
    return this.#graph !== undefined || this.#plain === "reference";
  }

  #writeObject(writer: Writer, value: object): void {
    if (this.#context.usesProxies && inheritsFromStub(value)) {
      this.#writeReference(writer, value, Shape.object);
    } else if (!this.#writeMarked(writer, value)) this.#writeUnmarked(writer, value);
  }

  #writeUnmarked(writer: Writer, value: object): void {
    if (this.#graph?.takes(value) === true) this.#writeNode(writer, value);
    else if (value instanceof Promise) this.#writePromise(writer, value);
    else if (value instanceof AbortSignal && this.#inRequest) this.#writeSignal(writer, value);
    else if (isScalar(value)) this.#writeScalar(writer, value);
    else if (isStream(value)) this.#writeStream(writer, value);
    else if (this.#writePacked(writer, value)) return;
    else if (kindOf(value) === "error") this.#writeError(writer, value as Error);
    else if (isDeeplyFrozen(value, isPlain)) this.#writeGraph(writer, value, true);
    else this.#writeReference(writer, value, Shape.object);
  }

  /** What this package itself made to say how something crosses. */
  #writeMarked(writer: Writer, value: object): boolean {
    if (value instanceof ByValue) this.#writeGraph(writer, value.value, false);
    else if (value instanceof ByReference) this.#writeForced(writer, value.value);
    else if (value instanceof List) this.#writeList(writer, value);
    else if (value instanceof PlainCopy) this.#writeCopied(writer, value.value);
    else if (value instanceof Chunk) this.#writeChunk(writer, value);
    else return false;
    return true;
  }

  #writeScalar(writer: Writer, value: object | symbol): boolean {
    const state = writer.save();
    writer.u8(Tag.scalar);
    if (writeScalar(writer, value, this.#symbols, this.#context.symbols)) return true;
    writer.restore(state);
    return false;
  }

  #writeStream(writer: Writer, stream: ReadableStream | WritableStream): void {
    const end = endOf(stream);
    writer.u8(Tag.stream);
    writer.u8(stream instanceof WritableStream ? 1 : 0);
    this.#writeReference(writer, end, Shape.object);
  }

  /** False, with nothing written, for what is of no value class. */
  #writePacked(writer: Writer, value: object): boolean {
    const valueClass = this.#context.values.of(value);
    if (valueClass === undefined) return false;
    writer.u8(Tag.packed);
    this.#names.write(writer, valueClass.name);
    encode(writer, byValue(valueClass.pack(value)), this);
    return true;
  }

  #writeError(writer: Writer, error: Error): void {
    writeError(writer, error, this.#context, {
      home: (original) => this.#writeHome(writer, original),
      lend: () => this.#writeReference(writer, error, Shape.object),
    });
  }

  #writeForced(writer: Writer, value: object): void {
    const stub = stubOf(value);
    if (stub !== undefined) this.#writeStub(writer, stub, false);
    else {
      const shape = typeof value === "function" ? shapeOf(value) : Shape.object;
      this.#writeReference(writer, value, shape);
    }
  }

  #writeReference(writer: Writer, object: object, shape: Shape): void {
    writer.count(ITEMS_OF_REFERENCE);
    if (this.#types !== undefined) {
      this.#writeDescribed(writer, object, shape, this.#types);
      return;
    }
    const plain = this.#told === undefined ? shape : ToldTypes.plainShape(object, shape);
    writer.u8(plain === undefined ? Tag.typed : Tag.reference);
    writer.varint(this.#export(object) * 4 + (plain ?? shape));
    if (plain === undefined) this.#told?.write(writer, object, shape);
  }

  #writeDescribed(writer: Writer, object: object, shape: Shape, types: DescribedTypes): void {
    const name = intrinsicName(object);
    if (name === undefined) {
      writer.u8(Tag.described);
      types.write(writer, object, shape);
    } else {
      writer.u8(Tag.intrinsic);
      this.#names.write(writer, name);
    }
  }

  #export(object: object): number {
    const { exports, policy } = this.#context;
    const { id, count } = exports.export(object);
    this.#exported.push(id);
    if (count === 1) checkLeaving(policy, object);
    return id;
  }

  #writeCopied(writer: Writer, value: unknown): void {
    const before = this.#plain;
    this.#plain = "copy";
    try {
      encode(writer, value, this);
    } finally {
      this.#plain = before;
    }
  }

  #writeList(writer: Writer, { values }: List): void {
    writer.u8(Tag.list);
    writer.varint(values.length);
    writer.enter(undefined, values.length);
    for (const value of values) encode(writer, value, this);
    writer.leave();
  }

  #writeStub(writer: Writer, stub: StubHandle, direct: boolean): void {
    const { target } = stub;
    const isOurs = target.caller === this.#context.caller;
    if (stub.isReference && target instanceof Imported) {
      if (isOurs) this.#writeHome(writer, target);
      else this.#writeReference(writer, stub.proxy, target.shape);
    } else if (isOurs && (target instanceof Imported || target.caller.keep(target))) {
      if (target instanceof Imported) assertHeld(target);
      this.#writeExpression(writer, { target, path: stub.path, direct });
    } else {
      this.#writePromise(writer, stub.read(), direct);
    }
  }

  #writeHome(writer: Writer, imported: Imported): void {
    assertHeld(imported);
    writer.u8(Tag.home);
    writer.varint(imported.id);
  }

  #writeExpression(
    writer: Writer,
    { target, path, direct }: { target: Target; path: readonly string[]; direct: boolean },
  ): void {
    writer.u8(Tag.expression);
    writer.u8(direct ? 1 : 0);
    this.writeTarget(writer, target);
    this.writePath(writer, path);
  }

  #writeResult(writer: Writer, call: Call, direct: boolean): void {
    if (call.state === "fulfilled" && direct) encode(writer, call.outcome, this);
    else if (call.caller === this.#context.caller && call.caller.keep(call)) {
      this.#writeExpression(writer, { target: call, path: [], direct });
    } else this.#writePromise(writer, call.promise, direct);
  }

  #writePromise(writer: Writer, promise: PromiseLike<unknown>, direct = false): void {
    const call = direct ? undefined : RemotePromise.callOf(promise);
    if (call !== undefined && call.state === "pending" && call.caller === this.#context.caller) {
      if (call.caller.keep(call)) {
        this.#writeExpression(writer, { target: call, path: [], direct: false });
        return;
      }
    }
    const id = this.#context.sendPromise(promise);
    this.#promises.push(id);
    writer.u8(Tag.promise);
    writer.varint(id * 2 + (direct ? 1 : 0));
  }

  #writeSignal(writer: Writer, signal: AbortSignal): void {
    const { id, listener } = this.#context.sendSignal(signal);
    this.#signals.push(listener);
    writer.u8(Tag.signal);
    writer.varint(id);
    writer.u8(signal.aborted ? 1 : 0);
    if (signal.aborted) encode(writer, signal.reason, this);
  }

  /** As many values as one message should hold; the rest waits at its source. */
  #writeChunk(writer: Writer, chunk: Chunk): void {
    writer.u8(Tag.chunk);
    const limit = writer.size + MAX_CHUNK_BYTES;
    const { source, values } = chunk;
    let written = 0;
    while (written < values.length && (written === 0 || writer.size < limit)) {
      writer.u8(1);
      writer.count(1);
      encode(writer, values[written++], this);
    }
    writer.u8(0);
    const isAll = written === values.length;
    // Also where nothing is left: an attempt before this one may have had less room.
    if (source instanceof IterationSource) IterationSource.putBack(source, values.slice(written));
    const done = chunk.done && isAll;
    writer.u8(done ? 1 : 0);
    if (!done) encode(writer, source, this);
  }

  #writeGraph(writer: Writer, root: object, frozen: boolean): void {
    const outer = this.#graph;
    if (outer !== undefined) {
      encode(writer, root, this);
      return;
    }
    this.#graph = new GraphWriter(frozen);
    writer.u8(Tag.graph);
    writer.u8(frozen ? 1 : 0);
    try {
      encode(writer, root, this);
    } finally {
      this.#graph = undefined;
    }
  }

  #writeNode(writer: Writer, value: object): void {
    writer.u8(Tag.node);
    this.#graph?.write(writer, value, (inner) => encode(writer, inner, this));
  }
}

/** Whether it crosses in a way of its own; `undefined` where that depends. */
const CLAIMED: { readonly [Kind in ObjectKind]: boolean | undefined } = {
  array: undefined,
  object: undefined,
  error: true,
  other: true,
  path: false,
  date: false,
  view: false,
  buffer: false,
};

function isPlain(value: object): boolean {
  const kind = kindOf(value);
  return kind === "object" || kind === "array";
}

function assertHeld(imported: Imported): void {
  if (imported.released) throw imported.releasedError();
}
