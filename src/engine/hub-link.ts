import { type AbortOptions, abortable } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { BanyanError, EngineError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { pause } from "../base/pause.ts";
import type { Session } from "../remote/session.ts";
import type { Remote } from "../remote/types.ts";
import { HUB_EXPORT, type HubInfo, type HubService } from "./hub-protocol.ts";

/** One session with a hub, while it lasts. */
export interface HubConnection {
  readonly session: Session;
  readonly hub: Remote<HubService, "copy">;
  readonly info: HubInfo;
}

export interface HubLinkOptions {
  /** Opens a session with the hub, which it starts if need be. */
  readonly connect: (signal: AbortSignal) => Promise<Session>;
  readonly clock: Clock;
  readonly log: Log;
  /** How long one operation tries before it gives up. */
  readonly giveUpMs: number;
  /** How long a hub may be silent while something is wanted of it. */
  readonly silenceMs: number;
  /** Called with each connection, before any waiting operation gets it. */
  readonly onConnected: (connection: HubConnection) => void;
  readonly onLost: () => void;
  /** Whether somebody needs a connection although no operation is waiting. */
  readonly wanted: () => boolean;
}

/** The waits between attempts to reach a hub: at first it is probably just being replaced. */
const WAITS_MS = [0, 10, 20, 50, 100, 200, 500, 1_000] as const;

/** How often a hub is asked whether it is there. */
const PING_MS = 1_000;

/** What a hub's engine throws when another hub has taken the store. */
const DEPOSED = new Set(["ENGINE_DEPOSED", "ENGINE_CLOSED"]);

/** Keeps one session with a hub alive: notices when it is lost or silent, and opens the next. */
export class HubLink {
  readonly #options: HubLinkOptions;
  readonly #closing = new AbortController();
  #connection: HubConnection | undefined;
  #connecting: Promise<HubConnection> | undefined;
  #pinging: Disposable | undefined;
  #pending = 0;

  constructor(options: HubLinkOptions) {
    this.#options = options;
  }

  get connection(): HubConnection | undefined {
    return this.#connection;
  }

  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Opens the first connection: here, a hub that can't be started is an error at once. */
  async open({ signal }: AbortOptions): Promise<HubConnection> {
    return abortable(this.#attempt(), signal);
  }

  /** Asks for a connection without waiting for it: for watches that go on behind the scenes. */
  keep(): void {
    if (this.closed) return;
    this.#pingSoon();
    void this.#connected().catch(() => {});
  }

  /**
   * Runs one operation, and again on the next connection where this one is lost meanwhile.
   *
   * @throws EngineError `ENGINE_UNAVAILABLE` where it never reached a hub in `giveUpMs`,
   *   `ENGINE_AMBIGUOUS` where it did and the answer was lost; what the operation throws
   */
  async run<T>(
    operation: (hub: HubConnection["hub"]) => PromiseLike<T>,
    options: AbortOptions & { readonly once?: boolean; readonly operation?: string } = {},
  ): Promise<T> {
    const { signal } = options;
    this.#checkOpen();
    signal?.throwIfAborted();
    this.#pending += 1;
    this.#pingSoon();
    try {
      const connection = this.#connection;
      // The common case: connected, and nothing to wait for but the answer.
      if (connection !== undefined && signal === undefined) {
        try {
          return await operation(connection.hub);
        } catch (error) {
          this.#judge(error, connection, options);
        }
      }
      return await this.#runUntil(operation, options, connection !== undefined);
    } finally {
      this.#pending -= 1;
    }
  }

  close(): Promise<void> {
    this.#closing.abort(new EngineError("ENGINE_CLOSED"));
    this.#pinging?.[Symbol.dispose]();
    const connection = this.#connection;
    this.#connection = undefined;
    return connection?.session.close() ?? Promise.resolve();
  }

  async #runUntil<T>(
    operation: (hub: HubConnection["hub"]) => PromiseLike<T>,
    options: AbortOptions & { readonly once?: boolean; readonly operation?: string },
    wasSent: boolean,
  ): Promise<T> {
    const { clock, giveUpMs } = this.#options;
    const until = clock.now() + giveUpMs;
    let sent = wasSent && options.signal === undefined;
    for (;;) {
      let connection: HubConnection;
      try {
        connection = await this.#within(this.#connected(), until, options);
      } catch (error) {
        this.#checkOpen();
        options.signal?.throwIfAborted();
        throw gaveUp(sent, options.operation, error);
      }
      try {
        sent = true;
        return await abortable(Promise.resolve(operation(connection.hub)), options.signal);
      } catch (error) {
        options.signal?.throwIfAborted();
        this.#judge(error, connection, options);
      }
      if (clock.now() > until) throw gaveUp(sent, options.operation, undefined);
    }
  }

  /** Returns where the operation may be tried on another connection; throws what is its own error. */
  #judge(
    error: unknown,
    connection: HubConnection,
    { once = false, operation }: { readonly once?: boolean; readonly operation?: string },
  ): void {
    const lost = BanyanError.has(error, "REMOTE_BROKEN") || BanyanError.has(error, "REMOTE_CLOSED");
    const deposed = BanyanError.is(error) && DEPOSED.has(error.code);
    if (!lost && !deposed) throw error;
    this.#drop(connection);
    this.#checkOpen();
    if (once && lost) throw gaveUp(true, operation, error);
  }

  #connected(): Promise<HubConnection> {
    if (this.#connection !== undefined) return Promise.resolve(this.#connection);
    this.#connecting ??= this.#reconnect().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  async #reconnect(): Promise<HubConnection> {
    const { clock, log } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const waitMs = WAITS_MS[Math.min(attempt, WAITS_MS.length - 1)] ?? 0;
      if (waitMs > 0) await pause(waitMs, { clock, signal: this.#closing.signal });
      try {
        return await this.#attempt();
      } catch (error) {
        this.#closing.signal.throwIfAborted();
        if (this.#pending === 0 && !this.#options.wanted()) throw error;
        log.debug("the hub can't be reached", { error });
      }
    }
  }

  async #attempt(): Promise<HubConnection> {
    const session = await this.#options.connect(this.#closing.signal);
    let info: HubInfo;
    const hub = session.remote<HubService, "copy">(HUB_EXPORT);
    try {
      info = await hub.info();
    } catch (error) {
      session.abort(error as Error);
      throw error;
    }
    if (this.closed) {
      await session.close();
      throw this.#closing.signal.reason as Error;
    }
    const connection: HubConnection = { session, hub, info };
    this.#connection = connection;
    session.onBroken(() => this.#drop(connection));
    this.#pingSoon();
    this.#options.onConnected(connection);
    return connection;
  }

  #drop(connection: HubConnection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    connection.session.abort(new EngineError("ENGINE_UNAVAILABLE", "the hub was given up"));
    if (this.closed) return;
    this.#options.onLost();
    if (this.#options.wanted()) this.keep();
  }

  #pingSoon(): void {
    if (this.#pinging !== undefined || this.closed) return;
    this.#pinging = this.#options.clock.after(PING_MS, () => {
      this.#pinging = undefined;
      if (this.#connection !== undefined) void this.#ping(this.#connection);
    });
  }

  /** A hub that was stopped accepts and says nothing; nobody else would notice. */
  async #ping(connection: HubConnection): Promise<void> {
    const { clock, silenceMs, wanted } = this.#options;
    if (this.#pending === 0 && !wanted()) return;
    const silent = new AbortController();
    let late = 0;
    const listen = (): Disposable =>
      clock.after(silenceMs / 2, () => {
        // Twice: if it was this process that stood still, the answer is waiting to be read.
        late += 1;
        if (late > 1) silent.abort(new EngineError("ENGINE_UNAVAILABLE", "the hub is silent"));
        else timer = listen();
      });
    let timer = listen();
    try {
      await abortable(Promise.resolve(connection.hub.ping()), silent.signal);
      this.#pingSoon();
    } catch (error) {
      if (silent.signal.aborted) this.#options.log.warn("the hub does not answer", { error });
      this.#drop(connection);
    } finally {
      timer[Symbol.dispose]();
    }
  }

  async #within<T>(promise: Promise<T>, until: number, { signal }: AbortOptions): Promise<T> {
    const { clock } = this.#options;
    const over = new AbortController();
    using _timer = clock.after(Math.max(0, until - clock.now()), () =>
      over.abort(new EngineError("ENGINE_UNAVAILABLE")),
    );
    const either = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
    return await abortable(promise, either);
  }

  #checkOpen(): void {
    if (this.closed) throw new EngineError("ENGINE_CLOSED");
  }
}

function gaveUp(sent: boolean, operation: string | undefined, cause: unknown): EngineError {
  if (sent && operation !== undefined) {
    return new EngineError("ENGINE_AMBIGUOUS", undefined, { cause, details: { operation } });
  }
  const reason = BanyanError.is(cause) && cause.code !== "ENGINE_UNAVAILABLE" ? cause.message : "";
  const says = `the hub can't be reached${reason === "" ? "" : `: ${reason}`}`;
  return new EngineError("ENGINE_UNAVAILABLE", says, { cause });
}
