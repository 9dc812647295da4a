/**
 * The last changes of a store, by revision: what watches resume by. Bounded by number, bytes and age; the
 * oldest go with the writes to come.
 */
import type { Revision } from "./engine.ts";
import { revisionKey, revisionOf } from "./lmdb-keys.ts";
import { changeTime, decodeChange, encodeChange, type Head } from "./lmdb-records.ts";
import type { LmdbTables } from "./lmdb-tables.ts";
import { type Change, PAGE_LIMITS } from "./store.ts";

export interface LogLimits {
  readonly changes: number;
  readonly bytes: number;
  readonly ageMs: number;
}

/** Those that are too old may be many, where nothing was written for long: no write waits for all. */
const OLD_AT_A_TIME = 1_000;

/** What changes it is called within a transaction of the store. */
export class LmdbLog {
  readonly #log: LmdbTables["log"];
  readonly #limits: LogLimits;
  /** When the change behind `#oldest` was made: it is looked up once. */
  #oldest: Revision = -1;
  #oldestTime = 0;

  constructor({ log }: LmdbTables, limits: LogLimits) {
    this.#log = log;
    this.#limits = limits;
  }

  /** The changes behind `after`, `limit` at most, or as much as a page holds. */
  page(after: Revision, limit: number): readonly Change[] {
    const changes: Change[] = [];
    let bytes = 0;
    for (const { key, value } of this.#log.getRange({ start: revisionKey(after + 1), limit })) {
      if (bytes >= PAGE_LIMITS.bytes) break;
      changes.push(decodeChange(revisionOf(key), value));
      bytes += value.length;
    }
    return changes;
  }

  /** Appends a change, as it gives it back. */
  append(change: Change): Uint8Array {
    const row = encodeChange(change);
    this.#log.putSync(revisionKey(change.event.entry.revision), row);
    return row;
  }

  /** Where the log stands behind `rows` that were appended; takes off what is over the limits then. */
  advance(head: Head, rows: readonly Uint8Array[], wallMs: number): Head {
    let { bytes } = head;
    for (const row of rows) bytes += row.length;
    return this.#forget({ ...head, revision: head.revision + rows.length, bytes }, wallMs);
  }

  #forget(head: Head, wallMs: number): Head {
    let { forgotten, bytes } = head;
    for (let old = 0; forgotten < head.revision;) {
      if (head.revision - forgotten <= this.#limits.changes && bytes <= this.#limits.bytes) {
        if (wallMs - this.#timeBehind(forgotten) <= this.#limits.ageMs) break;
        if (++old > OLD_AT_A_TIME) break;
      }
      const key = revisionKey(++forgotten);
      bytes -= this.#log.getBinaryFast(key)?.length ?? 0;
      this.#log.removeSync(key);
    }
    return { ...head, forgotten, bytes };
  }

  /** When the first change behind a revision was made. */
  #timeBehind(revision: Revision): number {
    if (this.#oldest === revision) return this.#oldestTime;
    const row = this.#log.get(revisionKey(revision + 1));
    this.#oldest = revision;
    this.#oldestTime = row === undefined ? -Infinity : changeTime(row);
    return this.#oldestTime;
  }
}
