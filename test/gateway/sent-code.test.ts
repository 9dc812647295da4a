import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import { compile } from "../../src/gateway/compile.ts";
import { programOf, type SentCode } from "../../src/gateway/sent-code.ts";

async function run(code: SentCode, ...args: unknown[]): Promise<unknown> {
  const sent: unknown[] = [];
  const channel = { send: (item: unknown) => sent.push(item) };
  const result = await compile(programOf(code, "test"))(channel, args);
  return sent.length > 0 ? sent : result;
}

/** Sends `text` as a module's file. */
async function runModule(text: string, name = "module.mjs", ...args: unknown[]): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), "banyan-"));
  try {
    const file = join(folder, name);
    writeFileSync(file, text);
    return await run({ file }, ...args);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function refusal(code: SentCode): string {
  try {
    programOf(code, "test");
  } catch (error) {
    if (BanyanError.has(error, "GATEWAY_SOURCE")) return error.message;
    throw error;
  }
  throw new Error("it was taken");
}

class Counter {
  count = 0;
}

describe("source", () => {
  it("is an expression, or a body", async () => {
    expect(await run("6 * 7")).toBe(42);
    expect(await run("await Promise.resolve(args[0])", "x")).toBe("x");
    expect(await run("const a = 1; // said\nreturn a + 1")).toBe(2);
    expect(await run("channel.send(1); channel.send(2)")).toEqual([1, 2]);
  });

  it("may import, at its beginning and within, and require", async () => {
    const text = `import { sep } from "node:path"\nimport os, * as all from "node:os";
      const { EOL } = await import("node:os");
      return [sep, os.EOL === EOL, all.EOL === EOL, require("os").EOL === EOL]`;
    expect(await run(text)).toEqual(["/", true, true, true]);
  });

  it("that is none says where (E11)", () => {
    const broken = "let a = 1;\nlet b = = 2;";
    expect(() => compile(programOf(broken, "gw0/exec-1"))).toThrow(
      expect.objectContaining({
        name: "SyntaxError",
        stack: expect.stringMatching(/^gw0\/exec-1\.js:2\n/),
      }),
    );
    expect(refusal("import { a } from 'b';\nlet c = = 2;")).toContain("test.js:2:9");
  });

  it("that throws names its own line", async () => {
    const failed: unknown = await run("const a = 1;\n\nthrow new Error('x')").catch(
      (e: unknown) => e,
    );
    expect((failed as Error).stack).toContain("test.js:3:7");
  });
});

describe("functions", () => {
  it("get the channel and the arguments", async () => {
    expect(
      await run((channel: { send(a: number): void }, a: number) => channel.send(a), 5),
    ).toEqual([5]);
    expect(await run(async (_: unknown, a: number) => a + 1, 5)).toBe(6);
    expect(await run(function named(_: unknown, n: number): number { return n && named(_, n - 1) }, 3)).toBe(0); // prettier-ignore
  });

  it("may use globals and require, and declare what they like", async () => {
    const word = await run((): unknown => {
      const { sep } = require("node:path") as { sep: string };
      class A {
        b = [sep].map((c) => `${c}${typeof process}`);
      }
      return new A().b[0];
    });
    expect(word).toBe("/object");
  });

  it("that use what is around them are refused, with the name and the place", () => {
    const outer = 1;
    const used = (): number => {
      const a = 2;
      return a + outer;
    };
    expect(refusal(used)).toMatch(/it uses "outer" of what is around it \(line 3, column \d+\)/);
    expect(refusal(() => expect)).toMatch(/"__vite?_.*import/);
  });

  it("that have no text of their own are refused", () => {
    const object = { method: (): number => 1, get a(): number { return 1 } }; // prettier-ignore
    expect(refusal(Math.max)).toContain("built in or bound");
    expect(refusal(object.method.bind(object))).toContain("built in or bound");
    expect(refusal({ method() {} }.method)).toContain("method");
    expect(refusal(Counter as never)).toContain("class");
    expect(refusal(7 as never)).toContain("not number 7");
  });
});

describe("modules", () => {
  it("are run, and their default export is called", async () => {
    const text = `import { EOL as end } from "node:os";
      export const two = 2;
      export default function main(channel, n) { return [end, n * two]; }
      export { main as other };`;
    expect(await runModule(text, "a.mjs", 4)).toEqual(["\n", 8]);
    expect(await runModule("export default async (_, n) => n", "a.mjs", 4)).toBe(4);
    expect(await runModule("export default class A {}; channel.send(typeof A)")).toEqual([
      "function",
    ]);
    expect(await runModule("#!/usr/bin/env node\nchannel.send(args[0])", "a.mjs", 1)).toEqual([1]);
  });

  it("in TypeScript lose their types, and keep their lines", async () => {
    const text = "interface A {\n  a: number\n}\nexport default (_: A) => new Error('x')";
    const error = (await runModule(text, "a.ts")) as Error;
    expect(error.stack).toMatch(/a\.ts:4:26/);
    await expect(runModule("let a: = 1", "b.ts")).rejects.toMatchObject({
      code: "GATEWAY_SOURCE",
      message: expect.stringContaining("b.ts:1"),
    });
  });

  it.each([
    ["import a from './a.js'", "1:1"],
    ["\nexport * from 'a'", "2:1"],
    ["export { a } from 'a'", "1:1"],
    ["\n  import.meta.url", "2:3"],
  ])("that are not whole are refused, with the place: %j", async (text, place) => {
    await expect(runModule(text)).rejects.toMatchObject({
      code: "GATEWAY_SOURCE",
      message: expect.stringContaining(`module.mjs:${place} can't be sent`),
    });
  });
});
