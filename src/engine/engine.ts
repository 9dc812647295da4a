/**
 * The contract between the tree and whatever stores it and carries its messages.
 *
 * An engine keeps bytes under paths and lets its clients hear each other. It gives values no meaning;
 * types, procedures, jobs and leases are built above it. Every engine passes `engineSuite` of
 * `banyan/testing`, which is the exact text of what this file says in prose.
 *
 * Promised: one total order of revisions per store; a resolved write is seen by every later read;
 * compare-and-set on one entry, and, where `supports.condition` holds, a condition on another entry in
 * the same write; complete, ordered listing; watches without gap or duplicate. A write that was
 * retried with the same operation id is applied once.
 *
 * Not promised: atomic writes of several entries, delivery of messages to subscribers that are not
 * there at the moment, and order between a write and a message.
 */
import type { AbortOptions } from "../base/abort.ts";
import type { BanyanError } from "../base/errors.ts";
import type { Listing } from "../base/listing.ts";
import type { Path, PathElement } from "../wire/path.ts";
import type { DirectReads, Page, SoonReads } from "./direct-reads.ts";
import type { EnginePeers } from "./peers.ts";
import type { RowReads } from "./row-answers.ts";
import type { RuleTarget, RuleVerdict, RuleViolation } from "./rule-verdict.ts";

export * from "./direct-reads.ts";
export * from "./peers.ts";
export * from "./rule-verdict.ts";

/**
 * The place of a write in the store's one order: a whole number from 1 to 2^53-1 that grows with
 * every write and is never used again. Gaps are normal. 0 stands for "there is no entry".
 */
export type Revision = number;

/** One entry as it is stored. Its bytes are the reader's to look at, nobody's to write to. */
export interface EngineEntry {
  readonly path: Path;
  readonly value: Uint8Array;
  readonly revision: Revision;
  /** Who wrote it, as the writer said; for people. */
  readonly author: string;
  /** When the store took it: milliseconds since 1970 by the store's wall clock; for people. */
  readonly time: number;
  /** Why its value can't be shown in the form that was asked for; there are no bytes then. */
  readonly error?: BanyanError;
}

/** An entry that is gone. */
interface EngineDeletion {
  readonly path: Path;
  readonly revision: Revision;
  readonly author: string;
  readonly time: number;
}

/**
 * What an acknowledged write outlives. `commit`: the end of every process, by whatever means; the disk
 * is not waited for, and a power failure may take the last moments' writes back, but damages nothing.
 * `flushed`: a power failure, too.
 */
export type Durability = "commit" | "flushed";

export interface WriteOptions extends AbortOptions {
  /** When the write counts as done. Others see it as soon as it is committed. Default: the engine's. */
  durability?: Durability | undefined;
  /** Write only if the entry is at this revision; 0: only if there is none. */
  ifRevision?: Revision | undefined;
  /** Write only if this other entry is at that revision (0: absent) in the same instant. */
  condition?: { readonly path: Path; readonly revision: Revision } | undefined;
  /**
   * Names the write, so that a retry after a lost answer is applied once and gives the same result; a
   * name is remembered for at least two minutes. An engine that retries by itself draws one where none
   * is given. A refused write leaves its name free. Of 256 characters at the most.
   */
  operation?: string | undefined;
  /**
   * Only of a name that was drawn for this write alone, by an engine that sends it again where the answer
   * is lost. `false`: it is sent for the first time, and is not looked for. A revision: it may have been
   * applied behind that one; where that can't be told any more, it throws `ENGINE_AMBIGUOUS`.
   */
  repeats?: false | Revision | undefined;
  /** Of 256 characters at the most. */
  author?: string | undefined;
}

export interface WriteResult {
  /** The revision of this write; of the store's last one where nothing was to be done. */
  readonly revision: Revision;
  /** What was there before, or undefined. */
  readonly previous: EngineEntry | undefined;
}

export interface ListOptions extends AbortOptions {
  /** How many elements below the prefix an entry may lie; 0 gives the prefix's own entry alone. */
  maxDepth?: number | undefined;
  /** Entries nearer than this are left out. */
  minDepth?: number | undefined;
  /** Goes on behind this path. */
  after?: Path | undefined;
}

export interface ChildrenOptions extends AbortOptions {
  /** Goes on behind the child of this name. */
  after?: PathElement | undefined;
}

/** One child of an entry. */
export interface EngineChild {
  /** The last element of its path. */
  readonly name: PathElement;
  /** Undefined where only something below it has an entry. */
  readonly entry: EngineEntry | undefined;
}

/** One version of an entry, present or past. */
export interface EngineVersion {
  readonly path: Path;
  /** Undefined where this version is that there was no entry: somebody deleted it. */
  readonly value: Uint8Array | undefined;
  readonly revision: Revision;
  readonly author: string;
  readonly time: number;
}

/** What is kept of the entries at and below `prefix`, where no rule of a longer prefix says otherwise. */
export interface HistoryRule {
  readonly prefix: Path;
  /** How many versions of each entry besides the present one; a deletion is one too. */
  readonly versions: number;
  /** For how long after another version took its place. */
  readonly maxAgeMs: number;
}

/** Where a watch stands: it has delivered every change up to `revision` of the store `store`. */
export interface Cursor {
  readonly store: string;
  readonly revision: Revision;
}

export type EngineEvent =
  | { readonly type: "put"; readonly entry: EngineEntry }
  | { readonly type: "delete"; readonly entry: EngineDeletion }
  /**
   * Every entry there was at `revision` has been delivered: once after the current entries, also
   * where there are none, and again after each "reset".
   */
  | { readonly type: "ready"; readonly revision: Revision }
  /**
   * The engine can't go on from where the watch stood: the current entries follow up to the next
   * "ready", and what they do not mention is gone.
   */
  | { readonly type: "reset"; readonly cause: "history" | "overflow" | "store" | "rights" }
  /** Contact with the store was lost: what was delivered may be out of date. */
  | { readonly type: "stale" }
  /** Contact is back, or the watch was resumed by its cursor, and everything missed is delivered. */
  | { readonly type: "live" };

export interface WatchOptions extends AbortOptions {
  /**
   * Starts behind this cursor with the changes since, or with a "reset" and the current entries where
   * they are not kept; then says "live" once.
   */
  after?: Cursor | undefined;
  /**
   * Changes that may wait for the reader before it gets a "reset" instead. Default 10,000; 64 MiB of
   * them are too many as well.
   */
  maxBacklog?: number | undefined;
}

/**
 * Batches of events, oldest first, for one reader. Without `after` it begins with a "put" for every
 * entry of the subtree (the prefix's own included), then "ready"; then every change exactly once, in
 * the order of revisions. What changes while a large subtree is still being delivered comes as a
 * change before "ready". Breaking out ends it; so do the signal, with its reason, and closing the
 * engine. One reader, one pull at a time.
 */
export interface EngineWatch extends AsyncIterable<readonly EngineEvent[]>, AsyncDisposable {
  /**
   * Where it stands: behind the last batch that was handed out; at revision 0 until "ready". It also
   * moves with changes elsewhere in the store.
   */
  readonly cursor: Cursor;
}

/** One message of publish/subscribe. */
export interface EngineMessage {
  readonly topic: Path;
  readonly data: Uint8Array;
}

export interface SubscribeOptions extends AbortOptions {
  /** Messages that may wait for the reader before the oldest are dropped. Default 1,000; 64 MiB at the most. */
  maxBacklog?: number | undefined;
  /**
   * Of the subscriptions to the same topic with the same name here, one gets each message: the one
   * whose reader has waited longest. What a member has not read when it ends is another's.
   */
  group?: string | undefined;
}

/**
 * The messages of one subscription, in order of each publisher; within a group also to different
 * members. `dropped` counts the lost ones, those of the group for each member.
 */
export interface EngineSubscription extends AsyncIterable<EngineMessage>, AsyncDisposable {
  readonly dropped: number;
  /** Another member of the group gets it, as if this one had not taken it. */
  giveBack(message: EngineMessage): void;
  /** Resolves when every message published from now on will be heard. */
  readonly ready: Promise<void>;
}

/** What an engine that applies the rules of the tree can say of them. */
export interface EngineRules {
  /**
   * Tries a value without writing it; undefined where there is no such type.
   *
   * @throws TreeError `TREE_RULE_FAILED`, as the write would
   */
  test(
    target: RuleTarget,
    value: Uint8Array,
    options?: AbortOptions,
  ): Promise<RuleVerdict | undefined>;
  /** Some of the entries at and below `prefix` that violate a rule, behind `after`. Pages may be empty. */
  violations(
    prefix: Path,
    after: Path | undefined,
    options?: AbortOptions,
  ): Promise<Page<RuleViolation, Path>>;
  /**
   * The same engine with values as the conversions of that set have them. Undefined where they are
   * applied further on, and the set is to be named when the engine is opened.
   */
  readonly withCodecs?: ((set: string) => Engine) | undefined;
}

/** What not every engine can do; asking for more throws `ENGINE_UNSUPPORTED`. */
export interface EngineSupports {
  /** `WriteOptions.condition`. */
  readonly condition: boolean;
  /** A write that was acknowledged outlives the death of every process. */
  readonly durable: boolean;
  /** Another process can be given the same store. */
  readonly shared: boolean;
}

export interface EngineLimits {
  readonly maxValueBytes: number;
}

export const DEFAULT_ENGINE_LIMITS: EngineLimits = { maxValueBytes: 4 * 1024 * 1024 };

/** Why code must not be run on behalf of a user: they are no user any more, are disabled, or have no right to run it. */
export type RunRefusal = "removed" | "disabled" | "right";

/** What somebody may ask about themselves, who uses the engine of a hub on the network. */
export interface EngineAccount {
  whoami(): Promise<{ readonly name: string; readonly roles: readonly string[] }>;
  /** The letters of `Right` that hold at a path. */
  rights(path: Path): Promise<string>;
  /** Ends other sessions that were opened with the old one. @throws EngineError `ENGINE_DENIED` */
  changePassword(old: string, password: string): Promise<void>;
  /**
   * What a secret is, as bytes of a value, from who has the key; undefined where there is none.
   *
   * @throws EngineError `ENGINE_DENIED`; TreeError `TREE_NO_KEY`
   */
  readSecret(path: Path): Promise<Uint8Array | undefined>;
  /** Keeps one. @throws EngineError `ENGINE_DENIED`; TreeError `TREE_NO_KEY` */
  writeSecret(path: Path, value: Uint8Array): Promise<void>;
  /**
   * Whether the procedure `code` must not be run on behalf of a user now, and why; undefined where it may.
   * Machines that run jobs ask for those who set them.
   *
   * @throws EngineError `ENGINE_DENIED` for who may not read the procedure
   */
  whyNotRun(user: string, code: Path): Promise<RunRefusal | undefined>;
}

export interface Engine extends AsyncDisposable {
  /** What kind it is and where, as `lmdb:/path`. For people. */
  readonly label: string;
  readonly supports: EngineSupports;
  /** Names the store for as long as its history is one: a new or emptied store has another. */
  readonly store: string;
  /** Of the last change that is known here; undefined where that is not told. */
  readonly revision?: Revision | undefined;

  /** `undefined` where there is no such entry. @throws EngineError `ENGINE_UNAVAILABLE` */
  get(path: Path, options?: AbortOptions): Promise<EngineEntry | undefined>;

  /**
   * Resolves when the write is as durable as was asked for.
   *
   * @throws EngineError `ENGINE_CONFLICT` (details: `revision`, the entry's present one),
   *   `ENGINE_CONDITION` (details: `revision`, the other entry's), `ENGINE_UNAVAILABLE` (not applied),
   *   `ENGINE_AMBIGUOUS` (details: `operation`), `ENGINE_TOO_LARGE`, `ENGINE_FULL`, `ENGINE_CLOSED`;
   *   where it has `rules`, TreeError `TREE_RULE_VIOLATED`, `TREE_RULE_FAILED`, `TREE_BAD_RULE`
   */
  put(path: Path, value: Uint8Array, options?: WriteOptions): Promise<WriteResult>;

  /** Deletes one entry, not what is below it. Deleting what is not there changes nothing. */
  delete(path: Path, options?: WriteOptions): Promise<WriteResult>;

  /**
   * The entries of the subtree, the prefix's own included, depth first in the order of paths, as
   * they were at one revision per page. Complete, or it throws.
   */
  list(prefix: Path, options?: ListOptions): Listing<EngineEntry>;

  /**
   * The next element of every path below `path`, each once, in order, with its entry: also those that
   * have no entry of their own but only something below them. As they were at one revision per page.
   */
  children(path: Path, options?: ChildrenOptions): Listing<EngineChild>;

  /**
   * Reads that need no waiting, where and as long as they are possible; undefined at other times, also
   * for a moment. Ask each time anew, and in the usual way where there is none.
   */
  readonly direct?: DirectReads | undefined;

  /** Reads that are asked for together, where and as long as that is possible; as `direct`. */
  readonly soon?: SoonReads | undefined;

  /** For a hub's clients: undefined where each entry has to be looked at first. */
  readonly rows?: RowReads | undefined;

  /** Where one has to be somebody to use it; undefined where there is nothing that is not allowed. */
  readonly account?: EngineAccount | undefined;

  watch(prefix: Path, options?: WatchOptions): EngineWatch;

  /**
   * The versions of an entry that are kept, newest first: the present one, if there is one, and what
   * the rules keep of those before it. They outlive what the entries themselves outlive.
   */
  history(path: Path, options?: AbortOptions): Promise<readonly EngineVersion[]>;

  /**
   * Makes a rule, in the place of one of the same prefix. It is kept with the store. Resolves when the
   * versions that it does not keep are gone.
   */
  keepHistory(rule: HistoryRule): Promise<void>;

  /** All rules there are, those of the store itself too, the widest first. */
  historyRules(): Promise<readonly HistoryRule[]>;

  /**
   * Sends to everyone who is subscribed at that moment, this client included; at most once.
   *
   * @throws EngineError `ENGINE_BAD_TOPIC`, `ENGINE_TOO_LARGE`
   */
  publish(topic: Path, data: Uint8Array): Promise<void>;

  /**
   * Messages to `topic` and every topic below it. With a wildcard in it, only those that fit as a
   * whole: "+" stands for any one element, "#" for any number of them, none included.
   */
  subscribe(topic: Path, options?: SubscribeOptions): EngineSubscription;

  /** Requests and answers, who is there, links. */
  readonly peers: EnginePeers;

  /** Where the rules on data are applied to what is written; undefined where they are not. */
  readonly rules?: EngineRules | undefined;

  /** Ends watches, subscriptions and offers, refuses what comes after. Idempotent. */
  close(): Promise<void>;
}
