import { elementKey } from "../wire/element-key.ts";
import type { Path, PathElement } from "../wire/path.ts";
import { type Branch, PathBranches } from "./path-branches.ts";

/**
 * Who wants to hear of what: items under prefixes. Finding those of a path costs one step per element
 * of the path, however many items there are.
 */
export class PrefixIndex<T> extends PathBranches<T> {
  /** Calls `visit` for each item whose prefix is `path` or lies above it. */
  forEach(path: Path, visit: (item: T) => void): void {
    let branch: Branch<T> | undefined = this.root;
    for (let depth = 0; branch !== undefined; depth++) {
      for (const item of branch.items) visit(item);
      if (depth === path.length) return;
      branch = branch.branches.get(elementKey(path[depth] as PathElement));
    }
  }
}
