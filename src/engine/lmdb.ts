import { join } from "node:path";
import { chmod } from "node:fs/promises";

import { type Clock, systemClock } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import { bootId } from "./boot-id.ts";
import { DiskRoom } from "./disk-room.ts";
import type { Durability, EngineEntry, EngineLimits, Revision } from "./engine.ts";
import { entryOf } from "./entry-row.ts";
import { pastOf } from "./history-memory.ts";
import { type JournalRow, readAhead, readJournals } from "./journal.ts";
import { LmdbChanges } from "./lmdb-changes.ts";
import { lmdbError } from "./lmdb-errors.ts";
import { DATA_FILE, LOCK_FILE, prepareDirectory } from "./lmdb-file.ts";
import { LmdbFlusher } from "./lmdb-flusher.ts";
import { LmdbHistory } from "./lmdb-history.ts";
import { LmdbLog, type LogLimits } from "./lmdb-log.ts";
import { LmdbOperations } from "./lmdb-operations.ts";
import { decodeChange, decodeHead, encodeHead, type Head, headAt } from "./lmdb-records.ts";
import type { ReaderSlot } from "./lmdb-readers.ts";
import { LmdbStore } from "./lmdb-store.ts";
import {
  closeTables,
  convertTables,
  type LmdbTables,
  META_KEYS,
  openTables,
} from "./lmdb-tables.ts";
import { commit } from "./lmdb-transaction.ts";
import { LocalEngine } from "./local-engine.ts";
import type { Change } from "./store.ts";

export interface LmdbOptions {
  /** Changes that are kept for watches to resume by. Default 100,000. */
  readonly history?: number | undefined;
  /** What those may weigh together before fewer are kept. Default 256 MiB. */
  readonly historyBytes?: number | undefined;
  /** How old they may be. Default a week. */
  readonly historyMs?: number | undefined;
  /**
   * Of writes that don't say. Default `commit`; `flushed` where the system does not tell whether the
   * machine was started anew (anything but Linux), because that is what `commit` rests on.
   */
  readonly durability?: Durability | undefined;
  readonly limits?: Partial<EngineLimits> | undefined;
  readonly clock?: Clock | undefined;
  /** Names the time since the machine was started. Default: what the system says. */
  readonly boot?: string | undefined;
  /** Whose the store is from now on: any text, handed to the next one's `claim`. */
  readonly owner?: string | undefined;
  /**
   * Whether the store may be taken from `previous`. It is asked within a write transaction, so that of
   * two that ask at once the second sees the first. Default: yes.
   */
  readonly claim?: ((previous: LmdbOwner) => boolean) | undefined;
}

/** Whose a store is. */
export interface LmdbOwner {
  /** Rises each time the store changes hands. */
  readonly epoch: number;
  /** Empty where nobody holds it. */
  readonly owner: string;
}

const DAY_MS = 24 * 60 * 60 * 1_000;

/** More than are written while a flush is waited for. */
const LOST_REVISIONS = 1_000_000_000;

/** An engine over LMDB in this process, the only one that writes to it. */
export class LmdbEngine extends LocalEngine {
  /** The ownership's number: every write transaction checks that it is still this one. */
  readonly epoch: number;
  readonly #store: LmdbStore;
  readonly #room: DiskRoom;

  constructor(
    store: LmdbStore,
    options: { epoch: number; limits?: Partial<EngineLimits> | undefined; room: DiskRoom },
  ) {
    super(store, options.limits);
    this.#room = options.room;
    this.#store = store;
    this.epoch = options.epoch;
  }

  /**
   * Looks whether somebody else took the store over. If so the engine ends: its watches throw
   * `ENGINE_DEPOSED`, as does every later call.
   */
  checkOwner(): void {
    this.#store.checkOwner();
    if (!this.#store.isOver) this.#room.keepReserve();
  }

  /** Of the last write. */
  override get revision(): Revision {
    return this.#store.revision;
  }

  /**
   * Resolves when nothing is committed any more, until what it gives is disposed of, or for a while: then
   * another process may open the store's file.
   */
  hold(): Promise<Disposable> {
    return this.#store.hold();
  }

  /** Somebody asks who could read the store in place, if all that was told of were there. */
  watched(): void {
    this.#store.late.watched();
  }

  /** Who reads the store's file at this moment, other processes too. */
  readers(): readonly ReaderSlot[] {
    return this.#store.readers();
  }
}

/**
 * Opens the store in `directory`, or makes one where there is nothing, and takes it over from whoever
 * had it. The folder above is not made: somebody may just have removed it. May block the whole thread while another process is within a write transaction.
 *
 * @throws EngineError `ENGINE_FORMAT`, `ENGINE_CORRUPT`, `ENGINE_FULL`; `ENGINE_DEPOSED` where `claim`
 *   said no (details: `epoch`, `owner`). A directory that is refused is not changed.
 */
export async function openLmdb(directory: string, options: LmdbOptions = {}): Promise<LmdbEngine> {
  const { boot = bootId(), clock = systemClock } = options;
  const convert = (): Promise<void> => convertTables(directory);
  const prepared = await prepareDirectory(directory, { boot, convert });
  const log = {
    changes: options.history ?? 100_000,
    bytes: options.historyBytes ?? 256 * 1024 * 1024,
    ageMs: options.historyMs ?? 7 * DAY_MS,
  };
  const tables = openTables(directory);
  let flusher: LmdbFlusher | undefined;
  try {
    await chmod(join(directory, DATA_FILE), 0o600);
    await chmod(join(directory, LOCK_FILE), 0o600);
    if (prepared.suspicious) readEverything(tables);
    flusher = await LmdbFlusher.open(tables, { directory, boot, clock });
    // Before the store is looked at: what is in a journal was committed by then.
    const journal = await readJournals(directory, boot);
    const { restored } = prepared;
    const rows = new RowsOfLog(tables, { clock, directory, log });
    const { id, ownerRow, epoch, revision } = takeOver(tables, options, {
      restored,
      makeAgain: () => rows.makeAgain(journal),
      finish: (transaction) => rows.makeAgain(readAhead(directory, { boot, transaction })),
      convert: (head) => rows.convert(head),
    });
    flusher.takenOver(revision);
    const room = new DiskRoom({ directory, tables, clock });
    const store = new LmdbStore(tables, {
      label: `lmdb:${directory}`,
      id,
      ownerRow,
      log,
      durability: boot === "" ? "flushed" : (options.durability ?? "commit"),
      flusher,
      room,
      clock,
    });
    return new LmdbEngine(store, { epoch, limits: options.limits, room });
  } catch (error) {
    await flusher?.close();
    await closeTables(tables);
    throw lmdbError(error, directory);
  }
}

/** Makes rows of what is in the log, whose store is just being opened. Within a transaction. */
class RowsOfLog {
  readonly #tables: LmdbTables;
  readonly #log: LmdbLog;
  readonly #history: LmdbHistory;
  readonly #operations: LmdbOperations;

  constructor(
    tables: LmdbTables,
    { clock, directory, log }: { clock: Clock; directory: string; log: LogLimits },
  ) {
    this.#tables = tables;
    this.#log = new LmdbLog(tables, log);
    // It makes no transactions of its own here.
    this.#history = new LmdbHistory(tables, {
      clock,
      label: directory,
      ownerRow: new Uint8Array(),
    });
    this.#operations = new LmdbOperations(tables, clock);
  }

  /** What the log holds of a store whose deletions and names had no rows of their own before. */
  convert(head: Head): Head {
    for (const records of this.#log.rowsBehind(head.made)) {
      for (const record of records) {
        const { revision, change: row } = record.row;
        if (record.isMade || revision <= head.made) continue;
        const change = decodeChange(revision, row);
        const { path } = change.event.entry;
        const previous = record.previous && entryOf(path, record.previous);
        this.#history.record(change, pastOf(change, previous));
        this.#keepName(record.row.operation, change, previous);
      }
    }
    return { ...head, made: head.revision, isOld: false };
  }

  /** The changes of a journal: see `LmdbChanges`. What they replaced is in the log. */
  makeAgain(journal: ReadonlyMap<Revision, JournalRow>): number {
    const changes = new LmdbChanges(this.#tables, this.#log);
    return changes.makeAgain(journal, ({ row }, change, previous) => {
      if (change.event.type === "delete") this.#history.record(change, pastOf(change, undefined));
      this.#keepName(row.operation, change, previous);
    });
  }

  #keepName(operation: string | undefined, change: Change, previous?: EngineEntry): void {
    if (operation === undefined) return;
    const { revision } = change.event.entry;
    this.#operations.put(operation, change.key, { revision, previous });
  }
}

interface Found {
  /** Whether revisions that were given out are gone. */
  readonly restored: boolean;
  /** Makes what the disk has of those, and says how many. */
  readonly makeAgain: () => number;
  /** Makes what the owner before was about to make in the transaction of that number. */
  readonly finish: (transaction: number) => void;
  /** Gives the log the rows that go with it now. */
  readonly convert: (head: Head) => Head;
}

function takeOver(
  tables: LmdbTables,
  { owner = "", claim = () => true }: LmdbOptions,
  { restored, makeAgain, finish, convert }: Found,
): { id: string; ownerRow: Uint8Array; epoch: number; revision: Revision } {
  const { meta } = tables;
  return commit(tables, (transaction) => {
    const row = meta.get(META_KEYS.owner);
    const previous = row === undefined ? { epoch: 0, owner: "" } : readOwner(row);
    if (!claim(previous)) {
      throw new EngineError("ENGINE_DEPOSED", "another process owns the store", {
        details: { ...previous },
      });
    }
    const epoch = previous.epoch + 1;
    const ownerRow = Buffer.from(JSON.stringify({ epoch, owner }));
    meta.putSync(META_KEYS.owner, ownerRow);
    let id = meta.get(META_KEYS.store)?.toString();
    const found = headOf(tables);
    if (id !== undefined && found.isOld === true) {
      meta.putSync(META_KEYS.head, encodeHead(convert(found)));
    }
    if (id !== undefined) finish(transaction);
    const isBehind = id !== undefined && makeAgain() > 0;
    if (id === undefined || restored || isBehind) {
      const head = id === undefined ? headAt(0) : nextRevisions(headOf(tables));
      id = randomId();
      meta.putSync(META_KEYS.store, Buffer.from(id));
      meta.putSync(META_KEYS.head, encodeHead(head));
    }
    const { revision } = headOf(tables);
    // An owner that was killed may have left it infinite.
    tables.told.write(revision);
    return { id, ownerRow, epoch, revision };
  });
}

function headOf({ meta }: LmdbTables): Head {
  const row = meta.get(META_KEYS.head);
  return row === undefined ? headAt(0) : decodeHead(row);
}

/**
 * Where revisions go on after a power failure took the last ones back: far behind those, because who
 * has seen one must never meet it again. Watches of what was lost can't go on, and begin anew; past versions
 * and names stay where they are.
 */
function nextRevisions({ revision, made }: Head): Head {
  return { ...headAt(revision + LOST_REVISIONS), made };
}

function readOwner(row: Uint8Array): LmdbOwner {
  return JSON.parse(Buffer.from(row).toString()) as LmdbOwner;
}

/** Touches every page that holds something, so that damage shows now and not later. */
function readEverything({ tree, log, operations, meta }: LmdbTables): void {
  for (const table of [tree, log, ...operations, meta]) {
    let rows = 0;
    for (const { value } of table.getRange()) rows += value.length > 0 ? 1 : 0;
    if (rows !== table.getCount()) throw new EngineError("ENGINE_CORRUPT", "rows are missing");
  }
}
