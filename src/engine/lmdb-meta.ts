/**
 * LMDB's two heads, as `MDB_meta` in its mdb.c lays them out: each names a tree of pages and the
 * transaction that made it. LMDB goes on from the newer one.
 */
import type { FileHandle } from "node:fs/promises";

const MAGIC = 0xbeefc0de;
const AT = { magic: 24, pageSize: 48, lastPage: 144, transaction: 152 } as const;
/** Where in its page a head says which transaction made it. */
export const TRANSACTION_AT: number = AT.transaction;
/** Where it says which page is the last one; the transaction comes right behind it. */
export const LAST_PAGE_AT: number = AT.lastPage;
/** What a head needs of its page: from the magic to the transaction. */
const FROM = AT.magic;
const TO = AT.transaction + 8;

export interface LmdbMeta {
  readonly pageSize: number;
  readonly lastPage: number;
  readonly transaction: number;
  /** The head without its page's own header. */
  readonly bytes: Uint8Array;
}

/** Reads `length` bytes at `offset`; fewer at the end of the file. */
export type ReadAt = (offset: number, length: number) => Uint8Array;

/** The head that LMDB would take; undefined where neither is whole. */
export function newestMeta(read: ReadAt): LmdbMeta | undefined {
  const [first, second] = bothMetas(read);
  if (first === undefined || second === undefined) return first ?? second;
  return second.transaction > first.transaction ? second : first;
}

/** Whether there are two heads, as in every file that LMDB has written: with one it may end the process. */
export function hasBothMetas(read: ReadAt): boolean {
  return bothMetas(read).every((meta) => meta !== undefined);
}

function bothMetas(read: ReadAt): (LmdbMeta | undefined)[] {
  const first = metaIn(read(0, TO));
  return [first, metaIn(read(first?.pageSize ?? 4096, TO))];
}

/**
 * Makes `meta` the only head there is: the pages that newer ones name may hold anything. Each
 * transaction has its page by the last bit of its number, so the other page gets the number before.
 */
export async function writeMetas(file: FileHandle, meta: LmdbMeta): Promise<void> {
  for (const transaction of [meta.transaction, meta.transaction - 1]) {
    const bytes = Buffer.from(meta.bytes);
    bytes.writeBigUInt64LE(BigInt(transaction), AT.transaction - FROM);
    await file.write(bytes, 0, bytes.length, (transaction & 1) * meta.pageSize + FROM);
  }
  await file.datasync();
}

/** What `LmdbMeta.bytes` say. */
export function metaOf(bytes: Uint8Array): LmdbMeta | undefined {
  return metaIn(Buffer.concat([Buffer.alloc(FROM), bytes]));
}

function metaIn(bytes: Uint8Array): LmdbMeta | undefined {
  const page = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (page.length < TO || page.readUInt32LE(AT.magic) !== MAGIC) return undefined;
  return {
    pageSize: page.readUInt32LE(AT.pageSize),
    lastPage: Number(page.readBigUInt64LE(AT.lastPage)),
    transaction: Number(page.readBigUInt64LE(AT.transaction)),
    bytes: new Uint8Array(page.subarray(FROM, TO)),
  };
}
