import type { Path, PathElement } from "../wire/path.ts";
import { encodePath, subtreeRange } from "../wire/path-key.ts";
import type { EngineChild, EngineEntry } from "./engine.ts";
import { compareBytes, type KeyRange, keyAfter, PAGE_LIMITS, type StorePage } from "./store.ts";

/** What children are read from: the part of a store that it takes. */
interface PageSource {
  page(range: KeyRange, limits?: { entries: number; bytes: number }): StorePage;
}

/** As long as children have nothing below them, pages are large; else most of one would be skipped. */
const DEEP_ENTRIES = 32;

/** The keys of all that lies below `path`. */
export function childrenRange(path: Path): KeyRange {
  return { start: keyAfter(encodePath(path)), end: subtreeRange(path).end };
}

/**
 * The next children of `path` in the range: entries in one pass, passing over what lies below them.
 * `next` is where the next page begins, undefined at the end.
 */
export function readChildren(
  source: PageSource,
  path: Path,
  { start, end }: KeyRange,
): { children: EngineChild[]; next: Uint8Array | undefined } {
  const depth = path.length;
  const children: EngineChild[] = [];
  let position: Uint8Array | undefined = start;
  let entries: number = PAGE_LIMITS.entries;
  while (position !== undefined && children.length < PAGE_LIMITS.entries) {
    const page: StorePage = source.page({ start: position, end }, { ...PAGE_LIMITS, entries });
    let skipped: Uint8Array | undefined;
    let weight = 0;
    let deep = false;
    for (const entry of page.entries) {
      weight += entry.value.length;
      if (entry.path.length === depth + 1) {
        children.push({ name: entry.path[depth] as PathElement, entry });
        skipped = undefined;
        continue;
      }
      // What is passed over is behind the end of the last child's subtree only in the order of keys.
      if (skipped !== undefined && compareBytes(encodePath(entry.path), skipped) < 0) continue;
      const name = entry.path[depth] as PathElement;
      skipped = subtreeRange(path.append(name)).end;
      deep = true;
      if (!isLast(children, name)) children.push({ name, entry: undefined });
    }
    position = behindLast(path, children, page.next);
    entries = deep ? DEEP_ENTRIES : Math.min(entries * 4, PAGE_LIMITS.entries);
    if (weight >= PAGE_LIMITS.bytes) break;
  }
  return { children, next: position };
}

/** A page that ends within a child's subtree must not let the next one find that child again. */
function behindLast(
  path: Path,
  children: readonly EngineChild[],
  position: Uint8Array | undefined,
): Uint8Array | undefined {
  const last = children.at(-1);
  if (last === undefined || position === undefined) return position;
  const { end } = subtreeRange(path.append(last.name));
  return compareBytes(position, end) < 0 ? end : position;
}

/** Whether the child of this name is the last one found: then it has an entry of its own. */
function isLast(children: readonly EngineChild[], name: PathElement): boolean {
  const last: EngineEntry | undefined = children.at(-1)?.entry;
  if (last === undefined) return false;
  const other = last.path.at(-1) as PathElement;
  if (!(name instanceof Uint8Array)) return other === name;
  return other instanceof Uint8Array && compareBytes(name, other) === 0;
}
