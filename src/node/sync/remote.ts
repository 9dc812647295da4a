import type { Tree } from "../../tree/tree.ts";
import { formatPath } from "../../wire/path-text.ts";
import { Path } from "../../wire/path.ts";
import { type DirectoryPlace, placeKey } from "../directory.ts";
import { type DirectoryKind, digestOf } from "../entry-file.ts";
import { importsOf } from "./imports.ts";
import type { SyncedEntry } from "./state.ts";

/** One entry of the tree that a file stands for, or can. */
export interface RemoteEntry extends DirectoryPlace {
  readonly value: unknown;
  readonly revision: number;
  readonly author: string;
  readonly time: number;
  /** Undefined where there is a problem. */
  readonly digest: string | undefined;
  /** Why no file can stand for it. */
  readonly problem: string | undefined;
}

export interface RemoteScope {
  /** Data below these is wanted. */
  readonly data: readonly Path[];
  /** And these, wherever they are. */
  readonly places: readonly DirectoryPlace[];
  /** What is known of those that were in step. */
  readonly base: ReadonlyMap<string, SyncedEntry>;
  readonly signal: AbortSignal;
}

/** Where an entry of that kind is in the tree. */
export function targetOf(tree: Tree, { kind, path }: DirectoryPlace): Path {
  return kind === "data" ? path : tree.system[kind].concat(path);
}

/**
 * The procedures, modules and jobs of a tree, and the data that is asked for.
 *
 * @throws EngineError `ENGINE_DENIED` where what was in step may not be read any more: it would be taken
 *   for gone
 */
export async function readRemote(
  tree: Tree,
  { data, places, base, signal }: RemoteScope,
): Promise<ReadonlyMap<string, RemoteEntry>> {
  const found = new Map<string, RemoteEntry>();
  const walks: (readonly [DirectoryKind, Path, Path])[] = [
    ...(["module", "proc", "job"] as const).map((kind) => [kind, tree.system[kind], tree.system[kind]] as const), // prettier-ignore
    ...data.map((prefix) => ["data", prefix, Path.root] as const),
  ];
  for (const [kind, from, root] of walks) {
    for await (const entry of tree.walk(from, { signal })) {
      if (kind === "data" && tree.system.root.contains(entry.path)) continue;
      const path = Path.fromElements(entry.path.slice(root.length));
      if (kind !== "data" && path.length === 0) continue;
      await add(found, { kind, path }, entry, base);
    }
  }
  for (const place of places) {
    if (found.has(placeKey(place))) continue;
    const at = targetOf(tree, place);
    const entry = place.kind === "data" ? await tree.entry(at, { signal }) : undefined;
    if (entry !== undefined) await add(found, place, entry, base);
    else if (base.has(placeKey(place))) await tree.users.demand("r", at);
  }
  return found;
}

type Stored = Omit<RemoteEntry, "digest" | "problem" | "kind" | "path"> & {
  readonly error?: Error;
};

async function add(
  found: Map<string, RemoteEntry>,
  place: DirectoryPlace,
  stored: Stored,
  base: ReadonlyMap<string, SyncedEntry>,
): Promise<void> {
  const { value, revision, author, time, error } = stored;
  const of = { ...place, value, revision, author, time };
  const before = base.get(placeKey(place));
  try {
    if (error !== undefined) throw error;
    const digest =
      before?.revision === revision
        ? before.digest
        : digestOf(place.kind, value, await importsOf(place, value));
    found.set(placeKey(place), { ...of, digest, problem: undefined });
  } catch (cause) {
    const problem = `${formatPath(place.path)} in the tree: ${(cause as Error).message}`;
    found.set(placeKey(place), { ...of, digest: undefined, problem });
  }
}
