import { setImmediate as nextTurn } from "node:timers/promises";

import { deferred } from "../base/deferred.ts";
import { EngineError } from "../base/errors.ts";
import { CommitTurns } from "./commit-turns.ts";
import type { Durability, EngineEntry, EngineSupports, Revision, WriteResult } from "./engine.ts";
import { decodeEntry } from "./entry-row.ts";
import type { LateCommits } from "./late-commits.ts";
import { LmdbCommits, type LmdbCommitsOptions } from "./lmdb-commits.ts";
import { lmdbError, unkept } from "./lmdb-errors.ts";
import { Halves } from "./halves.ts";
import { readFirstKey, readPage } from "./lmdb-entries.ts";
import { closeTables, disown, type LmdbTables, requireOwner } from "./lmdb-tables.ts";
import { mendCount } from "./lmdb-transaction.ts";
import type { PendingWrite } from "./pending-write.ts";
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

export interface LmdbStoreOptions extends LmdbCommitsOptions {
  readonly id: string;
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
  readonly #tables: LmdbTables;
  readonly #options: LmdbStoreOptions;
  #pending: PendingWrite[] = [];
  readonly #turns: CommitTurns;
  readonly #halves = new Halves();
  /** For pages that can be used again. */
  #isWaiting = false;
  readonly #commits: LmdbCommits;
  #listener: StoreListener | undefined;
  #failed: EngineError | undefined;
  #closing: Promise<void> | undefined;

  constructor(tables: LmdbTables, options: LmdbStoreOptions) {
    this.label = options.label;
    this.id = options.id;
    this.#tables = tables;
    this.#options = options;
    const { flusher, clock } = options;
    this.#commits = new LmdbCommits(tables, options, {
      listener: () => this.#listener,
      pause: () => this.#pause(),
      onGivenUp: (reason) => {
        if (this.#failed !== undefined) return;
        options.room.failed(reason);
        this.#fail(reason);
      },
      onLost: (error) => {
        flusher.abandon();
        this.#end(error);
      },
    });
    this.#turns = new CommitTurns({
      commit: () => this.#pending.length > 0 && this.#commit(),
      flushing: () => flusher.running,
      clock,
    });
    options.flusher.onFailed = (error) => this.#end(unkept(error, this.label));
  }

  get late(): LateCommits {
    return this.#commits.late;
  }

  get revision(): Revision {
    return this.#commits.head.revision;
  }

  get history(): StoreHistory {
    return this.#commits.past;
  }

  listen(listener: StoreListener): void {
    this.#listener = listener;
  }

  get(key: Uint8Array): EngineEntry | undefined {
    return this.#read(() => {
      const row = this.#commits.changes.row(key);
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
    return this.#read(() => {
      const { head, log } = this.#commits;
      return after < head.forgotten ? undefined : log.page(after, limit);
    });
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
    this.#commits.late.end();
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
    this.#commits.late.end();
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
    const taken = this.#pending.splice(0, this.#halves.share(this.#pending.length));
    const later = this.#commits.commit(taken);
    if (later.length > 0) this.#wait(later);
    const next = this.#pending[0];
    if (next !== undefined && !this.#isWaiting) this.#askFor(next);
  }

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
      this.#tables.held.catchUp();
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
