/** What writes came to whose callers named them, in two generations as in `OperationMemory`, each a table of the store. */
import type { Clock } from "../base/clock.ts";
import type { WriteResult } from "./engine.ts";
import { operationKey } from "./lmdb-keys.ts";
import { decodeResult, encodeResult } from "./lmdb-records.ts";
import type { LmdbTables } from "./lmdb-tables.ts";
import { OPERATION_MEMORY_MS } from "./operation-memory.ts";

export class LmdbOperations {
  readonly #tables: LmdbTables["operations"];
  readonly #clock: Clock;
  #young: 0 | 1 = 0;
  #since: number;

  constructor({ operations }: LmdbTables, clock: Clock) {
    this.#tables = operations;
    this.#clock = clock;
    this.#since = clock.now();
  }

  get(operation: string): WriteResult | undefined {
    const key = operationKey(operation);
    const row = this.#tables[this.#young].get(key) ?? this.#tables[this.#old].get(key);
    return row === undefined ? undefined : decodeResult(row);
  }

  /** Within a transaction of the store; `key` is that of the entry that was written. */
  put(operation: string, key: Uint8Array, result: WriteResult): void {
    this.#tables[this.#young].putSync(operationKey(operation), encodeResult(key, result));
  }

  /** Forgets what is old enough; to be called now and then, within a transaction of the store. */
  turn(): void {
    const now = this.#clock.now();
    if (now - this.#since < OPERATION_MEMORY_MS) return;
    this.#since = now;
    this.#young = this.#old;
    this.#tables[this.#young].clearSync();
  }

  get #old(): 0 | 1 {
    return this.#young === 0 ? 1 : 0;
  }
}
