import { describe, expect, it } from "vitest";

import { compile } from "../../src/code/compile.ts";
import { checkEntry } from "../../src/code/entry.ts";
import type { CodeKind, Unit } from "../../src/code/unit.ts";
import { failure, type FailedWith } from "./code-kit.ts";

function make(kind: CodeKind, code: string, more: object = {}): Unit {
  return compile(checkEntry(kind, "a.b", { code, ...more }));
}

const module = (code: string): Unit => make("module", code);
const proc = (code: string, more?: object): Unit => make("proc", code, more);

async function refused(kind: CodeKind, code: string, more?: object): Promise<FailedWith> {
  return failure(() => make(kind, code, more));
}

describe("compile() refuses", () => {
  it("a syntax error with its place, a frame and a caret", async () => {
    const error = await refused("module", "const a = 1;\nconst b: = ;");
    expect(error.name).toBe("CodeError");
    expect(error.code).toBe("CODE_SYNTAX");
    expect(error.message).toMatch(/^a\.b:2:10: Unexpected token/);
    expect(error.details).toMatchObject({ kind: "module", path: "a.b", line: 2, column: 10 });
    expect(error.details["frame"]).toBe(
      ["  1 | const a = 1;", "> 2 | const b: = ;", "    |          ^"].join("\n"),
    );
  });

  it("a syntax error in a body without a trace of the wrapper", async () => {
    const error = await refused("proc", "const x = 1;\nreturn x +;");
    expect(error.details).toMatchObject({ line: 2, column: 11 });
    expect(`${error.message} ${String(error.details["frame"])}`).not.toMatch(/async|\$t\$|=>/);
  });

  it.each([
    ["in line 1 of a body", "return +;", 1, 9],
    ["at the end of a body", "const x = {\n  a: 1,\n", 2, 8],
    ["behind an import in a body", 'import { a } from "b"; return a +;', 1, 34],
    ["inside an import", 'import { from "a";\nreturn 1', 1, 15],
    ["behind characters of two units", "const ü = '😀'; const b: = ;", 1, 26],
    ["in an unfinished template", "return `${", 1, 11],
  ])("a syntax error %s at its place", async (_, code, line, column) => {
    const error = await refused("proc", code);
    expect([error.code, error.details["line"], error.details["column"]]).toEqual([
      "CODE_SYNTAX",
      line,
      column,
    ]);
  });

  it.each([
    ["enum", "export enum E { A }", 8],
    ["namespace", "namespace X { export const a = 1 }", 1],
    ["parameter property", "class A { constructor(private x: number) {} }", 31],
    ["<T>x", "const x = <number>y;", 11],
    ["import equals", "import x = require('a');", 1],
    ["export assignment", "export = 5", 1],
  ])("%s, which is more than a type", async (what, code, column) => {
    const error = await refused("module", code);
    expect(error.code).toBe("CODE_UNSUPPORTED");
    expect(error.message).toContain(what);
    expect(error.message).toContain("erasable TypeScript");
    expect(error.details).toMatchObject({ line: 1, column });
  });

  it("import equals in a body", async () => {
    const error = await refused("proc", "import x = require('a');\nreturn x");
    expect(error.message).toMatch(/^a\.b:1:1: import equals declaration is not supported/);
  });

  it.each(["return 1 }}); evil(); (()=>{", "}; evil(); {", "return 1 }; evil(); async()=>{"])(
    "a body that closes the function around it: %s",
    async (code) => {
      expect((await refused("proc", code)).code).toBe("CODE_SYNTAX");
    },
  );

  it("a module that closes the function around it", async () => {
    expect((await refused("module", "}); evil(); (async function () {")).code).toBe("CODE_SYNTAX");
  });

  it("exports in a procedure", async () => {
    const error = await refused("proc", "const a = 1;\nexport const x = 1");
    expect(error.code).toBe("CODE_UNSUPPORTED");
    expect(error.message).toBe("a.b:2:1: a procedure cannot have exports; store it as a module");
  });

  it("a second export beside a procedure's function", async () => {
    const code = "export default function () {}\nexport const x = 1";
    expect((await refused("proc", code)).details).toMatchObject({ line: 2, column: 1 });
  });

  it("await in a body that is not async", async () => {
    const error = await refused("proc", "const f = async () => { await 1 };\nawait f()");
    expect(error.message).toMatch(/^a\.b:2:1: await needs code that is stored with is_async: true/);
  });

  it("one name imported twice, or imported and declared", async () => {
    for (const code of [
      'import { a } from "x"; import { a } from "y"',
      'import { a } from "x"; const a = 1',
    ]) {
      expect((await refused("module", code)).message).toMatch(/'a' has already been declared/);
    }
  });

  it("a declaration with the name of a var", async () => {
    const error = await refused("proc", "\nconst a = 1", { vars: ["a"] });
    expect(error.message).toMatch(/^a\.b:2:7: .*'a' has already been declared/);
  });

  it("an assignment to an imported name", async () => {
    const error = await refused("module", 'import { a } from "x";\n({ a } = {})');
    expect(error.message).toBe('a.b:2:4: "a" is imported and can\'t be assigned to');
  });

  it("the names that the rewriting uses, also in disguise", async () => {
    for (const code of ["let $t$x = 1", "let \\u0024t\\u0024x = 1", "class A { x = $t$d }"]) {
      const error = await refused("module", code);
      expect([error.code, error.message]).toEqual([
        "CODE_UNSUPPORTED",
        expect.stringContaining("$t$"),
      ]);
    }
  });

  it("import attributes other than JSON's", async () => {
    const error = await refused("module", 'import a from "x" with { type: "css" }');
    expect(error.message).toMatch(/type: "json"/);
  });

  it("a specifier whose path is wrong, with its place", async () => {
    const error = await refused("module", 'const x = 1;\nimport { a } from "tree:a..b"');
    expect(error.message).toMatch(/^a\.b:2:1: "tree:a\.\.b" names no module/);
  });

  it("invalid JSON with its place", () => {
    return expect(refused("module", '{\n  "a": }', { type: "json" })).resolves.toMatchObject({
      code: "CODE_SYNTAX",
      details: { line: 2, column: 8 },
    });
  });

  it("text that is nested too deeply, and compiles the next all the same", async () => {
    for (const code of ["(".repeat(100_000), "[".repeat(3_000) + "]".repeat(3_000)]) {
      expect((await refused("module", code)).message).toContain("nested too deeply");
      expect(module("export const a: number = 1").exports).toEqual(["a"]);
    }
  });
});

describe("compile() keeps", () => {
  const CODE = [
    "#!/usr/bin/env node",
    'import type { T } from "tree:types";',
    'import { quux, type U } from "tree:bar.baz"',
    "interface A { b: 'ü😀' }",
    "export const x: number = quux(1 as any), y = (z: A): void => { throw new Error(`${z}`) };",
    "export default class Named<T> extends Object { declare p: T; #q?: string }",
  ];

  it("every line and the length of what stands before the first import of a line", () => {
    const { body } = module(CODE.join("\n"));
    const lines = body.split("\n");
    expect(lines.length).toBe(CODE.length);
    expect(lines[4]?.indexOf("throw")).toBe((CODE[4]?.indexOf("throw") ?? 0) + "(0,$t$0.)".length);
    expect(lines[5]?.indexOf("class")).toBe(CODE[5]?.indexOf("class"));
  });

  it("line ends of all kinds", () => {
    const { body } = proc("const a: number = 1\r\nimport b from 'b'\r\nreturn a");
    expect(body.split("\r\n").map((line) => line.length)).toEqual([19, 17, 8]);
  });
});

describe("compile() finds", () => {
  it("imports, each thing once, with the names and their places", () => {
    const unit = module(
      'import a, { b as c } from "./x";\nimport * as d from "./x";\nexport { e } from "../y.z"; import "fs"',
    );
    expect(unit.imports).toEqual([
      {
        spec: "./x",
        module: "a.x",
        json: false,
        names: [
          { name: "default", line: 1, column: 8 },
          { name: "b", line: 1, column: 13 },
        ],
        place: { line: 1, column: 1 },
      },
      { spec: "fs", module: null, json: false, names: [], place: { line: 3, column: 29 } },
      {
        spec: "../y.z",
        module: "y.z",
        json: false,
        names: [{ name: "e", line: 3, column: 10 }],
        place: { line: 3, column: 1 },
      },
    ]);
  });

  it("no import in types", () => {
    const unit = module(
      'import type { A } from "tree:x"; import type B from "tree:y"; export type { A, B }',
    );
    expect([unit.imports, unit.exports]).toEqual([[], []]);
  });

  it("modules that are imported while it runs, and those that it requires", () => {
    const unit = proc('return [import("tree:c.d"), import("./e"), import("fs"), import(x)]', {
      requires: ["f", ["g", 1]],
    });
    expect(unit.later).toEqual(["c.d", "a.e", "f", "g:1"]);
  });

  it("exports of every form", () => {
    const code =
      "export const { a, b: [c = 1, ...d], ...e } = {} as any; export function f() {} export class g {}\n" +
      'const h = 1; export { h as i, h as "j k" }; export * as l from "x"; export * from "x"; export default 1';
    const unit = module(code);
    expect(unit.exports).toEqual(["a", "c", "d", "e", "f", "g", "i", "j k", "l", "default"]);
    expect(unit.stars).toEqual([0]);
  });

  it("the names that a body mentions and does not declare", () => {
    const code =
      "class Own { m() { return Own } }; const f = function g() { return g };\n" +
      "try { one } catch (e) { e } switch (two) { case 1: let l; l }; { let three; three }; return typeof four";
    expect(proc(code).free).toEqual(["four", "one", "two"]);
  });

  it("the form of a procedure", () => {
    expect(proc("return 1").form).toBe("body");
    expect(proc("export type A = 1; export default async (vars, job) => 1").form).toBe("module");
    expect(proc("const f = () => {}; export { f as default }").form).toBe("module");
  });

  it("another hash for every difference that its author could make", () => {
    const base = { code: "return 1", vars: ["a"], is_async: null, default: { a: 1 } };
    const variants = [
      base,
      { ...base, code: "return 1 " },
      { ...base, vars: ["a", "b"] },
      { ...base, is_async: true },
      { ...base, default: { a: 2 } },
      { ...base, default: { a: 2n } },
    ];
    const hashes = variants.map((entry) => compile(checkEntry("proc", "a.b", entry)).hash);
    expect(new Set(hashes).size).toBe(variants.length);
    expect(compile(checkEntry("proc", "a.b", base)).hash).toBe(hashes[0]);
  });
});

describe("checkEntry() refuses", () => {
  it.each([
    ["no object", "return 1", /an object with a field "code"/],
    ["null", null, /an object/],
    ["a list", [], /an object/],
    ["no code", {}, /not a string, can't compile it/],
    ["code that is no string", { code: 5 }, /not a string/],
    ["vars that are no list", { code: "", vars: "a" }, /"vars" is not a list/],
    ["a var that is no name", { code: "", vars: ["a-b"] }, /"a-b".*is not a valid variable name/],
    ["a var named await", { code: "", vars: ["await"] }, /"await".*is not a valid variable name/],
    ["a var named arguments", { code: "", vars: ["arguments"] }, /not a valid variable name/],
    ["a var of the rewriting", { code: "", vars: ["$t$0"] }, /not a valid variable name/],
    ["a var twice", { code: "", vars: ["a", "a"] }, /twice/],
    ["an unknown mode", { code: "", mode: "thread" }, /"mode" is one of/],
    ["is_async that is no mode", { code: "", is_async: "yes" }, /"is_async" is one of/],
    ["mode and is_async that differ", { code: "", mode: "async", is_async: null }, /differ/],
    ["a default of no var", { code: "", default: { x: 1 } }, /"x", which is not in "vars"/],
    ["requires that is no path", { code: "", requires: [{}] }, /not a path/],
    ["a type it does not know", { code: "", type: "css" }, /"type"/],
  ])("%s", async (_, entry, message) => {
    const error = await failure(() => checkEntry("proc", "a.b", entry));
    expect([error.code, error.message]).toEqual(["CODE_INVALID", expect.stringMatching(message)]);
  });

  it("vars of a module", async () => {
    const error = await failure(() => checkEntry("module", "a.b", { code: "", vars: ["a"] }));
    expect(error.code).toBe("CODE_INVALID");
  });
});
