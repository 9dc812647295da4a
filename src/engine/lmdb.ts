import { join } from "node:path";
import { chmod } from "node:fs/promises";

import { type Clock, systemClock } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import type { EngineLimits } from "./engine.ts";
import { lmdbError } from "./lmdb-errors.ts";
import { prepareDirectory } from "./lmdb-file.ts";
import { encodeHead } from "./lmdb-records.ts";
import { LmdbStore } from "./lmdb-store.ts";
import {
  commit,
  type LmdbDurability,
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
  /**
   * What an acknowledged write outlives. `disk`, the default: the machine too; each commit, of all the
   * writes of one turn of the event loop, waits for the disk. `process`: only the end of this process;
   * a power failure may damage the store.
   */
  readonly durability?: LmdbDurability | undefined;
  readonly limits?: Partial<EngineLimits> | undefined;
  readonly clock?: Clock | undefined;
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

/** An engine over LMDB in this process, the only one that writes to it. */
export class LmdbEngine extends LocalEngine {
  /** The ownership's number: every write transaction checks that it is still this one. */
  readonly epoch: number;
  readonly #store: LmdbStore;

  constructor(
    store: LmdbStore,
    options: { epoch: number; limits?: Partial<EngineLimits> | undefined },
  ) {
    super(store, options.limits);
    this.#store = store;
    this.epoch = options.epoch;
  }

  /**
   * Looks whether somebody else took the store over. If so the engine ends: its watches throw
   * `ENGINE_DEPOSED`, as does every later call.
   */
  checkOwner(): void {
    this.#store.checkOwner();
  }
}

/**
 * Opens the store in `directory`, or makes one where there is nothing, and takes it over from whoever
 * had it. May block the whole thread while another process is within a write transaction.
 *
 * @throws EngineError `ENGINE_FORMAT`, `ENGINE_CORRUPT`, `ENGINE_FULL`; `ENGINE_DEPOSED` where `claim`
 *   said no (details: `epoch`, `owner`). A directory that is refused is not changed.
 */
export async function openLmdb(directory: string, options: LmdbOptions = {}): Promise<LmdbEngine> {
  const { suspicious } = await prepareDirectory(directory);
  const { durability = "disk" } = options;
  const tables = openTables(directory, durability);
  try {
    await chmod(join(directory, "data.mdb"), 0o600);
    await chmod(join(directory, "lock.mdb"), 0o600);
    if (suspicious) readEverything(tables);
    const { id, ownerRow, epoch } = takeOver(tables, durability, options);
    // Once more: the lock on flushing, which a frozen owner may hold, is taken by the second commit.
    commit(tables, durability, () => tables.meta.putSync(META_KEYS.owner, ownerRow));
    const store = new LmdbStore(tables, {
      label: `lmdb:${directory}`,
      id,
      ownerRow,
      history: options.history ?? 100_000,
      historyBytes: options.historyBytes ?? 256 * 1024 * 1024,
      durability,
      clock: options.clock ?? systemClock,
    });
    return new LmdbEngine(store, { epoch, limits: options.limits });
  } catch (error) {
    await tables.root.close();
    throw lmdbError(error, directory);
  }
}

function takeOver(
  tables: LmdbTables,
  durability: LmdbDurability,
  { owner = "", claim = () => true }: LmdbOptions,
): { id: string; ownerRow: Uint8Array; epoch: number } {
  const { meta } = tables;
  return commit(tables, durability, () => {
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
    if (id === undefined) {
      id = randomId();
      meta.putSync(META_KEYS.store, Buffer.from(id));
      meta.putSync(META_KEYS.head, encodeHead({ revision: 0, forgotten: 0, bytes: 0 }));
    }
    return { id, ownerRow, epoch };
  });
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
