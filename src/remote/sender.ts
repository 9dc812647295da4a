import { BanyanError } from "../base/errors.ts";
import type { Writer } from "../wire/writer.ts";
import type { Call, Request, WriteBytes } from "./call.ts";
import type { Encoder } from "./encoder.ts";
import type { Outbox } from "./outbox.ts";
import { Frame, KEEP, MAX_ARGUMENTS, Operation, QUIET } from "./protocol.ts";
import { totals } from "./stats.ts";
import { requestEvent, type Trace } from "./trace.ts";

/** Of references given back, in one frame: it fits into the smallest message there may be. */
const NUMBERS_OF_FRAME = 1_024;
const MAX_VARINT_BYTES = 8;

/** What stands before the value of a frame. */
interface FrameHead {
  readonly kind: number;
  readonly id: number | undefined;
  readonly flag: number | undefined;
}

/** Writes the frames of this side. A frame that fails to encode leaves nothing behind, here or there. */
export class Sender {
  readonly #outbox: Outbox;
  readonly #encoder: Encoder;
  /** The last message with a request in it. */
  #tripMessage = 0;
  #busy = false;
  /** References that are given back with the next message: id, times, id, times... */
  #given: number[] = [];
  #finished: number[] = [];
  /** Requests of the message at hand that others refer to. */
  #kept: Call[] = [];
  /** Requests sent so far. */
  requests = 0;
  /** Messages with requests. */
  roundTrips = 0;
  readonly #trace: Trace | undefined;
  /** On whose behalf requests are made at the moment; 0 starts a chain of their own. */
  chain = 0;

  constructor(outbox: Outbox, encoder: Encoder, trace: Trace | undefined) {
    this.#outbox = outbox;
    this.#encoder = encoder;
    this.#trace = trace;
  }

  /** Whether a frame is being written: a getter of what is in it called us. */
  get busy(): boolean {
    return this.#busy;
  }

  /** @throws what the encoder throws */
  request(call: Call, request: Request): void {
    try {
      this.#request(call, request);
    } catch (error) {
      if (!this.#makeRoom(error)) throw error;
      this.#request(call, request);
    }
  }

  #request(call: Call, request: Request): void {
    const { writer } = this.#outbox;
    const { operation, path, write } = request;
    const state = writer.save();
    const encoder = this.#encoder;
    this.#begin(true);
    try {
      writer.u8(operation);
      if (write === undefined) this.#writeRequest(writer, request);
      else writeSized(writer, write);
      writer.checkSize();
    } catch (error) {
      this.requests--;
      writer.restore(state);
      encoder.rollBack();
      throw error;
    } finally {
      this.#busy = false;
    }
    call.id = this.requests;
    call.operation = operation;
    call.path = path;
    call.message = this.#outbox.message;
    call.position = state.length;
    call.signals = encoder.takeSignals();
    if (this.#tripMessage !== call.message) {
      this.#tripMessage = call.message;
      this.roundTrips++;
      totals.roundTrips++;
    }
    this.#trace?.(requestEvent("sent", { request: call.id, operation, path, chain: this.chain }));
    this.#outbox.frameWritten();
  }

  #writeRequest(writer: Writer, { operation, target, path, operands }: Request): void {
    const encoder = this.#encoder;
    writer.varint(this.chain);
    encoder.writeTarget(writer, target);
    encoder.writePath(writer, path);
    if (operation <= Operation.construct || operation === Operation.reflect) {
      checkCount(operands.length);
      writer.varint(operands.length);
    }
    writer.count(operands.length);
    for (const operand of operands) encoder.writeOperand(writer, operand);
  }

  /** Marks a request as one that others refer to. False where it has left. */
  keep(call: Call): boolean {
    if (call.id === 0 || call.message !== this.#outbox.message) return false;
    this.#outbox.writer.patch(call.position, call.operation | KEEP);
    this.#kept.push(call);
    return true;
  }

  /**
   * To be called before a message leaves: those of its requests that others refer to, and nobody waits
   * for, need no answer, if there is `room` for more of them.
   */
  takeQuiet(room: boolean): readonly Call[] {
    if (this.#kept.length === 0) return this.#kept;
    const quiet = this.#kept.filter((call) => !call.observed && call.signals === undefined);
    this.#kept = [];
    if (!room) return [];
    for (const { position, operation } of quiet) {
      this.#outbox.writer.patch(position, operation | KEEP | QUIET);
    }
    return quiet;
  }

  /**
   * One frame with a value in it.
   *
   * @throws what the encoder throws
   */
  value(kind: number, id: number, value: unknown): void {
    this.#valueFrame({ kind, id, flag: undefined }, value);
    if (this.#trace !== undefined && kind !== Frame.aborted) {
      const type = kind === Frame.answer ? "answer" : "failure";
      this.#trace({ direction: "sent", type, request: id });
    }
  }

  /** @throws what the encoder throws */
  settled(id: number, fulfilled: boolean, value: unknown): void {
    this.#valueFrame({ kind: Frame.settled, id, flag: fulfilled ? 1 : 0 }, value);
  }

  /** @throws what the encoder throws */
  broken(reason: unknown): void {
    this.#valueFrame({ kind: Frame.broken, id: undefined, flag: undefined }, reason);
  }

  bye(): void {
    this.#outbox.writer.u8(Frame.bye);
    this.#outbox.flush();
  }

  /** Gives references back, with the next message. */
  give(id: number, times: number): void {
    this.#given.push(id, times);
    this.#outbox.schedule();
  }

  /** Refers no more to the results of requests that were kept. */
  finish(ids: readonly number[]): void {
    for (const id of ids) this.#finished.push(id);
    this.#outbox.schedule();
  }

  /** Behind everything else in a message, so that whatever is in it came first. */
  writeReleases(): void {
    if (this.#given.length > 0) {
      this.#numbers(Frame.release, this.#given, 2);
      this.#given = [];
    }
    if (this.#finished.length > 0) {
      this.#numbers(Frame.finish, this.#finished, 1);
      this.#finished = [];
    }
  }

  /** In as many frames, and messages, as the limit on a message takes. */
  #numbers(kind: number, numbers: readonly number[], each: number): void {
    const { writer } = this.#outbox;
    for (let start = 0; start < numbers.length; start += NUMBERS_OF_FRAME) {
      const some = numbers.slice(start, start + NUMBERS_OF_FRAME);
      const most = 1 + (some.length + 1) * MAX_VARINT_BYTES;
      if (writer.length + most > writer.limits.maxBytes) this.#outbox.cut();
      writer.u8(kind);
      writer.varint(some.length / each);
      for (const number of some) writer.varint(number);
    }
  }

  #valueFrame(head: FrameHead, value: unknown): void {
    try {
      this.#writeValueFrame(head, value);
    } catch (error) {
      if (!this.#makeRoom(error)) throw error;
      this.#writeValueFrame(head, value);
    }
  }

  #writeValueFrame({ kind, id, flag }: FrameHead, value: unknown): void {
    const { writer } = this.#outbox;
    const state = writer.save();
    this.#begin(false);
    try {
      writer.u8(kind);
      if (id !== undefined) writer.varint(id);
      if (flag !== undefined) writer.u8(flag);
      this.#encoder.writeValue(writer, value);
      writer.checkSize();
    } catch (error) {
      writer.restore(state);
      this.#encoder.rollBack();
      throw error;
    } finally {
      this.#busy = false;
    }
    this.#outbox.frameWritten();
  }

  /** Whether what was over a limit may fit in a message of its own; what was before it has left then. */
  #makeRoom(error: unknown): boolean {
    if (this.#outbox.writer.length === 0 || !BanyanError.has(error, "WIRE_LIMIT")) return false;
    this.#outbox.flush();
    return true;
  }

  #begin(isRequest: boolean): void {
    if (this.#busy)
      throw new TypeError("a getter used the session while its object was being sent");
    this.#busy = true;
    if (isRequest) this.requests++;
    this.#encoder.begin(this.requests, isRequest);
  }
}

/** What `write` writes, behind its size. */
function writeSized(writer: Writer, write: WriteBytes): void {
  const at = writer.length;
  writer.i32(0);
  write(writer);
  const size = writer.length - at - 4;
  for (let i = 0; i < 4; i++) writer.patch(at + i, size >>> (8 * i));
}

/** The peer ends the session of whoever sends more. */
function checkCount(operands: number): void {
  if (operands <= MAX_ARGUMENTS) return;
  throw new RangeError(`a call of ${operands} arguments is over the limit of ${MAX_ARGUMENTS}`);
}
