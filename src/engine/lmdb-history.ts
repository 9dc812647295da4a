/**
 * Past versions of entries, in a table of their own: the path's key, a zero, which begins no element,
 * and the revision. So the versions of an entry lie together, before those of what is below it.
 */
import type { RangeOptions } from "lmdb";

import type { Clock } from "../base/clock.ts";
import { decodePath, encodePath, subtreeRange } from "../wire/path-key.ts";
import type { Path } from "../wire/path.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import type { HistoryRule, Revision } from "./engine.ts";
import type { PastVersion } from "./history-memory.ts";
import { HistoryRules } from "./history-rules.ts";
import { lmdbError } from "./lmdb-errors.ts";
import { revisionKey } from "./lmdb-keys.ts";
import { type LmdbTables, META_KEYS, requireOwner } from "./lmdb-tables.ts";
import { commit } from "./lmdb-transaction.ts";
import type { Change } from "./store.ts";

interface LmdbHistoryOptions {
  readonly clock: Clock;
  readonly label: string;
  /** What the store says about its owner for as long as it is us. */
  readonly ownerRow: Uint8Array;
}

/** One write in so many looks for versions of its entry that are too many: it costs as much as a write. */
const PRUNE_ONE_IN = 8;
/** Behind so many changes as many versions of whatever entries are looked through for those that are too old. */
const SWEEP_EVERY = 64;
const MOST_BETWEEN_SWEEPS = 1_024;
const SWEEP_ROWS = 128;
/** So many versions are looked at in each step behind a new rule, and so many rows go in a transaction. */
const TRIM_ROWS = 256;
const REVISION_BYTES = 8;

/** How far a subtree's versions were looked through. */
export interface TrimPlace {
  /** The last row that was looked at. */
  readonly row: Uint8Array;
  /** Its entry, and how many of that were. */
  readonly key: Uint8Array;
  readonly count: number;
}

/** What changes something is called within a transaction of the store, but for `keep` and `trim`. */
export class LmdbHistory {
  readonly rules: HistoryRules;
  readonly #tables: LmdbTables;
  readonly #options: LmdbHistoryOptions;
  readonly #writer = new Writer();
  /** Since the last sweep, and how many there are to be before the next. */
  #changes = 0;
  #pause = SWEEP_EVERY;
  /** Where the next sweep begins. */
  #position: Uint8Array = new Uint8Array([0]);

  constructor(tables: LmdbTables, options: LmdbHistoryOptions) {
    this.#tables = tables;
    this.#options = options;
    this.rules = new HistoryRules(readRules(tables.meta.get(META_KEYS.history)));
  }

  /** Gives rows to versions that a change turned into past. */
  record({ key, event }: Change, past: readonly PastVersion[]): void {
    const rule = this.rules.for(event.entry.path);
    if (rule.versions === 0) return;
    for (const version of past) {
      const row = rowKey(key, revisionKey(version.revision));
      this.#tables.history.putSync(row, this.#row(version));
    }
    if (Math.random() * PRUNE_ONE_IN < 1) this.#prune(key, rule);
  }

  /** To be called with each transaction, and how many changes it makes. */
  changed(changes: number): void {
    this.#changes += changes;
    if (this.#changes < this.#pause) return;
    this.#changes = 0;
    // Where nothing is too old, it is looked for less often.
    this.#pause = this.#sweep() > 0 ? SWEEP_EVERY : Math.min(2 * this.#pause, MOST_BETWEEN_SWEEPS);
  }

  /** The versions of an entry that have rows, newest first, `most` at the most. */
  rows(path: Path, key: Uint8Array, most: number): PastVersion[] {
    const newest = rowKey(key, new Uint8Array(REVISION_BYTES).fill(0xff));
    const range = { start: newest, end: rowKey(key, new Uint8Array()), reverse: true } as const;
    const rows = this.#tables.history.getRange({ ...range, limit: most });
    return Array.from(rows, (row) => pastVersion(path, row));
  }

  /** Changes what is kept from now on; what is too much goes with `trim`, and with the writes to come. */
  keep(rule: HistoryRule): void {
    const rules = new HistoryRules(this.rules.own);
    rules.set(rule);
    this.#commit(() => this.#tables.meta.putSync(META_KEYS.history, writeRules(rules.own)));
    this.rules.set(rule);
  }

  /**
   * One step through the versions of a subtree, from the last to the first, which removes those that are
   * too many or too old.
   *
   * @param from what the step before gave
   * @returns undefined when it is through
   */
  trim(prefix: Path, from: TrimPlace | undefined): TrimPlace | undefined {
    const { history } = this.#tables;
    const { start, end } = subtreeRange(prefix);
    const first = from?.row ?? historyKey(end);
    const range = { start: first, end: historyKey(start), reverse: true, exclusiveStart: true };
    const rows = Array.from(history.getRange({ ...range, limit: TRIM_ROWS }));
    const surplus: Uint8Array[] = [];
    let at = from;
    for (const { key: row, value } of rows) {
      const key = row.slice(1, -1 - REVISION_BYTES);
      const isSame = at !== undefined && Buffer.compare(at.key, key) === 0;
      at = { row, key, count: isSame && at !== undefined ? at.count + 1 : 1 };
      if (this.#isSurplus(key, at.count, value)) surplus.push(row);
    }
    if (surplus.length > 0) {
      this.#commit(() => {
        for (const row of surplus) history.removeSync(row);
      });
    }
    return rows.length < TRIM_ROWS ? undefined : at;
  }

  /** Whether a version is not kept that is the `count`th, from the newest. */
  #isSurplus(key: Uint8Array, count: number, row: Uint8Array): boolean {
    const { versions, maxAgeMs } = this.rules.for(decodePath(key));
    return count > versions || this.#options.clock.wall() - untilOf(row) > maxAgeMs;
  }

  #commit(work: () => unknown): void {
    try {
      commit(this.#tables, () => {
        requireOwner(this.#tables, this.#options.ownerRow);
        work();
      });
    } catch (error) {
      throw lmdbError(error, this.#options.label);
    }
  }

  /** Removes the version of a revision and those before it; within a transaction. */
  forget(key: Uint8Array, through: Revision): void {
    const start = rowKey(key, revisionKey(through));
    this.#remove({ start, end: rowKey(key, new Uint8Array()), reverse: true });
  }

  #prune(key: Uint8Array, { versions }: HistoryRule): void {
    const start = rowKey(key, new Uint8Array(REVISION_BYTES).fill(0xff));
    const end = rowKey(key, new Uint8Array());
    this.#remove({ start, end, reverse: true, offset: versions });
  }

  #remove(range: RangeOptions): void {
    // All of them first: a row that is removed would take the place from under the reading.
    const surplus = Array.from(this.#tables.history.getKeys(range));
    for (const row of surplus) this.#tables.history.removeSync(row);
  }

  /** Goes through all versions little by little: also of entries that nobody writes any more. */
  #sweep(): number {
    const { history } = this.#tables;
    let removed = 0;
    const now = this.#options.clock.wall();
    const rows = [...history.getRange({ start: this.#position, limit: SWEEP_ROWS })];
    for (const { key, value } of rows) {
      const { maxAgeMs, versions } = this.rules.for(decodePath(key.slice(1, -1 - REVISION_BYTES)));
      if (versions > 0 && now - untilOf(value) <= maxAgeMs) continue;
      history.removeSync(key);
      removed++;
    }
    const last = rows.length < SWEEP_ROWS ? undefined : rows.at(-1)?.key;
    this.#position = last === undefined ? new Uint8Array([0]) : new Uint8Array([...last, 0]);
    return removed;
  }

  #row({ until, time, author, value }: PastVersion): Uint8Array {
    const writer = this.#writer;
    writer.f64(until);
    writer.f64(time);
    writer.string(author);
    writer.u8(value === undefined ? 0 : 1);
    if (value !== undefined) writer.bytes(value);
    return writer.take();
  }
}

/** Where the versions of a path, and of what is below it, begin. */
function historyKey(key: Uint8Array): Uint8Array {
  return new Uint8Array([1, ...key]);
}

function rowKey(key: Uint8Array, revision: Uint8Array): Uint8Array {
  const row = new Uint8Array(key.length + 2 + revision.length);
  // A first byte of its own, for LMDB takes no empty key, and a zero between.
  row[0] = 1;
  row.set(key, 1);
  row.set(revision, key.length + 2);
  return row;
}

function pastVersion(
  path: Path,
  { key, value: row }: { key: Uint8Array; value: Uint8Array },
): PastVersion {
  const reader = new Reader(new Uint8Array(row.buffer, row.byteOffset, row.length));
  const until = reader.f64();
  const time = reader.f64();
  const author = reader.string();
  const value = reader.u8() === 0 ? undefined : reader.view(reader.left);
  const at = new DataView(key.buffer, key.byteOffset + key.length - REVISION_BYTES);
  const revision = at.getUint32(0) * 2 ** 32 + at.getUint32(4);
  return { path, value, revision, author, time, until };
}

function untilOf(row: Uint8Array): number {
  return new DataView(row.buffer, row.byteOffset, row.length).getFloat64(0, true);
}

interface StoredRule {
  readonly prefix: string;
  readonly versions: number;
  /** null: for ever. */
  readonly maxAgeMs: number | null;
}

function readRules(row: Uint8Array | undefined): HistoryRule[] {
  if (row === undefined) return [];
  const stored = JSON.parse(Buffer.from(row).toString()) as readonly StoredRule[];
  return stored.map(({ prefix, versions, maxAgeMs }) => ({
    prefix: decodePath(new Uint8Array(Buffer.from(prefix, "base64"))),
    versions,
    maxAgeMs: maxAgeMs ?? Infinity,
  }));
}

function writeRules(rules: readonly HistoryRule[]): Uint8Array {
  const stored: StoredRule[] = rules.map(({ prefix, versions, maxAgeMs }) => ({
    prefix: Buffer.from(encodePath(prefix)).toString("base64"),
    versions,
    maxAgeMs: maxAgeMs === Infinity ? null : maxAgeMs,
  }));
  return Buffer.from(JSON.stringify(stored));
}
