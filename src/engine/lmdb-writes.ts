/** What writes that were asked for come to. */
import type { Clock } from "../base/clock.ts";
import type { DiskRoom } from "./disk-room.ts";
import { revisionOfRow, entryOf } from "./entry-row.ts";
import type { Changed, LmdbChanges } from "./lmdb-changes.ts";
import type { LmdbHistory } from "./lmdb-history.ts";
import type { LmdbLog } from "./lmdb-log.ts";
import type { Ended, LmdbNames } from "./lmdb-names.ts";
import type { LmdbPast } from "./lmdb-past.ts";
import type { Head } from "./lmdb-records.ts";
import type { Outcome, PendingWrite } from "./pending-write.ts";
import { changeOf, checkWrite, type WriteRequest } from "./store.ts";
import type { TransactionPlan } from "./transaction-plan.ts";

export interface LmdbWritesOptions {
  readonly changes: LmdbChanges;
  readonly names: LmdbNames;
  readonly log: LmdbLog;
  readonly history: LmdbHistory;
  readonly past: LmdbPast;
  readonly room: DiskRoom;
  readonly clock: Clock;
}

/** Applies writes one after the other, each to what the one before has left. Within a transaction of the store. */
export class LmdbWrites {
  readonly #options: LmdbWritesOptions;

  constructor(options: LmdbWritesOptions) {
    this.#options = options;
  }

  /**
   * Makes what was planned, and adds to `changed` what that changes.
   *
   * @param before the head of the store as it was
   * @returns the head as it is then: the same where nothing has changed
   */
  make(
    { writes, isMoving }: TransactionPlan,
    changed: Changed,
    before: Head,
  ): { outcomes: Outcome[]; head: Head } {
    const { names, log, history, past, room } = this.#options;
    names.turn();
    const outcomes = writes.map((write) => this.#apply(write, changed, before));
    let head = before;
    if (changed.records.length > 0) head = log.append(head, changed.records);
    if (isMoving) head = past.move(head, room.isScarce);
    // Where others wait for pages, the log gives some up.
    if (head !== before || (writes.length === 0 && changed.isTight)) {
      history.changed(changed.records.length);
      head = past.put(head);
    }
    return { outcomes, head };
  }

  /** @param head of the store as the transaction found it */
  #apply(write: PendingWrite, changed: Changed, head: Head): Outcome {
    const { request } = write;
    const { names } = this.#options;
    const before = names.before(request, changed.results, head);
    const ended = before ?? this.#makeOne(request, changed, head);
    if (before === undefined) names.ended(request, ended);
    return { write, ...ended };
  }

  #makeOne(
    request: WriteRequest,
    { changes, records, results, isTight }: Changed,
    head: Head,
  ): Ended {
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
