import type { Database, RootDatabase } from "lmdb";

import { EngineError } from "../base/errors.ts";
import { TransactionCount } from "./lmdb-count.ts";
import { lmdbError } from "./lmdb-errors.ts";
import { OF_BYTES, openFolder } from "./lmdb-open.ts";
import { commit, HeldTransaction } from "./lmdb-transaction.ts";
import { ToldRevision } from "./told-revision.ts";

/** The databases of one store. Keys and values are bytes of our own making. */
export interface LmdbTables {
  readonly root: RootDatabase<Uint8Array, Uint8Array>;
  /** A byte and the path -> the entry; LMDB takes no empty key, which the root's path would be. */
  readonly tree: LmdbTable;
  /** The same, for those who read many. */
  readonly rows: TreeRows;
  /** Revision -> the change. */
  readonly log: LmdbTable;
  /** Operation -> its result, in two generations as in `OperationMemory`. */
  readonly operations: readonly [LmdbTable, LmdbTable];
  /** Past versions of entries: see `lmdb-history.ts`. */
  readonly history: LmdbTable;
  /** The store's id, owner and head. */
  readonly meta: LmdbTable;
  readonly count: TransactionCount;
  readonly held: HeldTransaction;
  readonly told: ToldRevision;
}

type LmdbTable = Database<Uint8Array, Uint8Array>;

/** In every key of `tree`, before the path. */
export const TREE_BYTE = 1;

/** The keys of `meta`. */
export const META_KEYS = {
  store: Buffer.from("store"),
  owner: Buffer.from("owner"),
  head: Buffer.from("head"),
  history: Buffer.from("history"),
} as const;

/**
 * Opens the databases, and makes them where there are none.
 *
 * @throws EngineError `ENGINE_CORRUPT`, `ENGINE_FULL`, `ENGINE_UNAVAILABLE`
 */
export function openTables(directory: string): LmdbTables {
  // To open a database takes LMDB's lock.
  HeldTransaction.endAll();
  try {
    // Else each commit waits for the disk whatever its flags say. See `safe-point.ts`.
    const root = openFolder(directory, { maxDbs: 8, overlappingSync: false, ...OF_BYTES });
    const table = (name: string): LmdbTable => root.openDB(name, OF_BYTES);
    const count = new TransactionCount(directory);
    return {
      root,
      tree: table("tree"),
      rows: new TreeRows(root),
      log: table("log"),
      operations: [table("operations0"), table("operations1")],
      history: table("history"),
      meta: table("meta"),
      count,
      held: new HeldTransaction({ root, count }),
      told: new ToldRevision(directory, count.pageSize),
    };
  } catch (error) {
    throw lmdbError(error, directory);
  }
}

/** Rows of `tree` whose paths lie in larger bytes: nothing is made of either but what `lmdb` itself needs. */
class TreeRows {
  readonly #table: { getBinaryFast(key: TreeRows): Uint8Array | undefined };
  #bytes: Uint8Array = new Uint8Array();
  #start = 0;
  #end = 0;

  constructor(root: RootDatabase<Uint8Array, Uint8Array>) {
    const keyEncoder = {
      writeKey: (_rows: TreeRows, target: Uint8Array, at: number) => this.#writeKey(target, at),
      readKey: () => undefined,
    };
    const options = { name: "tree", encoding: "binary", cache: false, keyEncoder };
    this.#table = root.openDB(options as never) as never;
  }

  /** The row of this path, in lmdb's own buffer, until anything else is read. */
  read(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    return this.#table.getBinaryFast(this);
  }

  #writeKey(target: Uint8Array, at: number): number {
    const bytes = this.#bytes;
    const start = this.#start;
    const size = this.#end - start;
    target[at] = TREE_BYTE;
    for (let i = 0; i < size; i++) target[at + 1 + i] = bytes[start + i] as number;
    return at + 1 + size;
  }
}

/** Opens the store as format 1 had it, which mends what a power failure left, and closes it again. */
export async function convertTables(directory: string): Promise<void> {
  HeldTransaction.endAll();
  try {
    const root = openFolder(directory, { maxDbs: 8, overlappingSync: true });
    await root.close();
  } catch (error) {
    throw lmdbError(error, directory);
  }
}

export async function closeTables({ root, count, told }: LmdbTables): Promise<void> {
  await root.close();
  count.close();
  told.close();
}

/** @throws EngineError `ENGINE_DEPOSED` where the store does not say that its owner is this one */
export function requireOwner({ meta }: LmdbTables, ownerRow: Uint8Array): void {
  const row = meta.get(META_KEYS.owner);
  if (row !== undefined && Buffer.compare(row, ownerRow) === 0) return;
  throw new EngineError("ENGINE_DEPOSED", "another process has taken the store over");
}

/**
 * Gives the store up: the epoch stays, the name goes, so that the next one need not ask whether this process
 * is alive. @returns whether it was ours
 */
export function disown(tables: LmdbTables, ownerRow: Uint8Array): boolean {
  const { meta } = tables;
  return commit(tables, () => {
    const row = meta.get(META_KEYS.owner);
    if (row === undefined || Buffer.compare(row, ownerRow) !== 0) return false;
    const { epoch } = JSON.parse(Buffer.from(row).toString()) as { epoch: number };
    meta.putSync(META_KEYS.owner, Buffer.from(JSON.stringify({ epoch, owner: "" })));
    return true;
  });
}
