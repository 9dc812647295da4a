import { BanyanError, EngineError } from "../base/errors.ts";
import { handTo } from "../base/iteration.ts";
import { type Log, silentLog } from "../base/log.ts";
import { type ByteCalls, byteCallsOf } from "../remote/byte-calls.ts";
import { release } from "../remote/helpers.ts";
import type { Session } from "../remote/session.ts";
import type { Path, PathElement } from "../wire/path.ts";
import type {
  Engine,
  EngineChild,
  EngineEntry,
  EngineEvent,
  EngineSubscription,
  EngineVersion,
  EngineWatch,
  HistoryRule,
  ListOptions,
  Page,
  RuleTarget,
  RuleVerdict,
  RuleViolation,
  WatchOptions,
  WriteOptions,
  WriteResult,
} from "./engine.ts";
import {
  checkBytes,
  checkGroup,
  checkAfter,
  checkPath,
  checkTarget,
  rulesOf,
  checkWriteOptions,
  type GroupOptions,
} from "./hub-checks.ts";
import type { DirectOffer } from "./hub-direct.ts";
import { type HubHello, type HubInfo, HUB_PROTOCOL, type HubRequest } from "./hub-hello.ts";
import { ACCOUNT_EXPORT, HubAccountService } from "./hub-account.ts";
import { HubPeersService, PEERS_EXPORT } from "./hub-peers-server.ts";
import { firstPage } from "./first-page.ts";
import { Window } from "./hub-window.ts";
import { answerWrite, Ask } from "./hub-bytes.ts";
import { NewsWay, type WatchSink } from "./hub-news.ts";
import { RowAnswers } from "./row-answers.ts";

/** The name under which a hub exports its `HubService`. */
export const HUB_EXPORT = "engine";

/** What a client asks of a watch. */
export interface HubWatchOptions extends Omit<WatchOptions, "signal"> {
  /** Its sink takes packed batches. */
  readonly packed?: boolean | undefined;
  /** Small ones may come in requests of bytes alone. */
  readonly bytes?: boolean | undefined;
}

/**
 * Takes a message; `dropped` counts those that were lost before it on the hub's side. With an `error` it is
 * no message: the subscription has ended.
 */
export type MessageSink = (
  topic: Path,
  data: Uint8Array,
  dropped: number,
  error?: BanyanError,
) => Promise<void> | void;

/** A process that reads the store itself. */
export interface DirectReader {
  readonly pid: number;
  /** Sends its reads over the socket from now on. */
  readonly stop: (reason: string) => void;
}

/** What a hub does about clients that read its store themselves. */
export interface DirectService {
  readonly offer: DirectOffer;
  /** Takes note of one; disposed of when its session has ended. */
  add(reader: DirectReader): Disposable;
  /** A client asks that reads the store itself: it has not found there what was told of. */
  asked(): void;
  /** Resolves when the store may be opened, until what it gives is disposed of, or for a while. */
  hold(): Promise<Disposable>;
}

const MESSAGES_AHEAD = 64;
/** Of a group: what one member has is kept from the others. */
const GROUP_AHEAD = 4;
const NOTHING = new Uint8Array();
/** Not for clients, who only reach what has a name. */
const BEGIN = Symbol("begin");

/** What a hub does for one session. */
export interface HubServing {
  /** What the session is to export. */
  readonly exports: Readonly<Record<string, unknown>>;
  /** To be called with the session before anything comes by it: as `onOpen` of `openSessionWith`. */
  readonly begin: (session: Session) => void;
  /** To be called when the session has ended: what the client left open ends. */
  end(): void;
}

/**
 * Serves `engine`, which stays the caller's, to one session; it should copy plain data.
 *
 * @param direct for clients that are trusted to read the store themselves
 */
export function serveEngine(
  engine: Engine,
  info: HubInfo,
  log: Log = silentLog,
  direct?: DirectService,
): HubServing {
  const service = new HubService(engine, info, log, direct);
  const peers = new HubPeersService(engine.peers, log);
  return {
    exports: {
      [HUB_EXPORT]: service,
      [PEERS_EXPORT]: peers,
      [ACCOUNT_EXPORT]: new HubAccountService(engine),
    },
    begin: (session) => service[BEGIN](byteCallsOf(session)),
    end: () => {
      for (const part of [service, peers]) void part[Symbol.asyncDispose]().catch(() => {});
    },
  };
}

/**
 * The engine as one client sees it: the contract's methods, with callbacks where the contract has
 * streams. What waits for a slow client waits in the engine's own watches, which bound it.
 */
export class HubService implements AsyncDisposable {
  #engine: Engine;
  readonly #info: HubInfo;
  readonly #log: Log;
  readonly #direct: DirectService | undefined;
  readonly #streams = new Map<number, EngineWatch | EngineSubscription>();
  #reading: Disposable | undefined;
  #converts = false;
  #opening: Disposable | undefined;
  #isOver = false;
  readonly #answers = new RowAnswers();
  #calls: ByteCalls | undefined;

  constructor(
    engine: Engine,
    { pid, epoch }: HubInfo,
    log: Log,
    direct: DirectService | undefined,
  ) {
    this.#direct = direct;
    this.#engine = engine;
    this.#info = { pid, epoch };
    this.#log = log;
  }

  hello({ codecs }: HubRequest = {}): HubHello {
    if (codecs !== undefined) this.#convert(codecs);
    const { store, label, supports, revision } = this.#engine;
    return {
      protocol: HUB_PROTOCOL,
      store,
      revision,
      label,
      supports: { ...supports, shared: true },
      hasAccount: this.#engine.account !== undefined,
      hasRows: this.#engine.rows !== undefined,
      hasBytes: this.#calls !== undefined,
      ...this.#info,
      // What lies in the store is not what a client is to see whose values are converted.
      inPlace: this.#converts ? undefined : this.#direct?.offer,
    };
  }

  /** From now on the client may ask in bytes, and is told of news so: see `hub-bytes.ts`. */
  [BEGIN](calls: ByteCalls): void {
    this.#calls = calls;
    calls.take((bytes) => this.#take(bytes));
  }

  #take(bytes: Uint8Array): unknown {
    const asked = bytes.subarray(1);
    if (bytes[0] === Ask.write) return answerWrite(this.#engine, asked);
    if (bytes[0] === Ask.rows) return this.rows(asked);
    throw new TypeError(`nothing is asked with ${bytes[0]}`);
  }

  /** Says that the hub's event loop runs. */
  ping(): void {}

  get(path: Path): Promise<EngineEntry | undefined> {
    this.#asked();
    return this.#engine.get(checkPath(path));
  }

  /** Many entries at once: see `row-questions.ts`. */
  rows(question: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const { rows } = this.#engine;
    if (rows === undefined) throw new EngineError("ENGINE_UNSUPPORTED", "this hub gives no rows");
    this.#asked();
    return this.#answers.give(rows, checkBytes(question));
  }

  put(path: Path, value: Uint8Array, options: WriteOptions): Promise<WriteResult> {
    return this.#engine.put(
      checkPath(path),
      checkBytes(value, "value"),
      checkWriteOptions(options),
    );
  }

  delete(path: Path, options: WriteOptions): Promise<WriteResult> {
    return this.#engine.delete(checkPath(path), checkWriteOptions(options));
  }

  page(prefix: Path, options: ListOptions): Promise<Page<EngineEntry, Path>> {
    this.#asked();
    const { minDepth, maxDepth } = options;
    const bounds = { minDepth, maxDepth, after: checkAfter(options.after) };
    const listing = this.#engine.list(checkPath(prefix), bounds);
    return firstPage(listing, ({ path, value }) => ({ place: path, bytes: value.length }));
  }

  /** Children behind the one of this name, a page of them. */
  children(path: Path, after: PathElement | undefined): Promise<Page<EngineChild, PathElement>> {
    this.#asked();
    const listing = this.#engine.children(checkPath(path), { after });
    return firstPage(listing, ({ name, entry }) => ({
      place: name,
      bytes: entry?.value.length ?? 0,
    }));
  }

  /** Resolves when the client may open the store, which it does at once, and says `opened`. */
  async opening(): Promise<void> {
    if (this.#direct === undefined) throw new TypeError("nobody may read this store directly");
    const hold = await this.#direct.hold();
    this.opened();
    if (this.#isOver) hold[Symbol.dispose]();
    else this.#opening = hold;
  }

  /** Resolves when the client sees the newest state there. */
  opened(): void {
    this.#opening?.[Symbol.dispose]();
    this.#opening = undefined;
  }

  /** The client reads the store itself; `stop` tells it not to. */
  reading(pid: number, stop: (reason: string) => Promise<void> | void): void {
    if (this.#direct === undefined || this.#converts)
      throw new TypeError("nobody may read this store directly");
    if (!Number.isSafeInteger(pid)) throw new TypeError("the pid must be a whole number");
    this.#endReading();
    const told = (reason: string): void => {
      void Promise.resolve(stop(reason)).catch((error: unknown) =>
        this.#log.debug("a reader could not be told to stop", { error: String(error) }),
      );
    };
    const reading = this.#direct.add({ pid, stop: told });
    this.#reading = {
      [Symbol.dispose]: () => {
        reading[Symbol.dispose]();
        release(stop);
      },
    };
  }

  history(path: Path): Promise<readonly EngineVersion[]> {
    return this.#engine.history(checkPath(path));
  }

  keepHistory({ prefix, versions, maxAgeMs }: HistoryRule): Promise<void> {
    return this.#engine.keepHistory({ prefix: checkPath(prefix), versions, maxAgeMs });
  }

  historyRules(): Promise<readonly HistoryRule[]> {
    return this.#engine.historyRules();
  }

  violations(prefix: Path, after: Path | undefined): Promise<Page<RuleViolation, Path>> {
    return rulesOf(this.#engine).violations(checkPath(prefix), checkAfter(after));
  }

  testRule(target: RuleTarget, value: Uint8Array): Promise<RuleVerdict | undefined> {
    return rulesOf(this.#engine).test(checkTarget(target), checkBytes(value, "value"));
  }

  publish(topic: Path, data: Uint8Array): Promise<void> {
    return this.#engine.publish(checkPath(topic), checkBytes(data));
  }

  /** Begins a watch that the client calls `id`, until `stop(id)` or the end of the session. */
  watch(id: number, prefix: Path, options: HubWatchOptions, sink: WatchSink): void {
    const { after, maxBacklog, packed, bytes } = options;
    this.#checkNew(id);
    const watch = this.#engine.watch(checkPath(prefix), { after, maxBacklog });
    this.#streams.set(id, watch);
    const calls = bytes === true ? this.#calls : undefined;
    const way = new NewsWay({ id, sink, packed, calls, onFailure: () => this.stop(id) });
    const pass = (events: readonly EngineEvent[]): Promise<void> | undefined =>
      way.send({ events, cursor: watch.cursor });
    void handTo(watch, pass)
      .catch((error: unknown) => {
        if (BanyanError.is(error)) return sink([], watch.cursor, error);
        throw error;
      })
      .catch((error: unknown) => this.#log.debug("a watch ended", { error: String(error) }))
      .finally(() => this.#ended(id, sink));
  }

  /** Begins a subscription; the client hears what is published after this has resolved. */
  subscribe(id: number, topic: Path, sink: MessageSink, group?: GroupOptions): Promise<void> {
    this.#checkNew(id);
    const subscription = this.#engine.subscribe(checkPath(topic), checkGroup(group));
    this.#streams.set(id, subscription);
    const pump = async (): Promise<void> => {
      const size = group === undefined ? MESSAGES_AHEAD : GROUP_AHEAD;
      const ahead = new Window(size, () => this.stop(id));
      for await (const message of subscription) {
        const taken = Promise.resolve(sink(message.topic, message.data, subscription.dropped));
        if (group !== undefined) taken.catch(() => subscription.giveBack(message));
        await ahead.add(taken, message.data.length);
      }
    };
    void pump()
      .catch((error: unknown) => {
        if (BanyanError.is(error)) return sink(topic, NOTHING, subscription.dropped, error);
        throw error;
      })
      .catch((error: unknown) => this.#log.debug("a subscription ended", { error: String(error) }))
      .finally(() => this.#ended(id, sink));
    return subscription.ready;
  }

  /** Another member of the subscription's group gets the message. */
  giveBack(id: number, topic: Path, data: Uint8Array): void {
    const stream = this.#streams.get(id);
    if (stream === undefined || !("giveBack" in stream)) return;
    stream.giveBack({ topic: checkPath(topic), data: checkBytes(data) });
  }

  /** Ends a watch or subscription; a second time is harmless. */
  async stop(id: number): Promise<void> {
    await this.#streams.get(id)?.[Symbol.asyncDispose]();
  }

  /** Ends whatever the client left open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.opened();
    this.#endReading();
    await Promise.all(Array.from(this.#streams.keys(), (id) => this.stop(id)));
  }

  #convert(codecs: string): void {
    if (typeof codecs !== "string")
      throw new TypeError("a set of conversions is named by a string");
    if (this.#converts) throw new TypeError("a session has one set of conversions");
    const view = this.#engine.rules?.withCodecs?.(codecs);
    if (view === undefined) {
      throw new EngineError("ENGINE_UNSUPPORTED", "this hub converts no values");
    }
    this.#engine = view;
    this.#converts = true;
  }

  #asked(): void {
    if (this.#reading !== undefined) this.#direct?.asked();
  }

  #endReading(): void {
    this.#reading?.[Symbol.dispose]();
    this.#reading = undefined;
  }

  /** What has no name of its own would not end with the session. */
  #checkNew(id: number): void {
    if (this.#isOver) throw new TypeError("the session is over");
    if (this.#streams.has(id)) throw new TypeError("there is a stream of that number");
  }

  #ended(id: number, sink: unknown): void {
    this.#streams.delete(id);
    release(sink);
  }
}
