/**
 * The last revision that anybody may have been told of before LMDB had committed it, in the data file of the store, for
 * who reads that in place: as a double in the last eight bytes of the first page, of which LMDB itself uses the first
 * half and some 200 bytes of the other.
 *
 * It is written within the transaction that makes the change, before anybody is told, and is infinite from then until
 * right before its commit: more of it may be told of at any moment. So whoever finds a state that is no older reads all
 * that anybody was told of before; who does not has to ask the owner.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

import type { Revision } from "./engine.ts";
import { DATA_FILE } from "./lmdb-file.ts";

const BYTES = 8;

/** Where in the file it is. */
export function toldAt(pageSize: number): number {
  return pageSize - BYTES;
}

/** For the owner of the store. */
export class ToldRevision {
  readonly #file: number;
  readonly #at: number;
  readonly #value: Float64Array = new Float64Array(1);

  constructor(directory: string, pageSize: number) {
    this.#file = openSync(join(directory, DATA_FILE), "r+");
    this.#at = toldAt(pageSize);
  }

  /** To be called within a write transaction of the store. */
  write(revision: Revision): void {
    this.#value[0] = revision;
    writeSync(this.#file, this.#value, 0, BYTES, this.#at);
  }

  close(): void {
    closeSync(this.#file);
  }
}
