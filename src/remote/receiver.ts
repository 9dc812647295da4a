import { RemoteError } from "../base/errors.ts";
import type { ValueLimits } from "../wire/limits.ts";
import { Reader } from "../wire/reader.ts";
import { Attachments } from "./attachments.ts";
import type { Call } from "./call.ts";
import type { Decoder } from "./decoder.ts";
import { addCallSite } from "./errors.ts";
import { valueLimits } from "./outbox.ts";
import {
  Frame,
  KEEP,
  LAST_OPERATION,
  MAX_ARGUMENTS,
  Operation,
  OPERATION_BITS,
  QUIET,
  type SessionLimits,
} from "./protocol.ts";
import type { Sender } from "./sender.ts";
import type { Incoming, Serving } from "./serving.ts";
import type { Tables } from "./tables.ts";
import { requestEvent, type Trace } from "./trace.ts";

/** What the session does about frames that concern all of it. */
export interface ReceiverEvents {
  readonly trace: Trace | undefined;
  /** The peer asks for something, on behalf of a chain. */
  request(incoming: Incoming, chain: number): void;
  /** The peer aborted a signal; `tell` tells those who listen to it. */
  aborted(tell: () => void): void;
  /** A call was answered. */
  answered(): void;
  /** The peer closed in order. */
  bye(): void;
  /** The peer aborted. */
  broken(reason: unknown): void;
}

/** Obeys the frames of the other side. */
export class Receiver {
  readonly #tables: Tables;
  readonly #decoder: Decoder;
  readonly #serving: Serving;
  readonly #sender: Sender;
  readonly #limits: SessionLimits;
  readonly #valueLimits: ValueLimits;
  readonly #attachments: Attachments;
  readonly #events: ReceiverEvents;
  #stopped = false;
  messages = 0;
  bytes = 0;

  constructor(
    parts: {
      readonly tables: Tables;
      readonly decoder: Decoder;
      readonly serving: Serving;
      readonly sender: Sender;
    },
    limits: SessionLimits,
    events: ReceiverEvents,
  ) {
    this.#tables = parts.tables;
    this.#decoder = parts.decoder;
    this.#serving = parts.serving;
    this.#sender = parts.sender;
    this.#limits = limits;
    this.#valueLimits = valueLimits(limits);
    this.#attachments = new Attachments(limits.maxMessageBytes);
    this.#events = events;
  }

  /** Obeys nothing any more, also not the rest of the message at hand. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Obeys one message.
   *
   * @throws RemoteError `REMOTE_PROTOCOL` at whatever is wrong with it: the session is over then
   */
  receive(message: Uint8Array): void {
    this.messages++;
    this.bytes += message.length;
    try {
      if (this.#attachments.take(message)) return;
      const reader = new Reader(message, this.#valueLimits, this.#attachments.takeAll());
      let requests = 0;
      this.#serving.begin();
      while (reader.left > 0 && !this.#stopped) {
        const kind = reader.u8();
        if ((kind & OPERATION_BITS) > LAST_OPERATION) {
          this.#readFrame(kind, reader);
          // Nothing would ever take it out of the table again.
          if (this.#tables.signals.takeReceived() !== undefined)
            violation("a signal in no request");
        } else if (++requests <= this.#limits.maxRequestsPerMessage)
          this.#readRequest(kind, reader);
        else violation(`more than ${this.#limits.maxRequestsPerMessage} requests in one message`);
      }
      if (!this.#stopped) reader.expectEnd();
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new RemoteError("REMOTE_PROTOCOL", `the peer broke the protocol: ${text}`, { cause });
    }
  }

  #readRequest(kind: number, reader: Reader): void {
    const id = ++this.#serving.received;
    if (kind === Operation.bytes) return this.#readBytes(id, reader);
    const chain = reader.varint();
    const operation = (kind & OPERATION_BITS) as Operation;
    const keep = kind >= KEEP;
    const quiet = (kind & QUIET) !== 0;
    if (operation < Operation.call || operation === Operation.bytes || (quiet && !keep)) {
      violation(`there is no frame of kind ${kind}`);
    }
    const target = this.#decoder.readTarget(reader);
    const path = this.#decoder.readPath(reader);
    const operands: unknown[] = [];
    const count = operandCount(operation, reader);
    reader.count(count);
    for (let i = 0; i < count; i++) operands.push(this.#decoder.readValue(reader));
    const signals = this.#tables.signals.takeReceived();
    const incoming = { id, operation, keep, quiet, target, path, operands, signals };
    const { trace } = this.#events;
    trace?.(requestEvent("received", { request: id, operation, path, chain }));
    this.#events.request(incoming, chain);
  }

  #readBytes(id: number, reader: Reader): void {
    const bytes = reader.view(reader.i32() >>> 0);
    const operation = Operation.bytes;
    const { trace } = this.#events;
    trace?.(requestEvent("received", { request: id, operation, path: [], chain: 0 }));
    this.#serving.serveBytes(id, bytes);
  }

  #readFrame(kind: number, reader: Reader): void {
    switch (kind) {
      case Frame.answer:
      case Frame.failure:
        return this.#readAnswer(kind === Frame.answer, reader);
      case Frame.release:
        return this.#readReleases(reader);
      case Frame.finish:
        return this.#readFinished(reader);
      case Frame.settled:
        return this.#readSettled(reader);
      case Frame.aborted:
        return this.#readAborted(reader);
      case Frame.attached:
        this.#attachments.announce(reader.varint());
        return reader.expectEnd();
      case Frame.bye:
        return this.#events.bye();
      case Frame.broken:
        return this.#events.broken(this.#decoder.readValue(reader));
      default:
        return violation(`there is no frame of kind ${kind}`);
    }
  }

  #readAnswer(succeeded: boolean, reader: Reader): void {
    const id = reader.varint();
    const call = this.#tables.pending.take(id);
    if (call === undefined && !this.#tables.givenUp.delete(id)) {
      violation(`an answer to ${id}, which waits for none`);
    }
    if (call?.state !== "pending") {
      this.#discard(reader);
      return;
    }
    const value = this.#readResult(call, reader);
    this.#events.trace?.({
      direction: "received",
      type: succeeded ? "answer" : "failure",
      request: id,
    });
    if (call.kept) this.#sender.finish([id]);
    if (succeeded) {
      call.fulfill(value);
    } else {
      // Not to an error of ours that comes home: its stack would grow each time it does.
      if (this.#tables.errors.isForeign(value)) {
        addCallSite(value, call.site ?? `    at remote ${call.path.join(".") || "call"}`);
      }
      call.fail(value);
    }
    this.#events.answered();
  }

  /** What is new in there belongs to the scope that the call was made in. */
  #readResult(call: Call, reader: Reader): unknown {
    const { imports, pending } = this.#tables;
    imports.scope = call.scope;
    try {
      return this.#decoder.readAnswer(reader, call);
    } catch (error) {
      // The session ends by it, and this call with all others.
      pending.set(call.id, call);
      throw error;
    } finally {
      imports.scope = undefined;
    }
  }

  /** An answer that came after its time: nobody waits for it, and nothing of it is held. */
  #discard(reader: Reader): void {
    this.#tables.imports.discard(
      () => void this.#decoder.readValue(reader),
      (id) => this.#sender.give(id, 1),
    );
    this.#events.answered();
  }

  #readAborted(reader: Reader): void {
    const id = reader.varint();
    const reason = this.#decoder.readValue(reader);
    this.#events.aborted(() => this.#tables.signals.abort(id, reason));
  }

  #readReleases(reader: Reader): void {
    for (let left = reader.varint(); left > 0; left--) {
      const id = reader.varint();
      if (!this.#tables.exports.release(id, reader.varint()))
        violation(`#${id} was never lent so often`);
    }
  }

  #readFinished(reader: Reader): void {
    for (let left = reader.varint(); left > 0; left--) {
      const id = reader.varint();
      if (!this.#serving.finish(id)) violation(`the result of request ${id} is not kept`);
    }
  }

  #readSettled(reader: Reader): void {
    const id = reader.varint();
    const fulfilled = reader.u8() === 1;
    const value = this.#decoder.readValue(reader);
    if (!this.#tables.promises.settle(id, fulfilled, value))
      violation(`promise ${id} is not waited for`);
  }
}

function operandCount(operation: Operation, reader: Reader): number {
  if (operation === Operation.evaluate) return 2;
  if (operation > Operation.construct && operation !== Operation.reflect) {
    return ONE_OPERAND.has(operation) ? 1 : 0;
  }
  const count = reader.varint();
  if (count > MAX_ARGUMENTS) violation(`${count} arguments`);
  return count;
}

const ONE_OPERAND: ReadonlySet<Operation> = new Set([
  Operation.set,
  Operation.instanceOf,
  Operation.map,
]);

function violation(what: string): never {
  throw new RemoteError("REMOTE_PROTOCOL", what);
}
