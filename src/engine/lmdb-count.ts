/**
 * LMDB's count of transactions. Whoever begins one takes the number of the last from the lock file. The
 * `lmdb` package (3.5) writes it there whenever a process opens the store, if only to read, and without
 * the writers' lock: the number that was the last when it looked. What a writer commits in between is
 * forgotten by that; its next transaction begins on the state before, and overwrites what was
 * acknowledged, or fails. So a writer compares the number with the heads of the data file, which are
 * right, and sets it right.
 */
import { closeSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

import { EngineError } from "../base/errors.ts";
import { DATA_FILE, LOCK_FILE } from "./lmdb-file.ts";
import { LAST_PAGE_AT, newestMeta, TRANSACTION_AT } from "./lmdb-meta.ts";

/** `MDB_txninfo` begins with a magic number and a format of four bytes each, and the count. */
const MAGIC = 0xbeefc0de;
const COUNT_AT = 8;
const COUNT_BYTES = 8;
/** From where a head names its last page: where it names its transaction. */
const NUMBER_AT = TRANSACTION_AT - LAST_PAGE_AT;

export class TransactionCount {
  readonly #data: number;
  readonly #lock: LockFileHandle;
  /** Of the data file. */
  readonly pageSize: number;
  readonly #number = Buffer.alloc(COUNT_BYTES);
  /** From the last page in the first head to the number in the second: one call of the system costs less than two. */
  readonly #heads: Buffer;

  /** To be opened behind the store and closed behind it. */
  constructor(directory: string) {
    this.#data = openSync(join(directory, DATA_FILE), "r");
    const head = newestMeta((at, length) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(this.#data, bytes, 0, length, at));
    });
    this.pageSize = head?.pageSize ?? 0;
    this.#heads = Buffer.alloc(this.pageSize + NUMBER_AT + COUNT_BYTES);
    this.#lock = LockFileHandle.of(join(directory, LOCK_FILE));
  }

  /** Whether the count is that of the newest state. No other process may commit meanwhile. */
  get isRight(): boolean {
    this.#read(this.#lock.descriptor, this.#number, COUNT_AT);
    return numberAt(this.#number, 0) === this.#newest();
  }

  /** Whether the newest state is the one before this transaction, for who holds the writers' lock. */
  isNext(transaction: number): boolean {
    return this.#newest() === transaction - 1;
  }

  /** For who holds the writers' lock: a transaction that is begun after this is the next. */
  mend(): void {
    const newest = this.#newest();
    const { descriptor } = this.#lock;
    const isKnown = readSync(descriptor, this.#number, 0, 4, 0) === 4;
    if (!isKnown || this.#number.readUInt32LE(0) !== MAGIC) {
      throw new EngineError("ENGINE_CLOSED", "LMDB's lock file is none, or one of another version");
    }
    this.#number.writeBigUInt64LE(BigInt(newest));
    writeSync(descriptor, this.#number, 0, COUNT_BYTES, COUNT_AT);
  }

  /** How much of the data file the newest state takes: nobody reads what is behind that. */
  get usedBytes(): number {
    this.#newest();
    const heads = this.#heads;
    const last = Math.max(numberAt(heads, 0), numberAt(heads, this.pageSize));
    return (last + 1) * this.pageSize;
  }

  close(): void {
    closeSync(this.#data);
    this.#lock.close();
  }

  /** Of the two heads, the one with the higher number counts. */
  #newest(): number {
    const heads = this.#heads;
    this.#read(this.#data, heads, LAST_PAGE_AT);
    return Math.max(numberAt(heads, NUMBER_AT), numberAt(heads, this.pageSize + NUMBER_AT));
  }

  #read(descriptor: number, target: Buffer, at: number): void {
    const length = readSync(descriptor, target, 0, target.length, at);
    if (length === target.length) return;
    throw new EngineError("ENGINE_CORRUPT", "the store's files have been cut off");
  }
}

function numberAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/**
 * The lock file of a store, once in each process: closing any descriptor of it takes LMDB's own lock away
 * from the process, and with that the table of readers from everybody.
 */
class LockFileHandle {
  static readonly #open = new Map<string, LockFileHandle>();
  readonly descriptor: number;
  readonly #key: string;
  #users = 0;

  private constructor(path: string, key: string) {
    this.descriptor = openSync(path, "r+");
    this.#key = key;
  }

  static of(path: string): LockFileHandle {
    const { dev, ino } = statSync(path);
    const key = `${dev} ${ino}`;
    let handle = this.#open.get(key);
    if (handle === undefined) this.#open.set(key, (handle = new LockFileHandle(path, key)));
    handle.#users++;
    return handle;
  }

  close(): void {
    if (--this.#users > 0) return;
    LockFileHandle.#open.delete(this.#key);
    closeSync(this.descriptor);
  }
}
