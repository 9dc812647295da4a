import { ChannelError } from "../base/errors.ts";
import { BaseChannel, HIGH_WATER_BYTES } from "./base-channel.ts";
import type { Channel, ChannelLimits } from "./channel.ts";

export interface MemoryChannelOptions {
  /** For both ends, unless `farLimits` are given. */
  readonly limits?: Partial<ChannelLimits> | undefined;
  readonly farLimits?: Partial<ChannelLimits> | undefined;
  /** What the labels start with. */
  readonly label?: string | undefined;
}

/**
 * Two ends of one channel within this thread. Messages are copied, so that the ends share nothing,
 * and arrive in a later microtask, so that nobody is called back from within `send`.
 */
export function memoryChannelPair({
  limits,
  farLimits = limits,
  label = "memory:",
}: MemoryChannelOptions = {}): [Channel, Channel] {
  const near = new MemoryChannel({ label: `${label}#near`, limits });
  const far = new MemoryChannel({ label: `${label}#far`, limits: farLimits });
  near.connect(far);
  far.connect(near);
  return [near, far];
}

/** After the last message: the peer closed, or aborted and sends no reason. */
type End = "closed" | "aborted";

/** So that an empty message takes room as well. */
const MESSAGE_COST_BYTES = 32;

/** So many turns in microtasks only; the next waits for the event loop, or timers would starve. */
const MAX_MICROTASK_TURNS = 1_000;

class MemoryChannel extends BaseChannel {
  #peer: MemoryChannel | undefined;
  /** Sent, and not yet handed to the peer's receiver. */
  #unreadBytes = 0;
  #inFlight: (Uint8Array | End)[] = [];
  #turns = 0;
  #ended = false;
  #peerHasEnded = false;
  readonly #turn = (): void => this.#arrive();

  /** Joins this end to the other. Called once, before anything is sent. */
  connect(peer: MemoryChannel): void {
    this.#peer = peer;
  }

  protected transmit(message: Uint8Array): void {
    this.#unreadBytes += MESSAGE_COST_BYTES + message.byteLength;
    this.#put(message.slice());
  }

  protected hasRoom(): boolean {
    return this.#unreadBytes < HIGH_WATER_BYTES;
  }

  protected beginClose(): void {
    this.#ended = true;
    this.#put("closed");
    this.#finishIfDone();
  }

  protected release(reason: ChannelError | undefined): void {
    if (reason !== undefined) {
      this.#inFlight = [];
      this.#ended = true;
      this.#put("aborted");
    }
    // What this end leaves unread must not keep the peer waiting for room.
    const peer = this.#peer;
    if (peer === undefined) return;
    peer.#unreadBytes = 0;
    peer.roomMade();
  }

  /** Nothing to do: an unread message counts as unread, and that is what fills the channel. */
  protected setReading(): void {}

  protected override delivered(message: Uint8Array): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    peer.#unreadBytes -= MESSAGE_COST_BYTES + message.byteLength;
    peer.roomMade();
  }

  #put(item: Uint8Array | End): void {
    if (this.#inFlight.push(item) > 1) return;
    if (++this.#turns % MAX_MICROTASK_TURNS === 0) setTimeout(this.#turn, 0);
    else queueMicrotask(this.#turn);
  }

  /** Runs at the sending end, and delivers at the other. */
  #arrive(): void {
    const items = this.#inFlight;
    this.#inFlight = [];
    const peer = this.#peer;
    if (peer === undefined) return;
    for (const item of items) peer.#take(item);
  }

  #take(item: Uint8Array | End): void {
    if (typeof item !== "string") {
      this.seenBytes += MESSAGE_COST_BYTES + item.byteLength;
      this.deliver(item);
    } else if (item === "aborted") {
      this.finish(new ChannelError("CHANNEL_CLOSED", "the peer aborted"));
    } else {
      this.#peerHasEnded = true;
      this.peerEnded();
      this.#finishIfDone();
    }
  }

  #finishIfDone(): void {
    if (this.#ended && this.#peerHasEnded) this.finish(undefined);
  }
}
