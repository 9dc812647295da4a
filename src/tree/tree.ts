import type { AbortOptions } from "../base/abort.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { TreeError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import type { Listing } from "../base/listing.ts";
import { type Log, silentLog } from "../base/log.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import { type Durability, type Engine, type HistoryRule, type Revision } from "../engine/engine.ts";
import { toPath } from "../wire/path-text.ts";
import type { PathLike } from "../wire/path.ts";
import { checkDepth, DEPTH_OPTIONS, type DepthOptions } from "./depth.ts";
import { encodeForEngine, encodeTreeValue, type TreeEntry, valueOf } from "./entry.ts";
import type { Difference } from "./diff.ts";
import { ErrorRecords } from "./errors.ts";
import {
  DIFF_OPTIONS,
  type DiffOptions,
  diffVersions,
  type KeepHistory,
  readHistory,
  ruleOf,
  type TreeVersion,
  versionAt,
} from "./history.ts";
import { listChildren, listEntries, type TreeChild } from "./list.ts";
import {
  type RawMessage,
  checkSubscribeOptions,
  type SubscribeOptions,
  toTreeMessage,
  type TreeMessage,
  TreeSubscription,
} from "./messages.ts";
import { Mirror } from "./mirror.ts";
import { Peers } from "./peers.ts";
import { ENTRY, Reads, VALUE } from "./reads.ts";
import { Rules } from "./rules/rules.ts";
import type { SecretKeys } from "./secrets/secret-keys.ts";
import { Secrets } from "./secrets/secrets.ts";
import { SYSTEM, type SystemPaths, systemPaths } from "./system-paths.ts";
import { Roles } from "./users/roles.ts";
import { Users } from "./users/users.ts";
import { checkWatchOptions, TreeWatch, type TreeWatchOptions } from "./watch.ts";
import {
  checkDeleteOptions,
  checkDurability,
  checkSetOptions,
  deleteEntry,
  type DeleteOptions,
  type DeleteResult,
  deleteSubtree,
  setEntry,
  type SetOptions,
  type SetResult,
  type WriteTarget,
} from "./write.ts";

export interface TreeOptions {
  /** Who writes: kept with every entry, and the node of error records. For people. */
  readonly author?: string | undefined;
  /** What writes outlive that don't say. Default: as the engine has it, which is `commit`. */
  readonly durability?: Durability | undefined;
  /** The element below which Banyan's own data lives. Default ".banyan". */
  readonly system?: string | undefined;
  /** Whether `close()` closes the engine. Default true; false for all but one where trees share it. */
  readonly ownsEngine?: boolean | undefined;
  /** The keys of its secrets; without them a hub is asked, where there is one that has them. */
  readonly secretKeys?: SecretKeys | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: Log | undefined;
}

const TREE_OPTIONS: OptionNames<TreeOptions> = {
  author: true,
  durability: true,
  system: true,
  ownsEngine: true,
  secretKeys: true,
  clock: true,
  log: true,
};

const WALK_OPTIONS = { ...DEPTH_OPTIONS, ...ABORT_OPTIONS };

/** What a mirror or a watch is to the tree that opened it. */
interface Closable {
  close(): Promise<void>;
}

/**
 * The tree as its users hold it: typed values under paths, on top of an engine.
 *
 * Each write is atomic and, once resolved, seen by every later read; several writes together are not. Paths are written as
 * text (`a:2.c`), as arrays of elements, or as a `Path`; a bad one throws WireError `WIRE_BAD_PATH`, and an option that does
 * not exist TypeError. What the engine throws (`ENGINE_...`) comes through. After `close()`: TreeError `TREE_CLOSED`.
 */
export class Tree implements AsyncDisposable {
  /** What it stands on, for what works with bytes and conditions itself. */
  readonly engine: Engine;
  readonly author: string | undefined;
  /** Where Banyan keeps its own data. */
  readonly system: SystemPaths;
  /** What fails and what failed. */
  readonly errors: ErrorRecords;
  /** Who may use it over a network. */
  readonly users: Users;
  /** Requests and answers, who is there, channels: to others who use this tree at this moment. */
  readonly peers: Peers;
  /** What values may be, and how they are converted. */
  readonly rules: Rules;
  /** Values that are kept encrypted. */
  readonly secrets: Secrets;
  /** What they may do there. */
  readonly roles: Roles;

  readonly #durability: Durability | undefined;
  readonly #ownsEngine: boolean;
  readonly #log: Log;
  readonly #open = new Set<Closable>();
  readonly #reads = new Reads(() => this.#engine());
  #closing: Promise<void> | undefined;

  private constructor(engine: Engine, options: TreeOptions) {
    this.engine = engine;
    this.author = options.author;
    this.#durability = options.durability;
    this.system = systemPaths(options.system ?? SYSTEM);
    this.#ownsEngine = options.ownsEngine ?? true;
    this.#log = options.log ?? silentLog;
    const clock = options.clock ?? systemClock;
    this.errors = new ErrorRecords(this, clock);
    this.users = new Users(this, clock);
    this.peers = new Peers({
      engine: () => this.#engine(),
      author: options.author,
      own: (thing) => {
        this.#open.add(thing);
        return () => this.#open.delete(thing);
      },
    });
    this.rules = new Rules(this);
    this.roles = new Roles(this);
    this.secrets = new Secrets(this, options.secretKeys);
  }

  /** A tree over `engine`, which it owns unless it is told otherwise. */
  static over(engine: Engine, options: TreeOptions = {}): Tree {
    checkOptions(options, TREE_OPTIONS, "Tree.over");
    if (typeof (engine as Partial<Engine> | undefined | null)?.put !== "function") {
      throw new TypeError(`a tree stands on an engine, not on ${kindOf(engine)}`);
    }
    const { author, durability } = options;
    checkDurability(durability);
    if (author !== undefined && typeof author !== "string") {
      throw new TypeError(`the author of a tree is a string, not ${kindOf(author)}`);
    }
    return new Tree(engine, options);
  }

  /** The value; `undefined` if there is none. @throws WireError if it can't be decoded */
  get(path: PathLike, options: AbortOptions = {}): Promise<unknown> {
    return this.#reads.get(path, options, VALUE);
  }

  /** The value with who wrote it, when, and its revision; `undefined` if there is none. */
  entry(path: PathLike, options: AbortOptions = {}): Promise<TreeEntry | undefined> {
    return this.#reads.get(path, options, ENTRY);
  }

  /**
   * Writes one entry. See `SetOptions` for the conditions one may make.
   *
   * @throws TreeError `TREE_BAD_VALUE`, `TREE_EXISTS` (`onlyNew`); EngineError `ENGINE_CONFLICT`
   *   (`ifRevision`), `ENGINE_CONDITION`, and what the engine adds
   */
  async set(path: PathLike, value: unknown, options: SetOptions = {}): Promise<SetResult> {
    checkSetOptions(options);
    const write = this.#target(path);
    return setEntry(write, encodeForEngine(value), options);
  }

  /**
   * Deletes one entry and leaves what is below it, or, with `recursive`, all of the subtree: the
   * deepest entries first, and not atomically, so that what stops it half-way leaves the upper part.
   * Deleting what is not there changes nothing.
   */
  async delete(path: PathLike, options: DeleteOptions = {}): Promise<DeleteResult> {
    checkDeleteOptions(options);
    const write = this.#target(path);
    return options.recursive === true ? deleteSubtree(write, options) : deleteEntry(write, options);
  }

  /**
   * The children of an entry in the order of paths, also those that have no value of their own but
   * only something below them. Not one snapshot: a child may come or go between two pages of some
   * 1,000. `for await` gives them one by one, `toArray()` and `pages()` cost less for many.
   */
  list(path: PathLike, options: AbortOptions = {}): Listing<TreeChild> {
    checkOptions(options, ABORT_OPTIONS, "tree.list");
    return listChildren(this.#engine(), toPath(path), options);
  }

  /** The entries at and below a path, depth first in the order of paths; read as `list` is. */
  walk(path: PathLike, options: DepthOptions & AbortOptions = {}): Listing<TreeEntry> {
    checkOptions(options, WALK_OPTIONS, "tree.walk");
    checkDepth(options);
    return listEntries(this.#engine(), toPath(path), options);
  }

  /** Tells what is there and what changes. It is made at once, and begins when it is read. */
  watch(path: PathLike, options: TreeWatchOptions = {}): TreeWatch {
    checkWatchOptions(options);
    const prefix = toPath(path);
    const { after, maxBacklog, signal } = options;
    const source = this.#engine().watch(prefix, { after, maxBacklog, signal });
    const watch: TreeWatch = new TreeWatch(source, prefix, {
      ...options,
      onEnd: () => this.#open.delete(watch),
    });
    this.#open.add(watch);
    return watch;
  }

  /**
   * A live copy of a subtree in memory; resolves when it is complete. The signal gives up the wait,
   * and ends the mirror later.
   */
  async mirror(path: PathLike, options: AbortOptions = {}): Promise<Mirror> {
    checkOptions(options, ABORT_OPTIONS, "tree.mirror");
    const prefix = toPath(path);
    const source = this.#engine().watch(prefix, options);
    const ending: Closable = { close: async () => source[Symbol.asyncDispose]() };
    this.#open.add(ending);
    return Mirror.open(source, prefix, {
      log: this.#log,
      signal: options.signal,
      onEnd: () => this.#open.delete(ending),
    });
  }

  /**
   * The versions of an entry that are kept, newest first: the present one, if there is one, and those
   * before it, with who wrote them and when. See `keepHistory` for what is kept.
   */
  async history(path: PathLike, options: AbortOptions = {}): Promise<TreeVersion[]> {
    checkOptions(options, ABORT_OPTIONS, "tree.history");
    return readHistory(this.#engine(), toPath(path), options);
  }

  /**
   * What became different between two versions of an entry; the last change, if no other is asked for.
   *
   * @throws TreeError `TREE_NO_VERSION` (details: `kept`, the revisions that there are)
   */
  async diff(path: PathLike, options: DiffOptions = {}): Promise<Difference[]> {
    checkOptions(options, DIFF_OPTIONS, "tree.diff");
    return diffVersions(this.#engine(), toPath(path), options);
  }

  /**
   * Makes a version the present one again: writes its value, or deletes the entry where that is what
   * the version was. It is one more write, which can be taken back as well.
   *
   * @throws TreeError `TREE_NO_VERSION`; EngineError `ENGINE_CONFLICT` if somebody writes meanwhile
   */
  async revert(path: PathLike, to: Revision, options: AbortOptions = {}): Promise<SetResult> {
    checkOptions(options, ABORT_OPTIONS, "tree.revert");
    const target = this.#target(path);
    const { version, present } = await versionAt(target.engine, target.path, to, options);
    const ifRevision = present === undefined || present.deleted ? 0 : present.revision;
    if (version.deleted) return deleteEntry(target, { ...options, ifRevision });
    return setEntry(target, encodeTreeValue(valueOf(version)), { ...options, ifRevision });
  }

  /**
   * Says how much of the past is kept of the entries at and below `path`, unless there is a rule for a
   * longer path. What is too much goes with the writes to come.
   */
  async keepHistory(path: PathLike, keep: KeepHistory): Promise<void> {
    return this.#engine().keepHistory(ruleOf(toPath(path), keep));
  }

  /** What is kept of the past, and where: the widest rule first. */
  async historyRules(): Promise<readonly HistoryRule[]> {
    return this.#engine().historyRules();
  }

  /**
   * Sends a value to everyone who is subscribed to the topic or one above it at that moment. Topics
   * are paths, but no entries.
   *
   * @throws TreeError `TREE_BAD_VALUE`; EngineError `ENGINE_BAD_TOPIC`, `ENGINE_TOO_LARGE`
   */
  async publish(topic: PathLike, value: unknown): Promise<void> {
    return this.#engine().publish(toPath(topic), encodeTreeValue(value));
  }

  /** Sends bytes as they are; only raw subscriptions can be sure to make sense of them. */
  async publishRaw(topic: PathLike, data: Uint8Array): Promise<void> {
    if (!(data instanceof Uint8Array)) throw new TypeError("a raw message is a Uint8Array");
    return this.#engine().publish(toPath(topic), data);
  }

  /**
   * Hears what is published to a topic and to those below it; with a wildcard in it, what fits as a
   * whole: "+" stands for one element, "#" for any number.
   */
  subscribe(
    topic: PathLike,
    options: SubscribeOptions & { readonly raw: true },
  ): TreeSubscription<RawMessage>;
  subscribe(topic: PathLike, options?: SubscribeOptions): TreeSubscription<TreeMessage>;
  subscribe(topic: PathLike, options: SubscribeOptions = {}): TreeSubscription<RawMessage> {
    checkSubscribeOptions(options);
    const { raw = false, maxBacklog, group, signal } = options;
    const source = this.#engine().subscribe(toPath(topic), { maxBacklog, group, signal });
    const subscription: TreeSubscription<RawMessage> = new TreeSubscription<RawMessage>(
      source,
      raw ? (message) => message : toTreeMessage,
      () => this.#open.delete(subscription),
    );
    this.#open.add(subscription);
    return subscription;
  }

  /** Ends its watches, mirrors and subscriptions, then the engine if it is its own. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    try {
      await Promise.all([...this.#open].map((open) => open.close()));
    } finally {
      if (this.#ownsEngine) await this.engine.close();
    }
  }

  #target(path: PathLike): WriteTarget {
    const engine = this.#engine();
    return { engine, path: toPath(path), author: this.author, durability: this.#durability };
  }

  #engine(): Engine {
    if (this.#closing !== undefined) throw new TreeError("TREE_CLOSED");
    return this.engine;
  }
}
