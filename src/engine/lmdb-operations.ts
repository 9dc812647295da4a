/** What named writes came to, in two generations as in `OperationMemory`, each a table of the store. */
import type { Clock } from "../base/clock.ts";
import type { WriteResult } from "./engine.ts";
import { operationKey } from "./lmdb-keys.ts";
import { decodeResult, encodeResult } from "./lmdb-records.ts";
import type { LmdbTables } from "./lmdb-tables.ts";
import { OPERATION_MEMORY_MS } from "./operation-memory.ts";

/** What a write came to, and the key of the entry that was written. */
export interface NamedResult {
  readonly key: Uint8Array;
  readonly result: WriteResult;
}

export class LmdbOperations {
  readonly #tables: LmdbTables["operations"];
  readonly #clock: Clock;
  #young: 0 | 1 = 0;
  #since: number;
  /** There is something in the other generation. */
  #hasOld: boolean;

  constructor({ operations }: LmdbTables, clock: Clock) {
    this.#tables = operations;
    this.#clock = clock;
    this.#since = clock.now();
    this.#hasOld = Array.from(operations[1].getKeys({ limit: 1 })).length > 0;
  }

  get(operation: string): WriteResult | undefined {
    const key = operationKey(operation);
    const young = this.#tables[this.#young];
    const old = this.#tables[this.#young === 0 ? 1 : 0];
    const row = young.get(key) ?? (this.#hasOld ? old.get(key) : undefined);
    return row === undefined ? undefined : decodeResult(row);
  }

  /** Within a transaction of the store. */
  put(operation: string, { key, result }: NamedResult): void {
    const row = encodeResult(key, result);
    this.#tables[this.#young].putSync(operationKey(operation), row);
  }

  /** Forgets what is old enough; to be called now and then, outside of transactions. */
  turn(): void {
    const now = this.#clock.now();
    if (now - this.#since < OPERATION_MEMORY_MS) return;
    this.#since = now;
    this.#young = this.#young === 0 ? 1 : 0;
    this.#hasOld = true;
    this.#tables[this.#young].clearSync();
  }
}
