import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { CodeLibrary, type CodeLibraryOptions } from "../../src/code/library.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Tree } from "../../src/tree/tree.ts";
import { formatPath } from "../../src/wire/path-text.ts";
import { failure, nextTurn, openCode, openErrors, QUUX, version } from "./code-kit.ts";

const slow = (n: number): object => ({
  code: `await null; await null; export const n = ${n}`,
});
/** Tells `loaded`, a global list, when it is evaluated. */
const noting = (name: string, rest = ""): object => ({
  code: `${rest}; loaded.push("${name}"); export const n = 1`,
});
/** Tells `seen`, a global list, when it is disposed of, and what `callP` gives then. */
const disposing = (n: number): object => ({
  code: `export function quux() { return ${n} } import.meta.dispose(() => seen.push([${n}, callP()]))`,
});

describe("a change", () => {
  it("of a module takes effect on the next call, through two levels", async () => {
    await using kit = await openCode();
    await kit.modules.add("bar.baz", version(1));
    await kit.modules.add("mid", {
      code: 'import { quux } from "tree:bar.baz"; export const m = () => quux() * 10',
    });
    await kit.code.add("p", {
      code: 'import { quux } from "tree:bar.baz"; import { m } from "tree:mid"; return [quux(), m()]',
    });
    expect(kit.code("p")).toEqual([1, 10]);
    const key = kit.library.keyOf("p");
    await kit.modules.add("bar.baz", version(2));
    expect(kit.code("p")).toEqual([2, 20]);
    expect(kit.library.keyOf("p")).not.toBe(key);
    await kit.modules.add("bar.baz", version(1));
    expect(kit.library.keyOf("p")).toBe(key);
  });

  it("leaves calls that run with what they began with", async () => {
    await using kit = await openCode();
    await kit.modules.add("bar.baz", version(1));
    await kit.modules.add("mid", {
      code: 'import { quux } from "tree:bar.baz"; export const m = () => quux()',
    });
    const code =
      'import { quux } from "tree:bar.baz"; import { m } from "tree:mid"; const before = [quux(), m()]; await gate; return [before, [quux(), m()]]';
    await kit.code.add("p", { code, vars: ["gate"], is_async: true });
    const gate = deferred<void>();
    const old = kit.code("p", gate.promise);
    await kit.modules.add("bar.baz", version(2));
    const young = kit.code("p", gate.promise);
    gate.resolve();
    expect(await old).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(await young).toEqual([
      [2, 2],
      [2, 2],
    ]);
  });

  it("is never seen by half while it is prepared", async () => {
    await using kit = await openCode();
    await kit.store({
      "module:a": slow(1),
      "module:b": slow(1),
      "proc:p": {
        code: 'import * as a from "tree:a"; import * as b from "tree:b"; return [a.n, b.n]',
      },
    });
    const seen = new Set<string>();
    const settled = kit.store({ "module:a": slow(2), "module:b": slow(2) });
    const state = { done: false };
    void settled.then(() => (state.done = true));
    while (!state.done) {
      seen.add(String(kit.code("p")));
      await nextTurn();
    }
    expect([...seen, String(kit.code("p"))]).toEqual(["1,1", "2,2"]);
  });

  it("of two entries at once may rename what one imports from the other", async () => {
    await using kit = await openCode();
    await kit.store({ "module:bar.baz": version(1), "proc:p": { code: QUUX } });
    expect(kit.code("p")).toBe(1);
    await kit.store({
      "module:bar.baz": { code: "export const renamed = () => 2" },
      "proc:p": { code: QUUX.replaceAll("quux", "renamed") },
    });
    expect(kit.code("p")).toBe(2);
    expect(await openErrors(kit)).toEqual([]);
  });

  it("reloads what imports it, and nothing else", async () => {
    await using kit = await openCode();
    Reflect.set(globalThis, "loaded", []);
    await kit.store({
      "module:leaf": noting("leaf"),
      "module:user": noting("user", 'import "tree:leaf"'),
      "module:other": noting("other"),
      "module:unused": noting("unused"),
      "proc:p": { code: 'import "tree:user"; import "tree:other"' },
    });
    expect((Reflect.get(globalThis, "loaded") as string[]).sort()).toEqual([
      "leaf",
      "other",
      "user",
    ]);
    Reflect.set(globalThis, "loaded", []);
    await kit.store({ "module:leaf": { code: 'loaded.push("leaf 2")' } });
    expect(Reflect.get(globalThis, "loaded")).toEqual(["leaf 2", "user"]);
  });

  it("calls import.meta.dispose() of the old version once, after the switch", async () => {
    await using kit = await openCode();
    const seen: unknown[] = [];
    Reflect.set(globalThis, "seen", seen);
    Reflect.set(globalThis, "callP", () => kit.code("p"));
    await kit.store({ "module:bar.baz": disposing(1), "proc:p": { code: QUUX } });
    await kit.store({ "module:bar.baz": disposing(2) });
    await kit.store({ "module:other": { code: "" } });
    expect(seen).toEqual([[1, 2]]);
  });

  it("to the same text keeps the state of the module", async () => {
    await using kit = await openCode();
    const counter = { code: "let n = 0; export const quux = () => ++n" };
    await kit.store({ "module:bar.baz": counter, "proc:p": { code: QUUX } });
    expect(kit.code("p")).toBe(1);
    await kit.store({ "module:bar.baz": { ...counter, info: "a note" } });
    expect(kit.code("p")).toBe(2);
  });

  it("is the last one of 20 that arrive together", async () => {
    await using kit = await openCode();
    const adds = Array.from({ length: 20 }, (_, n) => kit.code.add("p", { code: `return ${n}` }));
    const revisions = (await Promise.all(adds)).map(({ revision }) => revision);
    expect(kit.code("p")).toBe(revisions.indexOf(Math.max(...revisions)));
  });

  it("of other trees' clients arrives by itself, and changes within 20 ms are one step", async () => {
    const clock = new ManualClock();
    await using kit = await openCode({ clock });
    const switches: string[][] = [];
    using _ = kit.library.onSwitch(({ procs, modules }) => {
      switches.push([...procs, ...modules].map(formatPath).sort());
    });
    const arrived = async (name: string, value: object): Promise<void> => {
      const { revision } = await kit.tree.set(kit.tree.system.proc.concat([name]), value);
      while (kit.tree.engine !== undefined && clock.pending === 0) await Promise.resolve();
      expect(revision).toBeGreaterThan(0);
    };
    await arrived("a", { code: "return 1" });
    clock.advance(19);
    await arrived("b", { code: "return 2" });
    expect(switches).toEqual([]);
    clock.advance(1);
    await kit.library.settled();
    expect(switches).toEqual([["a", "b"]]);
    expect([kit.code("a"), kit.code("b")]).toEqual([1, 2]);
  });

  it("tells which procedures and modules are affected, also by what they import", async () => {
    await using kit = await openCode();
    await kit.store({
      "module:bar.baz": version(1),
      "proc:p": { code: QUUX },
      "proc:q": { code: "return 1" },
    });
    const switches: unknown[] = [];
    using _ = kit.library.onSwitch(({ procs, modules }) => {
      switches.push([procs.map(formatPath), modules.map(formatPath)]);
    });
    await kit.store({ "module:bar.baz": version(2) });
    await kit.store({ "module:bar.baz": { code: "+" } });
    await kit.store({ "proc:q": undefined });
    expect(switches).toEqual([
      [["p"], ["bar.baz"]],
      [["p"], ["bar.baz"]],
      [["q"], []],
    ]);
  });
});

describe("CodeLibrary", () => {
  it("evaluates nothing before it is asked to, and finds all other errors", async () => {
    await using tree = Tree.over(new MemoryEngine());
    Reflect.set(globalThis, "loaded", []);
    await tree.set(tree.system.module.concat(["m"]), {
      code: "loaded.push(1); export const n = 1",
    });
    await tree.set(tree.system.proc.concat(["p"]), {
      code: 'import { n } from "tree:m"; return n',
    });
    await tree.set(tree.system.proc.concat(["q"]), {
      code: 'import { x } from "tree:m"; return x',
    });
    await using library = await CodeLibrary.open(tree);
    expect([Reflect.get(globalThis, "loaded"), library.alive]).toEqual([[], 0]);
    expect([library.errorOf("p"), library.errorOf("q")?.code]).toEqual([
      undefined,
      "CODE_MISSING_EXPORT",
    ]);
    await library.activate();
    expect(Reflect.get(globalThis, "loaded")).toEqual([1]);
  });

  it("ships a procedure with all it may import, as plain values", async () => {
    await using kit = await openCode();
    await kit.store({
      "module:a": { code: 'export * from "./b"' },
      "module:b": { code: "export const n = 1" },
      "module:c": { code: "export const n = 2" },
      "module:d": { code: "export const n = 3" },
      "proc:p": { code: 'import { n } from "tree:a"; import("tree:c"); return n', requires: ["d"] },
      "proc:bad": { code: "+" },
    });
    const shipment = kit.library.shipment("p");
    expect(structuredClone(shipment)).toEqual(shipment);
    expect(shipment.units.map(({ unit }) => unit.name).sort()).toEqual(["a", "b", "c", "d", "p"]);
    expect([shipment.id, shipment.key]).toEqual(["proc:p", kit.library.keyOf("p")]);
    expect((await failure(() => kit.library.shipment("bad"))).code).toBe("CODE_SYNTAX");
    expect((await failure(() => kit.library.shipment("no"))).code).toBe("CODE_NOT_FOUND");
  });

  it("resolves records that an earlier process left, and counts none of its own twice", async () => {
    await using tree = Tree.over(new MemoryEngine(), { author: "n1" });
    const open = (options: CodeLibraryOptions = {}): Promise<CodeLibrary> =>
      CodeLibrary.open(tree, options);
    const at = (name: string): ReturnType<typeof tree.system.proc.concat> =>
      tree.system.proc.concat([name]);
    for (const name of ["p", "q", "r"]) await tree.set(at(name), { code: "+" });
    const first = await open();
    await first.recorded();
    await first.close();
    await tree.set(at("p"), { code: "return 1" });
    await tree.delete(at("q"));
    await using second = await open();
    await second.recorded();
    const all = [];
    for await (const record of tree.errors.list({ all: true })) {
      all.push([record.path.at(-1), record.count, record.resolved !== undefined]);
    }
    expect(all).toEqual([
      ["p", 1, true],
      ["q", 1, true],
      ["r", 1, false],
    ]);
  });

  it("counts what is wrong with one version once, however many nodes see it", async () => {
    const engine = new MemoryEngine();
    const trees = ["n1", "n2", "n3"].map((author) =>
      Tree.over(engine, { author, ownsEngine: false }),
    );
    const [tree] = trees as [Tree, ...Tree[]];
    const libraries = await Promise.all(trees.map((each) => CodeLibrary.open(each)));
    const at = tree.system.proc.concat(["p"]);
    const counts: unknown[] = [];
    for (const code of ["+", "return 1", "+", "\n+"]) {
      const { revision } = await tree.set(at, { code });
      for (const library of libraries) await library.settled(revision);
      await Promise.all(libraries.map((library) => library.recorded()));
      const record = await tree.errors.get({ subsystem: "compile", path: ["proc", "p"] });
      counts.push([record?.count, record?.resolved === undefined]);
    }
    expect(counts).toEqual([
      [1, true],
      [1, false],
      [2, true],
      [3, true],
    ]);
    for (const library of libraries) await library.close();
    for (const each of trees) await each.close();
    await engine.close();
  });

  it("goes on where error records can't be written", async () => {
    const engine = new MemoryEngine();
    await using tree = Tree.over(engine);
    tree.errors.record = () => Promise.reject(new Error("read-only"));
    await tree.set(tree.system.proc.concat(["p"]), { code: "+" });
    await using library = await CodeLibrary.open(tree);
    await library.recorded();
    expect(library.errorOf("p")?.code).toBe("CODE_SYNTAX");
  });

  it("closes while an update is under way, and nothing stays", async () => {
    const kit = await openCode();
    const storing = kit.store({
      "module:m": { code: "await null" },
      "proc:p": { code: 'import "tree:m"' },
    });
    await storing;
    const { revision } = await kit.tree.set(kit.tree.system.module.concat(["m"]), {
      code: "await null; 1",
    });
    void kit.library.settled(revision).catch(() => {});
    await kit[Symbol.asyncDispose]();
    await kit.library.close();
  });
});
