/**
 * What is made of a change later. A commit writes the entry and the log, one row at the end of a table. What
 * is looked up by operation or by path, the results of named writes and past versions, would be rows on as
 * many other pages. All of it is in the log, too, so that it can be moved to its tables when there is
 * time, many at once. What is asked for before is read from the log.
 */
import { EngineError } from "../base/errors.ts";
import type { EngineEntry, Revision, WriteResult } from "./engine.ts";
import { entryOf } from "./entry-row.ts";
import { type PastVersion, pastOf } from "./history-memory.ts";
import type { LmdbHistory } from "./lmdb-history.ts";
import type { LmdbLog } from "./lmdb-log.ts";
import type { LmdbOperations, NamedResult } from "./lmdb-operations.ts";
import { decodeChange, type Head } from "./lmdb-records.ts";
import type { LogRecord, RecordNames } from "./log-row.ts";
import { hashOf, RecentNames } from "./recent-names.ts";
import { type Change, compareBytes } from "./store.ts";

/** So much is made something of at a time: some milliseconds of work. */
const STEP = { changes: 256, bytes: 1024 * 1024 } as const;
/** So much may wait, each with a few words in memory; then every commit makes a step that is longer than itself. */
const MOST = { changes: 16_384, bytes: 16 * 1024 * 1024 } as const;

/** What is larger takes pages of its own wherever it is: better once than twice. */
const MAX_PREVIOUS_BYTES = 1_024;

export interface LaterTables {
  readonly log: LmdbLog;
  readonly history: LmdbHistory;
  readonly operations: LmdbOperations;
}

/** One change, and what it took the place of. */
interface Waiting {
  readonly change: Change;
  readonly previous: EngineEntry | undefined;
  readonly operation: string | undefined;
}

/** Knows which changes wait. */
export class LmdbLater {
  readonly #tables: LaterTables;
  /** The changes that wait, by the names of their writes and by the keys of their entries. */
  readonly #byOperation = new RecentNames();
  readonly #byKey = new RecentNames();
  /** All changes behind `#made` wait. */
  #made: Revision = 0;
  #last: Revision = 0;
  #bytes = 0;
  /** What the transaction that is under way has made something of. */
  #step: readonly LogRecord[] = [];

  constructor(tables: LaterTables) {
    this.#tables = tables;
  }

  get isEmpty(): boolean {
    return this.#last === this.#made;
  }

  /** More waits than is good. */
  get isBehind(): boolean {
    return this.#last - this.#made > MOST.changes || this.#bytes > MOST.bytes;
  }

  /** Takes note of what waits in a store that is opened. */
  load({ made, revision }: Head): void {
    this.#made = made;
    this.#last = made;
    for (const names of this.#tables.log.namesBehind(made)) this.#add(names);
    if (this.#last === revision) return;
    throw new EngineError("ENGINE_CORRUPT", `the log ends before change ${revision}`);
  }

  /** These changes are in the log now, and wait. */
  added(records: readonly LogRecord[], changes: readonly Change[]): void {
    for (let i = 0; i < records.length; i++) {
      const { row, previous, isMade } = records[i] as LogRecord;
      const { revision, operation, change } = row;
      this.#add({
        revision,
        operation: operation === undefined ? undefined : hashOf(operation),
        key: hashOf((changes[i] as Change).key),
        isMade,
        bytes: change.length + (previous?.length ?? 0),
      });
    }
  }

  #add({ revision, operation, key, isMade, bytes }: RecordNames): void {
    this.#last = revision;
    this.#bytes += bytes;
    if (isMade) return;
    this.#byKey.add(revision, key, this.#made);
    if (operation !== undefined) this.#byOperation.add(revision, operation, this.#made);
  }

  /** Gives a record as it is to be in the log: of one with a large entry all is made at once. */
  waits(record: LogRecord, change: Change, previous: EngineEntry | undefined): LogRecord {
    if ((record.previous?.length ?? 0) <= MAX_PREVIOUS_BYTES) return record;
    this.#make([{ change, previous, operation: record.row.operation }]);
    return { row: record.row, previous: undefined, isMade: true };
  }

  #make(waiting: readonly Waiting[]): void {
    const { history, operations } = this.#tables;
    for (const { change, previous } of waiting) history.record(change, previous);
    for (const one of waiting) {
      if (one.operation !== undefined) operations.put(one.operation, namedResult(one));
    }
  }

  /**
   * One step, within a transaction of the store that has put these into the log: gives the head as it is behind
   * that. What waits gets less with it, however much the transaction adds.
   */
  make(head: Head, added: readonly LogRecord[] = []): Head {
    const changes = STEP.changes + added.length;
    const bytes = STEP.bytes + bytesOf(added);
    const records = this.#tables.log.recordsBehind(head.made, { changes, bytes });
    const step = records.filter(({ isMade }) => !isMade).map(waitingIn);
    // Rows that lie together are written together.
    this.#make(step.toSorted((a, b) => compareBytes(a.change.key, b.change.key)));
    this.#step = records;
    return { ...head, made: head.made + records.length };
  }

  /** The transaction of the last step is committed. */
  stepped(): void {
    this.#made += this.#step.length;
    this.#bytes -= bytesOf(this.#step);
    this.#step = [];
  }

  /** What a named write came to, if its change waits. */
  result(operation: string): WriteResult | undefined {
    const hash = hashOf(operation);
    for (const revision of this.#byOperation.find(hash, this.#made)) {
      const waiting = this.#waiting(revision);
      if (waiting.operation === operation) return namedResult(waiting).result;
    }
    return undefined;
  }

  /** The past versions of an entry that wait, newest first, a few more than `versions` at the most. */
  past(key: Uint8Array, versions: number): PastVersion[] {
    const found: PastVersion[] = [];
    for (const revision of this.#byKey.find(hashOf(key), this.#made)) {
      if (found.length >= versions) break;
      const { change, previous } = this.#waiting(revision);
      if (compareBytes(change.key, key) !== 0) continue;
      found.push(...pastOf(change, previous).toReversed());
    }
    return found;
  }

  #waiting(revision: Revision): Waiting {
    const record = this.#tables.log.record(revision);
    if (record === undefined) {
      throw new EngineError("ENGINE_CORRUPT", `the log has no change ${revision}`);
    }
    return waitingIn(record);
  }
}

function changeIn({ row }: LogRecord): Change {
  return decodeChange(row.revision, row.change);
}

function waitingIn(record: LogRecord): Waiting {
  const change = changeIn(record);
  const previous = record.previous && entryOf(change.event.entry.path, record.previous);
  return { change, previous, operation: record.row.operation };
}

function namedResult({ change: { key, event }, previous }: Waiting): NamedResult {
  return { key, result: { revision: event.entry.revision, previous } };
}

function bytesOf(records: readonly LogRecord[]): number {
  let bytes = 0;
  for (const { row, previous } of records) bytes += row.change.length + (previous?.length ?? 0);
  return bytes;
}
