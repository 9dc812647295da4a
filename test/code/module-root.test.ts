import { describe, expect, it } from "vitest";

import { ModuleRoot } from "../../src/code/module-root.ts";
import { failure, openCode } from "./code-kit.ts";

const noting = (name: string): string => `loaded.push("${name}"); export const n = 1`;

describe("ModuleRoot", () => {
  it("gives the host a module's exports, always those that are live", async () => {
    await using kit = await openCode();
    await kit.modules.add("bar.baz", {
      code: "export let n = 1; export const inc = () => { n++ }",
    });
    const module = (await kit.modules.import("bar.baz")) as {
      n: number;
      inc(): void;
      later?: number;
    };
    module.inc();
    expect([module.n, Object.keys(module), "inc" in module, "no" in module]).toEqual([
      2,
      ["inc", "n"],
      true,
      false,
    ]);
    await kit.modules.add("bar.baz", { code: "export let n = 10, later = 3" });
    expect([module.n, module.later, { ...module }]).toEqual([10, 3, { later: 3, n: 10 }]);
    expect(() => (module.n = 5)).toThrow(TypeError);
    await kit.store({ "module:bar.baz": { code: "+" } });
    expect(() => module.n).toThrow(/^bar\.baz:1:2: /);
    await kit.store({ "module:bar.baz": undefined });
    expect(() => module.n).toThrow('there is no module "bar.baz"');
    await kit.modules.add("bar.baz", { code: "export const n = 20" });
    expect(module.n).toBe(20);
  });

  it("evaluates nothing until a module is imported, and then that and what it imports", async () => {
    await using kit = await openCode();
    Reflect.set(globalThis, "loaded", []);
    await kit.modules.add("b", { code: noting("b") });
    await kit.modules.add("other", { code: noting("other") });
    await kit.modules.add("a", { code: `import "tree:b"; ${noting("a")}` });
    expect(Reflect.get(globalThis, "loaded")).toEqual([]);
    await kit.modules.import("a");
    expect(Reflect.get(globalThis, "loaded")).toEqual(["b", "a"]);
    await kit.modules.add("a", { code: `import "tree:b"; ${noting("a 2")}` });
    expect(Reflect.get(globalThis, "loaded")).toEqual(["b", "a", "a 2"]);
  });

  it("refuses to import what is not there, or throws at load", async () => {
    await using kit = await openCode();
    const missing = await failure(() => kit.modules.import("no.such"));
    expect([missing.code, missing.message]).toEqual([
      "CODE_NOT_FOUND",
      'there is no module "no.such"',
    ]);
    await kit.modules.add("thr", { code: "throw new Error('no')" });
    expect((await failure(() => kit.modules.import("thr"))).code).toBe("CODE_LOAD");
    await kit.library.recorded();
    const record = await kit.tree.errors.get({ subsystem: "compile", path: "module.thr" });
    expect([record?.message, record?.resolved]).toEqual(["thr:1:7: at load: Error: no", undefined]);
    await kit.modules.add("thr", { code: "export const n = 1" });
    expect((await kit.modules.import("thr"))["n"]).toBe(1);
  });

  it("lists modules with who imports them and what is wrong with them", async () => {
    await using kit = await openCode();
    await kit.modules.add("a.b", { code: "export const n = 1" });
    await kit.code.add("p", { code: 'import { n } from "tree:a.b"; return n' });
    await kit.store({ "module:z": { code: "+" } });
    const list = await kit.modules.list();
    expect(
      list.map(({ path, users, error }) => [path.join("."), users, error?.slice(0, 6)]),
    ).toEqual([
      ["a.b", ["p"], undefined],
      ["z", [], "z:1:2:"],
    ]);
    expect(await kit.modules.get("a.b")).toEqual({ code: "export const n = 1", requires: [] });
    expect(await kit.modules.get("no")).toBeUndefined();
  });

  it("opens a tree of its own accord, and closes what it opened", async () => {
    await using kit = await openCode();
    await kit.modules.add("m", { code: "export const n = 1" });
    const own = await ModuleRoot.open(kit.tree);
    expect((await own.import("m"))["n"]).toBe(1);
    expect(own.library.alive).toBe(1);
    await own.close();
    expect(own.library.alive).toBe(0);
    await kit.modules.close();
    expect((await kit.modules.import("m"))["n"]).toBe(1);
  });
});
