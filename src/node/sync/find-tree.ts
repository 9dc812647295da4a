import { existsSync } from "node:fs";
import { join } from "node:path";

import { BanyanError } from "../../base/errors.ts";
import { treeDirectory } from "../tree-folder.ts";
import { readState } from "./state.ts";

interface FindSyncTree extends From {
  /** Named for this one time. */
  readonly said: string | undefined;
  /** Meant where nothing else is. */
  readonly set: string | undefined;
}

/**
 * The tree that is meant for a directory: the one that is named; else the one that it was last in step with;
 * else the one in it, as `banyan dev` makes it; else the one that is set; else the nearest one upwards, from the
 * current folder or from the directory.
 */
export async function findTree(
  directory: string,
  { cwd, said, set }: FindSyncTree,
): Promise<string | undefined> {
  if (said !== undefined) return said;
  const state = await readState(directory);
  if (state?.tree !== undefined) return state.tree;
  if (existsSync(join(directory, ".banyan"))) return directory;
  if (set !== undefined) return set;
  for (const from of [cwd, directory]) {
    try {
      return await treeDirectory(undefined, { cwd: from });
    } catch (error) {
      if (!BanyanError.has(error, "NODE_NO_TREE")) throw error;
    }
  }
  return undefined;
}

interface From {
  readonly cwd: string;
}

/** The address of a tree as it is the same from everywhere; undefined where it should not be kept. */
export async function addressOf(
  url: string | undefined,
  { cwd }: From,
): Promise<string | undefined> {
  if (url === "memory:") return undefined;
  if (url !== undefined && /^(?:unix|tls|tcp|wss?):/i.test(url)) return url;
  return treeDirectory(url, { cwd });
}
