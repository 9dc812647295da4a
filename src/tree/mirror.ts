import { type AbortOptions, abortable } from "../base/abort.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { TreeError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import type { Log } from "../base/log.ts";
import { ABORT_OPTIONS, checkOptions } from "../base/options.ts";
import { onRejection } from "../base/rejection.ts";
import type { EngineEvent, EngineWatch, Revision } from "../engine/engine.ts";
import { formatPath, toPath } from "../wire/path-text.ts";
import type { Path, PathElement, PathLike } from "../wire/path.ts";
import { type TreeEntry, toTreeEntry, valueOf } from "./entry.ts";
import { EntryIndex } from "./mirror-index.ts";

/** One thing that became different in a mirror. */
export type MirrorChange =
  | {
      readonly type: "put";
      readonly path: Path;
      readonly revision: Revision;
      readonly entry: TreeEntry;
      /** What the mirror held before; undefined for a new entry. */
      readonly previous: TreeEntry | undefined;
    }
  | {
      readonly type: "delete";
      readonly path: Path;
      /** Of the deletion, or of the listing that no longer had the entry. */
      readonly revision: Revision;
      readonly previous: TreeEntry;
    };

/** What a mirror applied in one synchronous step; the mirror shows all of it already. */
export interface MirrorBatch {
  /** In the order of revisions; after a gap, what is gone before what is new. May be empty. */
  readonly changes: readonly MirrorChange[];
  /** What the mirror has applied by now. */
  readonly revision: Revision;
  /** Whether the mirror may be out of date; a batch without changes tells that this has changed. */
  readonly stale: boolean;
}

/**
 * A live copy of a subtree in memory, read synchronously. Made by `tree.mirror()`, which resolves
 * when the copy is complete. Where its watch has to start over, the copy stays as it was until the
 * new state is known, and then changes in one step to which only the differences are announced.
 *
 * Values belong to the mirror: don't change them. After it has ended it goes on answering with what
 * it knew last, and is `stale`.
 */
export class Mirror implements AsyncDisposable {
  /** What is mirrored: this entry and everything below it. */
  readonly path: Path;
  /** Resolves when it has ended, with the error if it was one that ended it. */
  readonly closed: Promise<unknown>;

  readonly #source: EngineWatch;
  readonly #log: Log;
  readonly #onEnd: () => void;
  readonly #ready = deferred<void>();
  readonly #listeners = new Set<{ readonly call: (batch: MirrorBatch) => unknown }>();
  readonly #waiters = new Set<Waiter>();
  #index = new EntryIndex();
  /** Collects a listing until its "ready". */
  #staged: EntryIndex | undefined = new EntryIndex();
  #store: string;
  #revision: Revision = 0;
  /** Contact with the store is lost, or the mirror has ended. */
  #detached = false;
  #ended = false;

  private constructor(source: EngineWatch, path: Path, options: MirrorParts) {
    this.path = path;
    this.#source = source;
    this.#store = source.cursor.store;
    this.#log = options.log;
    this.#onEnd = options.onEnd;
    this.closed = this.#follow(options.signal);
  }

  /** Owns `source`, also where it rejects. `onEnd` is called once, when it has ended. */
  static async open(source: EngineWatch, path: Path, options: MirrorParts): Promise<Mirror> {
    const mirror = new Mirror(source, path, options);
    try {
      await abortable(mirror.#ready.promise, options.signal);
      return mirror;
    } catch (error) {
      await mirror.close();
      throw error;
    }
  }

  /** Every change of the subtree up to this one is applied. */
  get revision(): Revision {
    return this.#revision;
  }

  /** Whether the copy may be out of date: no contact with the store, starting over, or ended. */
  get stale(): boolean {
    return this.#detached || this.#staged !== undefined;
  }

  /** How many entries it holds. */
  get size(): number {
    return this.#index.size;
  }

  /** The value; `undefined` if there is none. @throws the entry's `error` if it can't be decoded */
  get(path: PathLike): unknown {
    const entry = this.entry(path);
    return entry === undefined ? undefined : valueOf(entry);
  }

  /** @throws RangeError for a path outside of what is mirrored, as do all that take one */
  entry(path: PathLike): TreeEntry | undefined {
    return this.#index.get(this.#inside(path));
  }

  has(path: PathLike): boolean {
    return this.entry(path) !== undefined;
  }

  /** The elements that follow `path`, in order, also those that have no entry of their own. */
  children(path: PathLike = this.path): PathElement[] {
    return this.#index.children(this.#inside(path));
  }

  /** The entries at and below `path`, depth first in the order of paths. */
  entries(path: PathLike = this.path): IterableIterator<TreeEntry> {
    return this.#index.entries(this.#inside(path));
  }

  /**
   * Calls `listener` after each step, synchronously and in order; what was there before is not
   * announced. One that throws, or whose promise rejects, is logged and does not keep the others from
   * hearing. Promises are not waited for.
   */
  subscribe(listener: (batch: MirrorBatch) => unknown): Disposable {
    if (typeof listener !== "function") {
      throw new TypeError(`a listener is a function, not ${kindOf(listener)}`);
    }
    const entry = { call: listener };
    this.#listeners.add(entry);
    return { [Symbol.dispose]: () => void this.#listeners.delete(entry) };
  }

  /**
   * Resolves when the mirror holds the write of that revision and its listeners have heard of it.
   * The write must be one to this subtree: others need not move the mirror.
   *
   * @throws TreeError `TREE_CLOSED` if it ends before, `TREE_OVERFLOW` if the store was replaced by
   *   another one, in which that revision means nothing
   */
  async waitFor(revision: Revision, options: AbortOptions = {}): Promise<void> {
    checkOptions(options, ABORT_OPTIONS, "mirror.waitFor");
    if (this.#revision >= revision) return;
    if (this.#ended) throw closedError(this.path);
    const waiter: Waiter = { revision, reached: deferred() };
    this.#waiters.add(waiter);
    try {
      await abortable(waiter.reached.promise, options.signal);
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  /** Ends it; idempotent. Closing the tree does it too. */
  async close(): Promise<void> {
    await this.#source[Symbol.asyncDispose]();
    await this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #follow(signal: AbortSignal | undefined): Promise<unknown> {
    let failure: unknown;
    try {
      for await (const batch of this.#source) this.#apply(batch);
    } catch (error) {
      failure = error;
      if (signal?.aborted !== true) {
        this.#log.error("a mirror can't go on", { path: formatPath(this.path), error });
      }
    }
    this.#ended = true;
    this.#detached = true;
    const reason = failure ?? closedError(this.path);
    this.#ready.reject(reason);
    // Nobody may be waiting for it any more.
    this.#ready.promise.catch(() => {});
    this.#fail(reason);
    this.#onEnd();
    return failure;
  }

  #apply(events: readonly EngineEvent[]): void {
    const wasStale = this.stale;
    const changes: MirrorChange[] = [];
    for (const event of events) this.#take(event, changes);
    if (this.#staged === undefined) this.#reach(this.#source.cursor.revision);
    if (changes.length > 0 || wasStale !== this.stale) this.#announce(changes);
    this.#wake();
    if (this.#staged === undefined) this.#ready.resolve();
  }

  #take(event: EngineEvent, changes: MirrorChange[]): void {
    switch (event.type) {
      case "put":
        this.#put(toTreeEntry(event.entry), changes);
        break;
      case "delete":
        this.#delete(event.entry.path, event.entry.revision, changes);
        break;
      case "reset":
        this.#staged = new EntryIndex();
        break;
      case "ready":
        this.#detached = false;
        this.#swap(event.revision, changes);
        break;
      case "stale":
        this.#detached = true;
        break;
      case "live":
        this.#detached = false;
        break;
    }
  }

  #put(entry: TreeEntry, changes: MirrorChange[]): void {
    if (this.#staged !== undefined) {
      this.#staged.put(entry);
      return;
    }
    const { path, revision } = entry;
    changes.push({ type: "put", path, revision, entry, previous: this.#index.put(entry) });
    this.#reach(revision);
  }

  #delete(path: Path, revision: Revision, changes: MirrorChange[]): void {
    if (this.#staged !== undefined) {
      this.#staged.delete(path);
      return;
    }
    const previous = this.#index.delete(path);
    if (previous !== undefined) changes.push({ type: "delete", path, revision, previous });
    this.#reach(revision);
  }

  /** Puts the listing in place of what was there, and adds the differences to `changes`. */
  #swap(revision: Revision, changes: MirrorChange[]): void {
    const before = this.#index;
    const after = this.#staged;
    const sameStore = this.#store === this.#source.cursor.store;
    this.#store = this.#source.cursor.store;
    if (after !== undefined) {
      this.#staged = undefined;
      this.#index = after;
      const at = { path: this.path, revision, sameStore };
      // Not push(...): a listing may have more entries than a call may have arguments.
      for (const change of differences(before, after, at)) changes.push(change);
    }
    if (!sameStore) {
      this.#revision = revision;
      this.#fail(new TreeError("TREE_OVERFLOW", "the store was replaced by another one"));
    }
    this.#reach(revision);
  }

  #reach(revision: Revision): void {
    this.#revision = Math.max(this.#revision, revision);
  }

  #announce(changes: readonly MirrorChange[]): void {
    const batch: MirrorBatch = { changes, revision: this.#revision, stale: this.stale };
    // A copy: who subscribes meanwhile hears of the next batch.
    const listeners = [...this.#listeners];
    const path = formatPath(this.path);
    const failed = (error: unknown): void =>
      this.#log.error("a listener of a mirror threw", { path, error });
    for (const listener of listeners) {
      try {
        onRejection(listener.call(batch), failed);
      } catch (error) {
        failed(error);
      }
    }
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (this.#revision >= waiter.revision) waiter.reached.resolve();
    }
  }

  #fail(reason: unknown): void {
    for (const waiter of this.#waiters) waiter.reached.reject(reason);
    this.#waiters.clear();
  }

  #inside(like: PathLike): Path {
    const path = toPath(like);
    if (this.path.contains(path)) return path;
    throw new RangeError(
      `${formatPath(path)} is outside of the mirror of ${formatPath(this.path)}`,
    );
  }
}

/** What the tree gives a mirror. */
export interface MirrorParts extends AbortOptions {
  readonly log: Log;
  readonly onEnd: () => void;
}

interface Waiter {
  readonly revision: Revision;
  readonly reached: Deferred<void>;
}

function* differences(
  before: EntryIndex,
  after: EntryIndex,
  at: { readonly path: Path; readonly revision: Revision; readonly sameStore: boolean },
): IterableIterator<MirrorChange> {
  for (const previous of before.entries(at.path)) {
    const { path } = previous;
    if (after.get(path) === undefined) {
      yield { type: "delete", path, revision: at.revision, previous };
    }
  }
  for (const entry of after.entries(at.path)) {
    const { path, revision } = entry;
    const previous = before.get(path);
    // Within one store a revision stands for one write: the same one, the same entry.
    if (at.sameStore && previous?.revision === revision) continue;
    yield { type: "put", path, revision, entry, previous };
  }
}

function closedError(path: Path): TreeError {
  return new TreeError("TREE_CLOSED", `the mirror of ${formatPath(path)} is closed`);
}
