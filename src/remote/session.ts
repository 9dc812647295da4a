import { abortable } from "../base/abort.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { RemoteError } from "../base/errors.ts";
import { type Log, silentLog } from "../base/log.ts";
import type { Channel } from "../channel/channel.ts";
import { checkSessionOptions, SESSION_OPTIONS } from "./check-options.ts";
import { closeWithin } from "./close-within.ts";
import type { PlainMode } from "./codec.ts";
import type { EvaluateOptions } from "./evaluate.ts";
import { encodeRefusal } from "./handshake.ts";
import {
  beat,
  type Heartbeat,
  heartbeatOf,
  type HeartbeatOptions,
  watchSilence,
} from "./heartbeat.ts";
import { type Authenticate, Opening } from "./opening.ts";
import { Peer } from "./peer.ts";
import type { Policy } from "./policy.ts";
import { DEFAULT_SESSION_LIMITS, limitsOf, type SessionLimits } from "./protocol.ts";
import type { SessionStats } from "./stats.ts";
import type { Trace } from "./trace.ts";
import type { RemoteNamed } from "./types.ts";
import type { ValueClass } from "./value-classes.ts";

export interface SessionOptions {
  /** What the peer may ask for by name. Taken as it is now: names added later are not seen. */
  readonly exports?: Readonly<Record<string, unknown>> | undefined;
  /** How much of what it gets the peer may touch. Default "capability". */
  readonly policy?: Policy | undefined;
  /**
   * How plain objects and arrays cross from this side: "reference" (default), or "copy", where
   * functions and instances in them are references still. Each side chooses for what it sends.
   */
  readonly plain?: PlainMode | undefined;
  readonly limits?: Partial<SessionLimits> | undefined;
  /** Names this side to the peer, for people. */
  readonly name?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: Log | undefined;
  /** Gives up waiting for the peer's hello. What is open by then stays open. */
  readonly signal?: AbortSignal | undefined;
  /** What the peer gets instead of an error that code of this side threw: to leave out secrets. */
  readonly onError?: ((error: unknown) => unknown) | undefined;
  /** What this side shows to a peer that asks: plain data of a few kilobytes. The peer may be anybody. */
  readonly credentials?: unknown;
  /**
   * Looks at who is there before anything else of this side can be reached, and answers false, or
   * throws, to turn them away; `helloMs` bounds it.
   */
  readonly authenticate?: Authenticate | undefined;
  /** Classes whose instances cross as copies, where the other side names the same ones. */
  readonly valueClasses?: readonly ValueClass[] | undefined;
  /** Gets to know of every call in either direction. Without it, nothing is noted. */
  readonly trace?: Trace | undefined;
  /** Records where each call was made, and shows it in the stack of its error. Costs microseconds. */
  readonly callSites?: boolean | undefined;
  /**
   * Calls that are not answered within so many milliseconds fail with `REMOTE_TIMEOUT`; iterations and
   * streams may take longer. Without it they wait as long as the session lasts; see `within`.
   */
  readonly timeoutMs?: number | undefined;
  /** Lets this process end while nothing waits for an answer on either side, though the session is open. */
  readonly unref?: boolean | undefined;
  /**
   * Ends the session when the peer says nothing for too long; the error's cause tells whether it is busy
   * or gone. On by default where the channel crosses a network, off within one machine.
   */
  readonly heartbeat?: HeartbeatOptions | boolean | undefined;
  /**
   * The peer is a thread that blocks and can't await: where it would get a promise, it is answered with
   * what that settles with, and it serves this side's calls while it waits for an answer.
   */
  readonly peerBlocks?: boolean | undefined;
}

/**
 * Two sides that use each other's objects over one channel. Both may offer objects by name, and call.
 *
 * Calls leave in the order they are made, together at the end of the turn, and start in that order on
 * the other side, except those that wait for a result or promise. No call is repeated. When the
 * session ends, every pending call, iteration and promise fails, and neither side holds anything of
 * the other's.
 */
export interface Session extends AsyncDisposable {
  /** What the peer calls itself. For people. */
  readonly peerName: string;

  /** What the peer offers under `name`; nothing is sent until it is used. */
  remote<T, Mode extends PlainMode = "reference">(name: string): RemoteNamed<T, Mode>;

  /** What the peer offers. */
  names(): Promise<string[]>;

  /**
   * Calls `listener` once when the session has ended in any way but by this side's `close()`; at once
   * if it has. The error is `REMOTE_BROKEN` where the channel broke, `REMOTE_CLOSED` where the peer
   * closed, and the peer's own error where it aborted. Dispose to take the listener off.
   */
  onBroken(listener: (error: unknown) => void): Disposable;

  /** Settles when it has ended, and never rejects: `undefined` after an orderly close by either side. */
  readonly closed: Promise<Error | undefined>;

  stats(): SessionStats;

  /**
   * Runs JavaScript on the other side, as `evaluate` does here. The other side must trust this one.
   *
   * @throws RemoteError `REMOTE_DENIED`; SyntaxError; whatever the source throws
   */
  evaluate(source: string, options?: EvaluateOptions): Promise<unknown>;

  /**
   * Runs `body`, then gives back the references that its calls brought, but for those in its result.
   * References that were there before stay. In a browser, those that others got meanwhile go as well.
   */
  scope<T>(body: () => T | Promise<T>): Promise<T>;

  /**
   * Takes no more calls of this side's, waits until every call in either direction is answered
   * (`closeGraceMs` at most), and closes the channel. Idempotent.
   */
  close(): Promise<void>;

  /** Ends it now; the peer is told the error. */
  abort(error: Error): void;
}

/**
 * Opens a session over a channel, which belongs to the session from here on, also if this fails.
 *
 * @throws RemoteError `REMOTE_VERSION`, `REMOTE_PROTOCOL`, `REMOTE_TIMEOUT`, `REMOTE_BROKEN`; the
 *   signal's reason; TypeError for options that a session does not have
 */
export function openSession(channel: Channel, options: SessionOptions = {}): Promise<Session> {
  return openSessionWith(channel, options, () => {});
}

/** The same; `onOpen` is called as soon as there is a session, before anything that the peer asks comes by it. */
export async function openSessionWith(
  channel: Channel,
  options: SessionOptions,
  onOpen: (session: Session) => void,
): Promise<Session> {
  let heartbeat: Heartbeat;
  try {
    checkSessionOptions(options, SESSION_OPTIONS, "openSession");
    heartbeat = heartbeatOf(channel, options.heartbeat);
  } catch (error) {
    void closeWithin(channel, systemClock, DEFAULT_SESSION_LIMITS.closeGraceMs);
    throw error;
  }
  const { signal, clock = systemClock, log = silentLog, name = "", valueClasses = [] } = options;
  const limits = limitsOf(options.limits);
  const { maxMessageBytes } = limits;
  const opened = deferred<Peer>();
  const opening = new Opening(channel, options.authenticate, {
    opened: (hello) => {
      const smaller = Math.min(maxMessageBytes, hello.maxMessageBytes);
      const both = { ...limits, maxMessageBytes: smaller };
      const peer = new Peer(channel, hello.name, {
        ...options,
        clock,
        log,
        limits: both,
        describes: hello.proxies === true,
        tells: hello.types === true,
        peerValues: hello.values ?? [],
      });
      onOpen(peer);
      // An empty message is a beat.
      receive = (next) => next.length > 0 && peer.receive(next);
      if (hello.beatMs !== undefined) beat(channel, clock, hello.beatMs);
      if (heartbeat.silentMs > 0) watchSilence(channel, clock, heartbeat.silentMs);
      opened.resolve(peer);
    },
    failed: (error) => opened.reject(error),
  });
  let receive = (message: Uint8Array): unknown => opening.receive(message);
  void channel.closed.then((cause) =>
    opened.reject(new RemoteError("REMOTE_BROKEN", "the channel closed before a hello", { cause })),
  );
  using _timer = clock.after(limits.helloMs, () =>
    opened.reject(new RemoteError("REMOTE_TIMEOUT", `no hello came within ${limits.helloMs} ms`)),
  );
  try {
    const values = valueClasses.map((valueClass) => valueClass.name);
    opening.begin({
      name,
      maxMessageBytes,
      credentials: options.credentials,
      values,
      types: true,
      beatMs: heartbeat.idleMs,
    });
    channel.receive((message) => receive(message));
    return await abortable(opened.promise, signal);
  } catch (error) {
    opening.stop();
    receive = ignore;
    if (error instanceof RemoteError) opening.send(encodeRefusal(error));
    void closeWithin(channel, clock, limits.closeGraceMs);
    throw error;
  }
}

function ignore(): void {}
