import type { AbortOptions } from "../base/abort.ts";
import { Listing } from "../base/listing.ts";
import {
  type DirectReads,
  type Engine,
  type EngineChild,
  type EngineEntry,
  type EntryInPlace,
  NOT_NOW,
  type Page,
} from "../engine/engine.ts";
import type { Path, PathElement } from "../wire/path.ts";
import type { DepthOptions } from "./depth.ts";
import { entryInPlace, toTreeEntry, type TreeEntry } from "./entry.ts";

/** One child of an entry. */
export interface TreeChild {
  /** The last element of its path. */
  readonly name: PathElement;
  readonly path: Path;
  /** Undefined where it has no value of its own, only something below it. */
  readonly entry: TreeEntry | undefined;
}

type Source = Pick<Engine, "children" | "list" | "direct">;

/** The children of `path`, in order. */
export function listChildren(
  engine: Source,
  path: Path,
  { signal }: AbortOptions,
): Listing<TreeChild> {
  const inPlace = (name: PathElement, stored: EntryInPlace | undefined): TreeChild => {
    if (stored === undefined) return { name, path: path.append(name), entry: undefined };
    return { name, path: stored.path, entry: entryInPlace(stored) };
  };
  return nearOrFar<EngineChild, TreeChild, PathElement>(engine, signal, {
    near: (reads, after) => reads.children(path, after, inPlace),
    far: (after) => engine.children(path, { after, signal }),
    convert: ({ name, entry }) => ({
      name,
      path: path.append(name),
      entry: entry === undefined ? undefined : toTreeEntry(entry),
    }),
    placeOf: ({ name }) => name,
  });
}

/** The entries at and below `path`, depth first. */
export function listEntries(
  engine: Source,
  path: Path,
  { minDepth, maxDepth, signal }: DepthOptions & AbortOptions,
): Listing<TreeEntry> {
  return nearOrFar<EngineEntry, TreeEntry, Path>(engine, signal, {
    near: (reads, after) => reads.page(path, { minDepth, maxDepth, after }, entryInPlace),
    far: (after) => engine.list(path, { minDepth, maxDepth, after, signal }),
    convert: toTreeEntry,
    placeOf: (entry) => entry.path,
  });
}

/** The two ways of reading a listing; either can go on where the other has come to. */
interface Ways<Stored, T, Place> {
  near(reads: DirectReads, after: Place | undefined): Page<T, Place> | typeof NOT_NOW;
  far(after: Place | undefined): Listing<Stored>;
  convert(stored: Stored): T;
  placeOf(stored: Stored): Place;
}

function nearOrFar<Stored, T, Place>(
  engine: Source,
  signal: AbortSignal | undefined,
  ways: Ways<Stored, T, Place>,
): Listing<T> {
  return new Listing(async function* () {
    let after: Place | undefined;
    for (;;) {
      signal?.throwIfAborted();
      let reads = engine.direct;
      while (reads?.pause !== undefined) {
        await reads.pause;
        reads = engine.direct;
      }
      const page = reads === undefined ? NOT_NOW : ways.near(reads, after);
      if (page === NOT_NOW) {
        let complete = true;
        for await (const stored of ways.far(after).pages()) {
          yield stored.map((one) => ways.convert(one));
          after = ways.placeOf(stored.at(-1) as Stored);
          if (engine.direct === undefined) continue;
          complete = false;
          break;
        }
        if (complete) return;
      } else {
        yield page.items;
        if (page.after === undefined) return;
        after = page.after;
      }
    }
  });
}
