import { type AbortOptions, abortable } from "../base/abort.ts";
import { EngineError } from "../base/errors.ts";
import { Listing } from "../base/listing.ts";
import type { Path } from "../wire/path.ts";
import { Writer } from "../wire/writer.ts";
import { encodePath, subtreeRange } from "../wire/path-key.ts";
import { childrenRange, readChildren } from "./children.ts";
import {
  type ChildrenOptions,
  DEFAULT_ENGINE_LIMITS,
  type Engine,
  type EngineChild,
  type EngineEntry,
  type EngineLimits,
  type EngineSubscription,
  type EngineSupports,
  type EngineVersion,
  type EngineWatch,
  type HistoryRule,
  type ListOptions,
  type Revision,
  type SubscribeOptions,
  type WatchOptions,
  type WriteOptions,
  type WriteResult,
} from "./engine.ts";
import { LocalPeers } from "./local-peers.ts";
import type { RowReads } from "./row-answers.ts";
import { compareBytes, keyAfter, PAGE_LIMITS, type Store, type WriteRequest } from "./store.ts";
import { Subscriptions } from "./subscriptions.ts";
import { Watches } from "./watches.ts";

/** Characters of the names that go with a write, what a guard adds to them included: they are kept with it, and are a key. */
const MAX_NAME = 512;
/** Of a value that is copied into a block with others. */
const MAX_SHARED_BYTES = 4 * 1024;

const copies = new Writer();

/** Past versions of one entry are read in one go. */
const MAX_VERSIONS = 10_000;

/** An engine whose store is in this process: everything that does not depend on how it is kept. */
export class LocalEngine implements Engine {
  readonly peers: LocalPeers;
  readonly #store: Store;
  readonly #limits: EngineLimits;
  readonly #watches: Watches;
  readonly #subscriptions = new Subscriptions();
  readonly #rows: RowReads = {
    row: (bytes, start, end) => {
      this.#checkOpen();
      return this.#store.row(bytes, start, end);
    },
  };
  #end: { readonly error: EngineError; readonly done: Promise<void> } | undefined;

  /** Takes `store` over: it is closed with the engine. */
  constructor(store: Store, limits: Partial<EngineLimits> = {}) {
    this.#store = store;
    this.#limits = { ...DEFAULT_ENGINE_LIMITS, ...limits };
    this.#watches = new Watches(store);
    this.peers = new LocalPeers({
      checkOpen: () => this.#checkOpen(),
      checkSize: (bytes) => this.#checkSize(bytes),
    });
    store.listen({
      announce: (changes) => this.#watches.announce(changes),
      awaits: (change) => this.#watches.awaits(change),
      failed: (error) => void this.#finish(error, error),
    });
  }

  get label(): string {
    return this.#store.label;
  }

  get supports(): EngineSupports {
    return this.#store.supports;
  }

  get revision(): Revision {
    return this.#store.revision;
  }

  get store(): string {
    return this.#store.id;
  }

  async get(path: Path, { signal }: AbortOptions = {}): Promise<EngineEntry | undefined> {
    signal?.throwIfAborted();
    this.#checkOpen();
    return this.#store.get(encodePath(path));
  }

  /** Entries as they lie in the store. */
  get rows(): RowReads {
    return this.#rows;
  }

  put(path: Path, value: Uint8Array, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write(path, value, options);
  }

  delete(path: Path, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#write(path, undefined, options);
  }

  list(prefix: Path, options: ListOptions = {}): Listing<EngineEntry> {
    return new Listing(() => this.#pages(prefix, options));
  }

  children(path: Path, options: ChildrenOptions = {}): Listing<EngineChild> {
    return new Listing(() => this.#childPages(path, options));
  }

  watch(prefix: Path, options: WatchOptions = {}): EngineWatch {
    this.#checkOpen();
    return this.#watches.open(prefix, options);
  }

  async history(path: Path, { signal }: AbortOptions = {}): Promise<readonly EngineVersion[]> {
    signal?.throwIfAborted();
    this.#checkOpen();
    const key = encodePath(path);
    const present = this.#store.get(key);
    const past = this.#store.history.past(path, key).map(versionOf);
    return present === undefined ? past : [versionOf(present), ...past];
  }

  async keepHistory(rule: HistoryRule): Promise<void> {
    this.#checkOpen();
    checkRule(rule);
    await this.#store.history.keep(rule);
  }

  async historyRules(): Promise<readonly HistoryRule[]> {
    this.#checkOpen();
    return this.#store.history.rules.all;
  }

  async publish(topic: Path, data: Uint8Array): Promise<void> {
    this.#checkOpen();
    this.#checkSize(data);
    this.#subscriptions.publish({ topic, data: new Uint8Array(data) });
  }

  subscribe(topic: Path, options: SubscribeOptions = {}): EngineSubscription {
    this.#checkOpen();
    return this.#subscriptions.open(topic, options);
  }

  close(): Promise<void> {
    return this.#finish(new EngineError("ENGINE_CLOSED"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#pages(prefix: Path, options: ListOptions): AsyncGenerator<EngineEntry[], void> {
    const { maxDepth = Infinity, minDepth = 0, after, signal } = options;
    const range = subtreeRange(prefix);
    let start: Uint8Array | undefined = range.start;
    if (after !== undefined) {
      const behind = keyAfter(encodePath(after));
      // `after` may lie before the prefix, or behind all of it.
      if (compareBytes(behind, start) > 0) start = behind;
      if (compareBytes(start, range.end) >= 0) return;
    }
    while (start !== undefined) {
      signal?.throwIfAborted();
      this.#checkOpen();
      const page = this.#store.page({ start, end: range.end }, PAGE_LIMITS);
      yield page.entries.filter(({ path }) => {
        const depth = path.length - prefix.length;
        return depth >= minDepth && depth <= maxDepth;
      });
      start = page.next;
    }
  }

  async *#childPages(
    path: Path,
    { after, signal }: ChildrenOptions,
  ): AsyncGenerator<EngineChild[], void> {
    const { start, end } = childrenRange(path);
    let position: Uint8Array | undefined =
      after === undefined ? start : subtreeRange(path.append(after)).end;
    while (position !== undefined) {
      signal?.throwIfAborted();
      this.#checkOpen();
      const page = readChildren(this.#store, path, { start: position, end });
      yield page.children;
      position = page.next;
    }
  }

  async #write(
    path: Path,
    given: Uint8Array | undefined,
    options: WriteOptions,
  ): Promise<WriteResult> {
    if (given !== undefined) this.#checkSize(given);
    const value = given && copied(given);
    const { ifRevision, condition, operation, repeats, author = "", durability, signal } = options;
    signal?.throwIfAborted();
    this.#checkOpen();
    checkName("author", author);
    checkName("operation", operation);
    if (durability === "flushed" && !this.supports.durable) {
      throw new EngineError("ENGINE_UNSUPPORTED", `${this.label} keeps nothing on a disk`);
    }
    const request: WriteRequest = {
      path,
      key: encodePath(path),
      value,
      ifRevision,
      condition: condition && { key: encodePath(condition.path), revision: condition.revision },
      operation,
      repeats,
      author,
      durability,
    };
    const written = this.#store.write(request);
    return signal === undefined ? written : abortable(written, signal);
  }

  #finish(error: EngineError, forReaders?: EngineError): Promise<void> {
    if (this.#end !== undefined) return this.#end.done;
    this.#watches.close(forReaders);
    this.#subscriptions.close();
    this.peers.close();
    const done = this.#store.close();
    this.#end = { error, done };
    return done;
  }

  #checkOpen(): void {
    if (this.#end === undefined) return;
    const { code, message, details } = this.#end.error;
    throw new EngineError(code, message, { cause: this.#end.error, details });
  }

  #checkSize(bytes: Uint8Array): void {
    const { maxValueBytes } = this.#limits;
    if (bytes.length <= maxValueBytes) return;
    throw new EngineError(
      "ENGINE_TOO_LARGE",
      `${bytes.length} bytes are more than this engine's ${maxValueBytes}`,
      { details: { bytes: bytes.length, maxValueBytes } },
    );
  }
}

/** For as long as a write is under way, small ones share blocks. */
function copied(value: Uint8Array): Uint8Array {
  if (value.length > MAX_SHARED_BYTES) return new Uint8Array(value);
  copies.bytes(value);
  return copies.take();
}

function versionOf({ path, value, revision, author, time }: EngineVersion): EngineVersion {
  return { path, value, revision, author, time };
}

/** A write that can't be stored would take with it those that are committed together with it. */
function checkName(what: string, name = ""): void {
  if (name.length <= MAX_NAME) return;
  const says = `the ${what} of a write has ${name.length} characters, more than ${MAX_NAME}`;
  throw new EngineError("ENGINE_TOO_LARGE", says);
}

function checkRule({ versions, maxAgeMs }: HistoryRule): void {
  if (!Number.isSafeInteger(versions) || versions < 0 || versions > MAX_VERSIONS) {
    throw new RangeError(`versions is a whole number from 0 to ${MAX_VERSIONS}`);
  }
  if (typeof maxAgeMs === "number" && maxAgeMs >= 0) return;
  throw new RangeError("maxAgeMs is a number of milliseconds from 0, or Infinity");
}
