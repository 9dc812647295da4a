/**
 * LMDB's map of its file, where JavaScript can read it. `lmdb` gives a row at a time, by a call that costs as
 * much as all that is made of the row.
 *
 * What is read stays mapped until the store is closed: where it outgrows its map, `lmdb` makes another one and
 * keeps the old. A window never reaches behind what the file and the map both had when it was made, so that
 * nothing that is read in it, whatever place that names, can end the process.
 */

/** What lmdb's native part has for it; its types leave it out. */
export interface NativeMap {
  readonly Cursor: new (table: unknown, transaction: number) => NativeCursor;
  position(
    cursor: number,
    flags: number,
    offset: number,
    keySize: number,
    endAddress: number,
  ): number;
  getCurrentShared(cursor: number): Uint8Array | number;
  getBufferAddress(bytes: Uint8Array): number;
  createBufferForAddress(address: number, size: number): Uint8Array | undefined;
}

interface NativeCursor {
  readonly address: number;
  close(): void;
}

/** Some of the file. Both are of the same bytes. */
export interface Window {
  readonly bytes: Uint8Array;
  readonly units: Uint16Array;
}

export const WINDOW_BYTES: number = 1024 * 1024;
/** V8 takes what they show for memory that it could free, and looks for garbage more often the more there is. */
const MAX_WINDOWS = 32;
const EXACT_MATCH = 0x40_00;
const NAMES = ["Cursor", "position", "getCurrentShared", "getBufferAddress"] as const;

/** Whether this `lmdb` has them, and this host allows it. */
export function hasMap(native: Partial<NativeMap>): native is NativeMap {
  return (
    NAMES.every((name) => typeof native[name] === "function") &&
    typeof native.createBufferForAddress === "function"
  );
}

export interface MapWindowsOptions {
  readonly native: NativeMap;
  readonly pageSize: number;
  /** Of LMDB's table of tables. */
  readonly table: unknown;
  /** Address of the transaction that reads. */
  readonly transaction: number;
  /** A key that is in the table, with a small value. */
  readonly key: Uint8Array;
  /** lmdb's buffer for keys. */
  readonly keys: Uint8Array;
  readonly fileSize: () => number;
  readonly mapSize: () => number;
}

/** Windows onto the map, each made when something in it is read first. */
export class MapWindows {
  readonly #options: MapWindowsOptions;
  readonly #windows = new Map<number, Window>();
  /** Where the map begins and how much of it there is; known when it is needed. */
  #base = 0;
  #size = 0;
  #mayHaveGrown = true;

  constructor(options: MapWindowsOptions) {
    this.#options = options;
  }

  /** A transaction has begun: there may be more than the last one saw. */
  begin(): void {
    this.#mayHaveGrown = true;
  }

  /** The window of this number, counted from the start of the file, where it has so many bytes at least. */
  get(index: number, size: number): Window | undefined {
    const window = this.#windows.get(index);
    return window !== undefined && window.bytes.length >= size ? window : this.#make(index, size);
  }

  #make(index: number, size: number): Window | undefined {
    const start = index * WINDOW_BYTES;
    if (this.#windows.size >= MAX_WINDOWS) return undefined;
    if (start + size > this.#size && this.#mayHaveGrown) this.#locate(start + size);
    const length = Math.min(this.#size - start, WINDOW_BYTES);
    if (!(length >= size)) return undefined;
    const view = this.#options.native.createBufferForAddress(this.#base + start, length);
    if (view?.length !== length) return undefined;
    const { buffer, byteOffset } = view;
    const window = {
      bytes: new Uint8Array(buffer, byteOffset, length),
      units: new Uint16Array(buffer, byteOffset, length >> 1),
    };
    this.#windows.set(index, window);
    return window;
  }

  /** Every page says its number, and so where the map begins. */
  #locate(needed: number): void {
    this.#mayHaveGrown = false;
    const { native, pageSize, table, transaction, key, keys } = this.#options;
    const fileSize = this.#options.fileSize();
    if (fileSize < needed) return;
    // Before the map is looked for: a newer one is not smaller.
    const mapSize = this.#options.mapSize();
    const cursor = new native.Cursor(table, transaction);
    try {
      keys.set(key);
      if (native.position(cursor.address, EXACT_MATCH, 0, key.length, 0) <= 0) return;
      const row = native.getCurrentShared(cursor.address);
      if (typeof row === "number") return;
      const address = native.getBufferAddress(row);
      const page = address - (address % pageSize);
      const head = native.createBufferForAddress(page, 8);
      if (head?.length !== 8) return;
      const view = new DataView(head.buffer, head.byteOffset, 8);
      this.#base = page - Number(view.getBigUint64(0, true)) * pageSize;
      this.#size = Math.min(fileSize, mapSize);
    } finally {
      cursor.close();
    }
  }
}
