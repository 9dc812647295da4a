import { atEndOfTurn } from "../base/end-of-turn.ts";
import { RemoteError } from "../base/errors.ts";
import type { Channel } from "../channel/channel.ts";
import { Writer } from "../wire/writer.ts";
import { Frame, type SessionLimits } from "./protocol.ts";

/** A message is not left open for more once it is this large, with what goes beside it. */
const FULL_BYTES = 64 * 1024;

/**
 * Gathers the frames of one turn of the event loop in one message, and hands it to the channel when
 * the turn ends. While the channel is full, messages wait here.
 */
export class Outbox {
  readonly writer: Writer;
  readonly #channel: Channel;
  /** Adds what rides along: frames that alone are no reason to send. */
  readonly #beforeFlush: () => void;
  readonly #onError: (error: unknown) => void;
  /** Twice what refuses calls: answers to what is being served must have room. */
  readonly #maxWaitingBytes: number;
  #waiting: (readonly Uint8Array[])[] = [];
  #waitingBytes = 0;
  #scheduled = false;
  #full = false;
  #closed = false;
  /** One function for all turns. */
  readonly #turnEnded = (): void => {
    this.#scheduled = false;
    this.flush();
  };
  /** The number of the message that is being filled. */
  message = 1;
  sentMessages = 0;
  sentBytes = 0;

  constructor(
    channel: Channel,
    limits: SessionLimits,
    on: { beforeFlush: () => void; error: (error: unknown) => void },
  ) {
    this.#channel = channel;
    this.writer = new Writer(valueLimits(limits), true);
    this.#maxWaitingBytes = limits.maxUnsentBytes * 2;
    this.#beforeFlush = on.beforeFlush;
    this.#onError = on.error;
  }

  /** Bytes that wait because the peer doesn't read. */
  get unsentBytes(): number {
    return this.#waitingBytes;
  }

  /** To be called after each frame. */
  frameWritten(): void {
    if (this.writer.size >= FULL_BYTES) this.flush();
    else this.schedule();
  }

  /** Makes sure that there is a flush at the end of this turn. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    atEndOfTurn(this.#turnEnded);
  }

  /** Sends what there is. */
  flush(): void {
    if (this.#closed) return;
    this.#beforeFlush();
    this.cut();
  }

  /** Sends what is written, without what rides along. */
  cut(): void {
    if (this.#closed || this.writer.length === 0) return;
    this.message++;
    const attached = this.writer.takeAttached();
    const message = this.writer.take();
    if (attached.length === 0) {
      this.#send([message]);
      return;
    }
    this.writer.u8(Frame.attached);
    this.writer.varint(attached.length);
    this.#send([this.writer.take(), ...attached, message]);
  }

  /** Nothing leaves any more. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** Resolves when the channel has taken everything. */
  async emptied(): Promise<void> {
    while (this.#full && !this.#closed) await this.#channel.drained();
  }

  /** Messages that belong together leave together: the last says what the others are for. */
  #send(messages: readonly Uint8Array[]): void {
    if (this.#full) {
      this.#wait(messages);
      return;
    }
    let hasRoom = true;
    try {
      for (const message of messages) {
        this.sentMessages++;
        this.sentBytes += message.length;
        hasRoom = this.#channel.send(message);
      }
    } catch (error) {
      this.#onError(error);
      return;
    }
    if (hasRoom) return;
    this.#full = true;
    void this.#channel.drained().then(() => this.#roomMade());
  }

  #wait(messages: readonly Uint8Array[]): void {
    this.#waiting.push(messages);
    for (const { length } of messages) this.#waitingBytes += length;
    if (this.#waitingBytes <= this.#maxWaitingBytes) return;
    const says = `the peer leaves ${this.#waitingBytes} bytes unread`;
    this.#onError(new RemoteError("REMOTE_LIMIT", says));
  }

  #roomMade(): void {
    this.#full = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (this.#closed) return;
    for (const messages of waiting) this.#send(messages);
  }
}

/** What `limits` means to the wire. */
export function valueLimits(limits: SessionLimits): Writer["limits"] {
  const { maxMessageBytes, maxDepth, maxItems } = limits;
  return {
    maxBytes: maxMessageBytes,
    maxDepth,
    maxItems,
    maxStringBytes: maxMessageBytes,
    maxBigintBytes: 16 * 1024,
  };
}
