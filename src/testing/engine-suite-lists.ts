import assert from "node:assert/strict";

import type { Engine } from "../engine/engine.ts";
import { comparePaths } from "../wire/path-key.ts";
import { Path, type PathElement } from "../wire/path.ts";
import { bytes, type EngineTest, listed, path, put, text } from "./engine-suite-kit.ts";

/** `list` and `children`. */
export function listTests(test: EngineTest): void {
  test("list() gives the subtree with its own entry, in the order of paths", async (engine) => {
    for (const where of ["b", "a.c", "a:2", "a", "ab", "a.b.c", "a:10", "a:t"]) {
      await put(engine, where, "1");
    }
    const expected = ["a=1", "a:t=1", "a:2=1", "a:10=1", "a.b.c=1", "a.c=1"];
    assert.deepEqual(await listed(engine, "a"), expected);
    assert.deepEqual(await listed(engine, ":"), [...expected, "ab=1", "b=1"]);
    assert.deepEqual(await listed(engine, "a.b"), ["a.b.c=1"]);
    assert.deepEqual(await listed(engine, "x"), []);
  });

  test("list() keeps the order of every kind of element", async (engine) => {
    const elements: PathElement[] = [
      null, false, true, -Infinity, -1, 0, 0.5, 2, 10, "", "\0", "1", "a", "a\0", "aa", "é", "\u{1f600}",
    ].filter((element) => element !== -Infinity); // prettier-ignore
    elements.push(new Uint8Array([]), new Uint8Array([0]), new Uint8Array([0, 255]));
    const paths = elements.flatMap((element) => [
      Path.fromElements([element]),
      Path.fromElements([element, "x"]),
    ]);
    for (const where of paths.toReversed()) await engine.put(where, bytes("1"));
    const found: Path[] = [];
    for await (const entry of engine.list(Path.root)) found.push(entry.path);
    assert.equal(found.length, paths.length);
    assert.deepEqual(found.toSorted(comparePaths), found);
    assert.deepEqual(found, paths);
  });

  test("list() leaves out what is too near or too deep", async (engine) => {
    for (const where of ["a", "a.b", "a.b.c", "a.b.c.d"]) await put(engine, where, "1");
    assert.deepEqual(await listed(engine, "a", { maxDepth: 0 }), ["a=1"]);
    assert.deepEqual(await listed(engine, "a", { maxDepth: 1 }), ["a=1", "a.b=1"]);
    assert.deepEqual(await listed(engine, "a", { minDepth: 1, maxDepth: 1 }), ["a.b=1"]);
    assert.deepEqual(await listed(engine, "a", { minDepth: 3 }), ["a.b.c.d=1"]);
  });

  test("list() goes on behind `after`", async (engine) => {
    for (const where of ["a", "a.b", "a.b.c", "a.d"]) await put(engine, where, "1");
    assert.deepEqual(await listed(engine, "a", { after: path("a") }), [
      "a.b=1",
      "a.b.c=1",
      "a.d=1",
    ]);
    assert.deepEqual(await listed(engine, "a", { after: path("a.b") }), ["a.b.c=1", "a.d=1"]);
    assert.deepEqual(await listed(engine, "a", { after: path("a.c") }), ["a.d=1"]);
    assert.deepEqual(await listed(engine, "a", { after: path("b") }), []);
    assert.deepEqual(await listed(engine, "a.b", { after: path("a") }), ["a.b=1", "a.b.c=1"]);
  });

  test("list() of 5,000 entries is complete", async (engine) => {
    const writes = Array.from({ length: 5_000 }, (_, i) =>
      engine.put(Path.fromElements(["n", i]), bytes(`${i}`)),
    );
    await Promise.all(writes);
    const expected = Array.from({ length: 5_000 }, (_, i) => `n:${i}=${i}`);
    assert.deepEqual(await listed(engine, "n"), expected);
  });

  test("list() gives what was there throughout, whatever else is written meanwhile", async (engine) => {
    const numbers = Array.from({ length: 3_000 }, (_, i) => i);
    await Promise.all(numbers.map((i) => engine.put(Path.fromElements(["n", i]), bytes("x"))));
    const found = new Set<PathElement | undefined>();
    for await (const entry of engine.list(path("n"))) {
      if (found.size % 500 === 0) {
        await engine.put(Path.fromElements(["n", found.size + 0.5]), bytes("y"));
        await engine.delete(Path.fromElements(["n", found.size + 0.5]));
      }
      found.add(entry.path.name);
    }
    assert.ok(numbers.every((i) => found.has(i)));
  });

  test("children() names each next element once, also those without an entry", async (engine) => {
    for (const where of ["a.b", "a.b.c", "a.c.x.y", "a:2", "a:2.z", "a", "b.a"]) {
      await put(engine, where, "1");
    }
    assert.deepEqual(await named(engine, path("a")), [2, "b", "c"]);
    assert.deepEqual(await named(engine, Path.root), ["a", "b"]);
    assert.deepEqual(await named(engine, path("a.c")), ["x"]);
    assert.deepEqual(await named(engine, path("a.b.c")), []);
    assert.deepEqual(await named(engine, path("x")), []);
  });

  test("children() has the entries of the children, and what lies below them nowhere", async (engine) => {
    for (const where of ["a", "a.b", "a.b.c.d", "a.b.e", "a.c.x", "a.d", "a.dd"]) {
      await put(engine, where, where);
    }
    const shown: string[] = [];
    for await (const { name, entry } of engine.children(path("a"))) {
      shown.push(`${String(name)}=${entry === undefined ? "-" : text(entry.value)}`);
    }
    assert.deepEqual(shown, ["b=a.b", "c=-", "d=a.d", "dd=a.dd"]);
    assert.deepEqual(
      await engine
        .children(path("a"), { after: "b" })
        .map(({ name }) => name)
        .toArray(),
      ["c", "d", "dd"],
    );
    assert.deepEqual(await engine.children(path("a"), { after: "zz" }).toArray(), []);
  });

  test("list() and children() of more than a page name everything once, in order", async (engine) => {
    const names = Array.from({ length: 2_500 }, (_, i) => i);
    await Promise.all(names.map((i) => engine.put(Path.fromElements(["n", i]), bytes(String(i)))));
    // Something below those at the ends of pages.
    for (const i of [998, 999, 1_000, 1_001, 2_499]) {
      await engine.put(Path.fromElements(["n", i, "x"]), bytes("x"));
    }
    assert.deepEqual(await named(engine, path("n")), names);
    const near = await engine.list(path("n"), { maxDepth: 1 }).toArray();
    assert.deepEqual(
      near.map((entry) => entry.path[1]),
      names,
    );
    assert.equal((await engine.list(path("n")).toArray()).length, 2_505);
  });

  test("children() of a large subtree is complete", async (engine) => {
    const writes = Array.from({ length: 2_000 }, (_, i) =>
      engine.put(Path.fromElements(["n", i % 50, i]), bytes("1")),
    );
    await Promise.all(writes);
    assert.deepEqual(
      await named(engine, path("n")),
      Array.from({ length: 50 }, (_, i) => i),
    );
  });
}

/** The names of the children. */
async function named(engine: Engine, at: Path): Promise<PathElement[]> {
  return (await engine.children(at).toArray()).map(({ name }) => name);
}
