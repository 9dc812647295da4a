/**
 * A cursor of LMDB without what `lmdb` puts around it: its iterator makes two objects for each row and looks
 * at its options each time, which costs as much as reading the row.
 */
import { EngineError } from "../base/errors.ts";

/** What lmdb's native part has for it; its types leave it out. Sizes of keys are returned, or errors below 0. */
export interface NativeCursors {
  readonly Cursor: new (db: unknown, transaction: number) => NativeCursor;
  position(
    cursor: number,
    flags: number,
    offset: number,
    keySize: number,
    endAddress: number,
  ): number;
  iterate(cursor: number): number;
}

interface NativeCursor {
  readonly address: number;
  close(): void;
}

/** Whether this `lmdb` has them. */
export function hasCursors(native: Partial<NativeCursors>): native is NativeCursors {
  return [native.Cursor, native.position, native.iterate].every((one) => typeof one === "function");
}

/** Where in lmdb's buffer for keys it puts them. */
export const KEY_AT = 32;
const WITH_VALUES = 0x1_00;
const BEHIND_START = 0x1_00_00;
/** Longer ones are none: an error of LMDB's that was taken for a size. */
const MAX_KEY_BYTES = 2_048;

/** One way through a table. Each step puts a key and a value into lmdb's buffers. */
export class RowCursor implements Disposable {
  readonly #native: NativeCursors;
  readonly #cursor: NativeCursor;
  readonly #address: number;
  readonly #keys: Uint8Array;
  readonly #view: DataView;

  /**
   * @param db the table's native part
   * @param transaction its address; the transaction begins where it had ended, and is the caller's to end
   * @param keys lmdb's buffer for keys
   */
  constructor(native: NativeCursors, db: unknown, transaction: number, keys: Uint8Array) {
    this.#native = native;
    this.#cursor = new native.Cursor(db, transaction);
    this.#address = this.#cursor.address;
    this.#keys = keys;
    this.#view = new DataView(keys.buffer, keys.byteOffset, keys.length);
  }

  /** Goes to the first row behind this key. @returns where its key ends in the buffer; 0 where there is none */
  after(key: Uint8Array): number {
    this.#keys.set(key);
    const flags = WITH_VALUES | BEHIND_START;
    return endOf(this.#native.position(this.#address, flags, 0, key.length, 0));
  }

  /** Goes to the next row, as `after`. */
  next(): number {
    return endOf(this.#native.iterate(this.#address));
  }

  /** Of the row's value. What is larger than lmdb's buffer for values is not in it. */
  get size(): number {
    return this.#view.getUint32(0, true);
  }

  [Symbol.dispose](): void {
    this.#cursor.close();
  }
}

function endOf(keySize: number): number {
  if (keySize > 0 && keySize <= MAX_KEY_BYTES) return KEY_AT + keySize;
  // LMDB's word for "there is none" may come through as it is.
  if (keySize === 0 || keySize === NOT_FOUND) return 0;
  throw new EngineError("ENGINE_UNAVAILABLE", `LMDB's cursor failed with ${keySize}`);
}

const NOT_FOUND = -30_798;
