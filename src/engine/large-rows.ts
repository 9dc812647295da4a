import type { LmdbTables } from "./lmdb-tables.ts";
import type { WriteRequest } from "./store.ts";

/** What is smaller lies in pages that a change touches anyway. */
const LARGE_BYTES = 1_024;

/** Of `lmdb`'s statistics; its types leave them out. */
interface TableStats {
  /** Those of values that have pages of their own. */
  readonly overflowPages: number;
}

/** How much is in the entries that writes replace, which is kept with it. Most stores have no large ones to look for. */
export class LargeRows {
  readonly #rowOf: (key: Uint8Array) => Uint8Array | undefined;
  #areThere: boolean;

  constructor({ tree }: LmdbTables, rowOf: (key: Uint8Array) => Uint8Array | undefined) {
    this.#rowOf = rowOf;
    this.#areThere = (tree as unknown as { getStats(): TableStats }).getStats().overflowPages > 0;
  }

  /** Of what the write replaces, where that is large; infinite where that can't be read. To be asked about each write. */
  replacedBy({ key, value }: WriteRequest): number {
    const bytes = this.#areThere ? this.#bytesOf(key) : 0;
    if (value !== undefined && value.length > LARGE_BYTES) this.#areThere = true;
    return bytes > LARGE_BYTES ? bytes : 0;
  }

  #bytesOf(key: Uint8Array): number {
    try {
      return this.#rowOf(key)?.length ?? 0;
    } catch {
      // The transaction will find that, too, and tell who waits for it.
      return Infinity;
    }
  }
}
