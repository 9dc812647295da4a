import type { Duplex } from "node:stream";

import { atEndOfTurn } from "../base/end-of-turn.ts";
import { ChannelError } from "../base/errors.ts";
import { FRAME_HEADER_BYTES, FrameDecoder, writeFrameHeader } from "../wire/frame.ts";
import {
  BaseChannel,
  type ChannelOptions,
  HIGH_WATER_BYTES,
  toChannelError,
} from "./base-channel.ts";

/** Messages up to this size are copied into one piece with others; larger ones leave as they are. */
const MAX_COPIED_BYTES = 16 * 1024;
const SLAB_BYTES = 64 * 1024;

/**
 * A channel over any two-way byte stream: a socket, or the standard streams of a child process or of
 * `ssh`. Takes the stream over: nothing else may read, write or destroy it. A socket should be
 * `allowHalfOpen`, or what is sent in the turn in which the peer's end comes is lost.
 *
 * All messages of one turn of the event loop leave in one write. A stream can't tell a peer that closed from one that
 * died between two messages: both are an orderly end.
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
  #reading = false;
  #error: ChannelError | undefined;

  constructor(stream: Duplex, options: ChannelOptions) {
    super(options);
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
    this.#pendingBytes += FRAME_HEADER_BYTES + size;
    if (this.#scheduled) return;
    this.#scheduled = true;
    atEndOfTurn(this.#onTurnEnd);
  }

  protected hasRoom(): boolean {
    return this.#pendingBytes + this.#stream.writableLength < this.#highWaterBytes;
  }

  protected beginClose(): void {
    this.#flush();
    this.#stream.end();
  }

  protected release(): void {
    this.#pieces = [];
    this.#slab = undefined;
    this.#pendingBytes = 0;
    this.#stream.destroy();
  }

  protected setReading(on: boolean): void {
    if (!on) {
      this.#stream.pause();
    } else if (this.#reading) {
      this.#stream.resume();
    } else {
      // Not earlier: what nobody receives yet waits in the kernel, where the peer feels it.
      this.#reading = true;
      this.#stream.on("data", (chunk: Uint8Array) => this.#onData(chunk));
    }
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
    if (pieces.length === 1) {
      this.#stream.write(pieces[0]);
    } else {
      this.#stream.cork();
      for (const piece of pieces) this.#stream.write(piece);
      this.#stream.uncork();
    }
    this.roomMade();
  }

  #onData(chunk: Uint8Array): void {
    this.receivedBytes += chunk.byteLength;
    try {
      this.#decoder.push(chunk, this.#onMessage);
    } catch (error) {
      this.finish(toChannelError(error));
    }
  }

  #onEnd(): void {
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
    if (this.#error !== undefined) this.finish(this.#error);
    else if (readableEnded && writableFinished) this.finish(undefined);
    else this.finish(new ChannelError("CHANNEL_CLOSED", "the transport broke off"));
  }
}
