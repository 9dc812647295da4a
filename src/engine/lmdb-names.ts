/**
 * What became of named writes, for who sends one again. A name that a caller gave is looked for each time, and is in
 * a table for two minutes. One that was drawn for a single write is in the log with its change, and nowhere
 * else: nobody asks for it before it is sent again, which is when contact was lost.
 */
import type { Clock } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import type { Revision, WriteResult } from "./engine.ts";
import { entryOf } from "./entry-row.ts";
import type { LmdbLog } from "./lmdb-log.ts";
import { LmdbOperations } from "./lmdb-operations.ts";
import { decodeChange, type Head } from "./lmdb-records.ts";
import type { LmdbTables } from "./lmdb-tables.ts";
import type { LogRecord } from "./log-row.ts";
import { OperationMemory } from "./operation-memory.ts";
import type { WriteRequest } from "./store.ts";

/** What a write came to; one of the two. */
export interface Ended {
  readonly result?: WriteResult | undefined;
  readonly error?: unknown;
}

/** So many changes before the one that is asked for are looked at as well: who asks next may know less. */
const LOOK_BACK = 4_096;
/** So many names are remembered of those that were in the log when one was asked for. */
const MOST_NAMES = 200_000;

export class LmdbNames {
  readonly #log: LmdbLog;
  readonly #operations: LmdbOperations;
  /** Of drawn names that were sent again. What was sent first may come behind that, out of a connection that was given up. */
  readonly #again: OperationMemory<Ended>;
  #wasAsked = false;
  /** Those of `#again` that the transaction has set which is under way. */
  #uncertain: string[] = [];
  /** The names in the log behind `#from`. */
  #inLog = new Map<string, Revision>();
  #from: Revision = Infinity;

  constructor(tables: LmdbTables, log: LmdbLog, clock: Clock) {
    this.#log = log;
    this.#operations = new LmdbOperations(tables, clock);
    this.#again = new OperationMemory({ clock });
  }

  /** To be called in each transaction of the store. */
  turn(): void {
    this.#uncertain = [];
    this.#operations.turn();
  }

  /** The transaction was given up: of what was made in it nothing is there, and it may be sent again. */
  restart(): void {
    for (const operation of this.#uncertain.splice(0)) this.#again.delete(operation);
  }

  /** Whether this write was certainly not made already: its name was drawn for it, and nobody sent one again. */
  isNew({ operation, repeats }: WriteRequest): boolean {
    return operation === undefined || (repeats === false && !this.#wasAsked);
  }

  /** What the write came to, if it was made already; within a transaction that has made `results` up to now. */
  before(
    { operation, repeats }: WriteRequest,
    results: ReadonlyMap<string, WriteResult>,
    head: Head,
  ): Ended | undefined {
    if (operation === undefined) return undefined;
    if (repeats === false) return this.#wasAsked ? this.#again.get(operation) : undefined;
    const known = results.get(operation) ?? this.#operations.get(operation);
    if (known !== undefined) return { result: known };
    return repeats === undefined ? undefined : this.#find(operation, repeats, head);
  }

  /** Takes note of what a write has come to, refused or not. */
  ended({ operation, repeats, key }: WriteRequest, ended: Ended): void {
    if (operation === undefined || repeats === false) return;
    if (repeats === undefined) {
      if (ended.result !== undefined) this.#operations.put(operation, key, ended.result);
      return;
    }
    this.#wasAsked = true;
    this.#uncertain.push(operation);
    this.#again.set(operation, ended);
  }

  /** Keeps what a write came to where the log alone would not tell. Within a transaction. */
  keep(operation: string, key: Uint8Array, result: WriteResult): void {
    this.#operations.put(operation, key, result);
  }

  /** These are in the log now. */
  added(records: readonly LogRecord[]): void {
    if (this.#from === Infinity) return;
    this.#take(records);
    if (this.#inLog.size <= MOST_NAMES) return;
    this.#inLog = new Map();
    this.#from = Infinity;
  }

  #find(operation: string, after: Revision, head: Head): Ended | undefined {
    const gone = Math.min(head.forgotten, head.made);
    // Of what is gone nothing more can be read, whoever asks again.
    if (Math.max(after, gone) < this.#from) this.#read(Math.max(gone, after - LOOK_BACK));
    const revision = this.#inLog.get(operation);
    const result = revision !== undefined && revision > gone ? this.#resultAt(revision) : undefined;
    if (result !== undefined) return { result };
    if (revision === undefined && after >= gone) return undefined;
    const says = "the write was sent again so late that nobody can tell whether it was applied";
    return { error: new EngineError("ENGINE_AMBIGUOUS", says, { details: { operation } }) };
  }

  #read(from: Revision): void {
    this.#inLog = new Map();
    for (const records of this.#log.rowsBehind(from)) this.#take(records);
    this.#from = from;
  }

  #take(records: readonly LogRecord[]): void {
    for (const { row } of records) {
      if (row.operation !== undefined) this.#inLog.set(row.operation, row.revision);
    }
  }

  /** Undefined where the log does not tell what the write has replaced. */
  #resultAt(revision: Revision): WriteResult | undefined {
    const { row, previous, isMade } = this.#log.record(revision);
    if (isMade) return undefined;
    const { path } = decodeChange(revision, row.change).event.entry;
    return { revision, previous: previous && entryOf(path, previous) };
  }
}
