/**
 * Write transactions of a store. LMDB has one at a time, and its lock belongs to who is in it, whatever process that
 * is. One may stay open over turns of the event loop: what is read in this process meanwhile is what it has made.
 */
import { ABORT, type RootDatabase } from "lmdb";

import { EngineError } from "../base/errors.ts";
import type { TransactionCount } from "./lmdb-count.ts";
import type { LmdbTables } from "./lmdb-tables.ts";

/** lmdb's flags of a synchronous commit that leaves it to the system when to write to the disk. */
const COMMIT: number = 0x5_00_02;

/** How often others may set the count of transactions back while one begins. */
const MAX_ATTEMPTS = 20;

interface Opened {
  readonly root: RootDatabase<Uint8Array, Uint8Array>;
  readonly count: TransactionCount;
}

/** What `lmdb` waits for before it commits: it calls `then`, and commits in the call of what that is given. */
interface Hold {
  readonly end: (result: unknown) => unknown;
}

/**
 * A write transaction that stays open until it is ended. Any other of this process ends it first: LMDB's lock would not
 * let the thread have another one.
 */
export class HeldTransaction {
  static readonly #open = new Set<HeldTransaction>();
  static #endsWithProcess = false;
  /** To be called within it, right before it is committed. */
  onCommit: (() => void) | undefined;
  /** To be told of each end, with what LMDB threw at it. */
  onEnd: ((error: unknown) => void) | undefined;
  readonly #opened: Opened;
  #hold: Hold | undefined;
  #number = 0;
  /** What is still to be done within it. */
  #left: (() => void) | undefined;
  #failed: Error | undefined;

  constructor(opened: Opened) {
    this.#opened = opened;
  }

  get isOpen(): boolean {
    return this.#hold !== undefined;
  }

  /** Ends all that are open in this process. */
  static endAll(): void {
    for (const held of HeldTransaction.#open) {
      try {
        held.end();
      } catch {
        // Whose it is was told.
      }
    }
  }

  /**
   * Lets no other transaction begin here any more: it would take the number of one that was not committed and is to be
   * made again by whoever opens the store next.
   */
  fail(error: Error): void {
    this.#failed = error;
  }

  /** Makes sure that none is open, and that another may begin. @throws what LMDB throws, or what it failed with */
  clear(): void {
    this.end();
    if (this.#failed !== undefined) throw this.#failed;
    HeldTransaction.endAll();
  }

  /** A process that ends in order with one open would wait for LMDB's lock itself, and for good. */
  static #endWithProcess(): void {
    if (HeldTransaction.#endsWithProcess) return;
    HeldTransaction.#endsWithProcess = true;
    process.on("exit", () => HeldTransaction.endAll());
  }

  /** The number of the one that is open, or is opened by this. @throws EngineError as `commit` does */
  enter(): number {
    if (this.#hold !== undefined) return this.#number;
    this.clear();
    HeldTransaction.#endWithProcess();
    this.#number = begin<number>(this.#opened, (number): Then => ({
      // oxlint-disable-next-line unicorn/no-thenable -- what `lmdb` asks of a transaction that goes on
      then: (end) => {
        this.#hold = { end };
        HeldTransaction.#open.add(this);
        return number;
      },
    }));
    return this.#number;
  }

  /** Leaves `work`, which belongs to it, for `catchUp`. */
  leave(work: () => void): void {
    this.#left = work;
  }

  /** Does what was left. To be called before anything is read that it may concern. @throws what that throws, each time */
  catchUp(): void {
    const left = this.#left;
    this.#left = undefined;
    try {
      left?.();
    } catch (error) {
      this.#left = () => {
        throw error;
      };
      throw error;
    }
  }

  /** Commits it, where it is open. @throws what LMDB throws */
  end(): void {
    this.catchUp();
    if (this.isOpen) this.onCommit?.();
    this.#end(undefined);
  }

  /** Gives up all that was made in it. */
  giveUp(): void {
    this.#left = undefined;
    this.#end(ABORT);
  }

  #end(result: unknown): void {
    const hold = this.#hold;
    if (hold === undefined) return;
    this.#hold = undefined;
    HeldTransaction.#open.delete(this);
    let failure: unknown;
    try {
      hold.end(result);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      this.onEnd?.(failure);
    }
  }
}

/** Of what `lmdb` takes for a promise. */
interface Then {
  then(end: (result: unknown) => unknown): number;
}

/**
 * One write transaction: what `work` writes is kept as a whole, or not at all where it throws. It follows
 * on the newest state, whatever LMDB believes that is. Each that writes something has the number behind that
 * of the one before, whoever made that.
 *
 * @throws EngineError `ENGINE_CLOSED` where LMDB can't begin one; whoever opens the store anew can
 */
export function commit<T>({ root, count, held }: LmdbTables, work: (transaction: number) => T): T {
  held.clear();
  return begin<T>({ root, count }, work);
}

function begin<T>({ root, count }: Opened, work: (transaction: number) => T | Then): T {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const attempted = (): T | Then | typeof ABORT => {
      const transaction = transactionOf(root);
      // `lmdb` goes on without one where LMDB refuses, and would read what is there and write nothing.
      if (transaction === 0) throw new EngineError("ENGINE_CLOSED", "LMDB begins no transaction");
      if (count.isNext(transaction)) return work(transaction);
      count.mend();
      return ABORT;
    };
    // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- lmdb names half of them
    const result = root.transactionSync(attempted, COMMIT);
    if (result !== ABORT) return result as T;
  }
  throw new EngineError("ENGINE_CLOSED", "LMDB's count of transactions is set back all the time");
}

/** Lets readers see the newest state, where somebody who opened the store has set them back. */
export function mendCount(tables: LmdbTables): void {
  if (!tables.count.isRight) commit(tables, () => {});
}

/** Of the writer; `lmdb`'s types leave it out. */
function transactionOf(root: unknown): number {
  return (root as { getWriteTxnId(): number }).getWriteTxnId();
}
