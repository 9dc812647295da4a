import { EngineError } from "../base/errors.ts";
import { Path } from "../wire/path.ts";
import { encodePath } from "../wire/path-key.ts";
import type { EngineEvent, HistoryRule, Revision } from "./engine.ts";
import { openLmdb } from "./lmdb.ts";
import { lmdbError } from "./lmdb-errors.ts";
import { treeKey } from "./lmdb-keys.ts";
import { encodeEntry } from "./entry-row.ts";
import { encodeHead, headAt } from "./lmdb-records.ts";
import { closeTables, META_KEYS, openTables } from "./lmdb-tables.ts";
import { commit } from "./lmdb-transaction.ts";

/** One write of those that make up the state. */
export type RestoredChange = Extract<EngineEvent, { type: "put" | "delete" }>;

/** Behind all changes: what else the store is to know. */
export interface RestoredState {
  /** Where the store goes on: at least the last revision of the changes. */
  readonly revision: Revision;
  readonly rules: readonly HistoryRule[];
}

/**
 * Makes a store in `directory`, which must be empty or not there, out of the changes, the later over
 * the earlier: with their revisions, authors and times. It is on disk when this resolves; where it
 * rejects, the directory is of no use.
 *
 * @throws EngineError `ENGINE_FORMAT` for a directory that holds something, `ENGINE_FULL`; what `changes` throws
 */
export async function restoreLmdb(
  directory: string,
  changes: AsyncIterable<readonly RestoredChange[]>,
  state: () => RestoredState,
): Promise<void> {
  await using made = await openLmdb(directory);
  const fresh = (await made.list(Path.root).toArray()).length === 0;
  await made.close();
  if (!fresh) throw new EngineError("ENGINE_FORMAT", `${directory} holds a store already`);
  const tables = openTables(directory);
  try {
    for await (const page of changes) {
      commit(tables, () => {
        for (const { type, entry } of page) {
          const key = treeKey(encodePath(entry.path));
          if (type === "put") tables.tree.putSync(key, encodeEntry(entry));
          else tables.tree.removeSync(key);
        }
      });
    }
    const { revision } = state();
    // The log is empty: whoever goes on from an older revision has to begin anew.
    const head = encodeHead(headAt(revision));
    commit(tables, () => tables.meta.putSync(META_KEYS.head, head));
  } catch (error) {
    throw lmdbError(error, directory);
  } finally {
    await closeTables(tables);
  }
  await using engine = await openLmdb(directory);
  for (const rule of state().rules) await engine.keepHistory(rule);
  // It changes nothing, and resolves when everything before it is on the disk.
  await engine.delete(Path.fromElements([".banyan", "restored"]), { durability: "flushed" });
}
