/** What writes that were asked for come to. */
import type { Clock } from "../base/clock.ts";
import { revisionOfRow, entryOf } from "./entry-row.ts";
import type { Changed, LmdbChanges } from "./lmdb-changes.ts";
import type { Ended, LmdbNames } from "./lmdb-names.ts";
import type { LmdbPast } from "./lmdb-past.ts";
import type { Head } from "./lmdb-records.ts";
import type { Outcome, PendingWrite } from "./pending-write.ts";
import { changeOf, checkWrite, type WriteRequest } from "./store.ts";

export interface LmdbWritesOptions {
  readonly changes: LmdbChanges;
  readonly names: LmdbNames;
  readonly past: LmdbPast;
  readonly clock: Clock;
}

/** Applies writes one after the other, each to what the one before has left. Within a transaction of the store. */
export class LmdbWrites {
  readonly #options: LmdbWritesOptions;

  constructor(options: LmdbWritesOptions) {
    this.#options = options;
  }

  /** @param head of the store as the transaction found it */
  apply(write: PendingWrite, changed: Changed, head: Head): Outcome {
    const { request } = write;
    const { names } = this.#options;
    const before = names.before(request, changed.results, head);
    const ended = before ?? this.#make(request, changed, head);
    if (before === undefined) names.ended(request, ended);
    return { write, ...ended };
  }

  #make(request: WriteRequest, { changes, records, results, isTight }: Changed, head: Head): Ended {
    const { path, key, value, operation } = request;
    const { clock, names, past } = this.#options;
    const row = this.#options.changes.row(key);
    try {
      this.#check(request, row);
    } catch (error) {
      return { error };
    }
    const previous = row && entryOf(path, row);
    const result = { revision: head.revision + changes.length, previous };
    if (operation !== undefined) results.set(operation, result);
    if (value === undefined && row === undefined) return { result };
    const change = changeOf(request, ++result.revision, clock.wall());
    changes.push(change);
    const made = this.#options.changes.make(change, row, operation);
    const record = past.record(made, change, isTight ? undefined : previous);
    // The log does not tell what that has replaced.
    if (record.isMade && operation !== undefined && !isTight) names.keep(operation, key, result);
    records.push(record);
    return { result };
  }

  #check(request: WriteRequest, row: Uint8Array | undefined): void {
    const { condition } = request;
    const other = condition && this.#options.changes.row(condition.key);
    const current = row === undefined ? 0 : revisionOfRow(row);
    checkWrite(request, current, other === undefined ? 0 : revisionOfRow(other));
  }
}
