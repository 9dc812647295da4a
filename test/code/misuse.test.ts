import { describe, expect, it } from "vitest";

import { CodeRoot } from "../../src/node/code-root.ts";
import { CodeLibrary } from "../../src/code/library.ts";
import { ModuleRoot } from "../../src/code/module-root.ts";
import type { Tree } from "../../src/tree/tree.ts";
import { failure, openCode } from "./code-kit.ts";

const NO_TREES = [undefined, null, 5, "memory:", {}] as unknown[] as Tree[];
const NO_PATHS = [5, {}, null, undefined, true, { length: 0 }, Array(1)] as unknown[] as string[];

/** Options as a caller without types may write them. */
function odd(options: unknown): never {
  return options as never;
}

describe("open()", () => {
  it.each(NO_TREES)("refuses %o, which is no tree", async (tree) => {
    for (const root of [CodeRoot, ModuleRoot, CodeLibrary]) {
      const { name, message } = await failure(() => root.open(tree));
      expect(name).toBe("TypeError");
      expect(message).toMatch(
        /^(Code|Module)(Root|Library)\.open takes a Tree, as open\(\) gives it/,
      );
    }
  });

  it("refuses options that it does not have", async () => {
    await using kit = await openCode();
    for (const source of [kit.tree, kit.library]) {
      const code = await failure(() => CodeRoot.open(source, odd({ evaluat: false })));
      expect(code.message).toBe('CodeRoot.open has no option "evaluat" (did you mean evaluate?)');
      const modules = await failure(() => ModuleRoot.open(source, odd({ collectMS: 1, x: 1 })));
      expect(modules.message).toMatch(/"collectMS" \(did you mean collectMs\?\)$/);
    }
  });
});

describe("CodeRoot and ModuleRoot", () => {
  it.each(NO_PATHS)("refuse %o, which is no path, and write nothing", async (path) => {
    await using kit = await openCode();
    const { code, modules } = kit;
    const entry = { code: "return 1" };
    for (const run of [
      () => code(path),
      () => code.run(path),
      () => code.add(path, entry),
      () => code.get(path),
      () => code.remove(path),
      () => modules.add(path, entry),
      () => modules.get(path),
      () => modules.remove(path),
      () => modules.import(path),
    ]) {
      expect((await failure(run)).code).toBe("WIRE_BAD_PATH");
    }
    for await (const stored of kit.tree.walk(":")) expect(stored).toBeUndefined();
  });

  it("refuse options that they do not have, and write nothing", async () => {
    await using kit = await openCode();
    const { code, modules } = kit;
    const entry = { code: "" };
    await code.add("p", entry);
    for (const run of [
      () => code.add("q", entry, odd({ forse: true })),
      () => code.remove("p", odd({ forced: true })),
      () => modules.add("q", entry, odd({ forc: true })),
      () => modules.remove("p", odd({ Force: true })),
    ]) {
      expect((await failure(run)).message).toMatch(/ has no option ".+" \(did you mean force\?\)$/);
    }
    for (const run of [
      () => code.get("p", odd({ sgnal: 1 })),
      () => code.list(odd({ sgnal: 1 })),
      () => modules.get("p", odd({ sgnal: 1 })),
      () => modules.list(odd({ sgnal: 1 })),
    ]) {
      expect((await failure(run)).message).toMatch(/\(did you mean signal\?\)$/);
    }
    expect((await code.list()).map(({ path }) => path.join("."))).toEqual(["p"]);
  });

  it.each([null, 5, "x", ["x"]])("code.run() refuses %o for named values", async (named) => {
    await using kit = await openCode();
    await kit.code.add("now", { code: "return 1" });
    await kit.code.add("later", { code: "return 1", is_async: true });
    const says = /^code\.run takes an object of values by name, not /;
    expect(() => kit.code.run("now", odd(named))).toThrow(says);
    const promise = kit.code.run("later", odd(named));
    await expect(promise).rejects.toThrow(says);
  });
});
