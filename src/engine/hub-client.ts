import { abortable, type AbortOptions } from "../base/abort.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { EngineError } from "../base/errors.ts";
import { type Log, silentLog } from "../base/log.ts";
import type { Session } from "../remote/session.ts";
import { Listing } from "../base/listing.ts";
import type { Path } from "../wire/path.ts";
import {
  type ChildrenOptions,
  type DirectReads,
  type Durability,
  type Engine,
  type EngineAccount,
  type EngineChild,
  type EngineEntry,
  type EngineRules,
  NOT_NOW,
  type Page,
  type EngineSubscription,
  type EngineSupports,
  type EngineVersion,
  type HistoryRule,
  type EngineWatch,
  type ListOptions,
  type SoonReads,
  type SubscribeOptions,
  type WatchOptions,
  type WriteOptions,
  type WriteResult,
} from "./engine.ts";
import { copyOf } from "./entry-row.ts";
import { type AskAccount, remoteAccount } from "./hub-account.ts";
import { HubDirect, type HubDirectOptions } from "./hub-direct.ts";
import type { HubInfo, HubRequest } from "./hub-hello.ts";
import { HubLink, type HubSession, isLost, type RemoteHub, unreachable } from "./hub-link.ts";
import { HubPeers } from "./hub-peers.ts";
import { HubSubscription } from "./hub-subscription.ts";
import { HubWatch } from "./hub-watch.ts";
import { SentWrite } from "./hub-write.ts";
import { unpackResult } from "./packed-write.ts";
import { RowQuestions } from "./row-questions.ts";
import { WriteNames } from "./write-names.ts";

export interface HubEngineOptions {
  /**
   * Opens a session with the hub, and starts one where there is none. It is called again each time
   * contact is lost; the session belongs to the engine.
   */
  readonly connect: (signal: AbortSignal) => Promise<Session>;
  /** Gives up the first connection. What is open by then stays open. */
  readonly signal?: AbortSignal | undefined;
  /** Of writes that don't say. Default: the hub's, which is `commit`. */
  readonly durability?: Durability | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: Log | undefined;
  /** How long an operation waits for a hub before it fails. Default 30,000. */
  readonly giveUpMs?: number | undefined;
  /** How long a hub may be silent before another connection is tried. Default 2,000. */
  readonly silenceMs?: number | undefined;
  /** Opens the hub's store for reads in place, where it offers that; without it all reads go to the hub. */
  readonly openStore?: HubDirectOptions["open"] | undefined;
  /** What the hub is asked for with each session. */
  readonly request?: HubRequest | undefined;
}

/**
 * An engine at the far end of a session. When the session breaks, it opens another: reads are asked
 * again, writes are sent again under the same operation, watches go on behind what they have received
 * (their readers see "stale", then "live"), subscriptions are made again. Messages are not sent twice.
 */
export class HubEngine implements Engine {
  readonly peers: HubPeers;
  readonly #link: HubLink;
  readonly #clock: Clock;
  readonly #durability: Durability | undefined;
  readonly #giveUpMs: number;
  readonly #direct: HubDirect | undefined;
  readonly rules: EngineRules;
  readonly #questions: RowQuestions;
  readonly #names = new WriteNames();
  readonly #watches = new Set<HubWatch>();
  readonly #subscriptions = new Set<HubSubscription>();
  #pending = 0;
  #streams = 0;
  #closing: Promise<void> | undefined;

  private constructor(options: HubEngineOptions) {
    const { connect, clock, durability, log, giveUpMs, silenceMs, openStore, request } = options;
    this.#durability = durability;
    this.#direct = openStore && new HubDirect({ open: openStore, log: log ?? silentLog });
    this.#clock = clock ?? systemClock;
    this.#giveUpMs = giveUpMs ?? 30_000;
    this.peers = new HubPeers({
      session: ({ signal, deadline }) => this.#session({ signal, deadline, sent: false }),
      clock: this.#clock,
      checkOpen: () => this.#checkOpen(),
      giveUpMs: this.#giveUpMs,
    });
    this.#link = new HubLink({
      connect,
      clock: this.#clock,
      log: log ?? silentLog,
      silenceMs: silenceMs ?? 2_000,
      request,
      onUp: (session) => this.#up(session),
      onDown: () => {
        this.#direct?.down();
        this.peers.down();
        for (const watch of this.#watches) watch.lost();
      },
      onHopeless: (reason) => {
        for (const watch of this.#watches) if (!watch.complete) watch.end({ reason });
      },
      onRefused: (reason) => {
        for (const stream of [...this.#watches, ...this.#subscriptions]) stream.end({ reason });
        this.peers.close(reason);
      },
      isNeeded: () =>
        this.#questions.unanswered > 0 ||
        this.#pending + this.#watches.size + this.#subscriptions.size + this.peers.needs > 0,
    });
    this.#questions = new RowQuestions({
      session: () => this.#rowsOf,
      askAlone: (path) => this.#ask({}, (hub) => hub.get(path)),
    });
    this.rules = {
      test: (target, value, given) => this.#ask(given ?? {}, (hub) => hub.testRule(target, value)),
      violations: (prefix, after, given) =>
        this.#ask(given ?? {}, (hub) => hub.violations(prefix, after)),
    };
  }

  /** @throws what `connect` does; EngineError `ENGINE_UNSUPPORTED` for a hub of another protocol */
  static async open(options: HubEngineOptions): Promise<HubEngine> {
    const engine = new HubEngine(options);
    try {
      await engine.#link.open(options.signal);
    } catch (error) {
      await engine.close();
      throw error;
    }
    return engine;
  }

  get label(): string {
    const { label, pid } = this.#link.hello;
    return `hub of ${label}, process ${pid}`;
  }

  get supports(): EngineSupports {
    return this.#link.hello.supports;
  }

  /** The hub's process, as of the last contact. For people, and for tests that end it. */
  get hub(): HubInfo {
    const { pid, epoch } = this.#link.hello;
    return { pid, epoch };
  }

  get store(): string {
    return this.#link.hello.store;
  }

  get direct(): DirectReads | undefined {
    return this.#closing === undefined ? this.#direct?.now : undefined;
  }

  get soon(): SoonReads | undefined {
    if (this.#rowsOf === undefined) return undefined;
    this.#direct?.count();
    return this.#questions;
  }

  get account(): EngineAccount | undefined {
    if (!this.#link.hello.hasAccount) return undefined;
    const ask: AskAccount = (send) => this.#ask({}, (_, { account }) => send(account));
    const askOnce: AskAccount = async (send) => {
      const session = await this.#session({ sent: false });
      return await this.#over(session, send(session.account));
    };
    return remoteAccount(ask, askOnce);
  }

  async get(path: Path, options: AbortOptions = {}): Promise<EngineEntry | undefined> {
    options.signal?.throwIfAborted();
    await this.#direct?.prepare();
    const { direct } = this;
    const near = direct === undefined ? NOT_NOW : direct.get(path, copyOf);
    if (near !== NOT_NOW) return near;
    if (this.#rowsOf === undefined) return this.#ask(options, (hub) => hub.get(path));
    return this.#questions.get(path, copyOf, options);
  }

  put(path: Path, value: Uint8Array, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write(path, value, options);
  }

  delete(path: Path, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write(path, undefined, options);
  }

  list(prefix: Path, options: ListOptions = {}): Listing<EngineEntry> {
    const { minDepth, maxDepth, signal } = options;
    return this.#listing(signal, options.after, {
      near: (reads, after) => reads.page(prefix, { minDepth, maxDepth, after }, copyOf),
      ask: (hub, after) => hub.page(prefix, { minDepth, maxDepth, after }),
    });
  }

  children(path: Path, options: ChildrenOptions = {}): Listing<EngineChild> {
    return this.#listing(options.signal, options.after, {
      near: (reads, after) =>
        reads.children(path, after, (name, entry) => ({ name, entry: entry && copyOf(entry) })),
      ask: (hub, after) => hub.children(path, after),
    });
  }

  watch(prefix: Path, options: WatchOptions = {}): EngineWatch {
    this.#checkOpen();
    const watch: HubWatch = new HubWatch(++this.#streams, prefix, {
      ...options,
      store: this.store,
      onNews: this.#heardOf,
      onEnd: () => this.#watches.delete(watch),
    });
    this.#watches.add(watch);
    watch.abortWith(options.signal);
    if (this.#link.session !== undefined) watch.start(this.#link.session);
    return watch;
  }

  history(path: Path, options: AbortOptions = {}): Promise<readonly EngineVersion[]> {
    return this.#ask(options, (hub) => hub.history(path));
  }

  keepHistory(rule: HistoryRule): Promise<void> {
    return this.#ask({}, (hub) => hub.keepHistory(rule));
  }

  historyRules(): Promise<readonly HistoryRule[]> {
    return this.#ask({}, (hub) => hub.historyRules());
  }

  async publish(topic: Path, data: Uint8Array): Promise<void> {
    const session = await this.#session({ sent: false });
    await this.#over(session, session.hub.publish(topic, data)).catch((error: unknown) => {
      if (!isLost(session, error)) throw error;
      const says = "the hub was lost; the message may have been sent";
      throw new EngineError("ENGINE_AMBIGUOUS", says, { cause: error });
    });
  }

  subscribe(topic: Path, options: SubscribeOptions = {}): EngineSubscription {
    this.#checkOpen();
    const subscription: HubSubscription = new HubSubscription(++this.#streams, topic, {
      ...options,
      onEnd: () => this.#subscriptions.delete(subscription),
    });
    this.#subscriptions.add(subscription);
    subscription.abortWith(options.signal);
    if (this.#link.session !== undefined) subscription.start(this.#link.session);
    return subscription;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A session that can be asked for rows at this moment. */
  get #rowsOf(): HubSession | undefined {
    const { session } = this.#link;
    if (this.#closing !== undefined || session?.gone !== false) return undefined;
    return session.hello.hasRows === true ? session : undefined;
  }

  /** Page by page, each in whatever way is possible at the moment. */
  #listing<T, Place>(
    signal: AbortSignal | undefined,
    start: Place | undefined,
    ways: {
      near: (reads: DirectReads, after: Place | undefined) => Page<T, Place> | typeof NOT_NOW;
      ask: (hub: RemoteHub, after: Place | undefined) => PromiseLike<Page<T, Place>>;
    },
  ): Listing<T> {
    const pageBehind = async (after: Place | undefined): Promise<Page<T, Place>> => {
      signal?.throwIfAborted();
      await this.#direct?.prepare();
      const { direct } = this;
      const near = direct === undefined ? NOT_NOW : ways.near(direct, after);
      return near === NOT_NOW ? this.#ask({ signal }, (hub) => ways.ask(hub, after)) : near;
    };
    return new Listing(async function* () {
      let page: Page<T, Place>;
      for (let after = start; ; after = page.after) {
        page = await pageBehind(after);
        yield page.items;
        if (page.after === undefined) return;
      }
    });
  }

  async #close(): Promise<void> {
    for (const stream of [...this.#watches, ...this.#subscriptions]) stream.end();
    this.peers.close();
    await this.#link.close();
    await this.#direct?.close();
  }

  #up(session: HubSession): void {
    this.#names.met(session.hello.revision ?? 0);
    this.#direct?.up(session);
    for (const stream of [...this.#watches, ...this.#subscriptions]) stream.start(session);
    this.peers.up(session);
  }

  async #write(
    path: Path,
    value: Uint8Array | undefined,
    options: WriteOptions,
  ): Promise<WriteResult> {
    const { signal, ifRevision, condition, author, durability = this.#durability } = options;
    const { operation, repeats } = this.#names.of(options);
    const write = new SentWrite(path, value, this.#link.session !== undefined);
    const given = await this.#ask({ signal, operation }, (_, session) => {
      const again = repeats(session.hello.revision);
      const named = { ifRevision, condition, author, durability, operation, repeats: again };
      return write.send(named, session);
    });
    const result = unpackResult(path, given);
    this.#heardOf(result.revision);
    return result;
  }

  readonly #heardOf = (revision: WriteResult["revision"]): void => {
    this.#names.heardOf(revision);
  };

  /** Asks until there is an answer; `operation` is given where asking may change something. */
  async #ask<T>(
    { signal, operation }: AbortOptions & { readonly operation?: string },
    send: (hub: RemoteHub, session: HubSession) => PromiseLike<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const deadline = this.#clock.now() + this.#giveUpMs;
    this.#pending++;
    try {
      for (let sent = false; ; sent = true) {
        this.#checkOpen();
        const session =
          this.#link.session ?? (await this.#session({ signal, deadline, sent, operation }));
        try {
          const answer = send(session.hub, session);
          return await (signal === undefined ? answer : abortable((async () => answer)(), signal));
        } catch (error) {
          if (signal?.aborted === true || !isLost(session, error)) throw error;
          this.#checkOpen();
          // A hub that says it has ended is on its way out, whatever its socket says.
          if (!session.gone) session.drop("it is closed");
        }
      }
    } finally {
      this.#pending--;
    }
  }

  /** What an answer comes to, or the end of this engine if that is first. */
  async #over<T>(session: HubSession, answer: PromiseLike<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (isLost(session, error)) this.#checkOpen();
      throw error;
    }
  }

  async #session(
    options: AbortOptions & { deadline?: number; sent: boolean; operation?: string | undefined },
  ): Promise<HubSession> {
    this.#checkOpen();
    if (this.#link.session !== undefined) return this.#link.session;
    const late = deferred<never>();
    const { deadline = this.#clock.now() + this.#giveUpMs, signal } = options;
    using _timer = this.#clock.after(deadline - this.#clock.now(), () => {
      late.reject(unreachable(this.#link.lastError, options));
    });
    return await abortable(Promise.race([this.#link.whenUp(options), late.promise]), signal);
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new EngineError("ENGINE_CLOSED");
  }
}
