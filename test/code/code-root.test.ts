import { describe, expect, it } from "vitest";

import { openCodeRoot } from "../../src/code/code-root.ts";
import { CodeRoot } from "../../src/node/code-root.ts";
import { cleanStack, findCodePlace } from "../../src/code/source-url.ts";
import { failure, openCode } from "./code-kit.ts";

describe("CodeRoot calls", () => {
  it("a procedure by its text or its elements (DistKV CO1)", async () => {
    await using kit = await openCode();
    await kit.code.add("forty.two", { code: "return 42" });
    expect(kit.code("forty.two")).toBe(42);
    expect(kit.code(["forty", "two"])).toBe(42);
  });

  it("a procedure that imports a stored module (DistKV MO1)", async () => {
    await using kit = await openCode();
    await kit.modules.add("bar.baz", { code: "export function quux() { return 42 }" });
    const code = 'import { quux } from "tree:bar.baz";\nreturn quux()';
    await kit.code.add("forty.two", { code });
    expect(kit.code("forty.two")).toBe(42);
  });

  it("an inline one and gives its value, an async one and gives a promise", async () => {
    await using kit = await openCode();
    await kit.code.add("inline", { code: "return 1" });
    await kit.code.add("async", { code: "await null; return 1", is_async: true });
    expect(kit.code("inline")).toBe(1);
    const promise = kit.code("async");
    expect(promise).toBeInstanceOf(Promise);
    expect(await promise).toBe(1);
  });

  it("a body that ends in a comment, or starts with #!", async () => {
    await using kit = await openCode();
    await kit.code.add("comment", { code: "return 42 // end" });
    await kit.code.add("hashbang", { code: "#!/usr/bin/env node\nreturn 42" });
    expect([kit.code("comment"), kit.code("hashbang")]).toEqual([42, 42]);
  });

  it("TypeScript with its types", async () => {
    await using kit = await openCode();
    const code =
      "interface A { b: number }\nconst f = <T extends A>(x: T): number => x.b!;\nreturn f({ b: a as number } satisfies A)";
    await kit.code.add("typed", { code, vars: ["a"] });
    expect(kit.code("typed", 7)).toBe(7);
  });

  it("code whose path has blanks, umlauts, dots, slashes and other than strings", async () => {
    await using kit = await openCode();
    const paths = [
      ["größe x"],
      ["a.b/c", 2],
      ["'\"`", true, null],
      ["<!--", "\n"],
      ["__proto__"],
      ["😀", ""],
    ];
    for (const path of paths) {
      await kit.modules.add(path, { code: `export const name = () => new Error().stack` });
      await kit.code.add(path, { code: "return new Error().stack" });
      expect(String(kit.code(path))).toContain("tree:");
      const stack = cleanStack(String((await kit.modules.import(path))["name"] === undefined));
      expect(stack).toBe("false");
    }
    const spec = "tree:größe x";
    await kit.code.add("user", { code: `import { name } from "${spec}"; return name()` });
    expect(findCodePlace(String(kit.code("user")))).toMatchObject({ name: "größe:_x", line: 1 });
  });

  it("itself, and gets the stack overflow if it never ends", async () => {
    await using kit = await openCode();
    const code = "return n < 2 ? 1 : n * code('factorial', n - 1, code)";
    await kit.code.add("factorial", { code, vars: ["n", "code"] });
    expect(kit.code("factorial", 5, kit.code)).toBe(120);
    await kit.code.add("endless", { code: "return code('endless', code)", vars: ["code"] });
    expect(() => kit.code("endless", kit.code)).toThrow(RangeError);
  });

  it("with `this` undefined", async () => {
    await using kit = await openCode();
    await kit.modules.add("m", {
      code: "export const top = this; export function f() { return this }",
    });
    await kit.code.add("p", { code: 'import { f, top } from "tree:m"; return [this, f(), top]' });
    expect(kit.code("p")).toEqual([undefined, undefined, undefined]);
  });
});

describe("CodeRoot binds", () => {
  it("values to vars in order, and surplus ones to _args", async () => {
    await using kit = await openCode();
    await kit.code.add("p", { code: "return [a, b, _args]", vars: ["a", "b"] });
    expect(kit.code("p", 1, 2)).toEqual([1, 2, []]);
    expect(kit.code("p", 1, 2, 3, 4)).toEqual([1, 2, [3, 4]]);
    expect(kit.code("p", 1, undefined)).toEqual([1, undefined, []]);
  });

  it("named values, whatever their order", async () => {
    await using kit = await openCode();
    await kit.code.add("p", { code: "return [a, b, _args]", vars: ["a", "b"] });
    expect(kit.code.run("p", { b: 2, a: 1 })).toEqual([1, 2, []]);
  });

  it("no missing one: the body does not start, and the error names it", async () => {
    await using kit = await openCode();
    await kit.code.add("p", { code: "seen.push(1); return a", vars: ["seen", "a"] });
    const seen: number[] = [];
    for (const call of [() => kit.code("p", seen), () => kit.code.run("p", { seen })]) {
      const error = await failure(call);
      expect([error.code, error.message]).toEqual(["CODE_ARGUMENTS", 'p: missing variable "a"']);
      expect(error.details).toMatchObject({ path: "p", variable: "a" });
    }
    expect(seen).toEqual([]);
  });

  it("no missing one: an async procedure rejects", async () => {
    await using kit = await openCode();
    await kit.code.add("p", { code: "return a", vars: ["a"], is_async: true });
    await expect(kit.code("p")).rejects.toMatchObject({ code: "CODE_ARGUMENTS" });
    await expect(kit.code.run("p")).rejects.toMatchObject({ code: "CODE_ARGUMENTS" });
  });

  it("defaults for what is left out, each call its own copy", async () => {
    await using kit = await openCode();
    await kit.code.add("p", { code: "b.push(a); return b", vars: ["a", "b"], default: { b: [0] } });
    expect([kit.code("p", 1), kit.code("p", 2), kit.code.run("p", { a: 3 })]).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
    ]);
    expect(kit.code("p", 1, [])).toEqual([1]);
  });

  it("extra names as variables, which do not exist where they are not given", async () => {
    await using kit = await openCode();
    await kit.code.add("p", {
      code: "const seen = typeof extra;\nreturn [seen, a + extra]",
      vars: ["a"],
    });
    expect(kit.code.run("p", { a: 1, extra: 2, unused: 3 })).toEqual(["number", 3]);
    const error = await failure(() => kit.code("p", 1));
    expect(error).toBeInstanceOf(ReferenceError);
    expect(error.message).toBe("extra is not defined");
    expect(cleanStack(String(error.stack))).toContain("tree:p:2:19");
    expect(kit.code.run("p", { a: 1, extra: 3 })).toEqual(["number", 4]);
  });

  it("extra names only where the body does not mean something of its own", async () => {
    await using kit = await openCode();
    await kit.modules.add("m", { code: "export const imported = 1" });
    const code =
      'import { imported } from "tree:m"; const local = 2; return [imported, local, (inner => inner)(3)]';
    await kit.code.add("p", { code });
    expect(kit.code.run("p", { imported: 9, local: 9, inner: 9 })).toEqual([1, 2, 3]);
  });

  it("an extra name in place of a global", async () => {
    await using kit = await openCode();
    await kit.code.add("p", { code: "return [Math.PI > 3, typeof console]" });
    expect(kit.code.run("p", { Math: { PI: 0 }, console: "mine" })).toEqual([false, "string"]);
    expect(kit.code("p")).toEqual([true, "object"]);
  });

  it("any set of more than 30 extra names", async () => {
    await using kit = await openCode();
    const names = Array.from({ length: 70 }, (_, i) => `x${i}`);
    const code = `return [${names.map((name) => `typeof ${name} === "number" ? ${name} : -1`).join(",")}]`;
    await kit.code.add("p", { code });
    for (const step of [1, 7, 33, 2, 35]) {
      const named = Object.fromEntries(
        names.flatMap((name, i) => (i % step === 0 ? [[name, i]] : [])),
      );
      expect(kit.code.run("p", named)).toEqual(names.map((_, i) => (i % step === 0 ? i : -1)));
    }
  });

  it("a module-form procedure's vars as one object, and the job's names as another", async () => {
    await using kit = await openCode();
    const code =
      "export default function (vars: { a: number }, job: object) { return [vars, job] }";
    await kit.code.add("p", { code, vars: ["a", "b"], default: { b: 2 } });
    expect(kit.code("p", 1)).toEqual([{ a: 1, b: 2 }, {}]);
    expect(kit.code("p", 1, 2, 3)).toEqual([{ a: 1, b: 2, _args: [3] }, {}]);
    expect(kit.code.run("p", { a: 1, extra: 5 })).toEqual([{ a: 1, b: 2, extra: 5 }, {}]);
    expect((await failure(() => kit.code("p"))).code).toBe("CODE_ARGUMENTS");
  });
});

describe("CodeRoot refuses to call", () => {
  it("what is not there", async () => {
    await using kit = await openCode();
    const error = await failure(() => kit.code("no.such", 1));
    expect([error.code, error.details["path"]]).toEqual(["CODE_NOT_FOUND", "no.such"]);
  });

  it("an empty name", async () => {
    await using kit = await openCode();
    for (const path of ["", [], ":"]) {
      expect(() => kit.code(path)).toThrow("Empty code names don't make sense");
      await expect(kit.code.add(path, { code: "" })).rejects.toThrow("Empty code names");
    }
  });

  it("what is broken, with the stored error as the cause", async () => {
    await using kit = await openCode();
    await kit.store({ "proc:p": { code: "return +" } });
    const error = await failure(() => kit.code("p"));
    expect(error.code).toBe("CODE_SYNTAX");
    expect(error.message).toMatch(/^can't call p: p:1:9: /);
    expect(error.cause).toBe(kit.library.errorOf("p"));
  });

  it("worker mode, where there are no workers", async () => {
    await using kit = await openCode();
    await kit.code.add("p", { code: "return 1", mode: "worker" });
    await using root = await openCodeRoot(kit.library);
    const error = await failure(() => root("p"));
    expect([error.code, error.message]).toEqual(["CODE_MODE", expect.stringContaining("worker")]);
  });

  it("anything where it was opened without evaluating", async () => {
    await using kit = await openCode();
    await kit.code.add("p", { code: "return 1" });
    await using other = await CodeRoot.open(kit.tree, { evaluate: false });
    expect((await failure(() => other("p"))).code).toBe("CODE_MODE");
  });

  it("what was deleted, although it was called before", async () => {
    await using kit = await openCode();
    await kit.code.add("p", { code: "return 1" });
    expect(kit.code("p")).toBe(1);
    expect(await kit.code.remove("p")).toBe(true);
    expect((await failure(() => kit.code("p"))).code).toBe("CODE_NOT_FOUND");
    expect(await kit.code.remove("p")).toBe(false);
    await kit.code.add("p", { code: "return 2" });
    expect(kit.code("p")).toBe(2);
  });
});

describe("CodeRoot tells", () => {
  it("what is stored, with the mode by its name", async () => {
    await using kit = await openCode();
    await kit.code.add("p", { code: "return 1", is_async: true, vars: ["a"] });
    expect(await kit.code.get("p")).toEqual({
      code: "return 1",
      is_async: true,
      mode: "async",
      vars: ["a"],
      requires: [],
    });
    expect(await kit.code.get("q")).toBeUndefined();
  });

  it("all procedures, broken ones too", async () => {
    await using kit = await openCode();
    await kit.code.add("b.c", { code: "return 1", vars: ["x"] });
    await kit.store({ "proc:a": { code: "+" }, "proc:d": 5 });
    const list = await kit.code.list();
    expect(
      list.map(({ path, mode, vars, error }) => [[...path], mode, vars, error !== undefined]),
    ).toEqual([
      [["a"], "inline", [], true],
      [["b", "c"], "inline", ["x"], false],
      [["d"], "inline", [], true],
    ]);
  });

  it("where in the stored text an error was thrown, line 1 included", async () => {
    await using kit = await openCode();
    await kit.modules.add("far.away", {
      code: "export const f = () => { throw new TypeError('no') }",
    });
    await kit.code.add("p", {
      code: "if (a) throw new Error('one');\nreturn f()".replace("f()", "g()"),
      vars: ["a", "g"],
    });
    const first = await failure(() => kit.code("p", true, () => 0));
    expect(cleanStack(String(first.stack)).split("\n")[1]?.trim()).toBe("at p (tree:p:1:14)");
    const { f } = await kit.modules.import("far.away");
    const second = await failure(() => kit.code("p", false, f));
    const frames = cleanStack(String(second.stack)).split("\n").slice(1, 3);
    expect(frames.map((frame) => frame.trim())).toEqual([
      "at f (tree:far.away:1:32)",
      "at p (tree:p:2:8)",
    ]);
    expect(cleanStack(String(second.stack))).not.toMatch(/src\/code|node:internal/);
  });
});
