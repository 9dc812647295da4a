import type { AbortOptions } from "../base/abort.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { EngineError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import { silentLog, type Log } from "../base/log.ts";
import type { Session } from "../remote/session.ts";
import type { Path, PathElement } from "../wire/path.ts";
import type {
  Engine,
  EngineEntry,
  EngineSubscription,
  EngineSupports,
  EngineWatch,
  ListOptions,
  SubscribeOptions,
  WatchOptions,
  WriteOptions,
  WriteResult,
} from "./engine.ts";
import { HubLink, type HubConnection } from "./hub-link.ts";
import type { HubInfo } from "./hub-protocol.ts";
import { HubSubscription } from "./hub-subscription.ts";
import { HubWatch } from "./hub-watch.ts";

export interface HubEngineOptions extends AbortOptions {
  /** Opens a session with the hub, which it starts if need be; called again after each loss. */
  readonly connect: (signal: AbortSignal) => Promise<Session>;
  readonly clock?: Clock | undefined;
  readonly log?: Log | undefined;
  /** How long one operation tries to reach a hub. Default 30 s. */
  readonly giveUpMs?: number | undefined;
  /** How long a hub may be silent before it is given up. Default 3 s. */
  readonly silenceMs?: number | undefined;
}

const DEFAULT_GIVE_UP_MS = 30_000;
const DEFAULT_SILENCE_MS = 3_000;

/**
 * The engine at the far end of a session. A hub may die at any time: operations under way are sent
 * again to the next one (writes under the same operation id, so that they are applied once), watches
 * go on behind what they delivered, subscriptions are renewed. In between, watches say "stale".
 */
export class HubEngine implements Engine {
  readonly #link: HubLink;
  readonly #watches = new Set<HubWatch>();
  readonly #subscriptions = new Set<HubSubscription>();
  /** Names this client's writes; a number follows. */
  readonly #client = randomId();
  #operations = 0;
  #info: HubInfo;
  #closing: Promise<void> | undefined;

  private constructor(link: HubLink, info: HubInfo) {
    this.#link = link;
    this.#info = info;
  }

  /** @throws what `connect` throws: a hub that can't be started is not waited for */
  static async open(options: HubEngineOptions): Promise<HubEngine> {
    let engine: HubEngine | undefined;
    const link = new HubLink({
      connect: options.connect,
      clock: options.clock ?? systemClock,
      log: options.log ?? silentLog,
      giveUpMs: options.giveUpMs ?? DEFAULT_GIVE_UP_MS,
      silenceMs: options.silenceMs ?? DEFAULT_SILENCE_MS,
      onConnected: (connection) => {
        if (engine !== undefined) engine.#attach(connection);
      },
      onLost: () => {
        if (engine !== undefined) engine.#detach();
      },
      wanted: () => engine !== undefined && engine.#watches.size + engine.#subscriptions.size > 0,
    });
    try {
      const { info } = await link.open(options);
      engine = new HubEngine(link, info);
      return engine;
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  get label(): string {
    return `hub:${this.#info.label}`;
  }

  get supports(): EngineSupports {
    return this.#info.supports;
  }

  get store(): string {
    return this.#info.store;
  }

  /** The hub's process, as far as it is known. For people and for tests that end it. */
  get hub(): Pick<HubInfo, "pid" | "epoch"> {
    return { pid: this.#info.pid, epoch: this.#info.epoch };
  }

  async get(path: Path, options: AbortOptions = {}): Promise<EngineEntry | undefined> {
    return this.#link.run((hub) => hub.get(path), options);
  }

  async put(path: Path, value: Uint8Array, options: WriteOptions = {}): Promise<WriteResult> {
    const { signal, ...rest } = options;
    const operation = rest.operation ?? this.#newOperation();
    const write = { ...rest, operation };
    return this.#link.run((hub) => hub.put(path, value, write), { signal, operation });
  }

  async delete(path: Path, options: WriteOptions = {}): Promise<WriteResult> {
    const { signal, ...rest } = options;
    const operation = rest.operation ?? this.#newOperation();
    const write = { ...rest, operation };
    return this.#link.run((hub) => hub.delete(path, write), { signal, operation });
  }

  async *list(prefix: Path, options: ListOptions = {}): AsyncIterable<EngineEntry> {
    const { signal, ...rest } = options;
    let { after } = rest;
    for (;;) {
      const from = { ...rest, after };
      const { entries, done } = await this.#link.run((hub) => hub.page(prefix, from), { signal });
      yield* entries;
      after = entries.at(-1)?.path;
      if (done || after === undefined) return;
    }
  }

  async children(path: Path, options: AbortOptions = {}): Promise<readonly PathElement[]> {
    return this.#link.run((hub) => hub.children(path), options);
  }

  watch(prefix: Path, options: WatchOptions = {}): EngineWatch {
    this.#checkOpen();
    const { after, maxBacklog, signal } = options;
    const watch: HubWatch = new HubWatch(prefix, {
      after,
      maxBacklog,
      store: this.store,
      onEnd: () => this.#watches.delete(watch),
    });
    this.#watches.add(watch);
    watch.listen(signal);
    this.#begin(watch);
    return watch;
  }

  async publish(topic: Path, data: Uint8Array): Promise<void> {
    // Not sent twice: it may have been heard.
    await this.#link.run((hub) => hub.publish(topic, data), {
      once: true,
      operation: "publish",
    });
  }

  subscribe(topic: Path, options: SubscribeOptions = {}): EngineSubscription {
    this.#checkOpen();
    const first = deferred<void>();
    const subscription: HubSubscription = new HubSubscription(topic, options, {
      first,
      onEnd: () => this.#subscriptions.delete(subscription),
    });
    this.#subscriptions.add(subscription);
    this.#begin(subscription);
    return subscription;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #begin(part: HubWatch | HubSubscription): void {
    const { connection } = this.#link;
    if (connection !== undefined) part.attach(connection);
    else part.detach();
    this.#link.keep();
  }

  #attach(connection: HubConnection): void {
    this.#info = connection.info;
    for (const watch of this.#watches) watch.attach(connection);
    for (const subscription of this.#subscriptions) subscription.attach(connection);
  }

  #detach(): void {
    for (const watch of this.#watches) watch.detach();
    for (const subscription of this.#subscriptions) subscription.detach();
  }

  async #close(): Promise<void> {
    for (const watch of this.#watches) watch.end();
    for (const subscription of this.#subscriptions) subscription.end();
    await this.#link.close();
  }

  #newOperation(): string {
    this.#operations += 1;
    return `${this.#client}-${this.#operations}`;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new EngineError("ENGINE_CLOSED");
  }
}
