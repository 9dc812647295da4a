/** What named writes came to, in two generations as in `OperationMemory`, each a table of the store. */
import type { Clock } from "../base/clock.ts";
import type { WriteResult } from "./engine.ts";
import { operationKey } from "./lmdb-keys.ts";
import { decodeResult, encodeResult } from "./lmdb-records.ts";
import type { LmdbTables } from "./lmdb-tables.ts";
import { OPERATION_MEMORY_MS } from "./operation-memory.ts";
import { hashOf } from "./recent-names.ts";

/** What a write came to, and the key of the entry that was written. */
export interface NamedResult {
  readonly key: Uint8Array;
  readonly result: WriteResult;
}

/** Bits by which most names that are in no table are known: one in eight is looked up at 140,000 names. */
const FILTER_BITS = 2 ** 20;

export class LmdbOperations {
  readonly #tables: LmdbTables["operations"];
  /** Of each table; none where there was something in it when the store was opened. */
  readonly #filters: [Uint32Array | undefined, Uint32Array | undefined];
  readonly #clock: Clock;
  #young: 0 | 1 = 0;
  #since: number;

  constructor({ operations }: LmdbTables, clock: Clock) {
    this.#tables = operations;
    this.#clock = clock;
    this.#since = clock.now();
    const filterOf = (table: 0 | 1): Uint32Array | undefined => {
      for (const _ of operations[table].getKeys({ limit: 1 })) return undefined;
      return newFilter();
    };
    this.#filters = [filterOf(0), filterOf(1)];
  }

  get(operation: string): WriteResult | undefined {
    const hash = hashOf(operation);
    const old = this.#young === 0 ? 1 : 0;
    const row = this.#row(this.#young, hash, operation) ?? this.#row(old, hash, operation);
    return row === undefined ? undefined : decodeResult(row);
  }

  /** Within a transaction of the store. */
  put(operation: string, { key, result }: NamedResult): void {
    const row = encodeResult(key, result);
    this.#tables[this.#young].putSync(operationKey(operation), row);
    const bit = bitOf(hashOf(operation));
    const filter = this.#filters[this.#young];
    if (filter !== undefined) filter[bit >>> 5] = (filter[bit >>> 5] as number) | (1 << (bit & 31));
  }

  /** Forgets what is old enough; to be called now and then, within a transaction of the store. */
  turn(): void {
    const now = this.#clock.now();
    if (now - this.#since < OPERATION_MEMORY_MS) return;
    this.#since = now;
    this.#young = this.#young === 0 ? 1 : 0;
    this.#tables[this.#young].clearSync();
    this.#filters[this.#young] = newFilter();
  }

  #row(table: 0 | 1, hash: number, operation: string): Uint8Array | undefined {
    const bit = bitOf(hash);
    const filter = this.#filters[table];
    if (filter !== undefined && ((filter[bit >>> 5] as number) & (1 << (bit & 31))) === 0) {
      return undefined;
    }
    return this.#tables[table].get(operationKey(operation));
  }
}

function newFilter(): Uint32Array {
  return new Uint32Array(FILTER_BITS / 32);
}

function bitOf(hash: number): number {
  return hash & (FILTER_BITS - 1);
}
