/**
 * The store of another process, read in LMDB's map itself. Every read is a transaction of its own that
 * ends with it, so that nothing that happens between two reads can keep old pages from being used again.
 */
import * as lmdb from "lmdb";

import { EngineError } from "../base/errors.ts";
import type { Path, PathElement, PathLike } from "../wire/path.ts";
import { encodePath, encodePathInto, encodePlainText, subtreeRange } from "../wire/path-key.ts";
import { toPath } from "../wire/path-text.ts";
import { childrenRange } from "./children.ts";
import type { EntryInPlace, ListOptions, Page, Revision } from "./engine.ts";
import type { StoreReader } from "./hub-direct.ts";
import { parseReaders, type ReaderSlot } from "./lmdb-readers.ts";
import { hasCursors, KEY_AT, type NativeCursors, RowCursor } from "./lmdb-cursor.ts";
import { treeKey } from "./lmdb-keys.ts";
import { META_KEYS, TREE_BYTE } from "./lmdb-tables.ts";
import { RowInPlace } from "./entry-row.ts";
import { decodeHead } from "./lmdb-records.ts";
import { PathKeys } from "./path-keys.ts";
import { compareBytes, type KeyRange, keyAfter, PAGE_LIMITS } from "./store.ts";

/** What lmdb gives away of its native part; its types leave it out. */
interface NativePart extends NativeCursors {
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
  getStats(): { readonly entryCount: number };
  getBinaryFast(key: PathLike | Uint8Array, options: Reading): Uint8Array | undefined;
  getRange(
    options: Reading & { start: Uint8Array; end: Uint8Array; limit: number },
  ): Iterable<unknown>;
}

/**
 * Opens the store in `directory` for reading.
 *
 * @throws EngineError `ENGINE_UNAVAILABLE` where it is no store or this `lmdb` can't do it; what LMDB throws
 */
export function openReader(directory: string): StoreReader {
  const native = (lmdb as unknown as { nativeAddon?: Partial<NativePart> }).nativeAddon;
  if (typeof native?.resetTxn !== "function" || !hasCursors(native)) {
    throw new EngineError("ENGINE_UNAVAILABLE", "this version of lmdb can't end a read by itself");
  }
  return new LmdbReader(directory, native as NativePart);
}

/** Gets a row that is valid until it returns, and its path; says whether it wants the next. */
type TakeRow = (row: EntryInPlace, path: Path) => boolean;

class LmdbReader implements StoreReader {
  readonly #root: lmdb.RootDatabase<Uint8Array, Uint8Array>;
  readonly #tree: Table;
  readonly #meta: Meta;
  readonly #native: NativePart;
  readonly #transaction: Transaction;
  readonly #keys = new PathKeys();
  /** lmdb's own buffer, into which it copies each row. */
  #rows: Uint8Array = new Uint8Array();
  #rowsOf: Uint8Array | undefined;
  /** Another one of lmdb's, where it says what the last row was. */
  #lastKey: Uint8Array = new Uint8Array();
  /** What lmdb has just read. */
  readonly #row = new RowInPlace();
  readonly #reading: Reading;

  constructor(directory: string, native: NativePart) {
    const bytes = { encoding: "binary", keyEncoding: "binary", cache: false } as const;
    this.#native = native;
    this.#root = lmdb.open<Uint8Array, Uint8Array>({
      path: directory,
      readOnly: true,
      noSubdir: false,
      maxDbs: 16,
      ...bytes,
    });
    const keys = this.#keys;
    const tree = this.#root.openDB({
      name: "tree",
      cache: false,
      // lmdb calls these with its own buffers, so that nothing has to be copied out of them first.
      encoder: {
        encode: () => Buffer.alloc(0),
        decode: (row: Uint8Array, size: number) => this.#decode(row, size),
      },
      keyEncoder: {
        writeKey,
        readKey: (source: Uint8Array, start: number, end: number) => {
          this.#lastKey = source;
          keys.read(source, start + 1, end);
        },
      },
    } as never) as unknown as Table | undefined;
    const meta = this.#root.openDB("meta", bytes) as unknown as Meta | undefined;
    if (tree === undefined || meta === undefined) {
      void this.#root.close();
      throw new EngineError("ENGINE_UNAVAILABLE", `${directory} holds no store`);
    }
    this.#tree = tree;
    this.#meta = meta;
    this.#transaction = this.#root.useReadTransaction() as unknown as Transaction;
    this.#reading = { transaction: this.#transaction };
    this.#end();
  }

  get store(): string | undefined {
    return this.#metaRow(META_KEYS.store)?.toString();
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
    const items: T[] = [];
    const isAll = minDepth === 0 && maxDepth === Infinity;
    const full = this.#scan(pageRange(prefix, after), (row, path) => {
      if (isAll) {
        items.push(read(row));
        return true;
      }
      const depth = path.length - prefix.length;
      if (depth >= minDepth && depth <= maxDepth) items.push(read(row));
      return true;
    });
    return { items, after: full };
  }

  children<T>(
    path: Path,
    after: PathElement | undefined,
    read: (name: PathElement, entry: EntryInPlace | undefined) => T,
  ): Page<T, PathElement> {
    const items: T[] = [];
    const { start, end } = childrenRange(path);
    let position = after === undefined ? start : subtreeRange(path.append(after)).end;
    let last: Path | undefined;
    while (items.length < PAGE_LIMITS.entries) {
      let below = false;
      const full = this.#scan({ start: treeKey(position), end: treeKey(end) }, (row, at) => {
        const name = at[path.length] as PathElement;
        below = at.length > path.length + 1;
        if (!below) {
          items.push(read(name, row));
          last = at;
        } else if (last?.contains(at) !== true) {
          last = path.append(name);
          items.push(read(name, undefined));
        }
        // What is below a child is passed over as a whole.
        return !below;
      });
      if (!below && full === undefined) return { items, after: undefined };
      position = subtreeRange(last ?? path).end;
      if (!below) break;
    }
    return { items, after: last?.at(-1) };
  }

  readers(): ReaderSlot[] {
    return parseReaders(this.#root.readerList());
  }

  async close(): Promise<void> {
    this.#transaction.done();
    await this.#root.close();
  }

  /**
   * Gives `take` the rows of the range, as many as a page has, as long as it wants more.
   *
   * @returns the path of the last row where there may be more
   */
  #scan(range: KeyRange, take: TakeRow): Path | undefined {
    let rows = 0;
    let bytes = 0;
    const { entries: maxRows, bytes: maxBytes } = PAGE_LIMITS;
    const counted: TakeRow = (row, path) => {
      rows++;
      bytes += row.end;
      return take(row, path) && rows < maxRows && bytes < maxBytes;
    };
    try {
      // lmdb gives the first row, and with it the places of all that fit into its buffers.
      let more: boolean | undefined;
      for (const _ of this.#tree.getRange({ ...range, limit: 1, transaction: this.#transaction })) {
        more = counted(this.#row, this.#keys.last);
      }
      if (more === undefined) return undefined;
      return more && this.#scanRest(range.end, counted) ? undefined : this.#keys.last;
    } finally {
      this.#end();
    }
  }

  /**
   * Gives `take` the rows behind the last one, without all that lmdb makes for each.
   *
   * @returns whether that is the end of the range. Where it is not, one was not wanted, or is too large.
   */
  #scanRest(end: Uint8Array, take: TakeRow): boolean {
    const source = this.#lastKey;
    const keys = this.#keys;
    const row = this.#row;
    const values = this.#rows;
    using cursor = new RowCursor(this.#native, this.#tree.db, this.#transaction.address, source);
    // Between a byte of ours and the end of the range's own.
    const prefixBytes = end.length - 2;
    let keyEnd = cursor.after(treeKey(encodePath(keys.last)));
    for (; keyEnd > 0; keyEnd = cursor.next()) {
      const { size } = cursor;
      // Not in lmdb's buffer: as the first row of the next page, lmdb itself gets it.
      if (size > values.length) return false;
      const path = keys.read(source, KEY_AT + 1, keyEnd);
      // Siblings have all that lies above them in common.
      const isWithin = keys.isSibling && keys.shared >= prefixBytes;
      if (!isWithin && !isBefore(source, KEY_AT, keyEnd, end)) return true;
      if (!take(row.be(values, size, path), path)) return false;
    }
    return true;
  }

  #decode(row: Uint8Array, size: number): void {
    this.#row.be(this.#buffer(row), size, this.#keys.last);
  }

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

function writeKey(key: PathLike | Uint8Array, target: Uint8Array, at: number): number {
  if (key instanceof Uint8Array) {
    target.set(key, at);
    return at + key.length;
  }
  target[at] = TREE_BYTE;
  const end = typeof key === "string" ? encodePlainText(key, target, at + 1) : -1;
  return end < 0 ? encodePathInto(toPath(key), target, at + 1) : end;
}

/** Whether the key from `start` to `keyEnd` comes before the key `end`. */
function isBefore(source: Uint8Array, start: number, keyEnd: number, end: Uint8Array): boolean {
  const shared = Math.min(end.length, keyEnd - start);
  for (let i = 0; i < shared; i++) {
    const difference = (source[start + i] as number) - (end[i] as number);
    if (difference !== 0) return difference < 0;
  }
  return keyEnd - start < end.length;
}

function pageRange(prefix: Path, after: Path | undefined): KeyRange {
  const { start, end } = subtreeRange(prefix);
  const behind = after === undefined ? start : keyAfter(encodePath(after));
  // `after` may lie before the prefix.
  return { start: treeKey(compareBytes(behind, start) > 0 ? behind : start), end: treeKey(end) };
}
