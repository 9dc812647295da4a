/**
 * The contract between whatever carries bytes and whatever gives them a meaning.
 *
 * A channel moves whole messages between two endpoints: in order, at most once, and it knows nothing
 * of what is in them. It does not reconnect: a closed channel stays closed, and whoever dialled it
 * decides whether to dial again. What is sent within one turn of the event loop may leave in one
 * write. Every implementation passes `channelSuite` of `banyan/testing`.
 *
 * Not promised: that a message which `send` took has arrived, that the peer is alive while nothing
 * comes, and any relation between two channels.
 */
import type { AbortOptions } from "../base/abort.ts";
import { ChannelError } from "../base/errors.ts";

/** `open -> closing -> closed`, or straight from `open` to `closed` when the transport breaks. */
export type ChannelState = "open" | "closing" | "closed";

/**
 * What a transport knows of a peer that says nothing. "busy": it is there, for what is sent to it is
 * taken, but its program doesn't answer. "gone": nobody takes anything. "unknown": it can't tell.
 */
export type PeerPresence = "busy" | "gone" | "unknown";

const MEANING: Readonly<Record<PeerPresence, string>> = {
  busy: "it takes what it is sent, so it is there, but busy or frozen",
  gone: "nobody takes what it is sent, so it is gone, or the network is",
  unknown: "it is busy, or gone",
};

/** `CHANNEL_SILENT`, of a peer from which nothing came for so long. */
export function silenceError(presence: PeerPresence, silentMs: number): ChannelError {
  const says = `nothing came from the peer for ${silentMs} ms: ${MEANING[presence]}`;
  return new ChannelError("CHANNEL_SILENT", says, { details: { presence, silentMs } });
}

export interface Channel extends AsyncDisposable {
  /** Names the peer in logs, as `unix:/run/x.sock#3`. For people: never parse it. */
  readonly label: string;

  readonly state: ChannelState;

  /**
   * Settles once, when the channel is closed, and never rejects: `undefined` after an orderly close
   * by either side, else the error that broke it. Every message that arrived whole before the end
   * was handed to the receiver before this settles: where there is no receiver yet or it has paused,
   * this waits for it, unless `close` or `abort` is called here.
   */
  readonly closed: Promise<ChannelError | undefined>;

  /**
   * Whether the peer may vanish without this end noticing, as on a network; the transports within one
   * machine close when either end dies.
   */
  readonly crossesNetwork: boolean;

  /**
   * True where the peer's end is noticed whatever happens, and its saying something would only tell whether
   * its event loop turns: no heartbeat is kept then.
   */
  readonly needsNoBeats?: boolean;

  /** Grows with all that comes, also with an empty message and with parts of one that is not whole yet. */
  readonly receivedBytes: number;

  /** Looks for a peer from which nothing comes. Something has to have been sent to it lately. */
  presence(): Promise<PeerPresence>;

  /**
   * Takes `message`: the caller may not write to its bytes any more, but may read them and send them
   * elsewhere too. The rest of a buffer that it is a part of stays the caller's. Synchronous, so that
   * the order of calls is the order of messages.
   *
   * @returns false where the transport is full and the caller should wait for `drained()` before it
   *   sends more. The message was taken all the same.
   * @throws ChannelError `CHANNEL_CLOSED`, `CHANNEL_TOO_LARGE`
   */
  send(message: Uint8Array): boolean;

  /** Resolves when the transport has room again, or the channel is closed. */
  drained(): Promise<void>;

  /**
   * Sets the one receiver; calling it twice is a `TypeError`. Messages that came earlier are kept
   * and delivered now. A message is valid during the call and after it: nobody overwrites it, and
   * writing to it reaches nobody else. A receiver that throws breaks the channel with
   * `CHANNEL_MALFORMED` and its error as the cause.
   */
  receive(receiver: (message: Uint8Array) => void): void;

  /** Stops delivery until `resume()` or `close()`: the peer then finds the transport full. */
  pause(): void;
  resume(): void;

  /**
   * Sends what was accepted, then closes. Safe to call twice. Where the signal aborts first, the
   * rest is dropped and the channel is closed all the same; `await using` allows `closeGraceMs`.
   */
  close(options?: AbortOptions): Promise<void>;

  /** Closes at once and drops what was not sent; `closed` resolves with `reason`. */
  abort(reason: ChannelError): void;

  /**
   * Whether this end keeps its process alive; at first it does, if there is such a thing. What was
   * sent leaves all the same. Missing where nothing can be said about it.
   */
  keepAlive?(on: boolean): void;

  /**
   * Says that the peer blocks until it is answered, and may go on at once: this end had better not sleep
   * in the next moment. Missing where that is of no use.
   */
  expectMore?(): void;
}

/**
 * A channel whose thread can block until something comes. Messages of all such channels of a thread
 * are handed out meanwhile; otherwise they are delivered as those of any channel.
 */
export interface BlockingChannel extends Channel {
  /** Settled as `closed` is, but known at once, also while the thread blocks. */
  readonly ended: { readonly error: ChannelError | undefined } | undefined;

  /**
   * Blocks the thread until `done` says true, which is asked after each message, or `deadline`, a
   * time of `performance.now()`, has passed. Ends as well when this channel is closed.
   */
  block(done: () => boolean, deadline: number): void;

  /**
   * From now on, whoever is at the end of it hears something every so often, also while this thread
   * blocks: a message with nothing in it. Only where the channel leads to another process.
   */
  beat(everyMs: number): void;

  /**
   * From now on the channel breaks with `CHANNEL_SILENT` where nothing came for so long from whoever is at
   * the end of it, also while this thread blocks. Only where it leads to another process.
   */
  watch(silentMs: number): void;

  /** Whether this end keeps its thread's event loop alive; at first it does, as other channels do. */
  keepAlive(on: boolean): void;
}

/** Limits of one channel. Both sides apply their own; nothing is negotiated. */
export interface ChannelLimits {
  /** Over this, `send` throws, and a message from the peer breaks the channel. */
  readonly maxMessageBytes: number;
  /** How long disposing waits for the peer before it drops what is unsent. */
  readonly closeGraceMs: number;
}

export const DEFAULT_CHANNEL_LIMITS: ChannelLimits = {
  maxMessageBytes: 64 * 1024 * 1024,
  closeGraceMs: 5_000,
};

export interface DialOptions {
  /** Required: nobody dials without a limit on the wait. */
  signal: AbortSignal;
  limits?: Partial<ChannelLimits> | undefined;
}

/**
 * Opens a channel to `address`, a URL of a scheme the implementation answers for.
 *
 * @throws ChannelError `CHANNEL_REFUSED`
 * @public
 */
export type Dial = (address: string, options: DialOptions) => Promise<Channel>;

export interface ListenOptions {
  limits?: Partial<ChannelLimits> | undefined;
}

/** Accepts channels until it is closed; channels that were accepted live on. */
export interface Listener extends AsyncDisposable {
  /** What a peer dials. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Accepts channels at `address`.
 *
 * @throws ChannelError `CHANNEL_REFUSED` where the address can't be listened on
 * @public
 */
export type Listen = (
  address: string,
  onChannel: (channel: Channel) => void,
  options?: ListenOptions,
) => Promise<Listener>;
