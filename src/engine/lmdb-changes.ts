/** What changes write into the tables of a store: those that are asked for, and those of a journal. */
import type { Clock } from "../base/clock.ts";
import type { EngineEntry, Revision, WriteResult } from "./engine.ts";
import { decodeEntry, encodeEntry } from "./entry-row.ts";
import type { JournalRow } from "./journal.ts";
import type { LmdbHistory } from "./lmdb-history.ts";
import { operationKey, treeKey } from "./lmdb-keys.ts";
import type { LmdbLog } from "./lmdb-log.ts";
import { decodeChange, decodeHead, encodeHead, encodeResult } from "./lmdb-records.ts";
import { type LmdbTables, META_KEYS } from "./lmdb-tables.ts";
import type { Change } from "./store.ts";

/** Called within a transaction of the store. */
export class LmdbChanges {
  readonly #tables: LmdbTables;
  readonly #history: LmdbHistory;
  readonly #log: LmdbLog;

  constructor(tables: LmdbTables, history: LmdbHistory, log: LmdbLog) {
    this.#tables = tables;
    this.#history = history;
    this.#log = log;
  }

  entry(key: Uint8Array): EngineEntry | undefined {
    const row = this.#tables.tree.get(treeKey(key));
    return row === undefined ? undefined : decodeEntry(key, row);
  }

  /** Makes one change; gives its row of the log. */
  make(change: Change, previous: EngineEntry | undefined): Uint8Array {
    const { key, event } = change;
    const { tree } = this.#tables;
    if (event.type === "put") tree.putSync(treeKey(key), encodeEntry(event.entry));
    else tree.removeSync(treeKey(key));
    this.#history.record(change, previous);
    return this.#log.append(change);
  }

  /** Takes note of what an operation came to, in one of the two generations. */
  remember(young: 0 | 1, operation: string, { key, result }: Remembered): void {
    const row = encodeResult(key, result);
    this.#tables.operations[young].putSync(operationKey(operation), row);
  }

  /**
   * Makes the changes of a journal that follow on what is in the store.
   *
   * @returns how many there were
   */
  makeAgain(journal: ReadonlyMap<Revision, JournalRow>, clock: Clock): number {
    const { meta } = this.#tables;
    const head = decodeHead(meta.get(META_KEYS.head) ?? new Uint8Array());
    const rows: Uint8Array[] = [];
    for (let revision = head.revision + 1; ; revision++) {
      const row = journal.get(revision);
      if (row === undefined) break;
      const change = decodeChange(revision, row.change);
      const { key } = change;
      const previous = this.entry(key);
      rows.push(this.make(change, previous));
      if (row.operation !== undefined) {
        this.remember(0, row.operation, { key, result: { revision, previous } });
      }
    }
    if (rows.length === 0) return 0;
    meta.putSync(META_KEYS.head, encodeHead(this.#log.advance(head, rows, clock.wall())));
    return rows.length;
  }
}

interface Remembered {
  readonly key: Uint8Array;
  readonly result: WriteResult;
}
