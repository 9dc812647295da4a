import type { Path, PathElement } from "../wire/path.ts";

interface Branch<T> {
  readonly items: Set<T>;
  readonly branches: Map<PathElement, Branch<T>>;
}

/**
 * Who wants to hear of what: items under prefixes. Finding those of a path costs one step per element
 * of the path, however many items there are.
 */
export class PrefixIndex<T> {
  readonly #root: Branch<T> = newBranch();

  add(prefix: Path, item: T): void {
    let branch = this.#root;
    for (const element of prefix) {
      const key = mapKey(element);
      let next = branch.branches.get(key);
      if (next === undefined) branch.branches.set(key, (next = newBranch()));
      branch = next;
    }
    branch.items.add(item);
  }

  /** Forgets `item`, and the branches that lead to nothing any more. */
  delete(prefix: Path, item: T): void {
    const way: Branch<T>[] = [this.#root];
    for (const element of prefix) {
      const next = way.at(-1)?.branches.get(mapKey(element));
      if (next === undefined) return;
      way.push(next);
    }
    way.at(-1)?.items.delete(item);
    for (let depth = way.length - 1; depth > 0; depth--) {
      const { items, branches } = way[depth] as Branch<T>;
      if (items.size > 0 || branches.size > 0) return;
      way[depth - 1]?.branches.delete(mapKey(prefix[depth - 1] as PathElement));
    }
  }

  /** Calls `visit` for each item whose prefix is `path` or lies above it. */
  forEach(path: Path, visit: (item: T) => void): void {
    let branch: Branch<T> | undefined = this.#root;
    for (let depth = 0; branch !== undefined; depth++) {
      for (const item of branch.items) visit(item);
      if (depth === path.length) return;
      branch = branch.branches.get(mapKey(path[depth] as PathElement));
    }
  }
}

function newBranch<T>(): Branch<T> {
  return { items: new Set(), branches: new Map() };
}

/**
 * What an element is under in a Map, which tells "1", 1 and true apart by itself; only bytes need a
 * stand-in that no string can be.
 */
export function mapKey(element: PathElement): PathElement {
  if (element instanceof Uint8Array) return `\0b${element.join()}`;
  return typeof element === "string" && element.startsWith("\0") ? `\0s${element}` : element;
}
