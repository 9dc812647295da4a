/** Entries of a range, as they lie in LMDB. */
import type { EngineEntry } from "./engine.ts";
import { decodeEntry } from "./entry-row.ts";
import { pathKey, treeRange } from "./lmdb-keys.ts";
import type { LmdbTables } from "./lmdb-tables.ts";
import type { KeyRange, PageLimits, StorePage } from "./store.ts";

/** The first of them, as many as make a page. */
export function readPage(
  { tree }: LmdbTables,
  { start, end }: KeyRange,
  limits: PageLimits,
): Omit<StorePage, "revision"> {
  const entries: EngineEntry[] = [];
  let bytes = 0;
  for (const { key, value } of tree.getRange(treeRange(start, end))) {
    if (entries.length >= limits.entries || bytes >= limits.bytes) {
      return { entries, next: pathKey(key) };
    }
    entries.push(decodeEntry(pathKey(key), value));
    bytes += value.length;
  }
  return { entries, next: undefined };
}

export function readFirstKey(
  { tree }: LmdbTables,
  { start, end }: KeyRange,
): Uint8Array | undefined {
  for (const key of tree.getKeys({ ...treeRange(start, end), limit: 1 })) return pathKey(key);
  return undefined;
}
