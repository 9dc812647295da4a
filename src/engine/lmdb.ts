import { join } from "node:path";
import { chmod } from "node:fs/promises";

import { type Clock, systemClock } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import { bootId } from "./boot-id.ts";
import { DiskRoom } from "./disk-room.ts";
import type { Durability, EngineLimits, Revision } from "./engine.ts";
import { readJournals } from "./journal.ts";
import { LmdbChanges } from "./lmdb-changes.ts";
import { lmdbError } from "./lmdb-errors.ts";
import { DATA_FILE, LOCK_FILE, prepareDirectory } from "./lmdb-file.ts";
import { LmdbFlusher } from "./lmdb-flusher.ts";
import { LmdbHistory } from "./lmdb-history.ts";
import { LmdbLater } from "./lmdb-later.ts";
import { LmdbLog, type LogLimits } from "./lmdb-log.ts";
import { LmdbOperations } from "./lmdb-operations.ts";
import { decodeHead, encodeHead, type Head, headAt } from "./lmdb-records.ts";
import type { ReaderSlot } from "./lmdb-readers.ts";
import { LmdbStore } from "./lmdb-store.ts";
import {
  closeTables,
  commit,
  convertTables,
  type LmdbTables,
  META_KEYS,
  openTables,
} from "./lmdb-tables.ts";
import { LocalEngine } from "./local-engine.ts";

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
    this.#room.keepReserve();
  }

  /** Of the last write. */
  get revision(): Revision {
    return this.#store.revision;
  }

  /**
   * Resolves when nothing is committed any more, until what it gives is disposed of, or for a while: then
   * another process may open the store's file.
   */
  hold(): Promise<Disposable> {
    return this.#store.hold();
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
  const room = new DiskRoom(directory, clock);
  let flusher: LmdbFlusher | undefined;
  try {
    await chmod(join(directory, DATA_FILE), 0o600);
    await chmod(join(directory, LOCK_FILE), 0o600);
    if (prepared.suspicious) readEverything(tables);
    flusher = await LmdbFlusher.open(tables, { directory, boot, clock });
    // Before the store is looked at: what is in a journal was committed by then.
    const journal = await readJournals(directory, boot);
    const { restored } = prepared;
    const { id, ownerRow, epoch, revision } = takeOver(tables, options, {
      restored,
      makeAgain: () => new LmdbChanges(tables, new LmdbLog(tables, log)).makeAgain(journal),
      makeLater: (head) => makeAllOfLog(tables, { clock, directory, log }, head),
    });
    flusher.takenOver(revision);
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

/** Makes what is made of the log, so that it can go. Within a transaction. */
function makeAllOfLog(
  tables: LmdbTables,
  { clock, directory, log: limits }: { clock: Clock; directory: string; log: LogLimits },
  head: Head,
): void {
  const log = new LmdbLog(tables, limits);
  // It makes no transactions of its own here.
  const history = new LmdbHistory(tables, { clock, label: directory, ownerRow: new Uint8Array() });
  const operations = new LmdbOperations(tables, clock);
  const later = new LmdbLater({ log, history, operations });
  later.load(head);
  for (let at = head; !later.isEmpty; later.stepped()) at = later.make(at);
}

interface Lost {
  /** Whether revisions that were given out are gone. */
  readonly restored: boolean;
  /** Makes what the disk has of those, and says how many. */
  readonly makeAgain: () => number;
  /** What is still to be made of the log. */
  readonly makeLater: (head: Head) => void;
}

function takeOver(
  tables: LmdbTables,
  { owner = "", claim = () => true }: LmdbOptions,
  { restored, makeAgain, makeLater }: Lost,
): { id: string; ownerRow: Uint8Array; epoch: number; revision: Revision } {
  const { meta } = tables;
  return commit(tables, () => {
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
    const isBehind = id !== undefined && makeAgain() > 0;
    if (id === undefined || restored || isBehind) {
      const revision = id === undefined ? 0 : nextRevisions(tables, makeLater);
      id = randomId();
      meta.putSync(META_KEYS.store, Buffer.from(id));
      meta.putSync(META_KEYS.head, encodeHead(headAt(revision)));
    }
    const { revision } = decodeHead(meta.get(META_KEYS.head) ?? new Uint8Array());
    return { id, ownerRow, epoch, revision };
  });
}

/**
 * Where revisions go on after a power failure took the last ones back: far behind those, because who
 * has seen one must never meet it again. Watches of what was lost can't go on, and begin anew.
 */
function nextRevisions({ meta, log }: LmdbTables, makeLater: (head: Head) => void): Revision {
  const head = decodeHead(meta.get(META_KEYS.head) ?? new Uint8Array());
  makeLater(head);
  log.clearSync();
  return head.revision + LOST_REVISIONS;
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
