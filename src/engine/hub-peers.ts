import { abortable, type AbortOptions, linkSignals, onAbort } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { BanyanError, EngineError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import { pause } from "../base/pause.ts";
import { AsyncQueue } from "../base/queue.ts";
import type { Path } from "../wire/path.ts";
import { type HubSession, isLost } from "./hub-link.ts";
import { HubPresence, stopOffer } from "./hub-presence.ts";
import { sinkBehind, sinkFunction } from "./link-sinks.ts";
import { DEFAULT_REQUEST_MS } from "./local-peers.ts";
import type {
  AnnounceOptions,
  EngineAnswer,
  EngineMembership,
  EngineOffer,
  EnginePeers,
  EnginePresence,
  EngineResponder,
  LeaveReason,
  LinkAcceptor,
  LinkSink,
  RequestOptions,
} from "./peers.ts";
import { checkTopic } from "./topic-index.ts";

/** So long after a hub was replaced those who answer may still be on their way to the new one. */
const SETTLE_MS = 2_000;
const TRY_AGAIN_MS = 50;
const MAX_ANSWERS = 10_000;

export interface HubPeersOptions {
  /** The session there is, or the next. @throws EngineError `ENGINE_UNAVAILABLE`, `ENGINE_CLOSED` */
  readonly session: (options: AbortOptions & { deadline: number }) => Promise<HubSession>;
  readonly clock: Clock;
  /** @throws EngineError `ENGINE_CLOSED` */
  readonly checkOpen: () => void;
  readonly giveUpMs: number;
}

/** What goes on over one session after another. */
interface Stream {
  start(session: HubSession): void;
  lost(): void;
  /** For good; with an error where it was not asked for. */
  end(error?: { readonly reason: unknown }): void;
}

/** Where the clients of a hub meet, seen from one of them. */
export class HubPeers implements EnginePeers {
  readonly #options: HubPeersOptions;
  readonly #streams = new Set<Stream>();
  readonly #closed = new AbortController();
  #session: HubSession | undefined;
  #ids = 0;
  #waiting = 0;
  /** Those who answer are expected back until then. */
  #settled = 0;
  #sessions = 0;

  constructor(options: HubPeersOptions) {
    this.#options = options;
  }

  /** How much there is that would not notice by itself that the hub is gone. */
  get needs(): number {
    return this.#streams.size + this.#waiting;
  }

  up(session: HubSession): void {
    this.#session = session;
    if (++this.#sessions > 1) this.#settled = this.#options.clock.now() + SETTLE_MS;
    for (const stream of this.#streams) stream.start(session);
  }

  down(): void {
    this.#session = undefined;
    for (const stream of this.#streams) stream.lost();
  }

  /** With a reason where the hub refuses this client. Who is being answered is told that nobody answers. */
  close(reason?: unknown): void {
    this.#closed.abort(reason ?? new EngineError("ENGINE_CLOSED"));
    for (const stream of this.#streams) stream.end(reason === undefined ? undefined : { reason });
  }

  request(topic: Path, data: Uint8Array, options: RequestOptions = {}): Promise<EngineAnswer> {
    const { timeoutMs } = options;
    return this.#asking(topic, options, (session, signal) =>
      session.peers.request(topic, data, timeoutMs, signal),
    );
  }

  async *requestAll(
    topic: Path,
    data: Uint8Array,
    options: RequestOptions = {},
  ): AsyncGenerator<EngineAnswer, void> {
    const { timeoutMs } = options;
    using left = linkSignals(options.signal);
    const answers = new AsyncQueue<EngineAnswer>({ limit: MAX_ANSWERS });
    const sink = (answer: EngineAnswer): void => void answers.push(answer);
    void this.#asking(topic, { timeoutMs, signal: left.signal }, (session, signal) => {
      return session.peers.requestAll(topic, data, { timeoutMs, signal }, sink);
    }).then(
      () => answers.end(),
      (error: unknown) => answers.fail(error),
    );
    try {
      yield* answers;
    } finally {
      left.abort(new EngineError("ENGINE_NO_ANSWER", "nobody waits for the answer any more"));
    }
  }

  respond(topic: Path, responder: EngineResponder, options: AbortOptions = {}): EngineOffer {
    return this.#offer(options, ({ peers }, id) =>
      peers.respond(id, topic, async (asked, data, signal) => {
        using either = linkSignals(signal, this.#closed.signal);
        const answer = responder({ topic: asked, data, signal: either.signal });
        // A responder that hears nothing must not keep the session from its end.
        return await abortable(answer, this.#closed.signal);
      }),
    );
  }

  announce(place: Path, about: Uint8Array, options: AnnounceOptions = {}): EngineMembership {
    const { signal, again = { id: randomId(), since: Date.now() } } = options;
    const said = new Uint8Array(about);
    const offer = this.#offer({ signal }, ({ peers }, id) =>
      peers.announce(id, place, said, again),
    );
    const leave = (_reason?: LeaveReason): void => void offer[Symbol.asyncDispose]();
    return { ...offer, ...again, leave };
  }

  presence(place: Path, { signal }: AbortOptions = {}): EnginePresence {
    this.#options.checkOpen();
    const presence: HubPresence = new HubPresence(++this.#ids, place, {
      clock: this.#options.clock,
      graceMs: SETTLE_MS,
      onEnd: () => this.#streams.delete(presence),
    });
    this.#begin(presence);
    presence.abortWith(signal);
    return presence;
  }

  accept(door: Path, acceptor: LinkAcceptor, options: AbortOptions = {}): EngineOffer {
    return this.#offer(options, (session, id) =>
      session.peers.accept(id, door, async (caller) => {
        const link = this.#link();
        link.join(session, sinkBehind(caller));
        return sinkFunction(link.near(await acceptor(link.far)));
      }),
    );
  }

  async link(door: Path, near: LinkSink, options: AbortOptions = {}): Promise<LinkSink> {
    const link = this.#link();
    try {
      const inward = sinkFunction(link.near(near));
      await this.#asking(door, options, async (session, signal) => {
        const far = sinkBehind(await session.peers.link(door, inward));
        if (signal.aborted) far.broken("it was given up");
        else link.join(session, far);
      });
      return link.far;
    } catch (error) {
      link.forget();
      throw error;
    }
  }

  #begin(stream: Stream): void {
    this.#streams.add(stream);
    if (this.#session !== undefined) stream.start(this.#session);
  }

  #offer(
    { signal }: AbortOptions,
    begin: (session: HubSession, id: number) => PromiseLike<void>,
  ): EngineOffer {
    this.#options.checkOpen();
    const id = ++this.#ids;
    const made = deferred<void>();
    made.promise.catch(() => {});
    let listener: Disposable | undefined;
    const stream: Stream = {
      start: (session) => {
        begin(session, id).then(made.resolve, (error: unknown) => {
          if (!isLost(session, error)) made.reject(error);
        });
      },
      lost: () => {},
      end: (error) => {
        if (!this.#streams.delete(stream)) return;
        listener?.[Symbol.dispose]();
        if (error === undefined) made.resolve();
        else made.reject(error.reason);
        stopOffer(this.#session, id);
      },
    };
    this.#begin(stream);
    if (signal !== undefined) listener = onAbort(signal, () => stream.end());
    return { ready: made.promise, [Symbol.asyncDispose]: async () => stream.end() };
  }

  #link(): HubLinkHere {
    const link: HubLinkHere = new HubLinkHere(() => this.#streams.delete(link));
    this.#streams.add(link);
    return link;
  }

  /** Asks once, and again only where nobody was found and somebody may be on his way. */
  async #asking<T>(
    topic: Path,
    { signal, timeoutMs = DEFAULT_REQUEST_MS }: RequestOptions,
    ask: (session: HubSession, signal: AbortSignal) => PromiseLike<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    this.#options.checkOpen();
    checkTopic(topic);
    const { clock, giveUpMs } = this.#options;
    const deadline = clock.now() + Math.min(timeoutMs, giveUpMs);
    using either = linkSignals(signal);
    this.#waiting++;
    try {
      for (;;) {
        const session = await this.#options.session({ signal, deadline });
        try {
          return await abortable(Promise.resolve(ask(session, either.signal)), signal);
        } catch (error) {
          if (signal?.aborted === true) throw error;
          if (isLost(session, error)) throw this.#lost(error);
          const again =
            BanyanError.has(error, "ENGINE_NO_RESPONDER") && clock.now() < this.#settled;
          if (!again) throw error;
        }
        await pause(TRY_AGAIN_MS, { clock, signal });
      }
    } finally {
      this.#waiting--;
    }
  }

  #lost(cause: unknown): unknown {
    this.#options.checkOpen();
    const says = "the hub was lost; what was asked for may have been done";
    return new EngineError("ENGINE_AMBIGUOUS", says, { cause });
  }
}

/** An end of a link that is held here: broken with the session that carries it. */
class HubLinkHere implements Stream {
  /** Where this end's messages go. */
  readonly far: LinkSink;
  readonly #onOver: () => void;
  #session: HubSession | undefined;
  #near: LinkSink | undefined;
  #far: LinkSink | undefined;
  #ended = 0;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
    this.far = {
      message: (piece, more) => this.#far?.message(piece, more),
      end: () => {
        this.#far?.end();
        this.#over();
      },
      broken: (reason) => {
        this.#far?.broken(reason);
        this.forget();
      },
    };
  }

  /** What comes from the far end, for whoever holds this one. */
  near(sink: LinkSink): LinkSink {
    this.#near = sink;
    return {
      message: (piece, more) => this.#near?.message(piece, more),
      end: () => {
        this.#near?.end();
        this.#over();
      },
      broken: (reason) => this.#break(reason),
    };
  }

  join(session: HubSession, far: LinkSink): void {
    this.#session = session;
    this.#far = far;
  }

  start(): void {}

  lost(): void {
    if (this.#session !== undefined) this.#break("the hub was lost");
  }

  end(): void {
    this.#far?.broken("the engine was closed");
    this.#break("the engine was closed");
  }

  forget(): void {
    this.#near = undefined;
    this.#far = undefined;
    this.#onOver();
  }

  #break(reason: string): void {
    const near = this.#near;
    this.forget();
    near?.broken(reason);
  }

  #over(): void {
    if (++this.#ended === 2) this.forget();
  }
}
