import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";

import { ChannelError } from "../base/errors.ts";
import { BaseChannel, type ChannelOptions, HIGH_WATER_BYTES } from "./base-channel.ts";
import {
  type BlockingChannel,
  type ChannelLimits,
  type PeerPresence,
  silenceError,
} from "./channel.ts";
import type { Inlet } from "./inlet.ts";
import { Lifeline } from "./lifeline.ts";
import { Bell, mailbox, type MailSource } from "./mailbox.ts";
import type { Outlet } from "./outlet.ts";
import { Ring, RingEnd } from "./ring.ts";

export interface ThreadChannelOptions {
  /** For logs. */
  readonly label?: string | undefined;
  readonly limits?: Partial<ChannelLimits> | undefined;
  /** Bytes of shared memory for what comes in here; a power of two. Default 262,144. */
  readonly ringBytes?: number | undefined;
  /** What the other thread relays this one to, if it does: a process of this machine, or one beyond a network. */
  readonly far?: "process" | "network" | undefined;
  /** Where messages leave for the process that the other thread relays them to. */
  readonly outlet?: Outlet | undefined;
  /** Where what comes from there may be read, without the other thread. */
  readonly inlet?: Inlet | undefined;
  /** Called each time the bell has rung, before anything is taken. */
  readonly onRung?: (() => void) | undefined;
  /** Called where the other thread wants the process that it is relayed to to hear of it every so often. */
  readonly onBeat?: ((everyMs: number) => void) | undefined;
  /** Called where the other thread wants to hear when nothing has come from there for so long. */
  readonly onWatch?: ((silentMs: number) => void) | undefined;
}

type Ways = Pick<
  ThreadChannelOptions,
  "far" | "outlet" | "inlet" | "onRung" | "onBeat" | "onWatch"
>;

/**
 * A channel between two threads of a process, each of which may block until a message comes. Takes
 * the port over. The other side makes its own of the other port of the pair, whenever it likes.
 *
 * A thread that ends closes it, by itself or because it is terminated from outside.
 */
export function threadChannel(
  port: MessagePort,
  { label = "thread:", limits, ringBytes = 256 * 1024, ...ways }: ThreadChannelOptions = {},
): BlockingChannel {
  const presence = ways.far === "network" ? () => Promise.resolve("unknown" as const) : undefined;
  return new ThreadChannel(port, { label, limits, presence }, ways, ringBytes);
}

/** The first thing that each side posts: where the other finds what comes in here. */
interface Introduction {
  readonly ring: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly lifeline: MessagePort;
}

/** The other side, once it has introduced itself. */
interface PeerThread {
  readonly ring: Ring;
  readonly bell: Bell;
  /** Held, so that it is there as long as this side is. */
  readonly lifeline: MessagePort;
}

/**
 * Small messages go through a ring of shared memory that the receiving side has made. Large ones, those
 * that find the ring full, and those from before the sides knew each other are posted. Every message
 * has a number, so that the receiving side takes them in their order, from wherever the next one is.
 *
 * Each side first puts something where the other looks, and then looks whether the other has
 * introduced itself and can be woken. Neither goes to sleep without having introduced itself before it
 * looked. So whoever is second sees the first.
 */
class ThreadChannel extends BaseChannel implements BlockingChannel, MailSource {
  readonly #port: MessagePort;
  readonly #inbound: Ring;
  readonly #ways: Ways;
  /** Messages that the other thread had nothing to do with. */
  readonly #readHere = new WeakSet<Uint8Array>();
  readonly #lifeline = new Lifeline();
  #peer: PeerThread | undefined;
  #silentMs = 0;
  #sent = 0;
  #sentBytes = 0;
  #received = 0;
  #reading = false;
  #endTaken = false;
  #portOpen = true;
  #ended: { readonly error: ChannelError | undefined } | undefined;

  constructor(port: MessagePort, options: ChannelOptions, ways: Ways, ringBytes: number) {
    super(options);
    this.#ways = ways;
    this.#port = port;
    this.#inbound = Ring.create(ringBytes);
    const introduction: Introduction = {
      ring: this.#inbound.memory,
      bell: mailbox.bell.memory,
      lifeline: this.#lifeline.otherEnd,
    };
    port.postMessage(introduction, [introduction.lifeline]);
    port.on("close", () => {
      this.#gone();
    });
    port.ref();
    // Also while nobody receives: the other side's end and its making of room are to be seen.
    mailbox.add(this);
  }

  get needsNoBeats(): boolean {
    return this.#ways.far === undefined;
  }

  get ended(): { readonly error: ChannelError | undefined } | undefined {
    return this.#ended;
  }

  block(done: () => boolean, deadline: number): void {
    const begun = performance.now();
    mailbox.block(() => this.#ended !== undefined || done(), deadline, this);
    this.#ways.inlet?.waited(performance.now() - begun);
  }

  look(isRung: () => boolean): boolean {
    const { inlet } = this.#ways;
    if (inlet?.isMine !== true) return false;
    if (!this.#reading) {
      this.leave();
      return false;
    }
    // What the other thread has read came before.
    if (this.take()) return true;
    const message = inlet.look(isRung, () => this.#peer?.bell.ring());
    if (message === undefined) return isRung();
    this.seenBytes += 1 + message.length;
    this.#readHere.add(message);
    this.deliver(message);
    return true;
  }

  stillThere(): void {
    if (this.#ended === undefined && this.#lifeline.isCut) this.#gone();
  }

  #gone(): void {
    // Node 20 crashes where something asks a closed port for messages.
    this.#portOpen = false;
    while (this.take());
    this.finish(new ChannelError("CHANNEL_CLOSED", "the other thread is gone"));
  }

  leave(): void {
    if (this.#ways.inlet?.giveBack() === true) this.#peer?.bell.ring();
  }

  take(): boolean {
    this.#ways.onRung?.();
    if (this.#inbound.end === RingEnd.aborted) return this.#takeEnd();
    const message = this.#reading ? this.#takeMessage() : undefined;
    if (message !== undefined) {
      this.#received = (this.#received + 1) | 0;
      this.seenBytes += 1 + message.length;
      this.deliver(message);
      return true;
    }
    if (this.#peer === undefined && !this.#reading) this.#meet();
    const beatMs = this.#inbound.takeBeatMs();
    if (beatMs > 0) this.#ways.onBeat?.(beatMs);
    const watchMs = this.#inbound.takeWatchMs();
    if (watchMs > 0) this.#ways.onWatch?.(watchMs);
    this.roomMade();
    return this.#inbound.sent === this.#received && this.#takeEnd();
  }

  beat(everyMs: number): void {
    this.#peer?.ring.askForBeats(everyMs);
    this.#peer?.bell.ring();
  }

  watch(silentMs: number): void {
    this.#silentMs = silentMs;
    this.#peer?.ring.askToWatch(silentMs);
    this.#peer?.bell.ring();
  }

  keepAlive(on: boolean): void {
    if (on) this.#port.ref();
    else this.#port.unref();
  }

  threadEnds(): void {
    this.#tellLastEnd(RingEnd.gone);
  }

  protected transmit(message: Uint8Array): void {
    const { outlet } = this.#ways;
    const left = outlet === undefined ? message : outlet.write(message, this.#sent);
    if (left !== undefined) this.#pass(left);
  }

  #pass(message: Uint8Array): void {
    const number = (this.#sent + 1) | 0;
    if (this.#peer?.ring.write(message, number) !== true) {
      const copy = message.slice().buffer;
      this.#port.postMessage(copy, [copy]);
    }
    this.#sent = number;
    this.#sentBytes = (this.#sentBytes + message.length) | 0;
    if (this.#peer === undefined) {
      this.#meet();
    } else {
      this.#peer.ring.tellSent(number);
      this.#peer.bell.ring();
    }
  }

  protected hasRoom(): boolean {
    if (this.#peer === undefined) return this.#sentBytes < HIGH_WATER_BYTES;
    const { ring } = this.#peer;
    if (this.#isReadUpTo(ring)) return true;
    ring.askForRoom();
    // The reader may have read everything before it was asked.
    return this.#isReadUpTo(ring);
  }

  protected beginClose(): void {
    this.#tellEnd(RingEnd.closed);
  }

  protected release(error: ChannelError | undefined): void {
    this.leave();
    this.#ended = { error };
    const presence = error?.code === "CHANNEL_SILENT" ? error.details["presence"] : undefined;
    if (presence !== undefined) this.#peer?.ring.tellSilence(presence as PeerPresence);
    this.#tellLastEnd(error === undefined ? RingEnd.closed : RingEnd.aborted);
    mailbox.remove(this);
    this.#lifeline.close();
    this.#peer?.lifeline.close();
    // Posted messages go with the port. The other side closes it where it is not done with them.
    const isRead = this.#peer === undefined || this.#sentBytes === this.#peer.ring.readBytes;
    if (error !== undefined || isRead) {
      this.#portOpen = false;
      this.#port.close();
    }
  }

  protected setReading(on: boolean): void {
    this.#reading = on;
    if (on) mailbox.bell.ring();
  }

  protected override delivered(message: Uint8Array): void {
    if (this.#readHere.delete(message)) return;
    if (this.#inbound.tellRead(message.length)) this.#peer?.bell.ring();
  }

  #isReadUpTo(ring: Ring): boolean {
    return ((this.#sentBytes - ring.readBytes) | 0) < HIGH_WATER_BYTES;
  }

  #takeMessage(): Uint8Array | undefined {
    const message = this.#inbound.read((this.#received + 1) | 0);
    if (message !== undefined) {
      // Its introduction was posted before that, and whoever gets the message may ask it for beats.
      if (this.#peer === undefined) this.#meet();
      return message;
    }
    const isKnown = this.#peer !== undefined && this.#inbound.attached;
    if (isKnown && this.#inbound.sent === this.#received) return undefined;
    const posted = this.#receivePosted();
    return posted instanceof ArrayBuffer ? new Uint8Array(posted) : undefined;
  }

  /** The next thing that was posted, introductions obeyed on the way. */
  #receivePosted(): unknown {
    for (;;) {
      const received = this.#receiveOnPort();
      if (received === undefined || received.message instanceof ArrayBuffer) {
        return received?.message;
      }
      this.#introduced(received.message as Introduction);
    }
  }

  /** Looks whether the other side is there, which has to be woken then. */
  #meet(): void {
    // Messages can't be in front of the introduction, and nothing else is taken here.
    const received = this.#receiveOnPort();
    if (received !== undefined) this.#introduced(received.message as Introduction);
  }

  #receiveOnPort(): { readonly message: unknown } | undefined {
    return this.#portOpen ? receiveMessageOnPort(this.#port) : undefined;
  }

  #introduced({ ring, bell, lifeline }: Introduction): void {
    this.#peer = { ring: new Ring(ring), bell: new Bell(bell), lifeline };
    this.#peer.ring.attach(this.#sent);
    if (this.state === "closing") this.#tellEnd(RingEnd.closed);
    this.#peer.bell.ring();
    const { end, sent } = this.#peer.ring.left;
    if (end === RingEnd.open) return;
    // It had nobody to tell, and looks for nobody any more.
    this.#inbound.attach(sent);
    this.#inbound.tellEnd(end);
    mailbox.bell.ring();
  }

  /**
   * From here on this side looks for nobody. Whoever introduces itself after it was looked for here
   * finds what was left before.
   */
  #tellLastEnd(end: RingEnd): void {
    this.#inbound.leave(end, this.#sent);
    this.#tellEnd(end);
  }

  #tellEnd(end: RingEnd): void {
    // It may be there, and wait for something that never comes.
    if (this.#peer === undefined) this.#meet();
    if (this.#peer === undefined) return;
    const { ring, bell } = this.#peer;
    if (ring.end >= end) return;
    ring.tellEnd(end);
    bell.ring();
  }

  /** The end of the other side, once. */
  #takeEnd(): boolean {
    const { end } = this.#inbound;
    if (end === RingEnd.open || this.#endTaken) return false;
    this.#endTaken = true;
    if (end === RingEnd.closed) {
      this.peerEnded();
      this.finish(undefined);
    } else {
      const { silence } = this.#inbound;
      if (silence !== undefined) this.finish(silenceError(silence, this.#silentMs));
      else this.finish(new ChannelError("CHANNEL_CLOSED", "the other thread broke off"));
    }
    return true;
  }
}
