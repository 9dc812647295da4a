/** Rules on data, applied by the hub's process for every way in: DistKV's cases and what is around them. */
import { BanyanError, open, openEngine, Path, type Tree } from "banyan";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { temporaryFolder } from "./kit.ts";

const INT = {
  code: 'if (!Number.isInteger(value)) throw new Error("not an int")',
  good: [0, 1, 2],
  bad: ["dud", 1.5],
};

const folder = temporaryFolder();
let tree: Tree;
beforeAll(async () => {
  tree = await open(folder.path, { create: true, author: "ann" });
});
afterAll(async () => {
  await tree.close();
  folder[Symbol.dispose]();
});

async function refusal(work: Promise<unknown>): Promise<BanyanError> {
  try {
    await work;
  } catch (error) {
    if (BanyanError.is(error)) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("the hub", () => {
  it("refuses what does not fit from every client, also below the tree", async () => {
    await tree.rules.types.set("int", INT);
    await tree.rules.matches.set("lib.+", { type: "int" });
    await tree.set("lib.a", 1);
    await using other = await open(folder.path);
    const error = await refusal(other.set("lib.a", "x"));
    expect(error.toJSON()).toMatchObject({
      name: "TreeError",
      code: "TREE_RULE_VIOLATED",
      message: "lib.a does not fit the type int: not an int",
      details: { path: ["lib", "a"], type: ["int"], match: ["lib", "+"], reason: "not an int" },
    });
    await using engine = await openEngine(folder.path);
    const bytes = (await engine.get(Path.fromElements(["lib", "a"])))?.value as Uint8Array;
    await engine.put(Path.fromElements(["lib", "b"]), bytes);
    const junk = engine.put(Path.fromElements(["lib", "c"]), new Uint8Array([255, 1, 2]));
    expect((await refusal(junk)).code).toBe("TREE_RULE_VIOLATED");
    expect(await tree.get("lib.c")).toBeUndefined();
  });
});
