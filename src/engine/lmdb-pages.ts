/**
 * LMDB's tables as they lie in its file: trees of pages, as `MDB_page` and `MDB_node` in its mdb.c lay them out
 * in format 2. While a read transaction is open, no page of its state is written to.
 *
 * A page's head is its number, its transaction, two bytes, its kind, how far the places of its nodes reach, and
 * where free room ends. A node is the size of its value, or the number of the page below; its kind; the size of
 * its key; its key, and its value or where that lies. Places count from behind the head.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";

import { EngineError } from "../base/errors.ts";
import { DATA_FILE } from "./lmdb-file.ts";
import { type MapWindows, WINDOW_BYTES } from "./lmdb-map.ts";
import { newestMeta } from "./lmdb-meta.ts";
import type { Revision } from "./engine.ts";
import type { KeyRange } from "./store.ts";
import { toldAt } from "./told-revision.ts";

const FORMAT = 2;
const FORMAT_AT = 28;
const PAGE_HEAD = 24;
/** In units of two bytes, from the start of a page. */
const KIND = 9;
const REACH = 10;
const NODES = PAGE_HEAD / 2;
/** The same, from the start of a node. */
const NODE_KIND = 2;
const KEY_SIZE = 3;
const NODE_HEAD = 8;
const BRANCH = 1;
const LEAF = 2;
/** A value that has pages of its own. */
const IS_FAR = 1;
/** More than LMDB has. */
const MAX_DEPTH = 32;
/** So that every place in the file is a number that is exact. */
const MAX_PAGE = 2 ** 36;
/** What LMDB's table of tables has of each. */
export const TABLE_RECORD_BYTES = 48;
/** In it, where the first page's number lies; all ones in that of an empty table. */
const ROOT_AT = 40;
const NO_PAGE = 0xff_ff_ff_ff_ff_ff;

/** The file of a store, for reading. */
export class LmdbPages implements Disposable {
  readonly pageSize: number;
  readonly #file: number;
  readonly #window: number;
  /** Set where the map can be read; what is in none of its windows is read from the file. */
  windows: MapWindows | undefined;
  /** Of the first page, where the map can be read. */
  #first: DataView | undefined;
  readonly #told = new DataView(new ArrayBuffer(8));

  /** @throws EngineError `ENGINE_UNAVAILABLE` for another format; what reading throws */
  constructor(directory: string) {
    this.#file = openSync(join(directory, DATA_FILE), "r");
    try {
      const head = this.#read(0, PAGE_HEAD + 8);
      this.pageSize = newestMeta((at, size) => this.#read(at, size))?.pageSize ?? 0;
      const format = head[FORMAT_AT] as number;
      const isLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
      if (!isLittle || format !== FORMAT || !(this.pageSize >= 256)) {
        throw new EngineError("ENGINE_UNAVAILABLE", "the file's format is not one this can read");
      }
      this.#window = WINDOW_BYTES / this.pageSize;
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get size(): number {
    return fstatSync(this.#file).size;
  }

  /** What the newest head says: see `LmdbMeta`. @throws EngineError `ENGINE_CORRUPT` */
  head(): Uint8Array {
    return newestMeta((at, size) => this.#read(at, size))?.bytes ?? corrupt();
  }

  /** See `told-revision.ts`. @throws EngineError `ENGINE_CORRUPT` */
  get told(): Revision {
    let told = this.#readTold();
    // It may be written while it is read.
    for (let last = NaN; told !== last;) {
      last = told;
      told = this.#readTold();
    }
    return told;
  }

  #readTold(): Revision {
    const at = toldAt(this.pageSize);
    if (this.#first !== undefined) return this.#first.getFloat64(at, true);
    if (readSync(this.#file, this.#told, 0, this.#told.byteLength, at) !== 8) corrupt();
    return this.#told.getFloat64(0, true);
  }

  /** Looks for the first page in the map. Within a read. */
  findFirst(): void {
    const bytes = this.windows?.get(0, this.pageSize)?.bytes;
    if (bytes !== undefined)
      this.#first = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Makes `place` that of this page. @throws EngineError `ENGINE_CORRUPT` */
  open(place: PagePlace, page: number): void {
    const { pageSize } = this;
    if (page > MAX_PAGE) corrupt();
    const index = Math.floor(page / this.#window);
    // Without the last step V8 keeps this, and every place that comes of it, as a double in a box.
    const start = ((page - index * this.#window) * pageSize) | 0;
    const window = this.windows?.get(index, start + pageSize);
    if (window === undefined) {
      place.bytes = place.ownBytes;
      place.units = place.ownUnits;
      place.start = 0;
      if (readSync(this.#file, place.bytes, 0, pageSize, page * pageSize) !== pageSize) corrupt();
    } else {
      place.bytes = window.bytes;
      place.units = window.units;
      place.start = start;
    }
    const { units } = place;
    const at = place.start >> 1;
    const kind = units[at + KIND] as number;
    const reach = units[at + REACH] as number;
    const number = (units[at] as number) + (units[at + 1] as number) * 0x1_00_00;
    if (number !== page % 0x1_00_00_00_00 || PAGE_HEAD + reach > pageSize) corrupt();
    if ((kind & (BRANCH | LEAF)) === 0) corrupt();
    place.isLeaf = (kind & LEAF) !== 0;
    place.count = reach >> 1;
    place.index = 0;
  }

  /** A value with pages of its own: in one piece behind the head of the first. */
  far(page: number, size: number): Uint8Array {
    const start = page * this.pageSize;
    if (start + PAGE_HEAD + size > this.size) corrupt();
    return this.#read(start + PAGE_HEAD, size);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #read(at: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    return bytes.subarray(0, readSync(this.#file, bytes, 0, size, at));
  }
}

/** Where a page lies, and how far it was read. */
class PagePlace {
  readonly ownBytes: Uint8Array;
  readonly ownUnits: Uint16Array;
  bytes: Uint8Array;
  units: Uint16Array;
  start = 0;
  isLeaf = false;
  /** Of its nodes, and the one that is next. */
  count = 0;
  index = 0;

  constructor(pageSize: number) {
    this.bytes = this.ownBytes = new Uint8Array(pageSize);
    this.units = this.ownUnits = new Uint16Array(this.ownBytes.buffer);
  }
}

/** The rows of a range in order. Each is valid until the next one, and as long as its transaction. */
export class RowWalk {
  readonly #pages: LmdbPages;
  readonly #places: PagePlace[] = [];
  readonly #limit: number;
  #depth = 0;
  #leaf: PagePlace;
  #end: Uint8Array = new Uint8Array();
  /** How many nodes of the leaf come before the end. */
  #stop = 0;

  /** The key lies in `bytes` from `keyStart` up to `keyEnd`. */
  bytes: Uint8Array = new Uint8Array();
  keyStart = 0;
  keyEnd = 0;
  /** The value lies in `valueBytes`, which may be the same, from `valueStart` on. */
  valueBytes: Uint8Array = new Uint8Array();
  valueStart = 0;
  valueSize = 0;

  constructor(pages: LmdbPages) {
    this.#pages = pages;
    this.#limit = pages.pageSize - PAGE_HEAD;
    this.#leaf = this.#place(0);
  }

  /** Goes before the range in the table with this record. `next` goes to its rows. @throws EngineError `ENGINE_CORRUPT` */
  begin(record: Uint8Array, { start, end }: KeyRange): void {
    const view = new DataView(record.buffer, record.byteOffset);
    const root =
      view.getUint32(ROOT_AT, true) + view.getUint16(ROOT_AT + 4, true) * 0x1_00_00_00_00;
    this.#end = end;
    this.#depth = 0;
    this.#stop = 0;
    this.#leaf = this.#place(0);
    this.#leaf.count = this.#leaf.index = 0;
    if (root === NO_PAGE) return;
    let page = root;
    for (;;) {
      const place = this.#place(this.#depth);
      this.#pages.open(place, page);
      place.index = this.#search(place, start);
      if (place.isLeaf) break;
      page = this.#below(place);
      this.#descend();
    }
    this.#enter(this.#place(this.#depth));
  }

  /** Goes to the next row. @returns whether there is one @throws EngineError `ENGINE_CORRUPT` */
  next(): boolean {
    let leaf = this.#leaf;
    if (leaf.index >= this.#stop) {
      if (!this.#nextLeaf()) return false;
      leaf = this.#leaf;
    }
    const { bytes, units } = leaf;
    const node = this.#node(leaf, leaf.index++);
    const at = node >> 1;
    const size = (units[at] as number) + (units[at + 1] as number) * 0x1_00_00;
    this.keyStart = node + NODE_HEAD;
    this.keyEnd = this.keyStart + (units[at + KEY_SIZE] as number);
    this.bytes = this.valueBytes = bytes;
    this.valueStart = this.keyEnd;
    this.valueSize = size;
    if (((units[at + NODE_KIND] as number) & IS_FAR) !== 0) this.#readFar();
    else if (this.keyEnd + size > leaf.start + this.#limit + PAGE_HEAD) corrupt();
    return true;
  }

  #place(depth: number): PagePlace {
    return (this.#places[depth] ??= new PagePlace(this.#pages.pageSize));
  }

  #descend(): void {
    if (++this.#depth > MAX_DEPTH) corrupt();
  }

  #nextLeaf(): boolean {
    // What is left of this one lies behind the end.
    while (this.#stop === this.#leaf.count && this.#depth > 0) {
      const above = this.#place(--this.#depth);
      if (++above.index >= above.count) continue;
      for (let page = this.#below(above); ; page = this.#below(this.#place(this.#depth))) {
        this.#descend();
        const place = this.#place(this.#depth);
        this.#pages.open(place, page);
        if (place.count === 0) corrupt();
        if (!place.isLeaf) continue;
        this.#enter(place);
        return place.index < this.#stop;
      }
    }
    return false;
  }

  #enter(leaf: PagePlace): void {
    this.#leaf = leaf;
    const { count } = leaf;
    const isInside = count > 0 && this.#compare(leaf, count - 1, this.#end) < 0;
    this.#stop = isInside ? count : this.#search(leaf, this.#end);
  }

  /** Where a node begins. */
  #node(place: PagePlace, index: number): number {
    const { units, start } = place;
    const offset = units[(start >> 1) + NODES + index] as number;
    // A node begins at an even place, and its head and key are in the page.
    const node = start + PAGE_HEAD + offset;
    const end = offset + NODE_HEAD + (units[(node >> 1) + KEY_SIZE] as number);
    if (offset % 2 !== 0 || !(end <= this.#limit)) corrupt();
    return node;
  }

  /** The page that a branch's present node names. */
  #below(place: PagePlace): number {
    const at = this.#node(place, place.index) >> 1;
    const { units } = place;
    const low = (units[at] as number) + (units[at + 1] as number) * 0x1_00_00;
    return low + (units[at + NODE_KIND] as number) * 0x1_00_00_00_00;
  }

  /** In a leaf the first node that does not come before `key`; in a branch the one that has it below it. */
  #search(place: PagePlace, key: Uint8Array): number {
    // A branch's first node has no key: it is before all.
    let low = place.isLeaf ? 0 : 1;
    let high = place.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      const order = this.#compare(place, middle, key);
      if (order < 0 || (order === 0 && !place.isLeaf)) low = middle + 1;
      else high = middle;
    }
    if (place.isLeaf) return low;
    if (place.count === 0) corrupt();
    return low - 1;
  }

  #compare(place: PagePlace, index: number, key: Uint8Array): number {
    const node = this.#node(place, index);
    const keyAt = node + NODE_HEAD;
    const keyEnd = keyAt + (place.units[(node >> 1) + KEY_SIZE] as number);
    return compareAt(place.bytes, keyAt, keyEnd, key);
  }

  #readFar(): void {
    const { bytes, keyEnd, valueSize } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset + keyEnd);
    const page = view.getUint32(0, true) + view.getUint16(4, true) * 0x1_00_00_00_00;
    this.valueBytes = this.#pages.far(page, valueSize);
    this.valueStart = 0;
  }
}

/** Below 0, 0 or above 0, as the bytes from `start` to `end` compare with the key. */
function compareAt(bytes: Uint8Array, start: number, end: number, key: Uint8Array): number {
  const shared = Math.min(key.length, end - start);
  for (let i = 0; i < shared; i++) {
    const difference = (bytes[start + i] as number) - (key[i] as number);
    if (difference !== 0) return difference;
  }
  return end - start - key.length;
}

function corrupt(): never {
  throw new EngineError("ENGINE_CORRUPT", "a page of the store is not what it should be");
}
