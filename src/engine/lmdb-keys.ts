/** The keys of the LMDB engine's tables. A change here is a new format: see `lmdb-file.ts`. */
import type { Revision } from "./engine.ts";
import { TREE_BYTE } from "./lmdb-tables.ts";

/** The key of a change in `log`: the order of bytes is the order of revisions. */
export function revisionKey(revision: Revision): Uint8Array {
  const key = new Uint8Array(8);
  const high = Math.floor(revision / 2 ** 32);
  // By hand: it is made several times a write, and a view costs more than the key.
  for (let i = 0; i < 4; i++) {
    key[i] = high >>> (24 - 8 * i);
    key[4 + i] = revision >>> (24 - 8 * i);
  }
  return key;
}

/** The key of an entry in `tree`: behind a byte, for LMDB takes none that is empty. */
export function treeKey(key: Uint8Array): Uint8Array {
  const row = new Uint8Array(key.length + 1);
  row[0] = TREE_BYTE;
  row.set(key, 1);
  return row;
}

/** Any text is a key: behind a byte, for LMDB takes none that is empty. */
export function operationKey(operation: string): Uint8Array {
  return Buffer.from(`:${operation}`);
}

/** The path's part of a key in `tree`. */
export function pathKey(row: Uint8Array): Uint8Array {
  return new Uint8Array(row.buffer, row.byteOffset + 1, row.length - 1);
}

/** A range of paths, in `tree`. */
export function treeRange(
  start: Uint8Array,
  end: Uint8Array,
): { start: Uint8Array; end: Uint8Array } {
  return { start: treeKey(start), end: treeKey(end) };
}

/** What `revisionKey` was made of. */
export function revisionOf(key: Uint8Array): Revision {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  return view.getUint32(0) * 2 ** 32 + view.getUint32(4);
}
