import { describe, expect, it } from "vitest";

import { failure, openCode } from "./code-kit.ts";

describe("add() refuses, and writes nothing", () => {
  it.each([
    [
      "a syntax error (DistKV CO2)",
      { code: "const x = 1;\nreturn x +;" },
      "CODE_SYNTAX",
      "p:2:11: Expression expected",
    ],
    [
      "a module that is missing",
      { code: '\nimport { a } from "tree:no.such"' },
      "CODE_MISSING_MODULE",
      'p:2:1: module "no.such" not found',
    ],
    [
      "an export that is missing",
      { code: 'import { nope } from "tree:m"' },
      "CODE_MISSING_EXPORT",
      'p:1:10: module "tree:m" does not export "nope", imported by p',
    ],
    [
      "more than types",
      { code: "enum A { B }" },
      "CODE_UNSUPPORTED",
      "p:1:1: enum is not supported: stored code can only have erasable TypeScript",
    ],
    [
      "a var that is no name",
      { code: "", vars: ["a-b"] },
      "CODE_INVALID",
      'p: "a-b" in "vars" is not a valid variable name',
    ],
    [
      "a var that a run gives",
      { code: "", vars: ["x", "_client"] },
      "CODE_INVALID",
      'p: "_client" in "vars" is a name that code has anyway: leave it out of "vars"',
    ],
    [
      "a var for surplus arguments",
      { code: "", vars: ["_args"] },
      "CODE_INVALID",
      'p: "_args" in "vars" is a name that code has anyway: leave it out of "vars"',
    ],
    [
      "a misspelt field",
      { code: "", var: ["x"] },
      "CODE_INVALID",
      'p: there is no field "var" (did you mean "vars"?)',
    ],
    [
      "a field that looks like no other",
      { code: "", whatever: 1 },
      "CODE_INVALID",
      'p: there is no field "whatever" (there are code, vars, default, is_async, mode, requires, doc, info)',
    ],
    [
      "code under another name",
      { source: "" } as unknown as { code: string },
      "CODE_INVALID",
      'p: there is no field "source" (there are code, vars, default, is_async, mode, requires, doc, info)',
    ],
    [
      "code that is no text",
      { code: 42 as unknown as string },
      "CODE_INVALID",
      'p: "code" is not a string, can\'t compile it',
    ],
    [
      "requires that lack an import",
      { code: 'import "tree:m"', requires: ["other"] },
      "CODE_INVALID",
      'p: "requires" lacks "m", which it imports',
    ],
  ])("%s", async (_, entry, code, message) => {
    await using kit = await openCode();
    await kit.modules.add("m", { code: "export const a = 1" });
    const before = await kit.tree.get(kit.tree.system.proc.concat(["p"]));
    const error = await failure(() => kit.code.add("p", entry));
    expect([error.code, error.message]).toEqual([code, message]);
    expect(await kit.tree.get(kit.tree.system.proc.concat(["p"]))).toBe(before);
  });

  it("a place without a frame", async () => {
    await using kit = await openCode();
    for (const code of [
      "const a = 1;\nreturn +;",
      'const a = 1;\nimport "tree:no.such"',
      '\nimport "npm-x"; enum A {}',
    ]) {
      const { details } = await failure(() => kit.code.add("p", { code }));
      expect(details).toMatchObject({
        path: "p",
        kind: "proc",
        line: 2,
        column: expect.any(Number),
      });
      expect(details["frame"]).toMatch(/^> 2 \| .*\n.*\^$/m);
    }
  });

  it("a circle, which it shows (MO5)", async () => {
    await using kit = await openCode();
    await kit.modules.add("b", { code: "export const n = 1" });
    await kit.modules.add("a", { code: 'export * from "tree:b"' });
    const error = await failure(() => kit.modules.add("b", { code: '\nexport * from "tree:a"' }));
    expect([error.code, error.message]).toEqual(["CODE_CYCLE", "b:2:1: import cycle: b -> a -> b"]);
    expect(error.details["frame"]).toContain('> 2 | export * from "tree:a"');
    const own = await failure(() => kit.modules.add("c", { code: 'import "tree:c"' }));
    expect(own.message).toBe("c:1:1: import cycle: c -> c");
    expect((await kit.modules.list()).map(({ path, code }) => [path.join("."), code])).toEqual([
      ["a", 'export * from "tree:b"'],
      ["b", "export const n = 1"],
    ]);
  });

  it("an entry that somebody else changed meanwhile", async () => {
    await using kit = await openCode();
    const { revision } = await kit.code.add("p", { code: "return 1" });
    await kit.code.add("p", { code: "return 2" });
    const stale = kit.code.add("p", { code: "return 3" }, { ifRevision: revision });
    await expect(stale).rejects.toMatchObject({ code: "ENGINE_CONFLICT" });
    expect(kit.code("p")).toBe(2);
  });

  it("a signal that is aborted", async () => {
    await using kit = await openCode();
    const reason = new Error("enough");
    const adding = kit.code.add("p", { code: "return 1" }, { signal: AbortSignal.abort(reason) });
    await expect(adding).rejects.toBe(reason);
    expect(await kit.code.get("p")).toBeUndefined();
  });
});

describe("add() stores", () => {
  it("what the entry needs, and keeps what is in it for people", async () => {
    await using kit = await openCode();
    for (const name of ["b", "c", "d"]) await kit.modules.add(name, { code: "export default 1" });
    const code =
      'import b from "tree:b"; const c = import("./c"); import type { T } from "tree:nowhere"';
    const entry = {
      code,
      mode: "inline" as const,
      vars: ["x"],
      requires: ["d", "c", ["b"]],
      info: "mine",
    };
    await kit.code.add("p", entry);
    expect(await kit.tree.get(kit.tree.system.proc.concat(["p"]))).toEqual({
      code,
      is_async: null,
      vars: ["x"],
      requires: ["b", "c", "d"],
      info: "mine",
    });
  });

  it("and is live here when it resolves, with its key", async () => {
    await using kit = await openCode();
    const { key, error } = await kit.code.add("p", { code: "return 7" });
    expect([kit.code("p"), key, error]).toEqual([7, kit.library.keyOf("p"), undefined]);
  });

  it("code whose modules are missing with `force`, and nothing else that is wrong", async () => {
    await using kit = await openCode();
    const entry = { code: 'import { n } from "tree:later"; return n' };
    const { error, key } = await kit.code.add("p", entry, { force: true });
    expect([error?.code, key]).toEqual(["CODE_MISSING_MODULE", undefined]);
    await kit.modules.add("later", { code: "export const n = 1" });
    expect(kit.code("p")).toBe(1);
    expect((await failure(() => kit.code.add("q", { code: "+" }, { force: true }))).code).toBe(
      "CODE_SYNTAX",
    );
    const cycle = { code: 'export * from "tree:self"' };
    expect((await failure(() => kit.modules.add("self", cycle, { force: true }))).code).toBe(
      "CODE_CYCLE",
    );
  });

  it("code that imports something broken, or that throws at load, and says so", async () => {
    await using kit = await openCode();
    await kit.store({ "module:broken": { code: "+" } });
    const blocked = await kit.code.add("p", { code: 'import "tree:broken"' });
    expect(blocked.error?.code).toBe("CODE_BLOCKED");
    await kit.modules.add("throws", { code: "throw new Error('no')" });
    const loaded = await kit.code.add("q", { code: 'import "tree:throws"' });
    expect(loaded.error?.message).toBe("q -> throws: throws:1:7: at load: Error: no");
  });

  it("JSON as a module", async () => {
    await using kit = await openCode();
    await kit.modules.add("data", { code: '{ "a": 1 }', type: "json" });
    await kit.code.add("p", {
      code: 'import d from "tree:data" with { type: "json" }; return d.a',
    });
    expect(kit.code("p")).toBe(1);
    for (const [code, message] of [
      ['import d from "tree:data"', 'q:1:1: "tree:data" is JSON: import it with { type: "json" }'],
      ['import d from "tree:m" with { type: "json" }', 'q:1:1: "tree:m" is no JSON'],
    ] as const) {
      await kit.modules.add("m", { code: "export default 1" });
      expect((await failure(() => kit.code.add("q", { code }))).message).toContain(message);
    }
    expect((await failure(() => kit.modules.add("data", { code: "{", type: "json" }))).code).toBe(
      "CODE_SYNTAX",
    );
  });
});

describe("remove() refuses", () => {
  it("a module that is imported, naming the users, unless it is forced (CO10)", async () => {
    await using kit = await openCode();
    await kit.modules.add("m", { code: "export const n = 1" });
    await kit.modules.add("user", { code: 'export * from "tree:m"' });
    await kit.code.add("p", { code: 'import { n } from "tree:m"; return n' });
    const error = await failure(() => kit.modules.remove("m"));
    expect([error.code, error.message]).toEqual([
      "CODE_IN_USE",
      'module "m" is imported by p, user',
    ]);
    expect(error.details["users"]).toEqual(["p", "user"]);
    expect(kit.code("p")).toBe(1);
    expect(await kit.modules.remove("m", { force: true })).toBe(true);
    expect((await failure(() => kit.code("p"))).code).toBe("CODE_MISSING_MODULE");
  });
});
