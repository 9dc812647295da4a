import { describe, expect, it } from "vitest";

import { MemoryEngine } from "../../src/engine/memory.ts";
import { differences } from "../../src/tree/diff.ts";
import { Tree } from "../../src/tree/tree.ts";
import { Path } from "../../src/wire/path.ts";

function path(text: string): Path {
  return Path.fromElements([text]);
}

function tree(): Tree {
  return Tree.over(new MemoryEngine(), { author: "ann" });
}

describe("tree.history()", () => {
  it("has decoded values, authors and deletions, newest first", async () => {
    await using ours = tree();
    await ours.set("a", { on: true });
    await ours.delete("a");
    await ours.set("a", 2n);
    const versions = await ours.history("a");
    expect(versions.map(({ value, deleted, author }) => [value, deleted, author])).toEqual([
      [2n, false, "ann"],
      [undefined, true, "ann"],
      [{ on: true }, false, "ann"],
    ]);
  });
});

describe("tree.diff()", () => {
  it("compares the last two versions, or those that are named", async () => {
    await using ours = tree();
    const first = await ours.set("a", { lamps: 1, on: true });
    await ours.set("a", { lamps: 2, on: true });
    await ours.set("a", { lamps: 2 });
    expect(await ours.diff("a")).toEqual([
      { at: ["on"], type: "removed", before: true, after: undefined },
    ]);
    expect(await ours.diff("a", { from: first.revision })).toEqual([
      { at: ["lamps"], type: "changed", before: 1, after: 2 },
      { at: ["on"], type: "removed", before: true, after: undefined },
    ]);
    expect(await ours.diff("a", { to: first.revision })).toEqual([
      { at: [], type: "added", before: undefined, after: { lamps: 1, on: true } },
    ]);
    await expect(ours.diff("a", { from: 99 })).rejects.toMatchObject({ code: "TREE_NO_VERSION" });
  });
});

describe("tree.revert()", () => {
  it("writes an old version as a new one, and can be taken back", async () => {
    await using ours = tree();
    const first = await ours.set("a", "one");
    const second = await ours.set("a", "two");
    const reverted = await ours.revert("a", first.revision);
    expect(await ours.get("a")).toBe("one");
    expect(reverted.revision).toBeGreaterThan(second.revision);
    await ours.revert("a", second.revision);
    expect(await ours.get("a")).toBe("two");
    expect(await ours.history("a")).toHaveLength(4);
  });

  it("brings a deleted entry back, and deletes one that was not there", async () => {
    await using ours = tree();
    const first = await ours.set("a", "one");
    const gone = await ours.delete("a");
    await ours.revert("a", first.revision);
    expect(await ours.get("a")).toBe("one");
    expect((await ours.revert("a", gone.revision)).changed).toBe(true);
    expect(await ours.get("a")).toBeUndefined();
    await expect(ours.revert("a", 99)).rejects.toMatchObject({
      code: "TREE_NO_VERSION",
      details: { revision: 99 },
    });
  });

  it("gives way to somebody who writes meanwhile", async () => {
    const engine = new MemoryEngine();
    await using ours = Tree.over(engine);
    const first = await ours.set("a", "one");
    await ours.set("a", "two");
    const history = engine.history.bind(engine);
    engine.history = async (at) => {
      const versions = await history(at);
      await ours.set("a", "three");
      return versions;
    };
    await expect(ours.revert("a", first.revision)).rejects.toMatchObject({
      code: "ENGINE_CONFLICT",
    });
    expect(await ours.get("a")).toBe("three");
  });
});

describe("differences()", () => {
  it("goes into objects and arrays, and takes everything else as a whole", () => {
    expect(
      differences({ a: [1, { b: 2 }], c: path("x") }, { a: [1, { b: 3 }, 4], c: path("y") }),
    ).toEqual([
      { at: ["a", 1, "b"], type: "changed", before: 2, after: 3 },
      { at: ["a", 2], type: "added", before: undefined, after: 4 },
      { at: ["c"], type: "changed", before: path("x"), after: path("y") },
    ]);
    expect(differences(new Uint8Array([1]), new Uint8Array([1]))).toEqual([]);
    expect(differences(0, -0)).toHaveLength(1);
    expect(differences(Number.NaN, Number.NaN)).toEqual([]);
    expect(differences([1], { 0: 1 })).toHaveLength(1);
  });
});
