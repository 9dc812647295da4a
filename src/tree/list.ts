import type { AbortOptions } from "../base/abort.ts";
import type { Engine, EngineEntry } from "../engine/engine.ts";
import { comparePaths } from "../wire/path-key.ts";
import type { Path, PathElement } from "../wire/path.ts";
import { toTreeEntry, type TreeEntry } from "./entry.ts";

/** One child of an entry. */
export interface TreeChild {
  /** The last element of its path. */
  readonly name: PathElement;
  readonly path: Path;
  /** Undefined where it has no value of its own, only something below it. */
  readonly entry: TreeEntry | undefined;
}

/** Brings the children's names and their entries together; both come in the order of paths. */
export async function* listChildren(
  engine: Pick<Engine, "children" | "list">,
  path: Path,
  { signal }: AbortOptions,
): AsyncGenerator<TreeChild, void> {
  const names = await engine.children(path, { signal });
  let next = 0;
  for await (const stored of engine.list(path, { minDepth: 1, maxDepth: 1, signal })) {
    for (; next < names.length; next++) {
      const order = comparePaths([names[next] as PathElement], stored.path.slice(-1));
      if (order === 0) next += 1;
      if (order >= 0) break;
      yield toChild(path.append(names[next] as PathElement), undefined);
    }
    yield toChild(stored.path, stored);
  }
  for (; next < names.length; next++) {
    yield toChild(path.append(names[next] as PathElement), undefined);
  }
}

function toChild(path: Path, stored: EngineEntry | undefined): TreeChild {
  const entry = stored === undefined ? undefined : toTreeEntry(stored);
  return { name: path.name as PathElement, path, entry };
}
