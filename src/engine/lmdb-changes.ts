/** What changes write into the tables of a store at once: those that are asked for, and those of a journal. */
import type { EngineEntry, Revision, WriteResult } from "./engine.ts";
import { encodeEntry, entryOf } from "./entry-row.ts";
import type { JournalRow } from "./journal.ts";
import { treeKey } from "./lmdb-keys.ts";
import type { LmdbLog } from "./lmdb-log.ts";
import { decodeChange, decodeHead, encodeChange, encodeHead } from "./lmdb-records.ts";
import { type LmdbTables, META_KEYS } from "./lmdb-tables.ts";
import type { LogRecord } from "./log-row.ts";
import type { Change } from "./store.ts";

/** What a transaction has changed up to now. */
export interface Changed {
  readonly changes: Change[];
  readonly records: LogRecord[];
  /** Nothing is made longer by it than it must be: the disk is full. */
  readonly isTight: boolean;
  /** Of its named writes. */
  readonly results: Map<string, WriteResult>;
}

export function rowsOf({ records }: Changed): readonly JournalRow[] {
  return records.map(({ row }) => row);
}

/** What a journal and the log say of a change. */
export function journalRow(change: Change, operation: string | undefined): JournalRow {
  return { revision: change.event.entry.revision, change: encodeChange(change), operation };
}

/** Told of a change that was made again. */
type Made = (record: LogRecord, change: Change, previous: EngineEntry | undefined) => void;

/** Called within a transaction of the store. */
export class LmdbChanges {
  readonly #tables: LmdbTables;
  readonly #log: LmdbLog;

  constructor(tables: LmdbTables, log: LmdbLog) {
    this.#tables = tables;
    this.#log = log;
  }

  /** The row of an entry, which nothing overwrites. */
  row(key: Uint8Array): Uint8Array | undefined {
    const row = this.#tables.tree.get(treeKey(key));
    return row && new Uint8Array(row.buffer, row.byteOffset, row.length);
  }

  /** Makes one change of an entry; what it gives has to be appended to the log. */
  make(change: Change, previous: Uint8Array | undefined, row: JournalRow): LogRecord {
    const { key, event } = change;
    const { tree } = this.#tables;
    if (event.type === "put") tree.putSync(treeKey(key), encodeEntry(event.entry));
    else tree.removeSync(treeKey(key));
    return { row, previous, isMade: false };
  }

  /**
   * Makes the changes of a journal that follow on what is in the store.
   *
   * @returns how many there were
   */
  makeAgain(journal: ReadonlyMap<Revision, JournalRow>, made: Made): number {
    const { meta } = this.#tables;
    const head = decodeHead(meta.get(META_KEYS.head) ?? new Uint8Array());
    const records: LogRecord[] = [];
    for (let revision = head.revision + 1; ; revision++) {
      const row = journal.get(revision);
      if (row === undefined) break;
      const change = decodeChange(revision, row.change);
      const previous = this.row(change.key);
      const record = this.make(change, previous, row);
      records.push(record);
      made(record, change, previous && entryOf(change.event.entry.path, previous));
    }
    if (records.length === 0) return 0;
    meta.putSync(META_KEYS.head, encodeHead(this.#log.append(head, records)));
    return records.length;
  }
}
