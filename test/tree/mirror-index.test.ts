import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import type { TreeEntry } from "../../src/tree/entry.ts";
import { EntryIndex } from "../../src/tree/mirror-index.ts";
import { comparePaths } from "../../src/wire/path-key.ts";
import { formatPath } from "../../src/wire/path-text.ts";
import { Path } from "../../src/wire/path.ts";

// Few and alike, so that paths meet: the same text as string, number and bytes, and UTF-8 order.
const element = fc.constantFrom<(string | number | boolean | null | Uint8Array)[]>(
  "1", 1, true, null, "", "a", "\u{ffff}", "\u{1f600}", Uint8Array.of(), Uint8Array.of(0),
  Uint8Array.of(0, 0), Uint8Array.of(49),
); // prettier-ignore
const path = fc.array(element, { maxLength: 3 }).map((elements) => Path.fromElements(elements));
const step = fc.record({ put: fc.boolean(), path });

describe("EntryIndex", () => {
  it("holds, finds and orders what a sorted list does", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), path, (steps, asked) => {
        const index = new EntryIndex();
        const model = new Map<string, TreeEntry>();
        steps.forEach((taken, revision) => {
          const key = formatPath(taken.path);
          const entry = entryAt(taken.path, revision);
          const before = taken.put ? index.put(entry) : index.delete(taken.path);
          expect(before).toBe(model.get(key));
          if (taken.put) model.set(key, entry);
          else model.delete(key);
        });
        const sorted = [...model.values()].sort((a, b) => comparePaths(a.path, b.path));
        const below = sorted.filter((entry) => asked.contains(entry.path));
        expect(index.size).toBe(sorted.length);
        expect([...index.entries(Path.root)]).toEqual(sorted);
        expect([...index.entries(asked)]).toEqual(below);
        expect(index.get(asked)).toBe(model.get(formatPath(asked)));
        expect(index.children(asked)).toEqual(childrenOf(asked, below));
      }),
    );
  });

  it("forgets branches that lead nowhere", () => {
    const index = new EntryIndex();
    index.put(entryAt(Path.fromElements(["a", "b", "c"]), 1));
    index.put(entryAt(Path.fromElements(["a"]), 2));
    index.delete(Path.fromElements(["a", "b", "c"]));
    expect(index.children(Path.fromElements(["a"]))).toEqual([]);
    index.delete(Path.fromElements(["a"]));
    expect(index.children(Path.root)).toEqual([]);
  });
});

function entryAt(at: Path, revision: number): TreeEntry {
  return { path: at, value: revision, revision, author: "", time: 0 };
}

function childrenOf(asked: Path, below: readonly TreeEntry[]): unknown[] {
  const names = new Map<string, unknown>();
  for (const entry of below) {
    const name = entry.path[asked.length];
    if (name !== undefined) names.set(formatPath([name]), name);
  }
  return [...names.values()];
}
