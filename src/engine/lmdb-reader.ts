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
import { treeKey } from "./lmdb-keys.ts";
import { META_KEYS, TREE_BYTE } from "./lmdb-tables.ts";
import { decodeHead, RowInPlace } from "./lmdb-records.ts";
import { PathKeys } from "./path-keys.ts";
import { compareBytes, type KeyRange, keyAfter, PAGE_LIMITS } from "./store.ts";

/** What lmdb gives away of its native part; its types leave it out. */
interface NativePart {
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
  getBinaryFast(key: PathLike | Uint8Array, options: Reading): Uint8Array | undefined;
  getRange(options: Reading & { start: Uint8Array; end: Uint8Array }): Iterable<unknown>;
}

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
        readKey: (source: Uint8Array, start: number, end: number) =>
          keys.read(source, start + 1, end),
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
    const full = this.#scan(pageRange(prefix, after), (row, path) => {
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
    try {
      // Each step reads a row into `#row`.
      for (const _ of this.#tree.getRange({ ...range, transaction: this.#transaction })) {
        const { last } = this.#keys;
        rows++;
        bytes += this.#row.end;
        if (!take(this.#row, last) || rows >= maxRows || bytes >= maxBytes) return last;
      }
      return undefined;
    } finally {
      this.#end();
    }
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

function pageRange(prefix: Path, after: Path | undefined): KeyRange {
  const { start, end } = subtreeRange(prefix);
  const behind = after === undefined ? start : keyAfter(encodePath(after));
  // `after` may lie before the prefix.
  return { start: treeKey(compareBytes(behind, start) > 0 ? behind : start), end: treeKey(end) };
}
