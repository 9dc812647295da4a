import { setImmediate as nextTurn } from "node:timers/promises";

import type { Clock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { EngineError } from "../base/errors.ts";
import { CommitTurns } from "./commit-turns.ts";
import type { DiskRoom } from "./disk-room.ts";
import type { Durability, EngineEntry, EngineSupports, Revision, WriteResult } from "./engine.ts";
import { decodeEntry } from "./entry-row.ts";
import { isEarly, lostBehind, tellEarly } from "./early-news.ts";
import { LateCommits } from "./late-commits.ts";
import { lmdbError, unkept } from "./lmdb-errors.ts";
import { type Changed, LmdbChanges, rowsOf } from "./lmdb-changes.ts";
import type { LmdbFlusher } from "./lmdb-flusher.ts";
import { decodeHead, type Head } from "./lmdb-records.ts";
import { LmdbHistory } from "./lmdb-history.ts";
import { LmdbLog, type LogLimits } from "./lmdb-log.ts";
import { Halves } from "./halves.ts";
import { LmdbNames } from "./lmdb-names.ts";
import { LmdbPast } from "./lmdb-past.ts";
import { LmdbWrites } from "./lmdb-writes.ts";
import { readFirstKey, readPage } from "./lmdb-entries.ts";
import { closeTables, disown, type LmdbTables, META_KEYS, requireOwner } from "./lmdb-tables.ts";
import { commit, mendCount } from "./lmdb-transaction.ts";
import type { Outcome, PendingWrite } from "./pending-write.ts";
import { liveReaders, type ReaderSlot } from "./lmdb-readers.ts";
import {
  type Change,
  type KeyRange,
  PAGE_LIMITS,
  type PageLimits,
  type Store,
  type StoreHistory,
  type StoreListener,
  type StorePage,
  type WriteRequest,
} from "./store.ts";
import { planTransaction, type TransactionPlan } from "./transaction-plan.ts";
import { settle } from "./settle.ts";

export interface LmdbStoreOptions {
  readonly label: string;
  readonly id: string;
  /** What `meta` must say about the owner for as long as it is us. */
  readonly ownerRow: Uint8Array;
  readonly log: LogLimits;
  /** Of writes that don't say. */
  readonly durability: Durability;
  readonly room: DiskRoom;
  /** Belongs to the store from now on. */
  readonly flusher: LmdbFlusher;
  readonly clock: Clock;
}

/**
 * The rows in LMDB. All writes of one turn of the event loop are one transaction, made on this thread:
 * within it they are applied in order, each seeing what the one before did. Nothing else writes, so
 * what was committed and what was announced are the same between turns.
 */
export class LmdbStore implements Store {
  readonly supports: EngineSupports = { condition: true, durable: true, shared: false };
  readonly label: string;
  readonly id: string;
  readonly late: LateCommits;
  readonly #tables: LmdbTables;
  readonly #options: LmdbStoreOptions;
  #head: Head;
  #pending: PendingWrite[] = [];
  readonly #turns: CommitTurns;
  readonly #halves = new Halves();
  /** For pages that can be used again. */
  #isWaiting = false;
  readonly #log: LmdbLog;
  readonly #changes: LmdbChanges;
  readonly #names: LmdbNames;
  readonly #past: LmdbPast;
  readonly #writes: LmdbWrites;
  /** The transaction behind our last one: nobody can have taken the store over before it. */
  #next = -1;
  #listener: StoreListener | undefined;
  #failed: EngineError | undefined;
  #closing: Promise<void> | undefined;

  constructor(tables: LmdbTables, options: LmdbStoreOptions) {
    this.label = options.label;
    this.id = options.id;
    this.#tables = tables;
    this.#options = options;
    const { flusher, clock } = options;
    this.#log = new LmdbLog(tables, options.log);
    this.#changes = new LmdbChanges(tables, this.#log);
    this.#names = new LmdbNames(tables, this.#log, clock);
    this.#head = decodeHead(tables.meta.get(META_KEYS.head) ?? new Uint8Array());
    const versions = new LmdbHistory(tables, options);
    this.#past = new LmdbPast({
      tables,
      log: this.#log,
      history: versions,
      clock,
      head: this.#head,
      now: () => this.#head,
      isFull: () => options.room.isFull,
      moveSome: () => this.#moveSome(),
      requireRoom: () => options.room.requireForRules(),
      pause: () => this.#pause(),
    });
    this.#writes = new LmdbWrites({
      changes: this.#changes,
      names: this.#names,
      log: this.#log,
      history: versions,
      past: this.#past,
      room: options.room,
      clock,
    });
    this.late = new LateCommits({ ...options, tables, onLost: this.#lost });
    this.#turns = new CommitTurns({
      commit: () => this.#pending.length > 0 && this.#commit(),
      flushing: () => flusher.running,
      clock,
    });
    options.flusher.onFailed = (error) => this.#end(unkept(error, this.label));
  }

  get revision(): Revision {
    return this.#head.revision;
  }

  get history(): StoreHistory {
    return this.#past;
  }

  listen(listener: StoreListener): void {
    this.#listener = listener;
  }

  get(key: Uint8Array): EngineEntry | undefined {
    return this.#read(() => {
      const row = this.#changes.row(key);
      return row && decodeEntry(key, row);
    });
  }

  row(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
    const { rows } = this.#tables;
    return this.#read(() => {
      // In lmdb's own buffer, whose length it sets to that of the row.
      const row = rows.read(bytes, start, end);
      return row && new Uint8Array(row.buffer, row.byteOffset, row.length);
    });
  }

  page(range: KeyRange, limits: PageLimits = PAGE_LIMITS): StorePage {
    const { revision } = this;
    return this.#read(() => ({ ...readPage(this.#tables, range, limits), revision }));
  }

  firstKey(range: KeyRange): Uint8Array | undefined {
    return this.#read(() => readFirstKey(this.#tables, range));
  }

  changes(after: Revision, limit: number): readonly Change[] | undefined {
    if (after < this.#head.forgotten) return undefined;
    return this.#read(() => this.#log.page(after, limit));
  }

  write(request: WriteRequest): Promise<WriteResult> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    const write: PendingWrite = { request, ...deferred<WriteResult>() };
    this.#pending.push(write);
    this.#askFor(write);
    return write.promise;
  }

  #askFor({ request }: PendingWrite): void {
    this.#turns.ask(this.#durabilityOf(request) === "flushed");
  }

  readonly #durabilityOf = ({ durability }: WriteRequest): Durability =>
    durability ?? this.#options.durability;

  /** See `CommitTurns`; for who opens the store's file, which may set back those who read it. */
  async hold(): Promise<Disposable> {
    const held = await this.#turns.hold();
    this.late.end();
    return {
      [Symbol.dispose]: () => {
        held[Symbol.dispose]();
        this.checkOwner();
      },
    };
  }

  get isOver(): boolean {
    return this.#failed !== undefined || this.#closing !== undefined;
  }

  checkOwner(): void {
    // Within a transaction nobody else can be the owner.
    if (this.isOver || this.#tables.held.isOpen) return;
    try {
      mendCount(this.#tables);
      this.#tables.root.resetReadTxn();
      requireOwner(this.#tables, this.#options.ownerRow);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Who reads the store at this moment, but for those who died at it. */
  readers(): ReaderSlot[] {
    if (this.isOver) return [];
    return liveReaders(this.#tables.root);
  }

  close(): Promise<void> {
    // Behind this step: what it does may ask for it again.
    this.#closing ??= Promise.resolve().then(() => this.#close());
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#pending.length > 0 && !this.#isWaiting) this.#commit();
    const { flusher, room } = this.#options;
    this.late.end();
    for (const { reject } of this.#pending.splice(0)) reject(room.refusal);
    try {
      if (this.#failed === undefined) {
        const isOurs = disown(this.#tables, this.#options.ownerRow);
        await (isOurs ? flusher.end() : flusher.flush());
      }
    } catch (error) {
      throw lmdbError(error, this.label);
    } finally {
      await flusher.close();
      await closeTables(this.#tables);
    }
  }

  /** Commits what was asked for up to now, or the first half of it: in one transaction. */
  #commit(): void {
    this.#turns.cancel();
    if (this.#isWaiting) return;
    this.#commitThese(this.#pending.splice(0, this.#halves.share(this.#pending.length)));
    const next = this.#pending[0];
    if (next !== undefined && !this.#isWaiting) this.#askFor(next);
  }

  #commitThese(taken: readonly PendingWrite[]): void {
    const isLate = this.late.prepare(taken, this.#past.isDue(this.#head));
    const plan = planTransaction(taken, {
      label: this.label,
      room: this.#options.room,
      past: this.#past,
      head: this.#head,
      rowOf: (key) => this.#changes.row(key),
    });
    if (plan.later.length > 0) this.#wait(plan.later);
    if (!plan.isIdle) this.#make(plan, isLate);
  }

  #make(plan: TransactionPlan, isLate: boolean): void {
    const { writes } = plan;
    const { room, flusher } = this.#options;
    const before = this.#head;
    const { isFull: isTight } = room;
    const changed: Changed = { changes: [], records: [], results: new Map(), isTight };
    let outcomes: Outcome[] = [];
    let head = before;
    let isTold = false;
    try {
      const transaction = this.#enter();
      ({ outcomes, head } = this.#writes.make(plan, changed, before));
      if (head !== before) this.#next = transaction + 1;
      const mayTell = isLate ? head !== before : isEarly(writes, changed, this.#listener);
      isTold = mayTell && flusher.writeAhead(rowsOf(changed), transaction);
      if (isTold) this.#tellAhead(changed, head);
      if (!isLate || !this.late.leaves(outcomes, changed, isTold)) this.#tables.held.end();
    } catch (error) {
      this.#giveUp(error, isTold ? [] : writes);
      if (isTold) lostBehind(writes, { label: this.label, cause: error });
      return;
    }
    if (head.forgotten + head.made > before.forgotten + before.made) room.gaveWay();
    if (isTold) flusher.committed([]);
    else this.#tell(changed, head);
    settle(outcomes, this.#durabilityOf, () => flusher.flush());
  }

  /** Tells of what LMDB has. */
  #tell(changed: Changed, head: Head): void {
    if (head !== this.#head) {
      this.#made(changed, head);
      this.#options.flusher.committed(rowsOf(changed));
    }
    this.#listener?.announce(changed.changes);
  }

  /** Tells of what the journal has, and LMDB does not have yet. */
  #tellAhead(changed: Changed, head: Head): void {
    this.late.tells(head.revision);
    this.#made(changed, head);
    tellEarly(this.#listener, changed.changes);
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
    this.#past.committed(changes, head);
    this.#names.added(records);
  }

  /** A transaction failed, on its way or at its end; nothing of these is there. */
  #giveUp(error: unknown, writes: readonly PendingWrite[]): void {
    this.late.giveUp(error);
    // Another owner's may get that number.
    this.#next = -1;
    this.#log.restart();
    this.#names.restart();
    const reason = lmdbError(error, this.label);
    for (const { reject } of writes) reject(reason);
    if (this.#failed !== undefined) return;
    this.#options.room.failed(reason);
    this.#fail(reason);
  }

  readonly #lost = (cause: unknown): void => {
    const error = lostBehind([], { label: this.label, cause });
    this.#tables.held.fail(error);
    this.#options.flusher.abandon();
    this.#end(error);
  };

  /** Holds writes back, and those behind them, until pages that were given up can be used again. */
  #wait(later: readonly PendingWrite[]): void {
    this.#pending = [...later, ...this.#pending];
    this.#isWaiting = true;
    const again = (): void => {
      this.#isWaiting = false;
      this.#turns.ask(false);
    };
    this.#options.flusher.makeSafe().then(again, again);
  }

  #moveSome(): void {
    try {
      const head = commit(this.#tables, () => {
        requireOwner(this.#tables, this.#options.ownerRow);
        return this.#past.put(this.#past.move(this.#head));
      });
      this.#head = head;
      this.#past.committed([], head);
    } catch (error) {
      this.#log.restart();
      throw lmdbError(error, this.label);
    }
  }

  /** Between the transactions of a task. */
  async #pause(): Promise<void> {
    const { flusher, room } = this.#options;
    flusher.committed([]);
    room.gaveWay();
    // Where pages are scarce, the next one is to find those that this one gave up.
    await (room.isFull ? flusher.makeSafe() : nextTurn());
    if (this.#failed !== undefined) throw this.#failed;
    if (this.#closing !== undefined) throw new EngineError("ENGINE_CLOSED");
  }

  #read<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw lmdbError(error, this.label);
    }
  }

  /** Some errors pass: a full disk may have room later. The others end the store. */
  #fail(error: unknown): void {
    if (!(error instanceof EngineError) || error.code === "ENGINE_FULL") return;
    if (error.code === "ENGINE_UNAVAILABLE") return;
    this.#end(error);
  }

  #end(error: EngineError): void {
    this.#failed = error;
    for (const { reject } of this.#pending.splice(0)) reject(error);
    this.#listener?.failed(error);
  }
}
