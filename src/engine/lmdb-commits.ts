import type { Clock } from "../base/clock.ts";
import type { DiskRoom } from "./disk-room.ts";
import { isEarly, lostBehind, tellEarly } from "./early-news.ts";
import type { Durability } from "./engine.ts";
import type { EngineError } from "../base/errors.ts";
import { LargeRows } from "./large-rows.ts";
import { LateCommits } from "./late-commits.ts";
import { type Changed, LmdbChanges, rowsOf } from "./lmdb-changes.ts";
import { lmdbError } from "./lmdb-errors.ts";
import type { LmdbFlusher } from "./lmdb-flusher.ts";
import { LmdbHistory } from "./lmdb-history.ts";
import { LmdbLog, type LogLimits } from "./lmdb-log.ts";
import { LmdbNames } from "./lmdb-names.ts";
import { LmdbPast } from "./lmdb-past.ts";
import { decodeHead, type Head } from "./lmdb-records.ts";
import { type LmdbTables, META_KEYS, requireOwner } from "./lmdb-tables.ts";
import { commit } from "./lmdb-transaction.ts";
import { LmdbWrites, type Made } from "./lmdb-writes.ts";
import type { PendingWrite } from "./pending-write.ts";
import { settle } from "./settle.ts";
import type { StoreListener, WriteRequest } from "./store.ts";
import { planTransaction, type TransactionPlan } from "./transaction-plan.ts";

export interface LmdbCommitsOptions {
  readonly label: string;
  /** What `meta` must say about the owner for as long as it is us. */
  readonly ownerRow: Uint8Array;
  readonly log: LogLimits;
  /** Of writes that don't say. */
  readonly durability: Durability;
  readonly room: DiskRoom;
  readonly flusher: LmdbFlusher;
  readonly clock: Clock;
}

/** What the store does about its transactions. */
export interface LmdbCommitsUser {
  readonly listener: () => StoreListener | undefined;
  /** See `LmdbPastOptions`. */
  readonly pause: () => Promise<void>;
  /** One was given up, and who waits for it was told. */
  readonly onGivenUp: (reason: unknown) => void;
  /** The store can't go on: what somebody was told of was not committed. */
  readonly onLost: (error: EngineError) => void;
}

/** One that is being made. */
interface Making {
  readonly plan: TransactionPlan;
  readonly changed: Changed;
  made: Made;
  /** What it changes is in the journal, and was told of. */
  isTold: boolean;
}

/**
 * Makes the transactions of a store, on this thread: the writes of each are applied in order, each seeing what the one
 * before did. Nothing else writes but what these parts do of their own. It knows where the store stands.
 */
export class LmdbCommits {
  readonly late: LateCommits;
  readonly log: LmdbLog;
  readonly changes: LmdbChanges;
  readonly past: LmdbPast;
  readonly #names: LmdbNames;
  readonly #writes: LmdbWrites;
  readonly #tables: LmdbTables;
  readonly #options: LmdbCommitsOptions;
  readonly #user: LmdbCommitsUser;
  #head: Head;
  /** The transaction behind our last one: nobody can have taken the store over before it. */
  #next = -1;

  constructor(tables: LmdbTables, options: LmdbCommitsOptions, user: LmdbCommitsUser) {
    this.#tables = tables;
    this.#options = options;
    this.#user = user;
    const { clock, room } = options;
    this.#head = decodeHead(tables.meta.get(META_KEYS.head) ?? new Uint8Array());
    this.log = new LmdbLog(tables, options.log);
    this.changes = new LmdbChanges(tables, this.log);
    this.#names = new LmdbNames(tables, this.log, clock);
    const history = new LmdbHistory(tables, options);
    this.past = new LmdbPast({
      tables,
      log: this.log,
      history,
      clock,
      head: this.#head,
      now: () => this.#head,
      isFull: () => room.isFull,
      moveSome: () => this.#moveSome(),
      requireRoom: () => room.requireForRules(),
      pause: user.pause,
    });
    const { log, changes, past } = this;
    this.#writes = new LmdbWrites({ changes, names: this.#names, log, history, past, room, clock });
    const large = new LargeRows(tables, (key) => changes.row(key));
    this.late = new LateCommits({ ...options, tables, large, onLost: this.#lost });
  }

  /** As of the last change that was told of. */
  get head(): Head {
    return this.#head;
  }

  /**
   * Makes one transaction of these writes, and tells who waits for them.
   *
   * @returns those that have to wait until pages that were given up can be used again
   */
  commit(taken: readonly PendingWrite[]): readonly PendingWrite[] {
    const { label, room } = this.#options;
    const isLate = this.late.prepare(taken, this.past.isDue(this.#head));
    const plan = planTransaction(taken, {
      label,
      room,
      past: this.past,
      head: this.#head,
      rowOf: (key) => this.changes.row(key),
    });
    if (!plan.isIdle) this.#make(plan, isLate);
    return plan.later;
  }

  readonly #durabilityOf = ({ durability }: WriteRequest): Durability =>
    durability ?? this.#options.durability;

  #make(plan: TransactionPlan, isLate: boolean): void {
    const { label, room, flusher } = this.#options;
    const before = this.#head;
    const { isFull: isTight } = room;
    const changed: Changed = { changes: [], records: [], results: new Map(), isTight };
    const making: Making = { plan, changed, made: { outcomes: [], head: before }, isTold: false };
    try {
      const transaction = this.#enter();
      if (isLate) this.#makeLate(making, transaction);
      else this.#makeNow(making, transaction);
    } catch (error) {
      const { isTold } = making;
      this.#giveUp(error, isTold ? [] : plan.writes);
      if (isTold) lostBehind(plan.writes, { label, cause: error });
      return;
    }
    const { outcomes, head } = making.made;
    if (head.forgotten + head.made > before.forgotten + before.made) room.gaveWay();
    if (making.isTold) flusher.committed([]);
    else this.#tell(changed, head);
    settle(outcomes, this.#durabilityOf, () => flusher.flush());
  }

  /** In a transaction that is committed at once. */
  #makeNow(making: Making, transaction: number): void {
    const { plan, changed } = making;
    this.#makeAll(making, transaction);
    const mayTell = this.late.hasRoom && isEarly(plan.writes, changed, this.#user.listener());
    if (mayTell) this.#tellAhead(making, transaction);
    this.#tables.held.end();
  }

  /** In one that may stay open. */
  #makeLate(making: Making, transaction: number): void {
    const { held } = this.#tables;
    const before = this.#head;
    if (!this.#makeForeseen(making, transaction)) {
      this.#makeAll(making, transaction);
      if (making.made.head !== before) this.#tellAhead(making, transaction);
    }
    if (!this.late.leaves(making.made.outcomes, making.changed, making.isTold)) held.end();
  }

  /** Where it is certain what a lone write comes to, tells of it first: who watches need not wait for LMDB. */
  #makeForeseen(making: Making, transaction: number): boolean {
    const { plan, changed } = making;
    const before = this.#head;
    const foreseen = this.#writes.foresee(plan, before);
    if (foreseen === undefined) return false;
    making.isTold = this.#options.flusher.writeAhead([foreseen.row], transaction);
    if (!making.isTold) return false;
    const { held } = this.#tables;
    held.leave(() => {
      making.made = this.#writes.make(plan, changed, { before, foreseen });
      this.#next = transaction + 1;
      this.#made(changed, making.made.head);
    });
    const { change } = foreseen;
    const { revision } = change.event.entry;
    this.late.tells(revision);
    this.#head = { ...before, revision };
    tellEarly(this.#user.listener(), [change]);
    held.catchUp();
    return true;
  }

  #makeAll(making: Making, transaction: number): void {
    const before = this.#head;
    making.made = this.#writes.make(making.plan, making.changed, { before });
    if (making.made.head !== before) this.#next = transaction + 1;
  }

  /** Tells of what LMDB has. */
  #tell(changed: Changed, head: Head): void {
    if (head !== this.#head) {
      this.#made(changed, head);
      this.#options.flusher.committed(rowsOf(changed));
    }
    this.#user.listener()?.announce(changed.changes);
  }

  /** Tells of what the journal has, if it takes it, and LMDB has not committed yet. */
  #tellAhead(making: Making, transaction: number): void {
    const { changed, made } = making;
    making.isTold = this.#options.flusher.writeAhead(rowsOf(changed), transaction);
    if (!making.isTold) return;
    this.late.tells(made.head.revision);
    this.#made(changed, made.head);
    tellEarly(this.#user.listener(), changed.changes);
  }

  /** Goes into the transaction that is open, or a new one, as the owner. */
  #enter(): number {
    const { held } = this.#tables;
    const isOurs = held.isOpen;
    const transaction = held.enter();
    if (!isOurs && transaction !== this.#next) requireOwner(this.#tables, this.#options.ownerRow);
    return transaction;
  }

  /** What was read from now on holds it. */
  #made({ changes, records }: Changed, head: Head): void {
    this.#head = head;
    this.past.committed(changes, head);
    this.#names.added(records);
  }

  /** A transaction failed, on its way or at its end; nothing of these is there. */
  #giveUp(error: unknown, writes: readonly PendingWrite[]): void {
    this.late.giveUp(error);
    // Another owner's may get that number.
    this.#next = -1;
    this.log.restart();
    this.#names.restart();
    const reason = lmdbError(error, this.#options.label);
    for (const { reject } of writes) reject(reason);
    this.#user.onGivenUp(reason);
  }

  readonly #lost = (cause: unknown): void => {
    const error = lostBehind([], { label: this.#options.label, cause });
    this.#tables.held.fail(error);
    this.#user.onLost(error);
  };

  #moveSome(): void {
    try {
      const head = commit(this.#tables, () => {
        requireOwner(this.#tables, this.#options.ownerRow);
        return this.past.put(this.past.move(this.#head));
      });
      this.#head = head;
      this.past.committed([], head);
    } catch (error) {
      this.log.restart();
      throw lmdbError(error, this.#options.label);
    }
  }
}
