import { type Database, open, type RootDatabase } from "lmdb";

import { lmdbError } from "./lmdb-errors.ts";

/** What an acknowledged write outlives: see `LmdbOptions.durability`. */
export type LmdbDurability = "disk" | "process";

/** The databases of one store. Keys and values are bytes of our own making. */
export interface LmdbTables {
  readonly root: RootDatabase<Uint8Array, Uint8Array>;
  /** A byte and the path -> the entry; LMDB takes no empty key, which the root's path would be. */
  readonly tree: LmdbTable;
  /** Revision -> the change. */
  readonly log: LmdbTable;
  /** Operation -> its result, in two generations as in `OperationMemory`. */
  readonly operations: readonly [LmdbTable, LmdbTable];
  /** The store's id, owner and head. */
  readonly meta: LmdbTable;
}

type LmdbTable = Database<Uint8Array, Uint8Array>;

/** The keys of `meta`. */
export const META_KEYS = {
  store: Buffer.from("store"),
  owner: Buffer.from("owner"),
  head: Buffer.from("head"),
} as const;

/**
 * Opens the databases, and makes them where there are none.
 *
 * @throws EngineError `ENGINE_CORRUPT`, `ENGINE_FULL`, `ENGINE_UNAVAILABLE`
 */
export function openTables(directory: string, durability: LmdbDurability): LmdbTables {
  const bytes = { encoding: "binary", keyEncoding: "binary", cache: false } as const;
  try {
    const root = open<Uint8Array, Uint8Array>({
      path: directory,
      // Else LMDB takes a name with a dot for a file's.
      noSubdir: false,
      maxDbs: 8,
      // Else each commit waits for the disk whatever its flags say.
      ...(durability === "process" && { overlappingSync: false }),
      ...bytes,
    });
    const table = (name: string): LmdbTable => root.openDB(name, bytes);
    return {
      root,
      tree: table("tree"),
      log: table("log"),
      operations: [table("operations0"), table("operations1")],
      meta: table("meta"),
    };
  } catch (error) {
    throw lmdbError(error, directory);
  }
}

/**
 * lmdb's flags of a synchronous commit: it waits for the disk as overlapping sync does it, or leaves
 * that to the system.
 */
const COMMIT: Readonly<Record<LmdbDurability, number>> = { disk: 0x1_00_02, process: 0x5_00_02 };

/** One write transaction: what `work` writes is kept as a whole, or not at all where it throws. */
export function commit<T>({ root }: LmdbTables, durability: LmdbDurability, work: () => T): T {
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- lmdb names half of them
  return root.transactionSync(work, COMMIT[durability]);
}
