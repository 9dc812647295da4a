/**
 * What a `LocalEngine` needs of the thing that keeps the entries. Keys are encoded paths, in the order
 * of their bytes. Reads are synchronous and see one consistent state per turn of the event loop.
 */
import { EngineError } from "../base/errors.ts";
import type { Path } from "../wire/path.ts";
import type {
  Durability,
  EngineEntry,
  EngineEvent,
  EngineSupports,
  Revision,
  WriteResult,
  EngineVersion,
  HistoryRule,
} from "./engine.ts";

/** From `start`, up to but without `end`. */
export interface KeyRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** Where a page ends: at either limit, but never empty while there is something. */
export interface PageLimits {
  readonly entries: number;
  readonly bytes: number;
}

export const PAGE_LIMITS: PageLimits = { entries: 1_000, bytes: 1024 * 1024 };

export interface StorePage {
  readonly entries: readonly EngineEntry[];
  /** The first key behind this page; `undefined` where the range is read to its end. */
  readonly next: Uint8Array | undefined;
  /** The store's last commit as this page saw it: may be ahead of what was announced. */
  readonly revision: Revision;
}

/** One put or delete that was applied. */
export interface Change {
  readonly key: Uint8Array;
  readonly event: Extract<EngineEvent, { type: "put" | "delete" }>;
}

/** A write whose arguments were checked. */
export interface WriteRequest {
  readonly path: Path;
  readonly key: Uint8Array;
  /** `undefined` deletes. Nobody writes to these bytes; they may share a block with others, so that what is kept for long is copied. */
  readonly value: Uint8Array | undefined;
  readonly ifRevision: Revision | undefined;
  readonly condition: { readonly key: Uint8Array; readonly revision: Revision } | undefined;
  readonly operation: string | undefined;
  /** See `WriteOptions`. */
  readonly repeats: false | Revision | undefined;
  readonly author: string;
  /** `undefined`: the store's own. */
  readonly durability: Durability | undefined;
}

export interface StoreListener {
  /**
   * Called for each commit, in order, before its writes are acknowledged, and when reads give it and it outlives
   * every process.
   */
  announce(changes: readonly Change[]): void;
  /** Whether somebody would be told of it. */
  awaits(change: Change): boolean;
  /** The store can't go on; nothing more will be announced. */
  failed(error: EngineError): void;
}

/** What a store keeps of the past. */
export interface StoreHistory {
  /** Past versions of an entry, newest first, as the rules keep them. */
  past(path: Path, key: Uint8Array): readonly EngineVersion[];
  /** Resolves when what the rule does not keep is gone. */
  keep(rule: HistoryRule): Promise<void>;
  readonly rules: { readonly all: readonly HistoryRule[] };
}

export interface Store {
  readonly label: string;
  readonly supports: EngineSupports;
  readonly id: string;
  /** Of the last change that was announced. */
  readonly revision: Revision;

  /** Sets the one listener. */
  listen(listener: StoreListener): void;

  get(key: Uint8Array): EngineEntry | undefined;
  /** The same as its row, which is valid until anything else is read. */
  row(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined;
  page(range: KeyRange, limits?: PageLimits): StorePage;
  /** The first key of the range that holds an entry. */
  firstKey(range: KeyRange): Uint8Array | undefined;

  /**
   * The changes behind `after`, oldest first, `limit` at most; `undefined` where they are not all
   * kept any more.
   */
  changes(after: Revision, limit: number): readonly Change[] | undefined;

  /** In the order of calls. @throws what `Engine.put` does */
  write(request: WriteRequest): Promise<WriteResult>;

  readonly history: StoreHistory;

  close(): Promise<void>;
}

/**
 * Whether the write may be applied.
 *
 * @param current the entry's revision, 0 where there is none
 * @param other the revision of the condition's entry
 * @throws EngineError `ENGINE_CONFLICT`, `ENGINE_CONDITION`
 */
export function checkWrite(request: WriteRequest, current: Revision, other: Revision): void {
  const { ifRevision, condition } = request;
  if (condition !== undefined && condition.revision !== other) {
    throw new EngineError(
      "ENGINE_CONDITION",
      `the other entry is at revision ${other}, not ${condition.revision}`,
      { details: { revision: other } },
    );
  }
  if (ifRevision !== undefined && ifRevision !== current) {
    const is = current === 0 ? "there is no entry" : `the entry is at revision ${current}`;
    throw new EngineError("ENGINE_CONFLICT", `${is}, revision ${ifRevision} was asked for`, {
      details: { revision: current },
    });
  }
}

/** The change that a write makes. */
export function changeOf(request: WriteRequest, revision: Revision, time: number): Change {
  const { path, key, value, author } = request;
  return {
    key,
    event:
      value === undefined
        ? { type: "delete", entry: { path, revision, author, time } }
        : { type: "put", entry: { path, value, revision, author, time } },
  };
}

/** What a change weighs in a queue: roughly its bytes in memory. */
export function weightOf(change: Change): number {
  const { key, event } = change;
  return 200 + key.length + (event.type === "put" ? event.entry.value.length : 0);
}

/** Byte order; a prefix comes first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** The key right behind `key`: nothing lies between. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

export function inRange(key: Uint8Array, range: KeyRange): boolean {
  return compareBytes(key, range.start) >= 0 && compareBytes(key, range.end) < 0;
}
