/** What writes that were asked for come to. */
import type { Clock } from "../base/clock.ts";
import type { DiskRoom } from "./disk-room.ts";
import type { Revision } from "./engine.ts";
import { revisionOfRow, entryOf } from "./entry-row.ts";
import type { JournalRow } from "./journal.ts";
import { type Changed, journalRow, type LmdbChanges } from "./lmdb-changes.ts";
import type { LmdbHistory } from "./lmdb-history.ts";
import type { LmdbLog } from "./lmdb-log.ts";
import type { Ended, LmdbNames } from "./lmdb-names.ts";
import type { LmdbPast } from "./lmdb-past.ts";
import type { Head } from "./lmdb-records.ts";
import type { Outcome, PendingWrite } from "./pending-write.ts";
import { type Change, changeOf, checkWrite, type WriteRequest } from "./store.ts";
import type { TransactionPlan } from "./transaction-plan.ts";

/** A change that is certain, though nothing of it is in the store yet. */
export interface Foreseen {
  readonly change: Change;
  readonly row: JournalRow;
}

/** What writes came to, and the head of the store behind them: the same where nothing has changed. */
export interface Made {
  readonly outcomes: readonly Outcome[];
  readonly head: Head;
}

/** What a transaction begins with. */
interface Beginning {
  /** The head of the store as it was. */
  readonly before: Head;
  readonly foreseen?: Foreseen | undefined;
}

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
   * What a lone put comes to that nothing which lies in the store can refuse: it may be told of before anything is
   * looked up. It is made with `make`.
   *
   * @param before the head of the store as it was
   */
  foresee({ writes, isMoving }: TransactionPlan, before: Head): Foreseen | undefined {
    const [write] = writes;
    if (write === undefined || writes.length > 1 || isMoving) return undefined;
    const { request } = write;
    const { value, ifRevision, condition } = request;
    if (value === undefined || ifRevision !== undefined || condition !== undefined)
      return undefined;
    if (!this.#options.names.isNew(request)) return undefined;
    return this.#changeOf(request, before.revision + 1);
  }

  #changeOf(request: WriteRequest, revision: Revision): Foreseen {
    const change = changeOf(request, revision, this.#options.clock.wall());
    return { change, row: journalRow(change, request.operation) };
  }

  /** Makes what was planned, and adds to `changed` what that changes. */
  make({ writes, isMoving }: TransactionPlan, changed: Changed, beginning: Beginning): Made {
    const { names, log, history, past, room } = this.#options;
    const { before } = beginning;
    names.turn();
    const outcomes = writes.map((write) => this.#apply(write, changed, beginning));
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

  #apply(write: PendingWrite, changed: Changed, beginning: Beginning): Outcome {
    const { request } = write;
    const { names } = this.#options;
    const before = names.before(request, changed.results, beginning.before);
    const ended = before ?? this.#makeOne(request, changed, beginning);
    if (before === undefined) names.ended(request, ended);
    return { write, ...ended };
  }

  #makeOne(
    request: WriteRequest,
    { changes, records, results, isTight }: Changed,
    { before, foreseen }: Beginning,
  ): Ended {
    const { path, key, value, operation } = request;
    const { names, past } = this.#options;
    const row = this.#options.changes.row(key);
    try {
      this.#check(request, row);
    } catch (error) {
      return { error };
    }
    const previous = row && entryOf(path, row);
    const result = { revision: before.revision + changes.length, previous };
    if (operation !== undefined) results.set(operation, result);
    if (value === undefined && row === undefined) return { result };
    const { change, row: journaled } = foreseen ?? this.#changeOf(request, result.revision + 1);
    result.revision = journaled.revision;
    changes.push(change);
    const made = this.#options.changes.make(change, row, journaled);
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
