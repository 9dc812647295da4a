import { atEndOfTurn } from "../base/end-of-turn.ts";
import { ChannelError } from "../base/errors.ts";
import {
  FRAME_HEADER_BYTES,
  FrameDecoder,
  readFrameHeader,
  writeFrameHeader,
} from "../wire/frame.ts";
import {
  BaseChannel,
  type ChannelOptions,
  HIGH_WATER_BYTES,
  toChannelError,
} from "./base-channel.ts";
import type { ChannelLimits } from "./channel.ts";

/**
 * A posted array begins with its kind, and how many bytes of frames the receiver has had since the
 * array before; 32 bits each, lowest byte first. Frames follow.
 */
const HEADER_BYTES = 8;
const KINDS = ["data", "end", "abort"] as const;
type Kind = (typeof KINDS)[number];

/** What the receiver has had is told on its own only from here on; else with the next array. */
const MIN_CREDIT_BYTES = HIGH_WATER_BYTES / 4;

/** What happens at a transport that moves whole arrays of bytes. */
export interface PostEvents {
  readonly onMessage: (data: unknown) => void;
  /** Nothing comes any more, and nothing leaves. */
  readonly onGone: (cause: unknown) => void;
  /** Something arrived that can't be read. */
  readonly onGarbage: (cause: unknown) => void;
}

/** A transport that moves whole arrays of bytes, in order. */
export interface Post {
  /** The array and its memory are the transport's from here on. */
  post(posted: Uint8Array<ArrayBuffer>): void;
  /** How many bytes have come, where the transport tells before a whole array is there. */
  readonly receivedBytes?: () => number;
  /** As a channel's. */
  keepAlive?(on: boolean): void;
  /** Lets go of the transport, when what was posted has left; no event comes after it. */
  close(): void;
}

/**
 * A channel over something that moves whole arrays of bytes and has no way to hold them back: a
 * `MessagePort`, a WebSocket. All messages of one turn of the event loop are copied into one posted
 * array. The peer says what its receiver has had, and without that no more than about
 * `HIGH_WATER_BYTES` are posted: the rest waits here.
 */
export class PostingChannel extends BaseChannel {
  readonly #post: Post;
  readonly #onTurnEnd = (): void => this.#flush();
  /** Each posted array holds whole frames: nothing stays in it from one to the next. */
  readonly #decoder: FrameDecoder;
  readonly #onMessage = (message: Uint8Array): void => this.deliver(message);
  #scheduled = false;

  /** Waiting for the end of the turn, or for the peer's receiver. */
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Posted, and not yet had by the peer's receiver. */
  #unreadBytes = 0;
  /** Had by our receiver, and not yet told. */
  #creditBytes = 0;
  /** Come here, and not yet told. */
  #heldBytes = 0;

  #ending = false;
  #ended = false;
  #peerHasEnded = false;

  /** `join` is called at once, and hears of what comes only after this turn. */
  constructor(options: ChannelOptions, join: (events: PostEvents) => Post) {
    super(options);
    this.#decoder = new FrameDecoder(this.limits);
    this.#post = join({
      onMessage: (data) => this.#onData(data),
      onGone: (cause) => {
        this.finish(new ChannelError("CHANNEL_CLOSED", "the other side is gone", { cause }));
      },
      onGarbage: (cause) => this.#breakOff("a message can't be read", cause),
    });
  }

  keepAlive(on: boolean): void {
    this.#post.keepAlive?.(on);
  }

  override get receivedBytes(): number {
    return this.#post.receivedBytes?.() ?? this.seenBytes;
  }

  protected transmit(message: Uint8Array): void {
    this.#queue.push(message);
    this.#queuedBytes += FRAME_HEADER_BYTES + message.byteLength;
    this.#schedule();
  }

  protected hasRoom(): boolean {
    return this.#queuedBytes + this.#unreadBytes < HIGH_WATER_BYTES;
  }

  protected beginClose(): void {
    this.#ending = true;
    this.#flush();
  }

  protected release(reason: ChannelError | undefined): void {
    this.#queue = [];
    this.#queuedBytes = 0;
    // Not what happened: the peer may be less trusted than whoever reads our logs.
    if (reason !== undefined) this.#postBatch("abort", []);
    this.#post.close();
  }

  /** Nothing to do: what the receiver has not had is not told, and that is what stops the peer. */
  protected setReading(): void {}

  protected override delivered(message: Uint8Array): void {
    this.#creditBytes += FRAME_HEADER_BYTES + message.byteLength;
    if (this.#creditBytes >= MIN_CREDIT_BYTES) this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    atEndOfTurn(this.#onTurnEnd);
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.state === "closed") return;
    const batch = this.#takeBatch();
    const last = this.#ending && !this.#ended && this.#queue.length === 0;
    if (last) this.#ended = true;
    if (batch.length > 0 || last || this.#creditBytes >= MIN_CREDIT_BYTES) {
      this.#postBatch(last ? "end" : "data", batch);
    }
    if (last) this.#finishIfDone();
  }

  /** What may be posted now. One message always may where nothing is unread, whatever its size. */
  #takeBatch(): Uint8Array[] {
    let count = 0;
    for (const message of this.#queue) {
      if (this.#unreadBytes >= HIGH_WATER_BYTES) break;
      const size = FRAME_HEADER_BYTES + message.byteLength;
      this.#unreadBytes += size;
      this.#queuedBytes -= size;
      count++;
    }
    if (count === this.#queue.length) {
      const all = this.#queue;
      this.#queue = [];
      return all;
    }
    return this.#queue.splice(0, count);
  }

  #postBatch(kind: Kind, batch: readonly Uint8Array[]): void {
    let size = HEADER_BYTES;
    for (const message of batch) size += FRAME_HEADER_BYTES + message.byteLength;
    const posted = new Uint8Array(size);
    writeFrameHeader(posted, 0, KINDS.indexOf(kind));
    writeFrameHeader(posted, 4, this.#creditBytes);
    this.#heldBytes -= this.#creditBytes;
    this.#creditBytes = 0;
    let offset = HEADER_BYTES;
    for (const message of batch) {
      writeFrameHeader(posted, offset, message.byteLength);
      posted.set(message, offset + FRAME_HEADER_BYTES);
      offset += FRAME_HEADER_BYTES + message.byteLength;
    }
    this.#post.post(posted);
  }

  #onData(data: unknown): void {
    if (!(data instanceof Uint8Array) || data.byteLength < HEADER_BYTES) {
      this.#breakOff("a message is no array of bytes");
      return;
    }
    const kind = KINDS[readFrameHeader(data, 0)];
    const credit = readFrameHeader(data, 4);
    this.seenBytes += data.byteLength;
    this.#heldBytes += data.byteLength - HEADER_BYTES;
    if (kind === undefined || credit > this.#unreadBytes || this.#peerHasEnded) {
      this.#breakOff("a message has a header that can't be");
    } else if (this.#heldBytes > maxPostedBytes(this.limits) - HEADER_BYTES) {
      this.#breakOff("the peer sends more than it may");
    } else {
      this.#takeCredit(credit);
      this.#takeFrames(data.subarray(HEADER_BYTES));
      if (kind !== "data") this.#takeEnd(kind);
    }
  }

  #takeCredit(credit: number): void {
    if (credit === 0) return;
    this.#unreadBytes -= credit;
    if (this.#queue.length > 0) this.#schedule();
    this.roomMade();
  }

  #takeFrames(frames: Uint8Array): void {
    if (frames.byteLength === 0) return;
    try {
      this.#decoder.push(frames, this.#onMessage);
      this.#decoder.end();
    } catch (error) {
      this.finish(toChannelError(error));
    }
  }

  #takeEnd(kind: "end" | "abort"): void {
    if (kind === "abort") {
      this.finish(new ChannelError("CHANNEL_CLOSED", "the peer aborted"));
      return;
    }
    this.#peerHasEnded = true;
    this.peerEnded();
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (this.#ended && this.#peerHasEnded) this.finish(undefined);
  }

  #breakOff(says: string, cause?: unknown): void {
    this.finish(new ChannelError("CHANNEL_MALFORMED", says, { cause }));
  }
}

/** The largest array that a peer posts which keeps to the protocol. */
export function maxPostedBytes({
  maxMessageBytes,
}: Pick<ChannelLimits, "maxMessageBytes">): number {
  return HEADER_BYTES + HIGH_WATER_BYTES + FRAME_HEADER_BYTES + maxMessageBytes;
}
