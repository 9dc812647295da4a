/**
 * The last changes of a store, by revision: what watches resume by, with past versions and the names of
 * writes. Bounded by number, bytes and age; the oldest go with the writes to come.
 */
import { EngineError } from "../base/errors.ts";
import type { Revision } from "./engine.ts";
import { revisionKey, revisionOf } from "./lmdb-keys.ts";
import { changeTime, decodeChange, type Head } from "./lmdb-records.ts";
import type { LmdbTables } from "./lmdb-tables.ts";
import { decodeLogRow, encodeLogRow, type LogRecord, rowsOf } from "./log-row.ts";
import { type Change, PAGE_LIMITS } from "./store.ts";

export interface LogLimits {
  readonly changes: number;
  /** Of the changes themselves, without what else is kept with them. */
  readonly bytes: number;
  readonly ageMs: number;
}

/** Those that are too old may be many, where nothing was written for long: no write waits for all. */
const OLD_AT_A_TIME = 1_000;
/** What is left on a full disk, and how much less it gets with each transaction. */
const LEAST = { changes: 256, bytes: 256 * 1024 } as const;
const GIVEN_UP = { changes: 1_000, bytes: 4 * 1024 * 1024 } as const;
/** So many changes are forgotten before their rows are looked for: to look costs as much as a write. */
const TRIM_EVERY = 64;

/** A row of the log, without what is in it. */
interface RowSummary {
  readonly first: Revision;
  readonly last: Revision;
  readonly bytes: number;
  /** When the first of it was made. */
  readonly time: number;
}

/** What changes it is called within a transaction of the store. */
export class LmdbLog {
  readonly #log: LmdbTables["log"];
  readonly #limits: LogLimits;
  /** The row that is the next to be forgotten: it is looked up once. */
  #oldest: RowSummary | undefined;
  /** No row is left that ends there or before. */
  #trimmed: Revision = 0;

  constructor({ log }: LmdbTables, limits: LogLimits) {
    this.#log = log;
    this.#limits = limits;
  }

  /** The changes behind `after`, `limit` at most, or as much as a page holds. */
  page(after: Revision, limit: number): readonly Change[] {
    const changes: Change[] = [];
    let bytes = 0;
    for (const records of this.rowsBehind(after)) {
      for (const { row } of records) {
        if (row.revision <= after) continue;
        if (changes.length >= limit || bytes >= PAGE_LIMITS.bytes) return changes;
        changes.push(decodeChange(row.revision, row.change));
        bytes += row.change.length;
      }
    }
    return changes;
  }

  /** All of it behind `after`, row by row; of the first row also what comes before. */
  *rowsBehind(after: Revision): Generator<readonly LogRecord[], void> {
    for (const { key, value } of this.#log.getRange({ start: this.#rowKey(after + 1) })) {
      yield decodeLogRow(revisionOf(key), value);
    }
  }

  /** A change that the log still holds, and what it replaced. @throws EngineError `ENGINE_CORRUPT` */
  record(revision: Revision): LogRecord {
    const key = this.#rowKey(revision);
    const row = this.#log.get(key);
    const first = revisionOf(key);
    const record = row && decodeLogRow(first, row)[revision - first];
    if (record !== undefined) return record;
    throw new EngineError("ENGINE_CORRUPT", `the log has no change ${revision}`);
  }

  /** The records behind `after`, which ends a row: whole rows, until there are as many as asked for. */
  recordsBehind(
    after: Revision,
    { changes, bytes }: { changes: number; bytes: number },
  ): LogRecord[] {
    const found: LogRecord[] = [];
    let size = 0;
    for (const { key, value } of this.#log.getRange({ start: revisionKey(after + 1) })) {
      found.push(...decodeLogRow(revisionOf(key), value));
      size += value.length;
      if (found.length >= changes || size >= bytes) break;
    }
    return found;
  }

  /** A transaction was given up: what was read within it was not there. */
  restart(): void {
    this.#oldest = undefined;
  }

  /** Appends changes, the first behind the last one of the log. */
  append(head: Head, records: readonly LogRecord[]): Head {
    let { revision, bytes } = head;
    for (const part of rowsOf(records)) {
      this.#log.putSync(revisionKey(revision + 1), encodeLogRow(part));
      revision += part.length;
      bytes += bytesOf(part);
    }
    return { ...head, revision, bytes };
  }

  /** Takes off what is over the limits; what has not been moved yet stays where it is. */
  forget(head: Head, wallMs: number, isFull = false): Head {
    const { changes, bytes: most, ageMs } = isFull ? this.#fewer(head) : this.#limits;
    let forgotten = Math.max(head.forgotten, head.revision - changes);
    let { bytes } = head;
    let position = head.forgotten;
    for (let old = 0; position < head.revision;) {
      const row = this.#rowBehind(position);
      if (row === undefined) break;
      if (row.last > forgotten && bytes <= most) {
        if (wallMs - row.time <= ageMs || ++old > OLD_AT_A_TIME) break;
      }
      bytes -= row.bytes;
      position = row.last;
      forgotten = Math.max(forgotten, position);
    }
    this.#trim(Math.min(forgotten, head.made), isFull);
    return { ...head, forgotten, bytes };
  }

  /** The limits where pages are needed for something else. */
  #fewer({ revision, forgotten, bytes }: Head): LogLimits {
    const changes = Math.max(LEAST.changes, revision - forgotten - GIVEN_UP.changes);
    const most = Math.max(LEAST.bytes, bytes - GIVEN_UP.bytes);
    return {
      ageMs: this.#limits.ageMs,
      changes: Math.min(this.#limits.changes, changes),
      bytes: Math.min(this.#limits.bytes, most),
    };
  }

  /** The row of the first change behind a revision. */
  #rowBehind(position: Revision): RowSummary | undefined {
    const known = this.#oldest;
    if (known !== undefined && position >= known.first - 1 && position < known.last) return known;
    const key = this.#rowKey(position + 1);
    const row = this.#log.get(key);
    if (row === undefined) return undefined;
    const first = revisionOf(key);
    const records = decodeLogRow(first, row);
    const time = records[0] === undefined ? -Infinity : changeTime(records[0].row.change);
    this.#oldest = { first, last: first + records.length - 1, bytes: bytesOf(records), time };
    return this.#oldest;
  }

  /** Removes the rows that end at a revision or before it. */
  #trim(through: Revision, isFull: boolean): void {
    if (through - this.#trimmed < (isFull ? 1 : TRIM_EVERY)) return;
    const range = { end: revisionKey(through + 2), limit: OLD_AT_A_TIME } as const;
    // All of them first: a row that is removed would take the place from under the reading.
    const keys = Array.from(this.#log.getKeys(range));
    // Where one begins the one before ends; of the last that is not known.
    for (const key of keys.slice(0, -1)) this.#log.removeSync(key);
    if (keys.length < OLD_AT_A_TIME) this.#trimmed = through;
  }

  /** Where the row with this revision is. */
  #rowKey(revision: Revision): Uint8Array {
    const range = { start: revisionKey(revision), reverse: true, limit: 1 } as const;
    for (const key of this.#log.getKeys(range)) return key;
    return revisionKey(revision);
  }
}

function bytesOf(records: readonly LogRecord[]): number {
  return records.reduce((sum, { row }) => sum + row.change.length, 0);
}
