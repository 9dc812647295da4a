import { BanyanError } from "../base/errors.ts";
import { type Log, silentLog } from "../base/log.ts";
import { release } from "../remote/helpers.ts";
import { Path, type PathElement } from "../wire/path.ts";
import type {
  Cursor,
  Engine,
  EngineEntry,
  EngineEvent,
  EngineSupports,
  ListOptions,
  WatchOptions,
  WriteOptions,
  WriteResult,
} from "./engine.ts";
import { PAGE_LIMITS } from "./store.ts";

/** What a hub says of itself: which process, and which of the hubs that the store has had. */
export interface HubInfo {
  readonly pid: number;
  readonly epoch: string;
}

/** What a client needs to know before anything else. */
export interface HubHello extends HubInfo {
  /** Of `HubService`: a client refuses one it does not know. */
  readonly protocol: number;
  readonly store: string;
  readonly label: string;
  readonly supports: EngineSupports;
}

export const HUB_PROTOCOL = 1;

/** The name under which a hub exports its `HubService`. */
export const HUB_EXPORT = "engine";

/** Takes a batch; resolves when there is room for more. With an `error`, the watch has ended. */
export type WatchSink = (
  events: readonly EngineEvent[],
  cursor: Cursor,
  error?: BanyanError,
) => Promise<void> | void;

/** Takes a message; `dropped` counts those that were lost before it on the hub's side. */
export type MessageSink = (topic: Path, data: Uint8Array, dropped: number) => Promise<void> | void;

/** A page of a listing. */
export interface HubPage {
  readonly entries: readonly EngineEntry[];
  readonly complete: boolean;
}

/** Batches that may be on their way to a client before it has said that it took the first. */
const BATCHES_AHEAD = 4;
const MESSAGES_AHEAD = 64;

/** What a hub does for one session. */
export interface HubServing {
  /** What the session is to export. */
  readonly exports: Readonly<Record<string, unknown>>;
  /** To be called when the session has ended: what the client left open ends. */
  end(): void;
}

/** Serves `engine`, which stays the caller's, to one session; it should copy plain data. */
export function serveEngine(engine: Engine, info: HubInfo, log: Log = silentLog): HubServing {
  const service = new HubService(engine, info, log);
  return {
    exports: { [HUB_EXPORT]: service },
    end: () => void service[Symbol.asyncDispose]().catch(() => {}),
  };
}

/**
 * The engine as one client sees it: the contract's methods, with callbacks where the contract has
 * streams. What waits for a slow client waits in the engine's own watches, which bound it.
 */
export class HubService implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #info: HubInfo;
  readonly #log: Log;
  readonly #streams = new Map<number, AsyncDisposable>();

  constructor(engine: Engine, { pid, epoch }: HubInfo, log: Log) {
    this.#engine = engine;
    this.#info = { pid, epoch };
    this.#log = log;
  }

  hello(): HubHello {
    const { store, label, supports } = this.#engine;
    return {
      protocol: HUB_PROTOCOL,
      store,
      label,
      supports: { ...supports, shared: true },
      ...this.#info,
    };
  }

  /** Says that the hub's event loop runs. */
  ping(): void {}

  get(path: Path): Promise<EngineEntry | undefined> {
    return this.#engine.get(checkPath(path));
  }

  put(path: Path, value: Uint8Array, options: WriteOptions): Promise<WriteResult> {
    if (!(value instanceof Uint8Array)) throw new TypeError("the value must be bytes");
    return this.#engine.put(checkPath(path), value, checkWriteOptions(options));
  }

  delete(path: Path, options: WriteOptions): Promise<WriteResult> {
    return this.#engine.delete(checkPath(path), checkWriteOptions(options));
  }

  async page(prefix: Path, options: ListOptions): Promise<HubPage> {
    const entries: EngineEntry[] = [];
    let bytes = 0;
    for await (const entry of this.#engine.list(checkPath(prefix), options)) {
      entries.push(entry);
      bytes += entry.value.length;
      if (entries.length >= PAGE_LIMITS.entries || bytes >= PAGE_LIMITS.bytes) {
        return { entries, complete: false };
      }
    }
    return { entries, complete: true };
  }

  children(path: Path): Promise<readonly PathElement[]> {
    return this.#engine.children(checkPath(path));
  }

  publish(topic: Path, data: Uint8Array): Promise<void> {
    if (!(data instanceof Uint8Array)) throw new TypeError("the message must be bytes");
    return this.#engine.publish(checkPath(topic), data);
  }

  /** Begins a watch that the client calls `id`, until `stop(id)` or the end of the session. */
  watch(id: number, prefix: Path, options: WatchOptions, sink: WatchSink): void {
    const { after, maxBacklog } = options;
    const watch = this.#engine.watch(checkPath(prefix), { after, maxBacklog });
    this.#streams.set(id, watch);
    const pump = async (): Promise<void> => {
      const ahead = new Window(BATCHES_AHEAD, () => this.stop(id));
      for await (const batch of watch) await ahead.add(sink(batch, watch.cursor));
    };
    void pump()
      .catch((error: unknown) => {
        if (BanyanError.is(error)) return sink([], watch.cursor, error);
        throw error;
      })
      .catch((error: unknown) => this.#log.debug("a watch ended", { error: String(error) }))
      .finally(() => this.#ended(id, sink));
  }

  /** Begins a subscription; the client hears what is published after this has resolved. */
  subscribe(id: number, topic: Path, sink: MessageSink): Promise<void> {
    const subscription = this.#engine.subscribe(checkPath(topic));
    this.#streams.set(id, subscription);
    const pump = async (): Promise<void> => {
      const ahead = new Window(MESSAGES_AHEAD, () => this.stop(id));
      for await (const message of subscription) {
        await ahead.add(sink(message.topic, message.data, subscription.dropped));
      }
    };
    void pump()
      .catch((error: unknown) => this.#log.debug("a subscription ended", { error: String(error) }))
      .finally(() => this.#ended(id, sink));
    return subscription.ready;
  }

  /** Ends a watch or subscription; a second time is harmless. */
  async stop(id: number): Promise<void> {
    await this.#streams.get(id)?.[Symbol.asyncDispose]();
  }

  /** Ends whatever the client left open. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#streams.keys(), (id) => this.stop(id)));
  }

  #ended(id: number, sink: unknown): void {
    this.#streams.delete(id);
    release(sink);
  }
}

/** Lets so many calls be unanswered at a time. */
class Window {
  readonly #size: number;
  readonly #onFailure: () => unknown;
  readonly #unanswered: Promise<void>[] = [];

  /** `onFailure` is called when a call failed: the client is gone. */
  constructor(size: number, onFailure: () => unknown) {
    this.#size = size;
    this.#onFailure = onFailure;
  }

  /** Resolves when there is room for the next. */
  async add(call: Promise<void> | void): Promise<void> {
    const answered = Promise.resolve(call).catch(() => void this.#onFailure());
    this.#unanswered.push(answered);
    if (this.#unanswered.length >= this.#size) await this.#unanswered.shift();
  }
}

/** Our clients send paths; whoever else speaks the protocol may send anything. */
function checkPath(path: unknown): Path {
  if (path instanceof Path) return path;
  throw new TypeError("the path must be a Path");
}

function checkWriteOptions(options: WriteOptions): WriteOptions {
  const { ifRevision, condition, operation, author, durability } = options;
  if (durability !== undefined && durability !== "commit" && durability !== "flushed") {
    throw new TypeError('the durability must be "commit" or "flushed"');
  }
  for (const revision of [ifRevision, condition?.revision]) {
    if (revision !== undefined && !Number.isSafeInteger(revision)) {
      throw new TypeError("a revision must be a whole number");
    }
  }
  for (const text of [operation, author]) {
    if (text !== undefined && typeof text !== "string") throw new TypeError("must be text");
  }
  if (condition !== undefined) checkPath(condition.path);
  return { ifRevision, condition, operation, author, durability };
}
