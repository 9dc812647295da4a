import { onAbort, type AbortOptions } from "../base/abort.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { BanyanError, ChannelError } from "../base/errors.ts";
import { Lifecycle } from "../base/lifecycle.ts";
import {
  type Channel,
  type ChannelLimits,
  type ChannelState,
  DEFAULT_CHANNEL_LIMITS,
  type PeerPresence,
} from "./channel.ts";

/** What every channel is made with. */
export interface ChannelOptions {
  readonly label: string;
  readonly limits?: Partial<ChannelLimits> | undefined;
  /** Set where a network lies between the ends: how to look for a silent peer. */
  readonly presence?: (() => Promise<PeerPresence>) | undefined;
}

/**
 * From this many bytes on that wait to leave, or to be delivered at the other end of one process,
 * `send` answers false.
 */
export const HIGH_WATER_BYTES = 1024 * 1024;

/**
 * What all channels have in common: states, limits, the receiver and what is kept for it, closing.
 * A subclass moves the bytes. It calls `deliver` for each message that arrived, `peerEnded` when
 * the peer will send nothing more, `finish` when both directions are at their end or the transport
 * broke, and `roomMade` when `hasRoom` may have become true.
 */
export abstract class BaseChannel implements Channel {
  readonly label: string;
  readonly closed: Promise<ChannelError | undefined>;
  readonly crossesNetwork: boolean;

  /** A subclass counts what it sees come in. */
  protected seenBytes = 0;
  readonly #presence: (() => Promise<PeerPresence>) | undefined;
  protected readonly limits: ChannelLimits;
  readonly #closed = deferred<ChannelError | undefined>();
  readonly #lifecycle = new Lifecycle<ChannelState>("open", {
    open: ["closing", "closed"],
    closing: ["closed"],
    closed: [],
  });

  #receiver: ((message: Uint8Array) => void) | undefined;
  #paused = false;
  /** Arrived, but there was no receiver or it had paused. Delivered up to `#nextKept`. */
  #kept: Uint8Array[] = [];
  #nextKept = 0;
  #draining = false;
  /** How the transport ended, while messages that arrived before are still kept. */
  #outcome: { readonly error: ChannelError | undefined } | undefined;
  #closedHere = false;
  #room: Deferred<void> | undefined;

  constructor({ label, limits, presence }: ChannelOptions) {
    this.label = label;
    this.#presence = presence;
    this.crossesNetwork = presence !== undefined;
    this.limits = withDefaults(limits);
    this.closed = this.#closed.promise;
  }

  /** Takes one message that passed the checks; it may leave later in the same turn. */
  protected abstract transmit(message: Uint8Array): void;
  /** Whether the peer and the transport keep up with what was sent. */
  protected abstract hasRoom(): boolean;
  /** Sends the rest, then tells the peer that nothing more comes. Called once at most. */
  protected abstract beginClose(): void;
  /** Lets go of the transport at once. `reason` may be told to the peer. Called once. */
  protected abstract release(reason: ChannelError | undefined): void;
  /** Starts and stops reading, so that an unread peer finds the transport full. */
  protected abstract setReading(on: boolean): void;
  /** Called after the receiver has had `message`. */
  protected delivered(_message: Uint8Array): void {}

  get receivedBytes(): number {
    return this.seenBytes;
  }

  get state(): ChannelState {
    return this.#lifecycle.state;
  }

  /** Within one machine a peer that had gone would have closed the channel. */
  async presence(): Promise<PeerPresence> {
    if (this.state === "closed") return "gone";
    return this.#presence === undefined ? "busy" : await this.#presence();
  }

  send(message: Uint8Array): boolean {
    if (this.state !== "open") throw new ChannelError("CHANNEL_CLOSED");
    if (message.byteLength > this.limits.maxMessageBytes) throw this.#tooLarge(message.byteLength);
    this.transmit(message);
    return this.hasRoom();
  }

  drained(): Promise<void> {
    if (this.state === "closed" || this.hasRoom()) return Promise.resolve();
    this.#room ??= deferred();
    return this.#room.promise;
  }

  receive(receiver: (message: Uint8Array) => void): void {
    if (this.#receiver !== undefined) throw new TypeError("the channel has a receiver already");
    this.#receiver = receiver;
    this.#read();
  }

  pause(): void {
    // A channel that is being closed reads on: the peer's end is behind what is unread.
    if (this.#paused || this.#closedHere || this.state === "closed") return;
    this.#paused = true;
    if (this.#receiver !== undefined) this.setReading(false);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#read();
  }

  async close({ signal }: AbortOptions = {}): Promise<void> {
    if (!this.#closedHere && this.state !== "closed") {
      this.#closedHere = true;
      if (this.state === "open") {
        this.#lifecycle.to("closing");
        this.beginClose();
      }
      this.#paused = false;
      this.#read();
    }
    const giveUp = (): void =>
      this.abort(new ChannelError("CHANNEL_CLOSED", "the peer did not close in time"));
    using _listener =
      signal === undefined || this.#isClosed() ? undefined : onAbort(signal, giveUp);
    await this.closed;
  }

  abort(reason: ChannelError): void {
    if (this.state === "closed") return;
    this.#settle(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.state === "closed") return;
    await this.close({ signal: AbortSignal.timeout(this.limits.closeGraceMs) });
  }

  /** Hands a message that arrived to the receiver, or keeps it. */
  protected deliver(message: Uint8Array): void {
    if (this.state === "closed" || this.#outcome !== undefined) return;
    if (message.byteLength > this.limits.maxMessageBytes) {
      this.finish(this.#tooLarge(message.byteLength));
    } else if (this.#receiver === undefined && this.#closedHere) {
      this.delivered(message); // Nobody is going to ask for it.
    } else if (this.#receiver === undefined || this.#paused || this.#draining) {
      this.#kept.push(message);
    } else {
      this.#hand(message, this.#receiver);
    }
  }

  /** Nothing more comes from the peer: closes this side's direction too. */
  protected peerEnded(): void {
    if (this.state !== "open") return;
    this.#lifecycle.to("closing");
    this.beginClose();
  }

  /** The transport is at its end: in order, or broken by `error`. Later calls change nothing. */
  protected finish(error: ChannelError | undefined): void {
    if (this.state === "closed" || this.#outcome !== undefined) return;
    if (this.#nextKept === this.#kept.length) {
      this.#settle(error);
      return;
    }
    this.#outcome = { error };
    if (this.state === "open") this.#lifecycle.to("closing");
    this.release(error);
  }

  /** Wakes whoever waits in `drained`, if there is room. */
  protected roomMade(): void {
    if (this.#room === undefined || !this.hasRoom()) return;
    this.#room.resolve();
    this.#room = undefined;
  }

  /** Delivers what was kept, then lets the transport go on. */
  #read(): void {
    if (this.#draining) return;
    if (this.#receiver === undefined) {
      if (!this.#closedHere) return;
      this.#forgetKept();
    } else {
      this.#drainKept(this.#receiver);
    }
    if (this.#nextKept < this.#kept.length || this.#isClosed()) return;
    if (this.#outcome !== undefined) this.#settle(this.#outcome.error);
    else if (!this.#paused) this.setReading(true);
  }

  #drainKept(receiver: (message: Uint8Array) => void): void {
    this.#draining = true;
    while (this.#nextKept < this.#kept.length && !this.#paused) {
      this.#hand(this.#kept[this.#nextKept++] as Uint8Array, receiver);
    }
    this.#draining = false;
    // Not after every pause: that would move the rest again and again.
    if (this.#nextKept * 2 < this.#kept.length) return;
    this.#kept.splice(0, this.#nextKept);
    this.#nextKept = 0;
  }

  #hand(message: Uint8Array, receiver: (message: Uint8Array) => void): void {
    try {
      receiver(message);
    } catch (error) {
      const says = "the receiver threw";
      this.abort(new ChannelError("CHANNEL_MALFORMED", says, { cause: error }));
      return;
    }
    this.delivered(message);
  }

  #forgetKept(): void {
    this.#kept = [];
    this.#nextKept = 0;
  }

  #settle(error: ChannelError | undefined): void {
    this.#lifecycle.to("closed");
    this.#forgetKept();
    if (this.#outcome === undefined) this.release(error);
    this.#room?.resolve();
    this.#room = undefined;
    this.#closed.resolve(error);
  }

  /** As `state === "closed"`, where the compiler remembers an older answer. */
  #isClosed(): boolean {
    return this.state === "closed";
  }

  #tooLarge(size: number): ChannelError {
    const limit = this.limits.maxMessageBytes;
    const says = `a message of ${size} bytes is over the limit of ${limit}`;
    return new ChannelError("CHANNEL_TOO_LARGE", says, { details: { size, limit } });
  }
}

/** Whatever broke a transport, as the reason that its channel closes with. */
export function toChannelError(error: unknown): ChannelError {
  if (!BanyanError.is(error)) {
    return new ChannelError("CHANNEL_CLOSED", "the transport broke", { cause: error });
  }
  const { code, message, details } = error;
  if (code.startsWith("CHANNEL_")) return error as ChannelError;
  const own = code === "WIRE_LIMIT" ? "CHANNEL_TOO_LARGE" : "CHANNEL_MALFORMED";
  return new ChannelError(own, message, { details, cause: error });
}

function withDefaults(limits: Partial<ChannelLimits> = {}): ChannelLimits {
  const { maxMessageBytes, closeGraceMs } = DEFAULT_CHANNEL_LIMITS;
  return {
    maxMessageBytes: limits.maxMessageBytes ?? maxMessageBytes,
    closeGraceMs: limits.closeGraceMs ?? closeGraceMs,
  };
}
