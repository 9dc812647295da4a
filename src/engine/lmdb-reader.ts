/**
 * The store of another process, read in LMDB's map itself. Every read is a transaction of its own that
 * ends with it, so that nothing that happens between two reads can keep old pages from being used again.
 */
import * as lmdb from "lmdb";

import { EngineError } from "../base/errors.ts";
import { Path, type PathElement, type PathLike } from "../wire/path.ts";
import { encodePath, encodePathInto, encodePlainText, subtreeRange } from "../wire/path-key.ts";
import { toPath } from "../wire/path-text.ts";
import { childrenRange } from "./children.ts";
import type { EntryInPlace, ListOptions, Page, Revision } from "./engine.ts";
import type { StoreReader } from "./hub-direct.ts";
import { OF_BYTES, openFolder } from "./lmdb-open.ts";
import { parseReaders, type ReaderSlot } from "./lmdb-readers.ts";
import { treeKey } from "./lmdb-keys.ts";
import { hasMap, MapWindows, type NativeMap } from "./lmdb-map.ts";
import { LmdbPages, RowWalk, TABLE_RECORD_BYTES } from "./lmdb-pages.ts";
import { META_KEYS, TREE_BYTE } from "./lmdb-tables.ts";
import { RowInPlace } from "./entry-row.ts";
import { decodeHead } from "./lmdb-records.ts";
import { PathKeys } from "./path-keys.ts";
import { compareBytes, type KeyRange, keyAfter, PAGE_LIMITS } from "./store.ts";

/** What lmdb gives away of its native part; its types leave it out. */
interface NativePart extends Partial<NativeMap> {
  resetTxn(address: number): void;
}

/** As lmdb has them; its types leave out half. */
interface Transaction {
  readonly address: number;
  done(): void;
}

interface Reading {
  readonly transaction: Transaction;
}

interface Meta {
  get(key: Uint8Array, options: Reading): Uint8Array | undefined;
}

interface Table {
  readonly lastSize: number;
  /** lmdb's native part of it. */
  readonly db: unknown;
  getStats(): { readonly entryCount: number; readonly mapSize: number };
  getBinaryFast(key: PathLike | Uint8Array, options: Reading): Uint8Array | undefined;
}

/** Few enough that what is read stays near the processor until it is looked at. */
const PAGE_ROWS = 500;
/** In LMDB's table of tables, the record of `tree`. */
const TREE_RECORD = Buffer.from("tree\0");

/**
 * Opens the store in `directory` for reading.
 *
 * @throws EngineError `ENGINE_UNAVAILABLE` where it is no store or this `lmdb` can't do it; what LMDB throws
 */
export function openReader(directory: string): StoreReader {
  const native = (lmdb as unknown as { nativeAddon?: Partial<NativePart> }).nativeAddon;
  if (typeof native?.resetTxn !== "function") {
    throw new EngineError("ENGINE_UNAVAILABLE", "this version of lmdb can't end a read by itself");
  }
  return new LmdbReader(directory, native as NativePart);
}

class LmdbReader implements StoreReader {
  readonly #root: lmdb.RootDatabase<Uint8Array, Uint8Array>;
  readonly #tables: Table;
  readonly #tree: Table;
  readonly #meta: Meta;
  readonly #pages: LmdbPages;
  readonly #walk: RowWalk;
  readonly #native: NativePart;
  readonly #transaction: Transaction;
  readonly #keys = new PathKeys();
  /** lmdb's own buffer, into which it copies each row. */
  #rows: Uint8Array = new Uint8Array();
  #rowsOf: Uint8Array | undefined;
  /** Another one of lmdb's, into which keys are written for it. */
  #lastKey: Uint8Array = new Uint8Array();
  /** Where `tree` begins in the state that is read. */
  readonly #record = new Uint8Array(TABLE_RECORD_BYTES);
  /** What a page has already. */
  #pageRows = 0;
  #pageBytes = 0;
  /** What was read last. */
  readonly #row = new RowInPlace();
  readonly #reading: Reading;

  constructor(directory: string, native: NativePart) {
    this.#native = native;
    this.#root = openFolder(directory, { readOnly: true, maxDbs: 16, ...OF_BYTES });
    const tree = this.#root.openDB({
      name: "tree",
      encoding: "binary",
      cache: false,
      // lmdb calls it with its own buffer, so that nothing has to be copied out of another first.
      keyEncoder: { writeKey: this.#writeKey, readKey: () => undefined },
    } as never) as unknown as Table | undefined;
    const meta = this.#root.openDB("meta", OF_BYTES) as unknown as Meta | undefined;
    if (tree === undefined || meta === undefined) {
      void this.#root.close();
      throw new EngineError("ENGINE_UNAVAILABLE", `${directory} holds no store`);
    }
    try {
      this.#pages = new LmdbPages(directory);
    } catch (error) {
      void this.#root.close();
      throw error;
    }
    this.#walk = new RowWalk(this.#pages);
    this.#tables = this.#root as unknown as Table;
    this.#tree = tree;
    this.#meta = meta;
    this.#transaction = this.#root.useReadTransaction() as unknown as Transaction;
    this.#reading = { transaction: this.#transaction };
    this.#end();
    if (!hasMap(native)) return;
    this.#pages.windows = this.#windows(native);
    try {
      this.#tables.getBinaryFast(TREE_RECORD, this.#reading);
      this.#pages.windows.begin();
      this.#pages.findFirst();
    } finally {
      this.#end();
    }
  }

  get store(): string | undefined {
    return this.#metaRow(META_KEYS.store)?.toString();
  }

  get told(): Revision {
    return this.#pages.told;
  }

  get revision(): Revision {
    const row = this.#metaRow(META_KEYS.head);
    return row === undefined ? 0 : decodeHead(row).revision;
  }

  count(): number {
    try {
      return this.#tree.getStats().entryCount;
    } finally {
      this.#root.resetReadTxn();
    }
  }

  get(path: PathLike): EntryInPlace | undefined {
    let row: Uint8Array | undefined;
    try {
      row = this.#tree.getBinaryFast(path, this.#reading);
    } finally {
      this.#end();
    }
    // The row is a copy in lmdb's buffer, where it stays until something else is read.
    if (row === undefined) return undefined;
    return this.#row.be(this.#buffer(row), this.#tree.lastSize, path);
  }

  page<T>(
    prefix: Path,
    { minDepth = 0, maxDepth = Infinity, after }: Omit<ListOptions, "signal">,
    read: (entry: EntryInPlace) => T,
  ): Page<T, Path> {
    const items = roomFor<T>(after);
    let count = 0;
    let last: Path | undefined;
    const least = prefix.length + minDepth;
    const most = prefix.length + maxDepth;
    try {
      this.#begin(pageRange(prefix, after));
      for (let path = this.#next(); path !== undefined; path = this.#next()) {
        if (path.length >= least && path.length <= most) add(items, count++, read(this.#row));
        if (!this.#isFull()) continue;
        last = path;
        break;
      }
    } finally {
      this.#end();
    }
    items.length = count;
    return { items, after: last };
  }

  children<T>(
    path: Path,
    after: PathElement | undefined,
    read: (name: PathElement, entry: EntryInPlace | undefined) => T,
  ): Page<T, PathElement> {
    const items = roomFor<T>(after);
    let count = 0;
    let lastName: PathElement | undefined;
    const { start, end } = childrenRange(path);
    const depth = path.length + 1;
    let position = after === undefined ? start : subtreeRange(path.append(after)).end;
    let last: Path | undefined;
    try {
      this.#begin({ start: treeKey(position), end: treeKey(end) });
      for (let at = this.#next(); at !== undefined; at = this.#next()) {
        const name = at[path.length] as PathElement;
        if (at.length === depth) {
          add(items, count++, read(name, this.#row));
          last = at;
        } else {
          if (last?.contains(at) !== true) {
            last = path.append(name);
            add(items, count++, read(name, undefined));
          }
          // What is below a child is passed over as a whole.
          position = subtreeRange(last).end;
          this.#walk.begin(this.#record, { start: treeKey(position), end: treeKey(end) });
        }
        if (!this.#isFull()) continue;
        lastName = name;
        break;
      }
    } finally {
      this.#end();
    }
    items.length = count;
    return { items, after: lastName };
  }

  readers(): ReaderSlot[] {
    return parseReaders(this.#root.readerList());
  }

  async close(): Promise<void> {
    this.#pages[Symbol.dispose]();
    this.#transaction.done();
    await this.#root.close();
  }

  /** Begins a page of a range: `next` goes to its rows. */
  #begin(range: KeyRange): void {
    const record = this.#tables.getBinaryFast(TREE_RECORD, this.#reading);
    if (record === undefined) throw new EngineError("ENGINE_CORRUPT", "the store has no table");
    this.#record.set(record.subarray(0, TABLE_RECORD_BYTES));
    this.#pages.windows?.begin();
    this.#walk.begin(this.#record, range);
    this.#pageRows = 0;
    this.#pageBytes = 0;
  }

  /** Goes to the next row, which is valid until the next read. @returns its path */
  #next(): Path | undefined {
    const walk = this.#walk;
    if (!walk.next()) return undefined;
    const path = this.#keys.read(walk.bytes, walk.keyStart + 1, walk.keyEnd);
    this.#row.be(walk.valueBytes, walk.valueSize, path, walk.valueStart);
    this.#pageRows++;
    this.#pageBytes += walk.valueSize;
    return path;
  }

  /** Whether a page has no room for more. */
  #isFull(): boolean {
    return this.#pageRows >= PAGE_ROWS || this.#pageBytes >= PAGE_LIMITS.bytes;
  }

  #windows(native: NativeMap): MapWindows {
    // lmdb has a buffer for keys, and shows it where it has one written.
    this.get(Path.root);
    return new MapWindows({
      native,
      pageSize: this.#pages.pageSize,
      table: this.#tables.db,
      transaction: this.#transaction.address,
      key: TREE_RECORD,
      keys: this.#lastKey,
      fileSize: () => this.#pages.size,
      mapSize: () => {
        const { mapSize } = this.#tables.getStats();
        this.#root.resetReadTxn();
        return mapSize;
      },
    });
  }

  readonly #writeKey = (key: PathLike | Uint8Array, target: Uint8Array, at: number): number => {
    this.#lastKey = target;
    return writeKey(key, target, at);
  };

  #metaRow(key: Uint8Array): Buffer | undefined {
    try {
      const row = this.#meta.get(key, { transaction: this.#transaction });
      return row === undefined ? undefined : Buffer.from(row);
    } finally {
      this.#end();
    }
  }

  /** All of lmdb's buffer, whose own length is that of the last row. */
  #buffer(row: Uint8Array): Uint8Array {
    if (this.#rowsOf !== row) {
      this.#rowsOf = row;
      this.#rows = new Uint8Array(row.buffer, row.byteOffset);
    }
    return this.#rows;
  }

  #end(): void {
    this.#native.resetTxn(this.#transaction.address);
  }
}

/** Where one page was full, the next is mostly, too: room that has to grow costs more than what is left over. */
function roomFor<T>(after: unknown): T[] {
  const items: T[] = [];
  if (after !== undefined) items.length = PAGE_ROWS;
  return items;
}

/** Growing happens at a place of its own, so that V8 knows the other by heart. */
function add<T>(items: T[], at: number, item: T): void {
  if (at < items.length) items[at] = item;
  else items.push(item);
}

function writeKey(key: PathLike | Uint8Array, target: Uint8Array, at: number): number {
  if (key instanceof Uint8Array) {
    target.set(key, at);
    return at + key.length;
  }
  target[at] = TREE_BYTE;
  const end = typeof key === "string" ? encodePlainText(key, target, at + 1) : -1;
  return end < 0 ? encodePathInto(toPath(key), target, at + 1) : end;
}

function pageRange(prefix: Path, after: Path | undefined): KeyRange {
  const { start, end } = subtreeRange(prefix);
  const behind = after === undefined ? start : keyAfter(encodePath(after));
  // `after` may lie before the prefix.
  return { start: treeKey(compareBytes(behind, start) > 0 ? behind : start), end: treeKey(end) };
}
