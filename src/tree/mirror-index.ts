import { type ElementKey, elementKey } from "../wire/element-key.ts";
import { comparePaths } from "../wire/path-key.ts";
import type { Path, PathElement } from "../wire/path.ts";
import type { TreeEntry } from "./entry.ts";

interface Branch {
  readonly element: PathElement | undefined;
  entry: TreeEntry | undefined;
  /** Made with the first child: most entries have none. */
  children: Map<ElementKey, Branch> | undefined;
  /** The children in order; undefined where one has come or gone since it was last asked for. */
  ordered: readonly Branch[] | undefined;
}

/** Entries by path, in memory: lookups cost the path's length, listings are in the order of paths. */
export class EntryIndex {
  readonly #root: Branch = branch(undefined);
  #size = 0;

  /** How many entries there are. */
  get size(): number {
    return this.#size;
  }

  get(path: Path): TreeEntry | undefined {
    return this.#find(path)?.entry;
  }

  /** Returns what was there before. */
  put(entry: TreeEntry): TreeEntry | undefined {
    let at = this.#root;
    for (const element of entry.path) at = childOf(at, element);
    const previous = at.entry;
    at.entry = entry;
    if (previous === undefined) this.#size += 1;
    return previous;
  }

  /** Returns what was there; leaves what lies below. */
  delete(path: Path): TreeEntry | undefined {
    const trail: Branch[] = [this.#root];
    for (const element of path) {
      const next = trail.at(-1)?.children?.get(elementKey(element));
      if (next === undefined) return undefined;
      trail.push(next);
    }
    const found = trail.at(-1) as Branch;
    const previous = found.entry;
    if (previous === undefined) return undefined;
    found.entry = undefined;
    this.#size -= 1;
    prune(trail);
    return previous;
  }

  /** The elements that follow `path`, also those that have no entry of their own. */
  children(path: Path): PathElement[] {
    const at = this.#find(path);
    return at === undefined ? [] : inOrder(at).map((child) => child.element as PathElement);
  }

  /** The entries at and below `path`, depth first. */
  *entries(path: Path): IterableIterator<TreeEntry> {
    const start = this.#find(path);
    const open = start === undefined ? [] : [start];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (at.entry !== undefined) yield at.entry;
      const children = inOrder(at);
      for (let i = children.length - 1; i >= 0; i--) open.push(children[i] as Branch);
    }
  }

  #find(path: Path): Branch | undefined {
    let at: Branch | undefined = this.#root;
    for (const element of path) {
      at = at.children?.get(elementKey(element));
      if (at === undefined) return undefined;
    }
    return at;
  }
}

function branch(element: PathElement | undefined): Branch {
  return { element, entry: undefined, children: undefined, ordered: undefined };
}

function childOf(parent: Branch, element: PathElement): Branch {
  const key = elementKey(element);
  const known = parent.children?.get(key);
  if (known !== undefined) return known;
  const made = branch(element);
  parent.children ??= new Map();
  parent.children.set(key, made);
  parent.ordered = undefined;
  return made;
}

/** Takes the branches off that neither have an entry nor lead to one. */
function prune(trail: Branch[]): void {
  for (let at = trail.pop(); at !== undefined; at = trail.pop()) {
    const parent = trail.at(-1);
    if (parent === undefined || at.entry !== undefined || (at.children?.size ?? 0) > 0) return;
    parent.children?.delete(elementKey(at.element as PathElement));
    parent.ordered = undefined;
  }
}

function inOrder(at: Branch): readonly Branch[] {
  if (at.children === undefined) return [];
  at.ordered ??= [...at.children.values()].sort((a, b) =>
    compareElements(a.element as PathElement, b.element as PathElement),
  );
  return at.ordered;
}

function compareElements(a: PathElement, b: PathElement): number {
  return comparePaths([a], [b]);
}
