import { randomUUID } from "node:crypto";
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";

import * as v from "valibot";

import { NodeError } from "../../base/errors.ts";
import { formatPath, parsePath } from "../../wire/path-text.ts";
import type { Path } from "../../wire/path.ts";

/** What both sides agreed on when an entry was last in step. */
export interface SyncedEntry {
  /** Its file, relative to the directory, with slashes. */
  readonly file: string;
  readonly digest: string;
  /** Of the entry in the tree. */
  readonly revision: number;
}

/** What a directory remembers of the tree that it is kept in step with. */
export interface SyncState {
  /** Names the store: see `Engine.store`. */
  readonly store: string;
  /** Where the tree is: a directory, or an address. */
  readonly tree: string | undefined;
  /** Data below these paths is fetched, too. */
  readonly data: readonly Path[];
  /** By the keys of places. */
  readonly entries: ReadonlyMap<string, SyncedEntry>;
}

const STATE_FILE = ".banyan-sync.json";
/** What stands in it now. Another version is not read. */
const VERSION = 1;

const STATE = v.object({
  version: v.number(),
  store: v.string(),
  tree: v.optional(v.string()),
  data: v.array(v.string()),
  entries: v.record(
    v.string(),
    v.object({ file: v.string(), digest: v.string(), revision: v.number() }),
  ),
});

/** Held by whoever writes to the directory or from it. */
export function lockPath(directory: string): string {
  return join(directory, ".banyan-sync.lock");
}

/**
 * Where a directory was last in step; undefined where it never was.
 *
 * @throws NodeError `NODE_BAD_DIRECTORY` where that can't be read
 */
export async function readState(directory: string): Promise<SyncState | undefined> {
  const path = join(directory, STATE_FILE);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    const { version, store, tree, data, entries } = v.parse(STATE, JSON.parse(text));
    if (version !== VERSION) throw new Error(`it is of version ${version}, and this is ${VERSION}`);
    return {
      store,
      tree: tree === undefined || isAddress(tree) ? tree : resolve(directory, tree),
      data: data.map((prefix) => parsePath(prefix)),
      entries: new Map(Object.entries(entries)),
    };
  } catch (error) {
    const says = `${path} can't be used: ${(error as Error).message}; without it, what differs counts as changed on both sides`;
    throw new NodeError("NODE_BAD_DIRECTORY", says, { cause: error, details: { file: path } });
  }
}

/** Takes the place of what was there, whole or not at all. */
export async function writeState(directory: string, state: SyncState): Promise<void> {
  const { store, tree, data, entries } = state;
  const text = JSON.stringify({
    version: VERSION,
    store,
    // A directory that is moved or checked out with its tree still finds it.
    tree: tree === undefined || isAddress(tree) ? tree : relative(directory, tree) || ".",
    data: data.map((prefix) => formatPath(prefix)),
    entries: Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1))),
  });
  // A line for each entry, for who looks at it, and for git.
  const lines = text.replaceAll('},"', '},\n"').replace('"entries":{', '"entries":{\n');
  await replaceFile(directory, join(directory, STATE_FILE), `${lines}\n`);
}

/** Writes a file by way of another name, so that nobody ever finds half of it. */
export async function replaceFile(
  directory: string,
  file: string,
  content: string | Uint8Array,
): Promise<void> {
  const draft = join(directory, `${DRAFT}${randomUUID()}`);
  try {
    await writeFile(draft, content);
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Takes away what a sync left that was killed. */
export async function removeDrafts(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(DRAFT)) await rm(join(directory, name), { force: true });
  }
}

const DRAFT = ".banyan-sync-draft-";

function isAddress(tree: string): boolean {
  // A drive letter is one character, no scheme is.
  return /^[a-z][a-z0-9+.-]+:/i.test(tree);
}
