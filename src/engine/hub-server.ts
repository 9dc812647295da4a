import { silentLog, type Log } from "../base/log.ts";
import type { Path, PathElement } from "../wire/path.ts";
import type { Engine, EngineEntry, WriteResult } from "./engine.ts";
import {
  HUB_EXPORT,
  type HubHandle,
  type HubInfo,
  type HubListOptions,
  type HubMessageSink,
  type HubPage,
  type HubService,
  type HubWatchOptions,
  type HubWatchSink,
  type HubWriteOptions,
} from "./hub-protocol.ts";

/** One answer to a list holds so much at most. */
const PAGE = { entries: 1_000, bytes: 512 * 1024 } as const;

/** Messages that may be on their way to one subscriber before its others wait here. */
const MESSAGES_UNDER_WAY = 256;

/** Of a subscriber that does not keep up; the oldest are dropped beyond it. */
const MESSAGE_BACKLOG = 10_000;

export interface HubServing {
  /** What the session is to export. */
  readonly exports: Readonly<Record<string, unknown>>;
  /** To be called when the session has ended: what it began at the engine ends. */
  end(): void;
}

/**
 * Serves `engine`, which stays the caller's, to one session. The session should copy plain data.
 *
 * A client that reads slowly costs the hub a bounded backlog for each of its watches, after which it
 * gets a "reset" as the engine's contract has it.
 */
export function serveEngine(
  engine: Engine,
  info: Pick<HubInfo, "pid" | "epoch">,
  log: Log = silentLog,
): HubServing {
  const service = new EngineService(engine, info, log);
  return { exports: { [HUB_EXPORT]: service }, end: () => service[Symbol.dispose]() };
}

class EngineService implements HubService {
  readonly #engine: Engine;
  readonly #info: Pick<HubInfo, "pid" | "epoch">;
  readonly #log: Log;
  readonly #ending = new AbortController();

  constructor(engine: Engine, info: Pick<HubInfo, "pid" | "epoch">, log: Log) {
    this.#engine = engine;
    this.#info = info;
    this.#log = log;
  }

  info(): HubInfo {
    const { label, store, supports } = this.#engine;
    const { pid, epoch } = this.#info;
    return { label, store, supports, pid, epoch };
  }

  ping(): void {}

  get(path: Path): Promise<EngineEntry | undefined> {
    return this.#engine.get(path);
  }

  put(path: Path, value: Uint8Array, options: HubWriteOptions): Promise<WriteResult> {
    return this.#engine.put(path, value, options);
  }

  delete(path: Path, options: HubWriteOptions): Promise<WriteResult> {
    return this.#engine.delete(path, options);
  }

  async page(prefix: Path, options: HubListOptions): Promise<HubPage> {
    const entries: EngineEntry[] = [];
    let bytes = 0;
    for await (const entry of this.#engine.list(prefix, options)) {
      entries.push(entry);
      bytes += entry.value.byteLength;
      if (entries.length >= PAGE.entries || bytes >= PAGE.bytes) return { entries, done: false };
    }
    return { entries, done: true };
  }

  children(path: Path): Promise<readonly PathElement[]> {
    return this.#engine.children(path);
  }

  watch(prefix: Path, options: HubWatchOptions, sink: HubWatchSink): HubHandle {
    return this.#start("watch", async (signal) => {
      const watch = this.#engine.watch(prefix, { ...options, signal });
      for await (const events of watch) {
        // Before the wait: behind it, the cursor may stand further than this batch.
        const { cursor } = watch;
        await sink(events, cursor);
      }
    });
  }

  publish(topic: Path, data: Uint8Array): Promise<void> {
    return this.#engine.publish(topic, data);
  }

  subscribe(topic: Path, sink: HubMessageSink): HubHandle {
    return this.#start("subscription", async (signal) => {
      const messages = this.#engine.subscribe(topic, { maxBacklog: MESSAGE_BACKLOG, signal });
      let underWay: Promise<unknown>[] = [];
      for await (const message of messages) {
        underWay.push(Promise.resolve(sink(message)));
        if (underWay.length < MESSAGES_UNDER_WAY) continue;
        await Promise.all(underWay);
        underWay = [];
      }
    });
  }

  [Symbol.dispose](): void {
    this.#ending.abort(new Error("the session ended"));
  }

  #start(what: string, work: (signal: AbortSignal) => Promise<void>): HubHandle {
    const own = new AbortController();
    const stop = (): void => own.abort(this.#ending.signal.reason);
    this.#ending.signal.addEventListener("abort", stop, { once: true });
    if (this.#ending.signal.aborted) stop();
    void work(own.signal)
      .catch((error: unknown) => {
        // The sink's side went away, or the engine is closing: either way nobody is left to be told.
        if (!own.signal.aborted) {
          this.#log.debug(`a ${what} ended: ${error instanceof Error ? error.message : "unknown"}`);
        }
      })
      .finally(() => this.#ending.signal.removeEventListener("abort", stop));
    return new Running(own);
  }
}

/** An instance and not a plain object: it crosses by reference. */
class Running implements HubHandle {
  readonly #controller: AbortController;

  constructor(controller: AbortController) {
    this.#controller = controller;
  }

  close(): void {
    this.#controller.abort(new Error("the client closed it"));
  }
}
