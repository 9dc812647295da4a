import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

import { atEndOfTurn } from "../base/end-of-turn.ts";
import { BanyanError, ChannelError } from "../base/errors.ts";
import { FRAME_HEADER_BYTES, FrameDecoder, writeFrameHeader } from "../wire/frame.ts";
import { giveBack } from "../wire/lent-bytes.ts";
import { attention } from "./attention.ts";
import {
  BaseChannel,
  type ChannelOptions,
  HIGH_WATER_BYTES,
  toChannelError,
} from "./base-channel.ts";

/** Messages up to this size are copied into one piece with others; larger ones leave as they are. */
const MAX_COPIED_BYTES = 16 * 1024;
const SLAB_BYTES = 64 * 1024;

/** In place of a message's length. No message is as long. */
const END_MARK = 0xffff_ffff;
const ABORT_MARK = 0xffff_fffe;
const ABORTED = "the peer aborted";

export interface StreamChannelOptions extends ChannelOptions {
  /**
   * Whether each side says in the stream itself that it sends no more. Both sides have to do the same.
   * For streams whose end doesn't come through while the process lives, as with `ssh`; a peer that died
   * is told from one that closed then.
   */
  readonly marksEnd?: boolean | undefined;
  /** Told before something is written, and when all that was sent is with the system. */
  readonly gate?: Gate | undefined;
}

/** Who may use the stream, where somebody else does too. */
interface Gate {
  enter(): void;
  leave(): void;
  /** How many bytes of the stream were read elsewhere. */
  readonly bytesRead: number;
  /** What came is passed on, and all of it was whole messages. */
  afterRead(): void;
}

/**
 * A channel over any two-way byte stream: a socket, or the standard streams of a child process or of
 * `ssh`. Takes the stream over: nothing else may read, write or destroy it. A socket should be
 * `allowHalfOpen`, or what is sent in the turn in which the peer's end comes is lost.
 *
 * All messages of one turn of the event loop leave in one write. Without `marksEnd` a stream can't
 * tell a peer that closed from one that died between two messages: both are an orderly end.
 */
export class StreamChannel extends BaseChannel {
  readonly #stream: Duplex;
  readonly #decoder: FrameDecoder;
  readonly #highWaterBytes: number;
  readonly #onMessage = (message: Uint8Array): void => this.deliver(message);
  readonly #onTurnEnd = (): void => this.#flush();

  /** Where messages of this turn are put together. Never written twice: the stream owns its past. */
  #slab: Buffer | undefined;
  #slabStart = 0;
  #slabEnd = 0;
  /** What leaves with the next write, before what is in the slab. */
  #pieces: Uint8Array[] = [];
  #pendingBytes = 0;
  #scheduled = false;
  #started = false;
  #reading = false;
  #error: ChannelError | undefined;
  readonly #marksEnd: boolean;
  #peerMarked = false;
  /** Whether there was nothing but our mark to be sent at the end. */
  #onlyMarkLeft = false;

  readonly #gate: Gate | undefined;
  readonly #onWritten = (): void => {
    if (this.#pendingBytes + this.#stream.writableLength === 0) this.#gate?.leave();
  };

  constructor(stream: Duplex, { marksEnd = false, gate, ...options }: StreamChannelOptions) {
    super(options);
    this.#gate = gate;
    this.#marksEnd = marksEnd;
    this.#stream = stream;
    this.#decoder = new FrameDecoder(this.limits, (size) => Buffer.allocUnsafeSlow(size));
    // Below the stream's own mark it would never emit "drain".
    this.#highWaterBytes = Math.max(HIGH_WATER_BYTES, stream.writableHighWaterMark);
    stream.on("drain", () => this.roomMade());
    stream.on("end", () => this.#onEnd());
    stream.on("error", (error) => {
      this.#error ??= toChannelError(error);
    });
    stream.on("close", () => this.#onClose());
    // A peer's mark is noticed also where nobody receives, as the end of a stream is.
    if (marksEnd) this.#startReading();
  }

  override get receivedBytes(): number {
    return this.seenBytes + (this.#gate?.bytesRead ?? 0);
  }

  /** Takes what somebody else has read from the stream. */
  takeRead(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#onData(chunk);
  }

  /** Sends the rest of a frame that somebody else began to write. */
  sendRest(bytes: Uint8Array): boolean {
    if (this.state !== "open") return true;
    this.#cutSlab();
    this.#pieces.push(bytes);
    this.#sendLater(bytes.byteLength);
    return this.hasRoom();
  }

  protected transmit(message: Uint8Array): void {
    const size = message.byteLength;
    const copied = size <= MAX_COPIED_BYTES;
    const slab = this.#reserve(FRAME_HEADER_BYTES + (copied ? size : 0));
    writeFrameHeader(slab, this.#slabEnd, size);
    this.#slabEnd += FRAME_HEADER_BYTES;
    if (copied) {
      slab.set(message, this.#slabEnd);
      this.#slabEnd += size;
    } else {
      this.#cutSlab();
      this.#pieces.push(message);
    }
    this.#sendLater(FRAME_HEADER_BYTES + size);
  }

  #sendLater(size: number): void {
    this.#pendingBytes += size;
    if (this.#scheduled) return;
    this.#scheduled = true;
    atEndOfTurn(this.#onTurnEnd);
  }

  protected hasRoom(): boolean {
    return this.#pendingBytes + this.#stream.writableLength < this.#highWaterBytes;
  }

  protected beginClose(): void {
    if (this.#marksEnd) {
      this.#onlyMarkLeft = this.#pendingBytes + this.#stream.writableLength === 0;
      writeFrameHeader(this.#reserve(FRAME_HEADER_BYTES), this.#slabEnd, END_MARK);
      this.#slabEnd += FRAME_HEADER_BYTES;
      this.#pendingBytes += FRAME_HEADER_BYTES;
      this.#stream.once("finish", () => this.#finishIfMarked());
    }
    this.#flush();
    this.#stream.end();
  }

  protected release(reason: ChannelError | undefined): void {
    // It gets through where nothing else waits before it, and that is when it is needed.
    const { writable } = this.#stream;
    if (this.#marksEnd && reason !== undefined && writable) this.#stream.write(mark(ABORT_MARK));
    this.#pieces = [];
    this.#slab = undefined;
    this.#pendingBytes = 0;
    this.#stream.destroy();
  }

  keepAlive(on: boolean): void {
    const { ref, unref } = this.#stream as Partial<Socket>;
    if (on) ref?.call(this.#stream);
    else unref?.call(this.#stream);
  }

  expectMore(): void {
    attention.expectMore();
  }

  protected setReading(on: boolean): void {
    this.#reading = on;
    if (!on) this.#stream.pause();
    else if (this.#started) this.#stream.resume();
    else this.#startReading();
  }

  /** Not earlier than needed: what nobody receives yet waits in the kernel, where the peer feels it. */
  #startReading(): void {
    this.#started = true;
    this.#stream.on("data", (chunk: Uint8Array) => this.#onData(chunk));
    // It may have been held back until now.
    this.#stream.resume();
  }

  /** Makes room for `size` bytes in one piece, `MAX_COPIED_BYTES` and a header at most. */
  #reserve(size: number): Buffer {
    if (this.#slab !== undefined && this.#slabEnd + size <= SLAB_BYTES) return this.#slab;
    this.#cutSlab();
    this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#slabStart = 0;
    this.#slabEnd = 0;
    return this.#slab;
  }

  #cutSlab(): void {
    if (this.#slab === undefined || this.#slabStart === this.#slabEnd) return;
    this.#pieces.push(this.#slab.subarray(this.#slabStart, this.#slabEnd));
    this.#slabStart = this.#slabEnd;
  }

  /** One write for everything: as one piece, or as several that the system call gathers. */
  #flush(): void {
    this.#scheduled = false;
    if (this.#pendingBytes === 0 || this.#stream.destroyed) return;
    this.#cutSlab();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#pendingBytes = 0;
    this.#gate?.enter();
    const last = pieces.pop();
    if (pieces.length === 0) {
      this.#write(last);
    } else {
      this.#stream.cork();
      for (const piece of pieces) this.#writePiece(piece);
      this.#write(last);
      this.#stream.uncork();
    }
    this.roomMade();
  }

  #writePiece(piece: Uint8Array): void {
    if (piece.length <= MAX_COPIED_BYTES) {
      this.#stream.write(piece);
      return;
    }
    this.#stream.write(piece, (error) => {
      // One that failed may still be read by the system.
      if (!error) giveBack(piece);
    });
  }

  #write(last: Uint8Array | undefined): void {
    if (this.#gate === undefined) this.#stream.write(last);
    else this.#stream.write(last, this.#onWritten);
  }

  #onData(chunk: Uint8Array): void {
    if (this.#peerMarked) return;
    this.seenBytes += chunk.byteLength;
    if (!this.#reading) this.#stream.pause();
    try {
      this.#decoder.push(chunk, this.#onMessage);
      if (this.#gate !== undefined && this.#reading && this.#decoder.isBetween)
        this.#gate.afterRead();
    } catch (error) {
      const found = this.#marksEnd ? markOf(error) : undefined;
      if (found === END_MARK) this.#onMark();
      else if (found === ABORT_MARK) this.finish(new ChannelError("CHANNEL_CLOSED", ABORTED));
      else this.finish(toChannelError(error));
    }
  }

  #onMark(): void {
    this.#peerMarked = true;
    this.peerEnded();
    this.#finishIfMarked();
  }

  /** Both sides have sent everything, and both know it: nobody waits for the stream's own end. */
  #finishIfMarked(): void {
    if (this.#peerMarked && this.#stream.writableFinished) this.finish(undefined);
  }

  #onEnd(): void {
    if (this.#peerMarked) return;
    try {
      this.#decoder.end();
    } catch (error) {
      this.finish(toChannelError(error));
      return;
    }
    this.peerEnded();
  }

  #onClose(): void {
    const { readableEnded, writableFinished } = this.#stream;
    const isInOrder = readableEnded && writableFinished && this.#marksEnd === this.#peerMarked;
    // A peer that has said its end may leave before it hears ours, if there is nothing else for it.
    if (this.#peerMarked && this.#onlyMarkLeft) this.finish(undefined);
    else if (this.#error !== undefined) this.finish(this.#error);
    else if (isInOrder) this.finish(undefined);
    else this.finish(new ChannelError("CHANNEL_CLOSED", "the transport broke off"));
  }
}

/** What the decoder stopped at, if that is no length of a message. */
function markOf(error: unknown): unknown {
  return BanyanError.has(error, "WIRE_LIMIT") ? error.details["size"] : undefined;
}

function mark(kind: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  writeFrameHeader(header, 0, kind);
  return header;
}
