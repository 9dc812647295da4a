import { describe, expect, it } from "vitest";

import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { compile } from "../../src/code/compile.ts";
import { checkEntry } from "../../src/code/entry.ts";
import { resolveBase } from "../../src/code/external.ts";
import { planGraph, type Source } from "../../src/code/graph.ts";
import { Linker } from "../../src/code/link.ts";
import { closureOf } from "../../src/code/stage.ts";
import { type Shipment, splitId } from "../../src/code/unit.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { failure } from "./code-kit.ts";

const resolveFrom = resolveBase(process.cwd());

/** Entries by id, as a shipment of the first of them. */
function ship(entries: Readonly<Record<string, string | object>>): Shipment {
  const sources = new Map<string, Source>();
  for (const [id, entry] of Object.entries(entries)) {
    const [kind, name] = splitId(id);
    const value = typeof entry === "string" ? { code: entry } : entry;
    const checked = checkEntry(kind, name, value);
    sources.set(id, { text: checked.code, compiled: compile(checked) });
  }
  const { units, errors } = planGraph(sources);
  for (const error of errors.values()) throw error;
  const [id = ""] = Object.keys(entries);
  const shipped = { id, key: units.get(id)?.key ?? "", units: closureOf(id, units), resolveFrom };
  // As it crosses to another thread.
  return structuredClone(shipped);
}

function openLinker(clock = systemClock): Linker {
  return new Linker({ resolveFrom, loadTimeoutMs: 1_000, clock, log: silentLog });
}

/** Runs the procedure `main` with the modules beside it. */
async function run(
  main: string | object,
  modules: Readonly<Record<string, string | object>> = {},
): Promise<unknown> {
  const named = Object.entries(modules).map(([name, entry]) => [`module:${name}`, entry] as const);
  const linker = openLinker();
  using opened = await linker.open(ship({ "proc:main": main, ...Object.fromEntries(named) }));
  return await opened.procedure.call([]);
}

describe("linked code sees", () => {
  it("the present value of what it imports", async () => {
    const counter = "export let n = 0; export const inc = () => { n++ }";
    const main = 'import { n, inc } from "tree:c"; const before = n; inc(); return [before, n]';
    expect(await run(main, { c: counter })).toEqual([0, 1]);
  });

  it("its own name where it hides an imported one", async () => {
    const main = `import { n, o } from "tree:c";
      const f = ({ n }) => n, g = (n, m = n) => m;
      const h = class n { static m() { return n } };
      try { throw 4 } catch (n) { var caught = n }
      for (const n of [5]) var looped = n;
      switch (1) { case 1: let n = 6; var switched = n }
      function k() { return n; var n }
      return [n, { n }.n, f({ n: 2 }), g(3), h.m() === h, caught, looped, switched, k(), { n: o }.n, o.n, [...(function () { return [n] })()]]`;
    const expected = [1, 1, 2, 3, true, 4, 5, 6, undefined, { n: 7 }, 7, [1]];
    expect(await run(main, { c: "export const n = 1, o = { n: 7 }" })).toEqual(expected);
  });

  it("imports of every form", async () => {
    const lib =
      'export default function named() { return "d" }; export const a = 1; const b = 2; export { b as "b c" }';
    const main = `import d, { a as x, "b c" as y } from "tree:lib"; import * as ns from "tree:lib";
      import { default as e } from "tree:lib"
      return [d(), x, y, ns.a, ns["b c"], Object.keys(ns), e === d, Object.prototype.toString.call(ns), Object.getPrototypeOf(ns)]`;
    expect(await run(main, { lib })).toEqual([
      "d", 1, 2, 1, 2, ["a", "b c", "default"], true, "[object Module]", null,
    ]); // prettier-ignore
  });

  it("re-exports of every form", async () => {
    const modules = {
      base: "export let n = 1; export const set = (v) => { n = v }; export default 5; export const both = 1",
      other: "export const both = 2, o = 3",
      all: 'export * from "tree:base"; export * from "./other"; export { n as renamed, default } from "tree:base"; export * as ns from "tree:base"; export const own = 4',
    };
    const main =
      'import * as all from "tree:all"; all.set(9); return [Object.keys(all), all.n, all.renamed, all.default, all.ns.n, all.o, all.own]';
    expect(await run(main, modules)).toEqual([
      ["default", "n", "ns", "o", "own", "renamed", "set"], 9, 9, 5, 9, 3, 4,
    ]); // prettier-ignore
  });

  it("default exports of every form, with their names", async () => {
    const forms = [
      "export default () => 1", "export default function () {}", "export default class {}",
      "export default (function () {})", "const a = () => 1\nexport default a", "export default async function f() {}",
      "export  /* c */ default /* d */ class\nN {}", "export default 1 + 1\n;[1].map(String)", "const x = 1\nexport default function () { return x }\n;(() => x)()",
    ]; // prettier-ignore
    const names = [];
    for (const lib of forms) {
      names.push(await run('import d from "tree:lib"; return d.name ?? d', { lib }));
    }
    expect(names).toEqual([
      "default",
      "default",
      "default",
      "default",
      "a",
      "f",
      "N",
      2,
      "default",
    ]);
  });

  it("calls of imported functions wherever a line starts with one, with or without semicolons", async () => {
    const main = `import { f, log } from "tree:lib"
      const a = 1
      f(a)
      f\`t\`
      if (a) f(2)
      else f(3)
      do f(4); while (false)
      const g = () => f(5)
      g()
      label: f(6)
      ;(f)(7)
      f?.(8)
      new f(9)
      switch (a) { case 1: f(10) }
      class K { static { f(11) } x = f(12) }
      new K()
      return log`;
    const lib =
      "export const log = []; export function f(x) { log.push(Array.isArray(x) ? x[0] : x) }";
    expect(await run(main, { lib })).toEqual([1, "t", 2, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it("statements that stand where an import or export was", async () => {
    const lib =
      "const a = 1\nexport { a }\n(function () { globalThis.x = 1 })()\nexport const b = a";
    expect(await run('import { b } from "tree:lib"\n;[1]\nreturn b', { lib })).toBe(1);
  });

  it("JSON", async () => {
    const main = 'import d from "tree:data" with { type: "json" }; return d.a';
    expect(await run(main, { data: { code: '{ "a": [1] }', type: "json" } })).toEqual([1]);
  });

  it("names that objects have of themselves", async () => {
    const lib = "export const __proto__ = 1, constructor = 2, toString = 3, then = 4";
    const main =
      'import * as ns from "tree:lib"; return [ns.__proto__, ns.constructor, ns.toString, ns.then, Object.keys(ns)]';
    expect(await run(main, { lib })).toEqual([
      1,
      2,
      3,
      4,
      ["__proto__", "constructor", "then", "toString"],
    ]);
  });

  it("read-only namespaces", async () => {
    const main = 'import * as ns from "tree:lib"; ns.a = 2';
    await expect(run(main, { lib: "export const a = 1" })).rejects.toThrow(TypeError);
  });

  it("builtins, with and without a scheme, and packages of the host", async () => {
    const main = `import { join } from "path"; import fs, { readFileSync } from "node:fs"; import { parse } from "acorn"; import ts from "@swc/wasm-typescript";
      return [join("a", "b"), fs.readFileSync === readFileSync, typeof parse, typeof ts.transformSync]`;
    expect(await run(main)).toEqual(["a/b", true, "function", "function"]);
  });

  it("names of a CommonJS package that Node does not find", async () => {
    const main = 'import { transformSync, missing } from "@swc/wasm-typescript"; return missing';
    const error = await failure(() => run(main));
    expect([error.code, error.message]).toEqual([
      "CODE_MISSING_EXPORT",
      'main:1:1: "@swc/wasm-typescript" does not export "missing", imported by main',
    ]);
    const found =
      'import { transformSync } from "@swc/wasm-typescript"; return typeof transformSync';
    expect(await run(found)).toBe("function");
  });

  it("top-level await, of several modules at once", async () => {
    const modules = {
      a: "export const a = await Promise.resolve(1)",
      b: 'import { a } from "tree:a"; export const b = a + await 1',
    };
    expect(
      await run('import { a } from "tree:a"; import { b } from "tree:b"; return [a, b]', modules),
    ).toEqual([1, 2]);
  });

  it("import.meta", async () => {
    const modules = { "im.x": "export const meta = import.meta" };
    const main = `import { meta } from "tree:im.x";
      return [meta.url, /^[0-9a-f]{16}$/.test(meta.version), meta.resolve("./y"), meta.resolve("../z"), meta.resolve("node:fs"), meta.resolve("acorn").startsWith("file://"), import . meta.url]`;
    expect(await run(main, modules)).toEqual([
      "tree:im.x", true, "tree:im.y", "tree:z", "node:fs", true, "tree:main",
    ]); // prettier-ignore
  });

  it("import() of stored modules, builtins and packages, literal and computed", async () => {
    const main = {
      is_async: true,
      requires: ["dyn.two"],
      code: `const two = "two";
        const found = await Promise.all([import("./dyn.one"), import(\`tree:dyn.\${two}\`), import("node:path"), import("ac" + "orn")]);
        return found.map((ns) => ns.n ?? typeof (ns.join ?? ns.parse))`,
    };
    const modules = { "dyn.one": "export const n = 1", "dyn.two": "export const n = 2" };
    expect(await run(main, modules)).toEqual([1, 2, "function", "function"]);
  });

  it("no module by import() that was not shipped", async () => {
    const main = { is_async: true, code: 'const at = "no.such"; return import(`tree:${at}`)' };
    const error = await failure(() => run(main));
    expect([error.code, error.message]).toEqual([
      "CODE_MISSING_MODULE",
      'module "no.such" not found, imported by main',
    ]);
  });

  it("no more of a package that does not exist than its place", async () => {
    const error = await failure(() => run('\n  import x from "no-such-pkg-x"; return x'));
    expect([error.code, error.message]).toEqual([
      "CODE_EXTERNAL",
      expect.stringMatching(/^main:2:3: can't import "no-such-pkg-x": .*no-such-pkg-x/),
    ]);
  });
});

describe("Linker", () => {
  it("shares an instance between shipments while one of them is open", async () => {
    const linker = openLinker();
    const lib =
      "globalThis.loads = (globalThis.loads ?? 0) + 1; export const state = {}; import.meta.dispose(() => { globalThis.loads = 0 })";
    const main = 'import { state } from "tree:lib"; return state';
    const first = await linker.open(ship({ "proc:a": main, "module:lib": lib }));
    const second = await linker.open(ship({ "proc:b": main, "module:lib": lib }));
    const state = first.procedure.call([]);
    expect(second.procedure.call([])).toBe(state);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect([linker.size, Reflect.get(globalThis, "loads")]).toEqual([2, 1]);
    second[Symbol.dispose]();
    expect([linker.size, Reflect.get(globalThis, "loads")]).toEqual([0, 0]);
    using third = await linker.open(ship({ "proc:b": main, "module:lib": lib }));
    expect(third.procedure.call([])).not.toBe(state);
  });

  it("runs two versions of one module side by side", async () => {
    const linker = openLinker();
    const main = 'import { n } from "tree:lib"; return n';
    using one = await linker.open(ship({ "proc:main": main, "module:lib": "export const n = 1" }));
    using two = await linker.open(ship({ "proc:main": main, "module:lib": "export const n = 2" }));
    expect([one.procedure.call([]), two.procedure.call([])]).toEqual([1, 2]);
    expect(one.procedure.key).not.toBe(two.procedure.key);
  });

  it("keeps what it is still loading for a shipment that shares it", async () => {
    const linker = openLinker();
    const shipment = ship({
      "proc:main": 'import { n } from "tree:lib"; return n',
      "module:lib": 'import { m } from "tree:base"; export const n = m + await Promise.resolve(1)',
      "module:base": "export const m = await Promise.resolve(1)",
    });
    const opening = [linker.open(shipment), linker.open(shipment)] as const;
    (await opening[0])[Symbol.dispose]();
    using second = await opening[1];
    expect(second.procedure.call([])).toBe(2);
  });

  it("gives a module its time to load, and no more", async () => {
    const clock = new ManualClock();
    const linker = openLinker(clock);
    const shipment = ship({
      "proc:main": 'import "tree:never"; return 1',
      "module:never": "await new Promise(() => {})",
    });
    const opening = failure(() => linker.open(shipment));
    // The module begins to load a few microtasks from here.
    while (clock.pending === 0) await Promise.resolve();
    clock.advance(999);
    clock.advance(1);
    const error = await opening;
    expect([error.code, error.message]).toEqual([
      "CODE_BLOCKED",
      "main -> never: never: it did not finish loading within 1000 ms",
    ]);
    expect(linker.size).toBe(0);
  });

  it("tells what threw at load, and through what it was imported", async () => {
    const error = await failure(() =>
      run('import "tree:dep1"', {
        dep1: 'import "tree:thr"',
        thr: "const x = 1;\nthrow new RangeError('no')",
      }),
    );
    expect(error.code).toBe("CODE_BLOCKED");
    expect(error.message).toBe("main -> dep1 -> thr: thr:2:7: at load: RangeError: no");
    expect(error.details).toMatchObject({ root: "thr", via: ["main", "dep1", "thr"] });
    const root = error.cause as { code: string; cause: unknown; details: { trace: string } };
    expect(root.code).toBe("CODE_LOAD");
    expect(root.cause).toBeInstanceOf(RangeError);
    expect(root.details.trace).toContain("tree:thr:2:7");
  });

  it("takes whatever is thrown at load", async () => {
    for (const thrown of [
      "undefined",
      "null",
      "'text'",
      "Object.create(null)",
      "new Proxy({}, { get() { throw 1 } })",
    ]) {
      const error = await failure(() => run('import "tree:thr"', { thr: `throw ${thrown}` }));
      expect(error.message).toMatch(/^main -> thr: thr: at load: threw/);
    }
  });

  it("refuses a procedure in module form that exports no function", async () => {
    const error = await failure(() => run("const a = 1; export default a"));
    expect(error.message).toBe("main: its default export is no function");
  });

  it("disposes of what import.meta.dispose() was given, the last first, whatever it throws", async () => {
    const linker = openLinker();
    const lib = `export const log = [];
      import.meta.dispose(() => log.push(1)); import.meta.dispose(() => { throw 2 });
      import.meta.dispose(async () => { throw 3 }); import.meta.dispose(() => log.push(4))`;
    const opened = await linker.open(ship({ "module:lib": lib }));
    const log = opened.namespace["log"];
    opened[Symbol.dispose]();
    expect(log).toEqual([4, 1]);
  });
});
