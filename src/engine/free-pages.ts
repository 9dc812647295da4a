/**
 * The pages of a store that LMDB may use again, as its table of free pages has them: a row for each transaction
 * that gave some up, a number of entries and the entries, eight bytes each. An entry is a page; one below zero
 * is how many lie together, and the first of them is the next entry; zero is a gap.
 */
import { LmdbPages, RowWalk, TABLE_RECORD_BYTES } from "./lmdb-pages.ts";

const ENTRY_BYTES = 8;
/** Behind all keys, which are numbers of transactions. */
const END = new Uint8Array(ENTRY_BYTES + 1).fill(0xff);
const START = new Uint8Array();
/** Of `LmdbMeta.bytes`: where the first table's record lies. */
const RECORD_AT = 24;

/** What can be used of a store that has no room to grow. */
export class FreePages {
  readonly pageSize: number;
  /** How long each piece is, in pages. */
  readonly #pieces: readonly number[];

  constructor(pageSize: number, pieces: readonly number[]) {
    this.pageSize = pageSize;
    this.#pieces = pieces;
  }

  /** Bytes in all of them. */
  get bytes(): number {
    return this.pageSize * this.#pieces.reduce((sum, piece) => sum + piece, 0);
  }

  /** Bytes in pieces that hold so much, as often as they do. */
  bytesIn(size: number): number {
    const pages = Math.ceil(size / this.pageSize);
    let found = 0;
    for (const piece of this.#pieces) found += Math.floor(piece / pages) * pages;
    return found * this.pageSize;
  }
}

/**
 * Reads what is free for who commits next. No other transaction may be under way.
 *
 * @param oldest the oldest transaction that anybody reads: what was given up by it or later is still read
 * @throws EngineError `ENGINE_CORRUPT`; what reading throws
 */
export function readFreePages(directory: string, oldest: number): FreePages {
  using pages = new LmdbPages(directory);
  const head = pages.head();
  const walk = new RowWalk(pages);
  const starts: number[] = [];
  const lengths = new Map<number, number>();
  walk.begin(head.subarray(RECORD_AT, RECORD_AT + TABLE_RECORD_BYTES), { start: START, end: END });
  while (walk.next()) {
    const key = new DataView(walk.bytes.buffer, walk.bytes.byteOffset + walk.keyStart);
    if (Number(key.getBigUint64(0, true)) >= oldest) continue;
    const { valueBytes, valueStart } = walk;
    const view = new DataView(valueBytes.buffer, valueBytes.byteOffset + valueStart);
    const count = Number(view.getBigUint64(0, true));
    for (let i = 1; i <= count; i++) {
      const entry = Number(view.getBigInt64(i * ENTRY_BYTES, true));
      const first = entry < 0 ? Number(view.getBigInt64(++i * ENTRY_BYTES, true)) : entry;
      if (first === 0) continue;
      starts.push(first);
      lengths.set(first, entry < 0 ? -entry : 1);
    }
  }
  return new FreePages(pages.pageSize, joined(starts, lengths));
}

/** Pieces that lie side by side are one. */
function joined(starts: number[], lengths: ReadonlyMap<number, number>): number[] {
  const pieces: number[] = [];
  let end = -1;
  for (const start of starts.toSorted((a, b) => a - b)) {
    const length = lengths.get(start) ?? 0;
    if (start === end) pieces.push((pieces.pop() ?? 0) + length);
    else pieces.push(length);
    end = start + length;
  }
  return pieces;
}
