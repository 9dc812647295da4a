import { abortable } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { BanyanError, EngineError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { pause } from "../base/pause.ts";
import { type ByteCalls, byteCallsOf, type BytesTaker } from "../remote/byte-calls.ts";
import type { Session } from "../remote/session.ts";
import type { Remote } from "../remote/types.ts";
import { Reader } from "../wire/reader.ts";
import { ACCOUNT_EXPORT, type HubAccountService, type RemoteAccount } from "./hub-account.ts";
import { HUB_PROTOCOL, type HubHello, type HubRequest } from "./hub-hello.ts";
import { type HubPeersService, PEERS_EXPORT } from "./hub-peers-server.ts";
import { HUB_EXPORT, type HubService } from "./hub-server.ts";

export type RemoteHub = Remote<HubService, "copy">;
type RemotePeers = Remote<HubPeersService, "copy">;

/** Of an operation that waits for a hub: whether one has had it before, and its name if it changes something. */
interface Asked {
  readonly sent: boolean;
  readonly operation?: string | undefined;
}

/** One session with a hub that has said hello. */
export interface HubSession {
  readonly hub: RemoteHub;
  readonly peers: RemotePeers;
  readonly account: RemoteAccount;
  readonly hello: HubHello;
  /** Where the hub takes them: see `hub-bytes.ts`. */
  readonly bytes: ByteCalls | undefined;
  /** News that come in bytes, of the watch of that number, go there until it is disposed of. */
  listen(id: number, taker: BytesTaker): Disposable;
  /** True from the moment in which nothing more can come of it. */
  readonly gone: boolean;
  /** Takes it for lost: the link goes on with a new one. */
  drop(reason: string): void;
}

export interface HubLinkOptions {
  /** Opens a session with the hub, and starts one where there is none. */
  readonly connect: (signal: AbortSignal) => Promise<Session>;
  readonly clock: Clock;
  readonly log: Log;
  /** What each session is asked for. */
  readonly request?: HubRequest | undefined;
  /** Called with each session, also the first, before operations use it. */
  readonly onUp: (session: HubSession) => void;
  /** Called when contact is lost. */
  readonly onDown: () => void;
  /** Called when so many hubs in a row have failed that what waits for one is told why. It is tried again. */
  readonly onHopeless: (error: unknown) => void;
  /** Called when the hub does not let this client in any more: there will be no other session. */
  readonly onRefused: (error: unknown) => void;
  /** How long a hub may be silent before it is taken for lost. */
  readonly silenceMs: number;
  /** Whether somebody waits for the hub, so that its silence has to be noticed. */
  readonly isNeeded: () => boolean;
}

/** How many hubs in a row may go at the hello before the first session counts as failed. */
const MAX_LOST_AT_HELLO = 10;
/** How long to wait before each attempt in a row; the last one for all that follow. */
const RETRY_MS = [0, 20, 50, 100, 200, 500, 1_000];
/** So many hubs that end at their start, one after the other, are no bad luck. */
const HOPELESS = 3;
const PING_EVERY_MS = 500;
/** A session that ended sooner counts as one more failure. */
const SHORT_MS = 1_000;
/** Which of the pauses those are given at the most. */
const MAX_STREAK = 3;

/**
 * Keeps a session with the hub: opens another when one breaks, and takes one for broken whose hub does
 * not answer.
 */
export class HubLink {
  readonly #options: HubLinkOptions;
  readonly #closed = new AbortController();
  /** When the present session was adopted, and how many before it ended at once. */
  #since = 0;
  #streak = 0;
  #session: LinkedSession | undefined;
  #up: Deferred<HubSession> = deferred();
  #lastError: unknown;
  #hello: HubHello | undefined;

  constructor(options: HubLinkOptions) {
    this.#options = options;
    this.#up.promise.catch(() => {});
  }

  /**
   * The first session; what opens it is given up with the signal, and fails as `connect` does. A hub that
   * takes it and goes, because it was about to end, is one more reason to look for another.
   */
  async open(signal: AbortSignal | undefined): Promise<void> {
    // What waits for the hub must not find the process at its end.
    const alive = setInterval(() => {}, 1_000);
    try {
      this.#adopt(await this.#first(signal));
    } finally {
      clearInterval(alive);
    }
  }

  async #first(signal: AbortSignal | undefined): Promise<LinkedSession> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await abortable(this.#connect(), signal);
      } catch (error) {
        if (!(error instanceof LostAtHello)) throw error;
        if (attempt >= MAX_LOST_AT_HELLO) throw error.cause;
        await pause(RETRY_MS[attempt] ?? 1_000, { clock: this.#options.clock, signal });
      }
    }
  }

  /** What the hub of the last session said. */
  get hello(): HubHello {
    if (this.#hello === undefined) throw new Error("the link was not opened");
    return this.#hello;
  }

  /** The session there is. */
  get session(): HubSession | undefined {
    return this.#session;
  }

  /** Why there is none, as far as it is known. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** Resolves with a session as soon as there is one; rejects when the link is closed, or there seems to be no hope. */
  async whenUp(asked: Asked): Promise<HubSession> {
    if (this.#session !== undefined) return this.#session;
    try {
      return await this.#up.promise;
    } catch (error) {
      throw isHopeless(error) ? unreachable(error, asked) : error;
    }
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    const error = new EngineError("ENGINE_CLOSED");
    this.#closed.abort(error);
    this.#up.reject(error);
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }

  async #connect(): Promise<LinkedSession> {
    const { signal } = this.#closed;
    const session = await this.#options.connect(signal);
    try {
      const hub = session.remote<HubService, "copy">(HUB_EXPORT);
      const hello = await abortable(this.#within(hub.hello(this.#options.request ?? {})), signal);
      if (hello.protocol !== HUB_PROTOCOL) {
        throw new EngineError(
          "ENGINE_UNSUPPORTED",
          `the hub speaks protocol ${hello.protocol}, this version ${HUB_PROTOCOL}`,
        );
      }
      return new LinkedSession(session, hub, hello);
    } catch (error) {
      session.abort(error as Error);
      throw BanyanError.is(error) && LOST.has(error.code) ? new LostAtHello(error) : error;
    }
  }

  #adopt(session: LinkedSession): void {
    this.#session = session;
    this.#since = this.#options.clock.now();
    this.#hello = session.hello;
    session.onGone((error) => void this.#lose(session, error));
    if (session.gone) return;
    this.#options.onUp(session);
    this.#up.resolve(session);
    this.#schedulePing(session);
  }

  async #lose(session: LinkedSession, error: unknown): Promise<void> {
    if (this.#session !== session) return;
    const { log, onDown } = this.#options;
    this.#session = undefined;
    this.#lastError = error;
    this.#up = deferred();
    this.#up.promise.catch(() => {});
    log.debug("the hub is lost", { pid: session.hello.pid, error: String(error) });
    onDown();
    // What waits for the hub must not find the process at its end: an open socket would hold it, too.
    const alive = setInterval(() => {}, 1_000);
    try {
      await this.#reconnect();
    } finally {
      clearInterval(alive);
    }
  }

  async #reconnect(): Promise<void> {
    const { log, clock } = this.#options;
    const { signal } = this.#closed;
    // A hub that takes sessions and drops them at once must not be asked without a pause.
    const lasted = clock.now() - this.#since;
    this.#streak = lasted < SHORT_MS ? Math.min(this.#streak + 1, MAX_STREAK) : 0;
    for (let attempt = this.#streak; !signal.aborted; attempt++) {
      try {
        await pause(RETRY_MS[attempt] ?? 1_000, { clock, signal });
        const next = await this.#connect();
        if (!signal.aborted) return this.#adopt(next);
        await next.close();
      } catch (reason) {
        if (signal.aborted) return;
        this.#lastError = reason;
        if (BanyanError.has(reason, "REMOTE_DENIED")) {
          this.#up.reject(reason);
          this.#options.onRefused(reason);
          return;
        }
        log.debug("the hub can't be reached", { error: String(reason) });
        if (isHopeless(reason)) {
          this.#up.reject(reason);
          this.#up = deferred();
          this.#up.promise.catch(() => {});
          this.#options.onHopeless(reason);
        }
      }
    }
  }

  /** A hub that is frozen keeps its sockets open: only its silence tells. */
  #schedulePing(session: LinkedSession): void {
    const { clock, isNeeded } = this.#options;
    const due = clock.now() + PING_EVERY_MS;
    clock.after(PING_EVERY_MS, () => {
      if (this.#session !== session || session.gone) return;
      // A timer that comes late says that this process was frozen; the answers may be in its sockets.
      const late = clock.now() - due > PING_EVERY_MS;
      if (late || !isNeeded()) {
        this.#schedulePing(session);
        return;
      }
      this.#within(session.hub.ping()).then(
        () => this.#schedulePing(session),
        (error: unknown) => session.drop(`it did not answer a ping: ${String(error)}`),
      );
    });
  }

  /** Waits for an answer that takes no work; a hub that needs longer for it does not run. */
  async #within<T>(answer: PromiseLike<T>): Promise<T> {
    const { clock, silenceMs } = this.#options;
    const late = deferred<never>();
    using _timer = clock.after(silenceMs, () =>
      late.reject(
        new EngineError("ENGINE_UNAVAILABLE", `the hub said nothing for ${silenceMs / 1000} s`),
      ),
    );
    return await Promise.race([answer, late.promise]);
  }
}

/** Whether so many hubs in a row failed that another would, too: what connects says so. */
function isHopeless(reason: unknown): boolean {
  return BanyanError.is(reason) && Number(reason.details["inRow"]) >= HOPELESS;
}

/** What an operation comes to for which there was no hub any more. */
export function unreachable(cause: unknown, { sent, operation }: Asked): EngineError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  if (!sent || operation === undefined) {
    return new EngineError("ENGINE_UNAVAILABLE", `no hub could be reached${why}`, { cause });
  }
  const says = "the store was lost before it answered; the write may or may not be applied";
  return new EngineError("ENGINE_AMBIGUOUS", `${says}${why}`, { cause, details: { operation } });
}

/** A session broke before the hub had said what it is. */
class LostAtHello extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

class LinkedSession implements HubSession {
  readonly hub: RemoteHub;
  readonly peers: RemotePeers;
  readonly account: RemoteAccount;
  readonly hello: HubHello;
  readonly bytes: ByteCalls | undefined;
  readonly #session: Session;
  readonly #takers = new Map<number, BytesTaker>();
  #gone = false;

  constructor(session: Session, hub: RemoteHub, hello: HubHello) {
    this.#session = session;
    this.hub = hub;
    this.peers = session.remote<HubPeersService, "copy">(PEERS_EXPORT);
    this.account = session.remote<HubAccountService, "copy">(ACCOUNT_EXPORT);
    this.hello = hello;
    this.bytes = hello.hasBytes === true ? byteCallsOf(session) : undefined;
    this.bytes?.take((bytes) => this.#take(bytes));
    this.onGone(() => {});
  }

  get gone(): boolean {
    return this.#gone;
  }

  listen(id: number, taker: BytesTaker): Disposable {
    this.#takers.set(id, taker);
    return { [Symbol.dispose]: () => void this.#takers.delete(id) };
  }

  /** What is of a watch that has ended meanwhile is nobody's. */
  #take(bytes: Uint8Array): unknown {
    const reader = new Reader(bytes);
    const taker = this.#takers.get(reader.varint());
    return taker?.(reader.view(reader.left));
  }

  /** Calls `listener` when the session has ended in whatever way. */
  onGone(listener: (error: unknown) => void): void {
    const ended = (error: unknown): void => {
      this.#gone = true;
      listener(error);
    };
    this.#session.onBroken(ended);
    void this.#session.closed.then(ended);
  }

  drop(reason: string): void {
    this.#gone = true;
    this.#session.abort(new EngineError("ENGINE_UNAVAILABLE", reason));
  }

  close(): Promise<void> {
    return this.#session.close();
  }
}

/** Errors that say nothing of the operation, but that its hub or the way to it is gone. */
const LOST = new Set<string>([
  "REMOTE_BROKEN",
  "REMOTE_CLOSED",
  "REMOTE_TIMEOUT",
  "CHANNEL_CLOSED",
  "CHANNEL_REFUSED",
  "ENGINE_CLOSED",
  "ENGINE_DEPOSED",
]);

/** Whether `error`, of an operation over `session`, means that another session has to be tried. */
export function isLost(session: HubSession, error: unknown): boolean {
  return session.gone || (BanyanError.is(error) && LOST.has(error.code));
}
