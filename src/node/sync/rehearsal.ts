import { NodeError } from "../../base/errors.ts";
import type { CodeEntry } from "../../code/entry.ts";
import { CodeLibrary } from "../../code/library.ts";
import { type CodePlace, storedCode } from "../../code/store.ts";
import { MemoryEngine } from "../../engine/memory.ts";
import { Tree } from "../../tree/tree.ts";
import { formatPath } from "../../wire/path-text.ts";
import { Path } from "../../wire/path.ts";
import { placeKey } from "../directory.ts";

/** Code that is to be written, or deleted where it has no value. */
export interface CodeChange extends CodePlace {
  readonly value: unknown;
}

/**
 * Compiles and links changes of code as if all of them were made, on a copy of the tree's code; the values to
 * store, by the keys of places, in the order in which each finds what it imports.
 *
 * @throws NodeError `NODE_SYNC_BROKEN` with everything that would not work (details: `problems`), also
 *   code that works now and is not among the changes
 */
export async function rehearse(
  tree: Tree,
  changes: readonly CodeChange[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, object>> {
  await using copy = Tree.over(new MemoryEngine());
  const there = await copyCode(tree, copy, signal);
  await using library = await CodeLibrary.open(copy);
  const changed = new Set(changes.map(placeKey));
  const works = there.filter((place) => {
    return !changed.has(placeKey(place)) && library.errorOf(place.path, place.kind) === undefined;
  });
  let last = 0;
  for (const { kind, path, value } of changes) {
    const at = copy.system[kind].concat(path);
    ({ revision: last } = value === undefined ? await copy.delete(at) : await copy.set(at, value));
  }
  await library.settled(last);
  const problems: string[] = [];
  const values = new Map<string, object>();
  for (const change of changes.filter(({ value }) => value !== undefined)) {
    signal.throwIfAborted();
    try {
      const entry = change.value as CodeEntry;
      values.set(placeKey(change), await storedCode(library, change, entry, { signal }));
    } catch (error) {
      problems.push(`${change.kind} ${formatPath(change.path)}: ${(error as Error).message}`);
    }
  }
  for (const { kind, path } of works) {
    const error = library.errorOf(path, kind);
    if (error !== undefined)
      problems.push(`${kind} ${formatPath(path)} works now: ${error.message}`);
  }
  if (problems.length === 0) return inOrder(values);
  const says = `nothing was pushed, for it would not work; --no-check pushes it all the same:\n${problems.join("\n")}`;
  throw new NodeError("NODE_SYNC_BROKEN", says, { details: { problems } });
}

/** What can't be read is broken there already. */
async function copyCode(tree: Tree, copy: Tree, signal: AbortSignal): Promise<CodePlace[]> {
  const places: CodePlace[] = [];
  for (const kind of ["module", "proc"] as const) {
    const root = tree.system[kind];
    for await (const { path, value, error } of tree.walk(root, { minDepth: 1, signal })) {
      if (error !== undefined) continue;
      const place = { kind, path: Path.fromElements(path.slice(root.length)) };
      await copy.set(copy.system[kind].concat(place.path), value);
      places.push(place);
    }
  }
  return places;
}

/** What is imported first. */
function inOrder(values: ReadonlyMap<string, object>): ReadonlyMap<string, object> {
  const ordered = new Map<string, object>();
  const visit = (key: string): void => {
    const value = values.get(key);
    if (value === undefined || ordered.has(key)) return;
    // There are no cycles: they are errors.
    const { requires } = value as { requires: readonly string[] };
    for (const module of requires) visit(`module ${module}`);
    ordered.set(key, value);
  };
  for (const key of values.keys()) visit(key);
  return ordered;
}
