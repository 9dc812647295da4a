import { deferred } from "../../src/base/deferred.ts";
import { EngineError } from "../../src/base/errors.ts";
import { Listing } from "../../src/base/listing.ts";
import type {
  ChildrenOptions,
  Cursor,
  Engine,
  EngineChild,
  EngineEntry,
  EngineEvent,
  EngineMessage,
  EngineSubscription,
  EngineVersion,
  HistoryRule,
  EngineWatch,
  ListOptions,
  SubscribeOptions,
  WatchOptions,
  WriteOptions,
  WriteResult,
} from "../../src/engine/engine.ts";
import type { Path } from "../../src/wire/path.ts";

export interface Faults {
  /** How long a message takes in one direction. */
  latencyMs: () => number;
  /** Whether the answer to a write is lost on its way. */
  losesReply: () => boolean;
  /** What the store says to each write instead of doing it. */
  refusal: EngineError | undefined;
}

type Wire = "whole" | "cut" | "dead";

/**
 * One process's way to a shared engine: slow, cut, frozen or dead as a test wants it. A request that
 * has left arrives, whatever becomes of its sender.
 */
export class FaultyEngine implements Engine {
  readonly label = "faulty:";
  readonly faults: Faults = { latencyMs: () => 0, losesReply: () => false, refusal: undefined };
  readonly #inner: Engine;
  readonly #after: (ms: number, run: () => void) => void;
  readonly #watches = new Set<FaultyWatch>();
  readonly #changed = new Set<() => void>();
  #wire: Wire = "whole";
  #paused = false;
  #closed = false;

  /** `after` is the world's clock, not the process's. */
  constructor(inner: Engine, after: (ms: number, run: () => void) => void) {
    this.#inner = inner;
    this.#after = after;
  }

  get supports(): Engine["supports"] {
    return this.#inner.supports;
  }

  get store(): string {
    return this.#inner.store;
  }

  /** `loud`: the client notices at once. */
  cut(options: { loud: boolean } = { loud: true }): void {
    if (this.#wire === "dead") return;
    this.#wire = "cut";
    if (options.loud) for (const watch of this.#watches) watch.mark("stale");
  }

  heal(): void {
    if (this.#wire === "dead") return;
    this.#wire = "whole";
    for (const watch of this.#watches) watch.mark("live");
    this.#tell();
  }

  /** The process does not run; what it has sent is on its way. */
  pause(paused: boolean): void {
    this.#paused = paused;
    this.#tell();
  }

  /** The process is gone. */
  kill(): void {
    this.#wire = "dead";
    this.#tell();
  }

  /** Every watch ends with an error. */
  failWatches(): void {
    for (const watch of this.#watches) watch.fail(new EngineError("ENGINE_UNAVAILABLE"));
  }

  get(path: Path): Promise<EngineEntry | undefined> {
    return this.#call(() => this.#inner.get(path), undefined);
  }

  put(path: Path, value: Uint8Array, options: WriteOptions = {}): Promise<WriteResult> {
    const { signal, ...rest } = options;
    const put = async (): Promise<WriteResult> => {
      if (this.faults.refusal !== undefined) throw this.faults.refusal;
      return this.#inner.put(path, value, rest);
    };
    return this.#call(put, signal, true);
  }

  delete(path: Path, options: WriteOptions = {}): Promise<WriteResult> {
    const { signal, ...rest } = options;
    return this.#call(() => this.#inner.delete(path, rest), signal, true);
  }

  list(prefix: Path, options?: ListOptions): Listing<EngineEntry> {
    return this.#listing(() => this.#inner.list(prefix, options), options?.signal);
  }

  children(path: Path, options?: ChildrenOptions): Listing<EngineChild> {
    return this.#listing(() => this.#inner.children(path, options), options?.signal);
  }

  #listing<T>(open: () => Listing<T>, signal: AbortSignal | undefined): Listing<T> {
    const read = (): Promise<T[]> => this.#call(() => open().toArray(), signal);
    return new Listing(async function* () {
      yield await read();
    });
  }

  history(path: Path): Promise<readonly EngineVersion[]> {
    return this.#call(() => this.#inner.history(path), undefined);
  }

  keepHistory(rule: HistoryRule): Promise<void> {
    return this.#call(() => this.#inner.keepHistory(rule), undefined);
  }

  historyRules(): Promise<readonly HistoryRule[]> {
    return this.#call(() => this.#inner.historyRules(), undefined);
  }

  watch(prefix: Path, options?: WatchOptions): EngineWatch {
    const watch = new FaultyWatch(this.#inner.watch(prefix, options), {
      arrive: () => this.#travel(),
      onEnd: () => this.#watches.delete(watch),
    });
    this.#watches.add(watch);
    return watch;
  }

  publish(topic: Path, data: Uint8Array): Promise<void> {
    return this.#call(() => this.#inner.publish(topic, data), undefined);
  }

  subscribe(topic: Path, options?: SubscribeOptions): EngineSubscription {
    return this.#inner.subscribe(topic, options) satisfies AsyncIterable<EngineMessage>;
  }

  get peers(): Engine["peers"] {
    return this.#inner.peers;
  }

  /** Also lets go of whatever hangs. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#tell();
    for (const watch of this.#watches) await watch[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #call<T>(
    request: () => Promise<T>,
    signal: AbortSignal | undefined,
    writes = false,
  ): Promise<T> {
    signal?.throwIfAborted();
    this.#checkOpen();
    const answer = (async () => {
      await this.#travel({ out: true });
      const result = await outcomeOf(request());
      const lost = writes && this.faults.losesReply();
      await this.#travel();
      if (lost) throw new EngineError("ENGINE_AMBIGUOUS");
      if ("error" in result) throw result.error;
      return result.value;
    })();
    if (signal === undefined) return answer;
    const aborted = deferred<never>();
    const give = (): void => aborted.reject(signal.reason);
    signal.addEventListener("abort", give);
    answer.catch(() => {});
    try {
      return await Promise.race([answer, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", give);
    }
  }

  /** One message's way: it takes its time, and as long as the wire is cut or the reader frozen. */
  async #travel({ out = false } = {}): Promise<void> {
    const ms = this.faults.latencyMs();
    if (ms > 0 && !this.#closed) {
      const arrived = deferred<void>();
      this.#after(ms, arrived.resolve);
      await arrived.promise;
    }
    const blocked = (): boolean => this.#wire !== "whole" || (this.#paused && !out);
    while (!this.#closed && blocked()) {
      const changed = deferred<void>();
      this.#changed.add(changed.resolve);
      await changed.promise;
    }
    if (this.#wire === "dead") this.#checkOpen();
  }

  #checkOpen(): void {
    if (this.#closed) throw new EngineError("ENGINE_CLOSED");
  }

  #tell(): void {
    const waiting = [...this.#changed];
    this.#changed.clear();
    for (const wake of waiting) wake();
  }
}

class FaultyWatch implements EngineWatch {
  readonly #inner: EngineWatch;
  readonly #arrive: () => Promise<void>;
  readonly #onEnd: () => void;
  /** Marks that the client makes itself. */
  #marks: EngineEvent[] = [];
  #stale = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  #cursor: Cursor;

  constructor(inner: EngineWatch, options: { arrive: () => Promise<void>; onEnd: () => void }) {
    this.#inner = inner;
    this.#arrive = options.arrive;
    this.#onEnd = options.onEnd;
    this.#cursor = inner.cursor;
  }

  get cursor(): Cursor {
    return this.#cursor;
  }

  mark(type: "stale" | "live"): void {
    if (this.#stale === (type === "stale")) return;
    this.#stale = type === "stale";
    this.#marks.push({ type });
    this.#wake?.();
  }

  fail(error: Error): void {
    this.#failure = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<readonly EngineEvent[]> {
    const source = this.#inner[Symbol.asyncIterator]();
    let next = this.#pull(source);
    for (;;) {
      if (this.#marks.length > 0) yield this.#marks.splice(0);
      const marked = deferred<"mark">();
      this.#wake = () => marked.resolve("mark");
      const got = await Promise.race([next, marked.promise]);
      if (this.#failure !== undefined) throw this.#failure;
      if (got === "mark") continue;
      if (got.done === true) return;
      this.#cursor = got.cursor;
      next = this.#pull(source);
      yield got.value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#onEnd();
    await this.#inner[Symbol.asyncDispose]();
  }

  async #pull(
    source: AsyncIterator<readonly EngineEvent[]>,
  ): Promise<IteratorResult<readonly EngineEvent[]> & { readonly cursor: Cursor }> {
    const result = await source.next();
    const { cursor } = this.#inner;
    if (result.done !== true) await this.#arrive().catch(() => {});
    return { ...result, cursor };
  }
}

async function outcomeOf<T>(
  promise: Promise<T>,
): Promise<{ readonly value: T } | { readonly error: unknown }> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}
