import { linkSignals, onAbort } from "../base/abort.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { EngineError } from "../base/errors.ts";
import { AsyncQueue } from "../base/queue.ts";
import { formatPath } from "../wire/path-format.ts";
import type { Path } from "../wire/path.ts";
import { LocalLinks } from "./local-links.ts";
import { type Offer, Offers } from "./offers.ts";
import type {
  AnnounceOptions,
  EngineAnswer,
  EngineMembership,
  EngineOffer,
  EnginePeers,
  EnginePresence,
  EngineResponder,
  LinkAcceptor,
  LinkSink,
  RequestOptions,
} from "./peers.ts";
import { PresenceBoard } from "./presence-board.ts";
import { checkTopic } from "./topic-index.ts";

export const DEFAULT_REQUEST_MS = 10_000;

export interface LocalPeersOptions {
  /** @throws where the engine is closed */
  readonly checkOpen: () => void;
  /** @throws where there are too many */
  readonly checkSize: (bytes: Uint8Array) => void;
  readonly clock?: Clock | undefined;
}

/** Where the clients of an engine meet that is in this process. */
export class LocalPeers implements EnginePeers {
  readonly #options: LocalPeersOptions;
  readonly #clock: Clock;
  readonly #responders = new Offers<EngineResponder>();
  readonly #doors = new Offers<LinkAcceptor>();
  readonly #board = new PresenceBoard();
  readonly #links = new LocalLinks();

  constructor(options: LocalPeersOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async request(
    topic: Path,
    data: Uint8Array,
    options: RequestOptions = {},
  ): Promise<EngineAnswer> {
    this.#check(topic, data, options.signal);
    const responder = this.#responders.next(topic);
    if (responder === undefined) throw nobody(topic);
    return await this.#ask(responder, topic, data, options);
  }

  requestAll(
    topic: Path,
    data: Uint8Array,
    options: RequestOptions = {},
  ): AsyncIterableIterator<EngineAnswer> {
    return this.#askAll(topic, data, options);
  }

  respond(
    topic: Path,
    responder: EngineResponder,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): EngineOffer {
    this.#options.checkOpen();
    return this.#responders.open(topic, responder, signal);
  }

  announce(place: Path, about: Uint8Array, options: AnnounceOptions = {}): EngineMembership {
    this.#options.checkOpen();
    this.#options.checkSize(about);
    return this.#board.announce(place, about, options);
  }

  presence(place: Path, { signal }: { signal?: AbortSignal | undefined } = {}): EnginePresence {
    this.#options.checkOpen();
    return this.#board.presence(place, signal);
  }

  accept(
    door: Path,
    acceptor: LinkAcceptor,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): EngineOffer {
    this.#options.checkOpen();
    return this.#doors.open(door, acceptor, signal);
  }

  async link(
    door: Path,
    near: LinkSink,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<LinkSink> {
    this.#check(door, undefined, signal);
    const acceptor = this.#doors.next(door);
    if (acceptor === undefined) throw nobody(door);
    const link = this.#links.open(near);
    try {
      link.join(await acceptor.what(link.toNear));
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const says = `the link to ${formatPath(door)} was not taken: ${why}`;
      link.forget();
      throw new EngineError("ENGINE_RESPONDER_LOST", says, { cause });
    }
    return link.toFar;
  }

  close(): void {
    this.#responders.close();
    this.#doors.close();
    this.#links.close();
    this.#board.close();
  }

  #check(topic: Path, data: Uint8Array | undefined, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    this.#options.checkOpen();
    checkTopic(topic);
    if (data !== undefined) this.#options.checkSize(data);
  }

  async *#askAll(
    topic: Path,
    data: Uint8Array,
    options: RequestOptions,
  ): AsyncGenerator<EngineAnswer, void> {
    this.#check(topic, data, options.signal);
    const responders = this.#responders.all(topic);
    if (responders.length === 0) throw nobody(topic);
    using left = linkSignals(options.signal);
    const answers = new AsyncQueue<EngineAnswer>({ limit: responders.length });
    const asked = responders.map(async (responder) => {
      try {
        answers.push(await this.#ask(responder, topic, data, { ...options, signal: left.signal }));
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
      }
    });
    void Promise.all(asked).then(
      () => answers.end(),
      (error: unknown) => answers.fail(error),
    );
    try {
      yield* answers;
    } finally {
      // Whoever is still at it need not go on.
      left.abort(new EngineError("ENGINE_NO_ANSWER", "nobody waits for the answer any more"));
    }
  }

  async #ask(
    responder: Offer<EngineResponder>,
    topic: Path,
    data: Uint8Array,
    { timeoutMs = DEFAULT_REQUEST_MS, signal }: RequestOptions,
  ): Promise<EngineAnswer> {
    const result = deferred<EngineAnswer>();
    using over = linkSignals(signal);
    using _timer = this.#clock.after(timeoutMs, () => {
      const what = `${formatPath(topic)} gave no answer within ${timeoutMs / 1000} s`;
      over.abort(new EngineError("ENGINE_NO_ANSWER", what));
    });
    using _listener = onAbort(over.signal, () => result.reject(over.signal.reason));
    responder.busy++;
    try {
      const answer = responder.what({ topic, data: new Uint8Array(data), signal: over.signal });
      answer.then(result.resolve, (cause: unknown) => {
        const says = `whoever was to answer ${formatPath(topic)} went away`;
        result.reject(new EngineError("ENGINE_RESPONDER_LOST", says, { cause }));
      });
      return await result.promise;
    } finally {
      responder.busy--;
    }
  }
}

/** The error of a topic at which nobody answers. */
function nobody(topic: Path): EngineError {
  return new EngineError(
    "ENGINE_NO_RESPONDER",
    `nobody is there who would answer ${formatPath(topic)}`,
    {
      details: { topic },
    },
  );
}
