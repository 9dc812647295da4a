import { type ElementKey, elementKey } from "../wire/element-key.ts";
import type { PathElement } from "../wire/path.ts";

/** One way through paths that begin alike. */
export interface Branch<T> {
  readonly items: Set<T>;
  readonly branches: Map<ElementKey, Branch<T>>;
  /** What leads here from the one before; `undefined` where all begin. */
  readonly element: PathElement | undefined;
}

/** Items under paths, of which one and another may stand under the same. */
export class PathBranches<T> {
  readonly root: Branch<T> = newBranch(undefined);

  add(path: readonly PathElement[], item: T): void {
    let branch = this.root;
    for (const element of path) {
      const key = elementKey(element);
      let next = branch.branches.get(key);
      if (next === undefined) branch.branches.set(key, (next = newBranch(element)));
      branch = next;
    }
    branch.items.add(item);
  }

  /** Forgets `item`, and the branches that lead to nothing any more. */
  delete(path: readonly PathElement[], item: T): void {
    const way: Branch<T>[] = [this.root];
    for (const element of path) {
      const next = way.at(-1)?.branches.get(elementKey(element));
      if (next === undefined) return;
      way.push(next);
    }
    way.at(-1)?.items.delete(item);
    for (let depth = way.length - 1; depth > 0; depth--) {
      const { items, branches, element } = way[depth] as Branch<T>;
      if (items.size > 0 || branches.size > 0) return;
      way[depth - 1]?.branches.delete(elementKey(element as PathElement));
    }
  }
}

function newBranch<T>(element: PathElement | undefined): Branch<T> {
  return { items: new Set(), branches: new Map(), element };
}
