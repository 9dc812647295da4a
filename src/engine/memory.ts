import { type Clock, systemClock } from "../base/clock.ts";
import { randomId } from "../base/ids.ts";
import type { EngineEntry, EngineLimits, EngineSupports, Revision, WriteResult } from "./engine.ts";
import { encodeEntry } from "./entry-row.ts";
import { MemoryHistory } from "./history-memory.ts";
import { LocalEngine } from "./local-engine.ts";
import { OperationMemory } from "./operation-memory.ts";
import { ownBytes } from "./own-bytes.ts";
import {
  type Change,
  changeOf,
  checkWrite,
  compareBytes,
  type KeyRange,
  PAGE_LIMITS,
  type PageLimits,
  type Store,
  type StoreListener,
  type StorePage,
  type WriteRequest,
} from "./store.ts";

export interface MemoryEngineOptions {
  /** Changes that are kept for watches to resume by. Default 100,000. */
  readonly history?: number;
  /** How old they may be. Default a week. */
  readonly historyMs?: number;
  readonly clock?: Clock;
  readonly limits?: Partial<EngineLimits>;
}

/** The model of all engines, and the whole of `memory:`. What it keeps dies with the process. */
export class MemoryEngine extends LocalEngine {
  constructor(options: MemoryEngineOptions = {}) {
    super(new MemoryStore(options), options.limits);
  }
}

interface Row {
  readonly key: Uint8Array;
  readonly entry: EngineEntry;
}

class MemoryStore implements Store {
  readonly label = "memory:";
  readonly supports: EngineSupports = { condition: true, durable: false, shared: false };
  readonly id = randomId();
  readonly #clock: Clock;
  readonly #history: number;
  readonly #historyMs: number;
  readonly history: MemoryHistory;
  readonly #operations: OperationMemory<WriteResult>;
  /** In the order of keys. */
  readonly #rows: Row[] = [];
  /** The change of revision n is at n - 1 - #forgotten. */
  #log: Change[] = [];
  #forgotten = 0;
  /** So many of the log are too old. */
  #aged = 0;
  #listener: StoreListener | undefined;

  constructor({
    history = 100_000,
    historyMs = 7 * 24 * 60 * 60 * 1_000,
    clock = systemClock,
  }: MemoryEngineOptions) {
    this.#historyMs = historyMs;
    this.#clock = clock;
    this.#history = history;
    this.history = new MemoryHistory(clock);
    this.#operations = new OperationMemory({ clock });
  }

  get revision(): Revision {
    return this.#forgotten + this.#log.length;
  }

  listen(listener: StoreListener): void {
    this.#listener = listener;
  }

  get(key: Uint8Array): EngineEntry | undefined {
    const row = this.#rows[this.#indexOf(key)];
    return row !== undefined && compareBytes(row.key, key) === 0 ? row.entry : undefined;
  }

  row(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
    const entry = this.get(bytes.subarray(start, end));
    return entry && encodeEntry(entry);
  }

  page({ start, end }: KeyRange, limits: PageLimits = PAGE_LIMITS): StorePage {
    const entries: EngineEntry[] = [];
    let bytes = 0;
    let index = this.#indexOf(start);
    let row = this.#rows[index];
    while (row !== undefined && compareBytes(row.key, end) < 0) {
      if (entries.length >= limits.entries || bytes >= limits.bytes) {
        return { entries, next: row.key, revision: this.revision };
      }
      entries.push(row.entry);
      bytes += row.entry.value.length;
      row = this.#rows[++index];
    }
    return { entries, next: undefined, revision: this.revision };
  }

  firstKey({ start, end }: KeyRange): Uint8Array | undefined {
    const key = this.#rows[this.#indexOf(start)]?.key;
    return key !== undefined && compareBytes(key, end) < 0 ? key : undefined;
  }

  changes(after: Revision, limit: number): readonly Change[] | undefined {
    const oldest = Math.max(this.#forgotten + this.#aged, this.revision - this.#history);
    if (after < oldest) return undefined;
    const from = after - this.#forgotten;
    return this.#log.slice(from, from + limit);
  }

  async write(given: WriteRequest): Promise<WriteResult> {
    const request = ofItsOwn(given);
    const { key, condition, operation, value } = request;
    const before = operation === undefined ? undefined : this.#operations.get(operation);
    if (before !== undefined) return before;
    const previous = this.get(key);
    const other = condition === undefined ? 0 : (this.get(condition.key)?.revision ?? 0);
    checkWrite(request, previous?.revision ?? 0, other);
    const changed = value !== undefined || previous !== undefined;
    const revision = changed ? this.revision + 1 : this.revision;
    const result: WriteResult = { revision, previous };
    if (operation !== undefined) this.#operations.set(operation, result);
    if (changed) {
      const change = changeOf(request, revision, this.#clock.wall());
      this.history.record(change, previous);
      this.#apply(change);
    }
    return result;
  }

  async close(): Promise<void> {
    this.#rows.length = 0;
    this.#log = [];
  }

  #apply(change: Change): void {
    const { key, event } = change;
    const index = this.#indexOf(key);
    const row = this.#rows[index];
    const replaced = row !== undefined && compareBytes(row.key, key) === 0 ? 1 : 0;
    if (event.type === "delete") this.#rows.splice(index, replaced);
    else if (replaced === 1) this.#rows[index] = { key, entry: event.entry };
    else this.#rows.splice(index, 0, { key, entry: event.entry });
    this.#log.push(change);
    const oldest = change.event.entry.time - this.#historyMs;
    while ((this.#log[this.#aged]?.event.entry.time ?? Infinity) < oldest) this.#aged++;
    // Twice the history is kept before the older half goes, so that a write costs the same always.
    if (this.#log.length >= 2 * this.#history || this.#aged > this.#log.length / 2) {
      const surplus = Math.max(this.#log.length - this.#history, this.#aged);
      this.#aged = 0;
      this.#log = this.#log.slice(surplus);
      this.#forgotten += surplus;
    }
    this.#listener?.announce([change]);
  }

  /** The index of the first row whose key is not before `key`. */
  #indexOf(key: Uint8Array): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes((this.#rows[middle] as Row).key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function ofItsOwn(request: WriteRequest): WriteRequest {
  const { value } = request;
  return value === undefined ? request : { ...request, value: ownBytes(value) };
}
