import { describe, expect, it } from "vitest";

import type { EngineEntry } from "../../src/engine/engine.ts";
import { listChildren } from "../../src/tree/list.ts";
import { Path, type PathElement } from "../../src/wire/path.ts";
import { encodeValue } from "../../src/wire/value.ts";

/** What `listChildren` makes of names and entries that were read at different moments. */
async function merge(names: PathElement[], entries: PathElement[]): Promise<unknown[]> {
  const engine = {
    children: async () => names,
    async *list(): AsyncGenerator<EngineEntry> {
      for (const name of entries) {
        const path = Path.fromElements(["top", name]);
        yield { path, value: encodeValue(name), revision: 1, author: "", time: 0 };
      }
    },
  };
  const merged: unknown[] = [];
  for await (const { name, path, entry } of listChildren(engine, Path.fromElements(["top"]), {})) {
    expect(path).toEqual(Path.fromElements(["top", name]));
    merged.push(entry === undefined ? name : { [String(name)]: entry.value });
  }
  return merged;
}

describe("listChildren()", () => {
  it("brings names and entries together in order", async () => {
    expect(await merge([1, "a", "b", "c"], [1, "b"])).toEqual([{ 1: 1 }, "a", { b: "b" }, "c"]);
    expect(await merge(["a"], [])).toEqual(["a"]);
    expect(await merge([], [])).toEqual([]);
  });

  it("gives a child once that came after the names were read, or went after them", async () => {
    expect(await merge(["b", "gone"], ["a", "b", "z"])).toEqual([
      { a: "a" },
      { b: "b" },
      "gone",
      { z: "z" },
    ]);
    expect(await merge([], ["a"])).toEqual([{ a: "a" }]);
  });
});
