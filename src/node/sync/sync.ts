import { access, constants, mkdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";

import { NodeError } from "../../base/errors.ts";
import type { Tree } from "../../tree/tree.ts";
import { type Path } from "../../wire/path.ts";
import { formatPath, parsePath } from "../../wire/path-text.ts";
import { checkDirectory, type DirectoryPlace, placeKey } from "../directory.ts";
import { writeBytes } from "../entry-file.ts";
import { LockFile } from "../lock-file.ts";
import { SyncFolder } from "./folder.ts";
import { importsOf } from "./imports.ts";
import { pull } from "./pull.ts";
import { push, type PushOptions } from "./push.ts";
import { readRemote } from "./remote.ts";
import { isInStep, standingOf } from "./standing.ts";
import {
  lockPath,
  readState,
  removeDrafts,
  type SyncedEntry,
  type SyncState,
  writeState,
} from "./state.ts";
import type { SyncItem, SyncResult, Transfer, TransferOptions } from "./transfer.ts";

export interface SyncOptions {
  readonly directory: string;
  readonly tree: Tree;
  /** Where the tree is, to be remembered. */
  readonly treeUrl?: string | undefined;
  /** Data below these is fetched too, from now on. */
  readonly data?: readonly Path[] | undefined;
  /** Only these files, and what is in these folders: relative to the directory, with slashes. */
  readonly only?: readonly string[] | undefined;
  /** Forgets what was in step with another tree. */
  readonly adopt?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** The entries of a directory and of a tree, as they stand to each other. It writes nothing. */
export async function compare(options: SyncOptions): Promise<readonly SyncItem[]> {
  const state = await knownState(options);
  if (state === undefined) await checkDirectory(options.directory);
  const opened = await openBoth(options, state);
  return opened.items;
}

/** Brings what changed in the tree to the directory; makes it where there is none. */
export async function pullDirectory(
  options: SyncOptions,
  transfer: TransferOptions,
): Promise<SyncResult> {
  await mkdir(options.directory, { recursive: true });
  return exclusively(options, transfer, (work) => pull(work, transfer));
}

/** Brings what changed in the directory to the tree. */
export async function pushDirectory(
  options: SyncOptions,
  transfer: PushOptions,
): Promise<SyncResult> {
  if ((await readState(options.directory)) === undefined) await checkDirectory(options.directory);
  return exclusively(options, transfer, (work) => push(work, transfer));
}

async function exclusively(
  options: SyncOptions,
  { dryRun }: TransferOptions,
  work: (transfer: Transfer) => Promise<SyncResult>,
): Promise<SyncResult> {
  const { directory, tree } = options;
  const known = await knownState(options);
  await access(directory, dryRun ? constants.R_OK : constants.W_OK);
  if (dryRun) return work({ ...(await openBoth(options, known)), settle: () => {} });
  const lock = await LockFile.take(lockPath(directory), "sync");
  if (!(lock instanceof LockFile)) {
    const says = `process ${lock.pid} is syncing ${directory}; try again when it is done`;
    throw new NodeError("NODE_SYNC_BUSY", says, { details: { pid: lock.pid } });
  }
  try {
    await removeDrafts(directory);
    // Somebody may have been at work until now.
    const state = await knownState(options);
    const opened = await openBoth(options, state);
    const entries = new Map(state?.entries);
    for (const item of opened.items) adopt(entries, item);
    const settle = ({ key }: SyncItem, now: SyncedEntry | undefined): void => {
      if (now === undefined) entries.delete(key);
      else entries.set(key, now);
    };
    try {
      return await work({ ...opened, settle });
    } finally {
      // Last, also after a failure: what it says is true, and what it does not say is found out again.
      await writeState(directory, {
        store: tree.engine.store,
        tree: options.treeUrl ?? state?.tree,
        data: opened.data,
        entries,
      });
    }
  } finally {
    await lock.release();
  }
}

/** What is the same on both sides is in step, however it came to be. */
function adopt(entries: Map<string, SyncedEntry>, item: SyncItem): void {
  const { key, file, remote, problem } = item;
  if (problem !== undefined || !isInStep(item)) return;
  if (remote?.digest === undefined) entries.delete(key);
  else entries.set(key, { file, digest: remote.digest, revision: remote.revision });
}

/** @throws NodeError `NODE_SYNC_OTHER_TREE` */
async function knownState({
  directory,
  tree,
  adopt: forget,
}: SyncOptions): Promise<SyncState | undefined> {
  const state = await readState(directory);
  if (state === undefined || state.store === tree.engine.store) return state;
  if (forget === true) return { ...state, tree: undefined, entries: new Map() };
  const where = state.tree === undefined ? "" : `, which was at ${state.tree}`;
  const says = `${directory} is kept in step with another tree${where}; --adopt takes this one from now on`;
  throw new NodeError("NODE_SYNC_OTHER_TREE", says, { details: { tree: state.tree ?? null } });
}

async function openBoth(
  options: SyncOptions,
  state: SyncState | undefined,
): Promise<Omit<Transfer, "settle"> & { readonly data: readonly Path[] }> {
  const { tree, signal, directory, only } = options;
  const folder = await SyncFolder.read(directory, signal);
  const base = state?.entries ?? new Map<string, SyncedEntry>();
  const data = widest([...(state?.data ?? []), ...(options.data ?? [])]);
  const known = [...base.keys()].map(placeFromKey);
  const places = [...folder.files.values(), ...known];
  const remote = await readRemote(tree, { data, places, base, signal });
  const keys = new Set([...folder.files.keys(), ...base.keys(), ...remote.keys()]);
  for (const { file } of base.values()) folder.keepName(file);
  const items: SyncItem[] = [];
  for (const key of [...keys].sort()) {
    const sides = { base: base.get(key), local: folder.files.get(key), remote: remote.get(key) };
    const item = itemOf(key, sides, await nameOf(folder, sides));
    if (isWanted(item.file, only)) items.push(item);
  }
  return { tree, folder, items, signal, data };
}

type Sides = Pick<SyncItem, "base" | "local" | "remote">;

function itemOf(key: string, sides: Sides, name: FileName): SyncItem {
  const { base, local, remote } = sides;
  const { kind, path } = local ?? remote ?? placeFromKey(key);
  const problem = local?.problem ?? remote?.problem ?? name.problem;
  const standing =
    problem === undefined
      ? standingOf({ base: base?.digest, here: local?.digest, there: remote?.digest })
      : { here: undefined, there: undefined };
  return { key, kind, path, ...sides, file: name.file, problem, ...standing };
}

interface FileName {
  readonly file: string;
  /** Why there is none. */
  readonly problem?: string;
}

/** The name that there is, or that a file for the entry gets. */
async function nameOf(folder: SyncFolder, { base, local, remote }: Sides): Promise<FileName> {
  const file = local?.file ?? base?.file;
  if (file !== undefined) return { file };
  if (remote === undefined) throw new TypeError("an entry is somewhere");
  try {
    const { kind, value } = remote;
    const { ending } = writeBytes({ kind, value, derived: await importsOf(remote, value) });
    return { file: folder.nameFor(remote, ending) };
  } catch (error) {
    const says = `${formatPath(remote.path)} in the tree: ${(error as Error).message}`;
    return { file: placeKey(remote), problem: remote.problem ?? says };
  }
}

function placeFromKey(key: string): DirectoryPlace {
  const space = key.indexOf(" ");
  return { kind: key.slice(0, space) as DirectoryPlace["kind"], path: parsePath(key.slice(space + 1)) }; // prettier-ignore
}

/** Each once, and none that another one contains. */
function widest(paths: readonly Path[]): readonly Path[] {
  return paths.filter((path, i) =>
    paths.every((other, j) => i === j || !other.contains(path) || (path.equals(other) && i < j)),
  );
}

function isWanted(file: string, only: readonly string[] | undefined): boolean {
  return only === undefined || only.some((name) => name === "" || file === name || file.startsWith(`${name}/`)); // prettier-ignore
}

/** How a file is named among those of a directory; undefined where it is not in it. */
export function nameWithin(directory: string, file: string): string | undefined {
  const name = relative(directory, file);
  const outside = name === ".." || name.startsWith(`..${sep}`) || name === join(file);
  return outside ? undefined : name.split(sep).join("/");
}
