import type { Clock } from "../base/clock.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { EngineError } from "../base/errors.ts";
import { CommitTurns } from "./commit-turns.ts";
import type { Durability, EngineEntry, EngineSupports, Revision, WriteResult } from "./engine.ts";
import { decodeEntry } from "./entry-row.ts";
import { lmdbError } from "./lmdb-errors.ts";
import type { JournalRow } from "./journal.ts";
import { LmdbChanges } from "./lmdb-changes.ts";
import type { LmdbFlusher } from "./lmdb-flusher.ts";
import { decodeHead, decodeResult, encodeHead, type Head } from "./lmdb-records.ts";
import { LmdbHistory } from "./lmdb-history.ts";
import { LmdbLog, type LogLimits } from "./lmdb-log.ts";
import { operationKey, pathKey, treeKey, treeRange } from "./lmdb-keys.ts";
import {
  closeTables,
  commit,
  type LmdbTables,
  mendCount,
  META_KEYS,
  requireOwner,
} from "./lmdb-tables.ts";
import { parseReaders, type ReaderSlot } from "./lmdb-readers.ts";
import { OPERATION_MEMORY_MS } from "./operation-memory.ts";
import {
  type Change,
  changeOf,
  checkWrite,
  type KeyRange,
  PAGE_LIMITS,
  type PageLimits,
  type Store,
  type StoreListener,
  type StorePage,
  type WriteRequest,
} from "./store.ts";

export interface LmdbStoreOptions {
  readonly label: string;
  readonly id: string;
  /** What `meta` must say about the owner for as long as it is us. */
  readonly ownerRow: Uint8Array;
  readonly log: LogLimits;
  /** Of writes that don't say. */
  readonly durability: Durability;
  /** Belongs to the store from now on. */
  readonly flusher: LmdbFlusher;
  readonly clock: Clock;
}

interface PendingWrite extends Deferred<WriteResult> {
  readonly request: WriteRequest;
}

/** What one write came to within a transaction: settled when that is committed. */
interface Outcome {
  readonly write: PendingWrite;
  readonly result?: WriteResult;
  readonly error?: unknown;
}

/** What a transaction has changed up to now. */
interface Changed {
  readonly changes: Change[];
  readonly rows: JournalRow[];
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
  readonly history: LmdbHistory;
  readonly #tables: LmdbTables;
  readonly #options: LmdbStoreOptions;
  #head: Head;
  #pending: PendingWrite[] = [];
  readonly #turns: CommitTurns;
  readonly #log: LmdbLog;
  readonly #changes: LmdbChanges;
  #young: 0 | 1 = 0;
  #youngSince: number;
  /** There is something in the other generation of operations. */
  #hasOld: boolean;
  #listener: StoreListener | undefined;
  #failed: EngineError | undefined;
  #closing: Promise<void> | undefined;

  constructor(tables: LmdbTables, options: LmdbStoreOptions) {
    this.label = options.label;
    this.id = options.id;
    this.#tables = tables;
    this.#options = options;
    this.history = new LmdbHistory(tables, options);
    this.#log = new LmdbLog(tables, options.log);
    this.#changes = new LmdbChanges(tables, this.history, this.#log);
    this.#head = decodeHead(tables.meta.get(META_KEYS.head) ?? new Uint8Array());
    this.#youngSince = options.clock.now();
    this.#hasOld = Array.from(tables.operations[1].getKeys({ limit: 1 })).length > 0;
    const { flusher, clock } = options;
    this.#turns = new CommitTurns({
      commit: () => this.#pending.length > 0 && this.#commit(),
      flushing: () => flusher.running,
      clock,
    });
    options.flusher.onFailed = (error) => this.#flushFailed(error);
  }

  get revision(): Revision {
    return this.#head.revision;
  }

  listen(listener: StoreListener): void {
    this.#listener = listener;
  }

  get(key: Uint8Array): EngineEntry | undefined {
    return this.#read(() => this.#changes.entry(key));
  }

  row(key: Uint8Array): Uint8Array | undefined {
    return this.#read(() => {
      const { tree } = this.#tables;
      // In lmdb's own buffer, whose length it sets to that of the row.
      const row = tree.getBinaryFast(treeKey(key));
      return row && new Uint8Array(row.buffer, row.byteOffset, row.length);
    });
  }

  page({ start, end }: KeyRange, limits: PageLimits = PAGE_LIMITS): StorePage {
    return this.#read(() => {
      const entries: EngineEntry[] = [];
      let bytes = 0;
      for (const { key, value } of this.#tables.tree.getRange(treeRange(start, end))) {
        if (entries.length >= limits.entries || bytes >= limits.bytes) {
          return { entries, next: pathKey(key), revision: this.revision };
        }
        entries.push(decodeEntry(pathKey(key), value));
        bytes += value.length;
      }
      return { entries, next: undefined, revision: this.revision };
    });
  }

  firstKey({ start, end }: KeyRange): Uint8Array | undefined {
    return this.#read(() => {
      for (const key of this.#tables.tree.getKeys({ ...treeRange(start, end), limit: 1 })) {
        return pathKey(key);
      }
      return undefined;
    });
  }

  changes(after: Revision, limit: number): readonly Change[] | undefined {
    if (after < this.#head.forgotten) return undefined;
    return this.#read(() => this.#log.page(after, limit));
  }

  write(request: WriteRequest): Promise<WriteResult> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    const write: PendingWrite = { request, ...deferred<WriteResult>() };
    this.#pending.push(write);
    this.#turns.ask(this.#durabilityOf(request) === "flushed");
    return write.promise;
  }

  #durabilityOf({ durability }: WriteRequest): Durability {
    return durability ?? this.#options.durability;
  }

  /** See `CommitTurns`; for who opens the store's file, which may set back those who read it. */
  async hold(): Promise<Disposable> {
    const held = await this.#turns.hold();
    return {
      [Symbol.dispose]: () => {
        held[Symbol.dispose]();
        this.checkOwner();
      },
    };
  }

  checkOwner(): void {
    if (this.#failed !== undefined || this.#closing !== undefined) return;
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
    if (this.#failed !== undefined || this.#closing !== undefined) return [];
    this.#tables.root.readerCheck();
    return parseReaders(this.#tables.root.readerList());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#pending.length > 0) this.#commit();
    const { flusher } = this.#options;
    try {
      if (this.#failed === undefined) {
        const isOurs = this.#disown();
        await (isOurs ? flusher.end() : flusher.flush());
      }
    } catch (error) {
      throw lmdbError(error, this.label);
    } finally {
      await flusher.close();
      await closeTables(this.#tables);
    }
  }

  /** The epoch stays, the name goes: the next one need not ask whether this process is alive. */
  #disown(): boolean {
    const { meta } = this.#tables;
    return commit(this.#tables, () => {
      const row = meta.get(META_KEYS.owner);
      if (row === undefined || Buffer.compare(row, this.#options.ownerRow) !== 0) return false;
      const { epoch } = JSON.parse(Buffer.from(row).toString()) as { epoch: number };
      meta.putSync(META_KEYS.owner, Buffer.from(JSON.stringify({ epoch, owner: "" })));
      return true;
    });
  }

  /** One transaction of everything that was asked for up to now. */
  #commit(): void {
    this.#turns.cancel();
    const writes = this.#pending;
    this.#pending = [];
    const changed: Changed = { changes: [], rows: [] };
    const { changes, rows } = changed;
    let outcomes: Outcome[] = [];
    let head = this.#head;
    try {
      this.#turnGenerations();
      commit(this.#tables, () => {
        requireOwner(this.#tables, this.#options.ownerRow);
        outcomes = writes.map((write) => this.#apply(write, changed));
        if (rows.length === 0) return;
        const ofLog = rows.map(({ change }) => change);
        head = this.#log.advance(this.#head, ofLog, this.#options.clock.wall());
        this.#tables.meta.putSync(META_KEYS.head, encodeHead(head));
      });
    } catch (error) {
      const reason = lmdbError(error, this.label);
      for (const { reject } of writes) reject(reason);
      this.#fail(reason);
      return;
    }
    this.#head = head;
    if (rows.length > 0) this.#options.flusher.committed(rows);
    this.#listener?.announce(changes);
    this.#settle(outcomes);
  }

  #settle(outcomes: readonly Outcome[]): void {
    const unflushed: Outcome[] = [];
    for (const outcome of outcomes) {
      const { write, result, error } = outcome;
      if (result === undefined) write.reject(error);
      else if (this.#durabilityOf(write.request) === "flushed") unflushed.push(outcome);
      else write.resolve(result);
    }
    if (unflushed.length > 0) void this.#settleFlushed(unflushed);
  }

  async #settleFlushed(outcomes: readonly Outcome[]): Promise<void> {
    try {
      await this.#options.flusher.flush();
      for (const { write, result } of outcomes) if (result !== undefined) write.resolve(result);
    } catch (cause) {
      for (const { write } of outcomes) {
        const { operation } = write.request;
        const says = "the write was applied, but may not outlive a power failure";
        write.reject(new EngineError("ENGINE_AMBIGUOUS", says, { cause, details: { operation } }));
      }
    }
  }

  /** The disk refused to keep what it took: nothing it says after that can be trusted. */
  #flushFailed(error: unknown): void {
    const says = `${this.label}: the disk does not keep what is written: ${String(error)}`;
    this.#end(new EngineError("ENGINE_UNAVAILABLE", says, { cause: error }));
  }

  #apply(write: PendingWrite, { changes, rows }: Changed): Outcome {
    const { request } = write;
    const { key, value, condition, operation } = request;
    const before = operation === undefined ? undefined : this.#resultOf(operation);
    if (before !== undefined) return { write, result: before };
    const previous = this.#changes.entry(key);
    try {
      const other = condition && this.#changes.entry(condition.key);
      checkWrite(request, previous?.revision ?? 0, other?.revision ?? 0);
    } catch (error) {
      return { write, error };
    }
    const result = { revision: this.#head.revision + changes.length, previous };
    if (value !== undefined || previous !== undefined) {
      const revision = ++result.revision;
      const change = changeOf(request, revision, this.#options.clock.wall());
      changes.push(change);
      rows.push({ revision, change: this.#changes.make(change, previous), operation });
    }
    if (operation !== undefined) this.#changes.remember(this.#young, operation, { key, result });
    return { write, result };
  }

  #resultOf(operation: string): WriteResult | undefined {
    const key = operationKey(operation);
    const { operations } = this.#tables;
    const old = this.#young === 0 ? operations[1] : operations[0];
    const row = operations[this.#young].get(key) ?? (this.#hasOld ? old.get(key) : undefined);
    return row === undefined ? undefined : decodeResult(row);
  }

  #turnGenerations(): void {
    const now = this.#options.clock.now();
    if (now - this.#youngSince < OPERATION_MEMORY_MS) return;
    this.#youngSince = now;
    this.#young = this.#young === 0 ? 1 : 0;
    this.#hasOld = true;
    this.#tables.operations[this.#young].clearSync();
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
    for (const { reject } of this.#pending) reject(error);
    this.#pending = [];
    this.#listener?.failed(error);
  }
}
