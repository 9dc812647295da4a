import { describe, expect, it } from "vitest";

import { ManualClock } from "../../src/testing/manual-clock.ts";
import { failure, nextTurn, openCode, openErrors, openPaths, QUUX, version } from "./code-kit.ts";

describe("broken code", () => {
  it("is recorded with place and frame, throws when it is called, and heals", async () => {
    await using kit = await openCode();
    await kit.store({
      "module:bar.baz": version(1),
      "proc:p": { code: QUUX },
      "proc:ok": { code: "return 1" },
    });
    await kit.store({ "module:bar.baz": { code: "const a = 1;\nconst b: = ;" } });
    const [module, proc] = await openErrors(kit);
    expect(module?.message).toContain("bar.baz:2:10: Unexpected token");
    expect([...(module?.path ?? [])]).toEqual(["module", "bar", "baz"]);
    expect(module?.data).toMatchObject({ code: "CODE_SYNTAX", line: 2, column: 10 });
    expect(module?.data["frame"]).toContain("> 2 | const b: = ;");
    expect(proc?.message).toContain("p -> bar.baz: bar.baz:2:10: Unexpected token");
    const error = await failure(() => kit.code("p"));
    expect([error.code, (error.cause as Error).message]).toEqual(["CODE_BLOCKED", proc?.message]);
    expect(kit.code("ok")).toBe(1);
    await kit.store({ "module:bar.baz": version(3) });
    expect(kit.code("p")).toBe(3);
    expect(await openErrors(kit)).toEqual([]);
  });

  it("never harms other entries, whatever is stored", async () => {
    await using kit = await openCode();
    const broken: Record<string, unknown> = {
      "proc:number": 5,
      "proc:null": null,
      "proc:list": [],
      "proc:empty": {},
      "proc:bytes": new Uint8Array(9),
      "proc:code": { code: 5 },
      "proc:vars": { code: "", vars: 5 },
      "proc:requires": { code: "", requires: [5] },
      "proc:deep": { code: "[".repeat(50_000) },
      "proc:load": { code: 'import "tree:throws"' },
      "module:throws": { code: "throw { toString() { throw 1 } }" },
      "module:spec": { code: 'import "tree::w"' },
      "module:data": { code: "{", type: "json" },
      "module:nul": { code: "\0\u2028export const a: \uD800 = 1" },
      "module:__proto__": { code: "+" },
    };
    await kit.store({ ...broken, "proc:ok": { code: "return 1" } });
    expect(kit.code("ok")).toBe(1);
    const ids = Object.keys(broken).map((id) => id.replace(":", "."));
    expect(await openPaths(kit)).toEqual(ids.sort());
    const codes = (await openErrors(kit)).map(({ path, data }) => [path.at(-1), data["code"]]);
    expect(Object.fromEntries(codes)).toMatchObject({
      number: "CODE_INVALID",
      bytes: "CODE_INVALID",
      deep: "CODE_UNSUPPORTED",
      load: "CODE_BLOCKED",
      throws: "CODE_LOAD",
    });
    await kit.store(Object.fromEntries(Object.keys(broken).map((id) => [id, undefined])));
    expect(await openErrors(kit)).toEqual([]);
  });

  it("is told apart from entries that are no code at all", async () => {
    await using kit = await openCode();
    const { tree, library } = kit;
    await tree.set(tree.system.code, "a note");
    await tree.set(tree.system.proc, "a note");
    const { revision } = await tree.set(tree.system.code.concat(["drafts", "x"]), { code: "+" });
    await library.settled(revision);
    expect([await openErrors(kit), await kit.code.list()]).toEqual([[], []]);
  });

  it("whose modules are missing heals when they arrive", async () => {
    await using kit = await openCode();
    await kit.store({ "proc:job": { code: '\nimport { n } from "tree:mid";\nreturn n' } });
    const error = kit.library.errorOf("job");
    expect([error?.code, error?.message]).toEqual([
      "CODE_MISSING_MODULE",
      'job:2:1: module "mid" not found',
    ]);
    expect(error?.details["frame"]).toContain('> 2 | import { n } from "tree:mid";');
    await kit.store({ "module:mid": { code: "export const n = 1" } });
    expect(kit.code("job")).toBe(1);
    expect(await openErrors(kit)).toEqual([]);
    await kit.store({ "module:mid": undefined });
    expect((await failure(() => kit.code("job"))).code).toBe("CODE_MISSING_MODULE");
  });

  it("of a circle that an edit closes hits all members, and heals when it is undone", async () => {
    await using kit = await openCode();
    const leaf = { code: "export const n = 1" };
    await kit.store({
      "module:x3": leaf,
      "module:x2": { code: 'export * from "tree:x3"' },
      "module:x1": { code: 'export * from "tree:x2"' },
      "proc:user": { code: 'import { n } from "tree:x1"; return n' },
    });
    expect(kit.code("user")).toBe(1);
    await kit.store({
      "module:x3": { code: 'import { n as m } from "tree:x1"; export const n = m' },
    });
    expect(kit.library.errorOf("x2", "module")?.message).toBe(
      "x2:1:1: import cycle: x2 -> x3 -> x1 -> x2",
    );
    expect(await openPaths(kit)).toEqual(["module.x1", "module.x2", "module.x3", "proc.user"]);
    await kit.store({ "module:x3": leaf });
    expect(kit.code("user")).toBe(1);
    expect(await openErrors(kit)).toEqual([]);
  });

  it("that lost an export hits its importer alone", async () => {
    await using kit = await openCode();
    await kit.store({
      "module:a.b": { code: "export const nope = 1" },
      "proc:me": { code: 'import { nope } from "tree:a.b"; return nope' },
    });
    await kit.store({ "module:a.b": { code: "export const other = 1" } });
    expect(await openPaths(kit)).toEqual(["proc.me"]);
    expect((await failure(() => kit.code("me"))).message).toContain(
      'module "tree:a.b" does not export "nope", imported by me',
    );
    await kit.store({ "module:a.b": { code: "export const nope = 2" } });
    expect(kit.code("me")).toBe(2);
  });

  it("that never finishes loading is given up, and the next update goes on", async () => {
    const clock = new ManualClock();
    await using kit = await openCode({ clock, loadTimeoutMs: 500 });
    const storing = kit.store({
      "module:never": { code: "await new Promise(() => {})" },
      "proc:p": { code: 'import "tree:never"' },
    });
    while (clock.pending === 0) await nextTurn();
    clock.advance(20);
    while (clock.pending === 0) await nextTurn();
    clock.advance(500);
    await storing;
    expect(kit.library.errorOf("never", "module")?.code).toBe("CODE_LOAD_TIMEOUT");
    await kit.store({ "module:never": { code: "" } });
    expect(kit.code("p")).toBeUndefined();
  });

  it("stays in use as it was with keepLastGood, and says so", async () => {
    await using kit = await openCode({ keepLastGood: true });
    await kit.store({ "module:bar.baz": version(1), "proc:p": { code: QUUX } });
    const key = kit.library.keyOf("p");
    for (const code of ["+", 'import "tree:no.such"', "export const quux = 1; throw 1"]) {
      await kit.store({ "module:bar.baz": { code } });
      expect([kit.code("p"), kit.library.keyOf("p")]).toEqual([1, key]);
    }
    expect(await openPaths(kit)).toEqual(["module.bar.baz"]);
    await kit.store({ "module:bar.baz": version(2) });
    expect(kit.code("p")).toBe(2);
    await kit.store({ "proc:p": undefined });
    expect((await failure(() => kit.code("p"))).code).toBe("CODE_NOT_FOUND");
  });
});
