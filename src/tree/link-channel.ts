import { ChannelError } from "../base/errors.ts";
import { BaseChannel, HIGH_WATER_BYTES } from "../channel/base-channel.ts";
import type { ChannelLimits } from "../channel/channel.ts";
import { type LinkSink, MAX_PIECE_BYTES } from "../engine/engine.ts";

/** So that an empty message takes room as well. */
const MESSAGE_COST_BYTES = 32;

/** So many turns in microtasks only; the next waits for the event loop, or timers would starve. */
const MAX_MICROTASK_TURNS = 1_000;

/** A message that was handed out, or waits for it, and who wants to know. */
interface Receipt {
  readonly resolve: () => void;
}

/** A channel over a link of an engine. Broken as the link is, and when either process ends. */
export class LinkChannel extends BaseChannel {
  /** Takes what comes from the far end. */
  readonly near: LinkSink;
  #far: LinkSink | undefined;
  /** Sent, and not yet with the far end's receiver. */
  #unreadBytes = 0;
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  readonly #receipts: Receipt[] = [];
  #ended = false;
  #peerHasEnded = false;
  readonly #leaving = new Later();
  readonly #arriving = new Later();

  constructor(label: string, limits?: Partial<ChannelLimits>) {
    super({ label, limits });
    this.near = {
      message: (piece, more) => this.#take(piece, more),
      end: () =>
        this.#arriving.add(() => {
          this.#peerHasEnded = true;
          this.peerEnded();
          this.#finishIfDone();
        }),
      broken: (reason) =>
        this.#arriving.add(() => this.finish(new ChannelError("CHANNEL_CLOSED", reason))),
    };
  }

  /** Joins it to the far end. Called once, before anything is sent. */
  join(far: LinkSink): void {
    this.#far = far;
  }

  protected transmit(message: Uint8Array): void {
    let start = 0;
    do {
      const end = Math.min(start + MAX_PIECE_BYTES, message.byteLength);
      this.#post(message.slice(start, end), end < message.byteLength);
      start = end;
    } while (start < message.byteLength);
  }

  protected hasRoom(): boolean {
    return this.#unreadBytes < HIGH_WATER_BYTES;
  }

  protected beginClose(): void {
    this.#leaving.add(() => {
      this.#ended = true;
      this.#far?.end();
      this.#finishIfDone();
    });
  }

  protected release(reason: ChannelError | undefined): void {
    this.#leaving.clear();
    // Told to a far end that broke it itself, this changes nothing.
    if (reason !== undefined) this.#far?.broken("the peer aborted");
    for (const { resolve } of this.#receipts.splice(0)) resolve();
    this.#pieces = [];
    this.#unreadBytes = 0;
    this.roomMade();
  }

  /** Nothing to do: an unread message counts as unread, and that is what fills the link. */
  protected setReading(): void {}

  protected override delivered(): void {
    this.#receipts.shift()?.resolve();
  }

  #post(piece: Uint8Array, more: boolean): void {
    const cost = MESSAGE_COST_BYTES + piece.byteLength;
    this.#unreadBytes += cost;
    this.#leaving.add(() => this.#send(piece, more, cost));
  }

  #send(piece: Uint8Array, more: boolean, cost: number): void {
    Promise.resolve(this.#far?.message(piece, more)).then(
      () => {
        this.#unreadBytes = Math.max(0, this.#unreadBytes - cost);
        return this.roomMade();
      },
      (cause: unknown) =>
        this.finish(new ChannelError("CHANNEL_CLOSED", "the link broke", { cause })),
    );
  }

  /** Resolves when the receiver has had the message that the piece is the last of. */
  #take(piece: Uint8Array, more: boolean): Promise<void> | void {
    if (this.#peerHasEnded) return undefined;
    if (more) {
      this.#arriving.add(() => this.#collect(piece));
      return undefined;
    }
    return new Promise((resolve) => {
      this.#arriving.add(() => {
        this.#collect(piece);
        const [first, ...rest] = this.#pieces;
        const message = rest.length === 0 ? (first ?? piece) : joined(this.#pieces);
        this.#pieces = [];
        this.#pieceBytes = 0;
        if (this.state === "closed") resolve();
        else this.#receipts.push({ resolve });
        this.seenBytes += message.byteLength;
        this.deliver(message);
      });
    });
  }

  #collect(piece: Uint8Array): void {
    this.#pieceBytes += piece.byteLength;
    // Over the limit, one more byte says as much as all of them.
    if (this.#pieceBytes > this.limits.maxMessageBytes + MAX_PIECE_BYTES) {
      this.finish(new ChannelError("CHANNEL_TOO_LARGE", "a message is over the limit"));
    } else {
      this.#pieces.push(piece);
    }
    this.seenBytes += MESSAGE_COST_BYTES;
  }

  #finishIfDone(): void {
    if (this.#ended && this.#peerHasEnded) this.finish(undefined);
  }
}

/** Runs things in order, in a microtask behind the one that is running. */
class Later {
  #due: (() => void)[] = [];
  #turns = 0;
  readonly #turn = (): void => {
    const due = this.#due;
    this.#due = [];
    for (const run of due) run();
  };

  add(run: () => void): void {
    if (this.#due.push(run) > 1) return;
    if (++this.#turns % MAX_MICROTASK_TURNS === 0) setTimeout(this.#turn, 0);
    else queueMicrotask(this.#turn);
  }

  clear(): void {
    this.#due.length = 0;
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((bytes, piece) => bytes + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}
