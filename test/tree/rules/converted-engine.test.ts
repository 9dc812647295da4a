import { describe, expect, it } from "vitest";

import { parsePath } from "../../../src/wire/path-text.ts";
import { refusal } from "../../rule-examples.ts";
import { RuledTree } from "./kit.ts";

const MIB = 1024 * 1024;

/** A tree with entries `m.0` and on, and a set of conversions that makes `length` characters of each. */
async function manyOfLittle(count: number, length: number): Promise<RuledTree> {
  const ruled = await RuledTree.open();
  const { tree } = ruled;
  await tree.rules.codecs.set("much", {
    decode: "return value.length > 9 ? value[0] : value",
    encode: `return value === "s" ? value : value.repeat(${length})`,
    in: [["s", "s"]],
    out: [["s", "s"]],
  });
  await tree.rules.conversions("much").set("m.+", { codec: "much" });
  await Promise.all(Array.from({ length: count }, (_, n) => tree.set(["m", n], "x")));
  return ruled;
}

describe("ConvertedEngine of a codec that makes much of little", () => {
  it("list() and children() give pages of a few megabytes, in order and each entry once", async () => {
    await using ruled = await manyOfLittle(150, 100_000);
    const engine = ruled.engine.withCodecs("much");
    const listed: unknown[] = [];
    const named: unknown[] = [];
    const sizes: number[] = [];
    for await (const page of engine.list(parsePath("m")).pages()) {
      sizes.push(page.reduce((bytes, { value }) => bytes + value.length, 0));
      listed.push(...page.map(({ path }) => path[1]));
    }
    for await (const page of engine.children(parsePath("m")).pages()) {
      sizes.push(page.reduce((bytes, { entry }) => bytes + (entry?.value.length ?? 0), 0));
      named.push(...page.map(({ name }) => name));
    }
    const all = Array.from({ length: 150 }, (_, n) => n);
    expect([listed, named]).toEqual([all, all]);
    expect(Math.max(...sizes)).toBeLessThan(3 * MIB);
  });

  it("watch() tells each entry once and is ready once, in batches that are no larger than they must be", async () => {
    await using ruled = await manyOfLittle(250, 200_000);
    const engine = ruled.engine.withCodecs("much");
    const seen: unknown[] = [];
    const sizes: number[] = [];
    let ready = 0;
    await using watch = engine.watch(parsePath("m"));
    for await (const batch of watch) {
      let bytes = 0;
      for (const event of batch) {
        if (event.type === "ready") ready++;
        if (event.type !== "put") continue;
        seen.push(event.entry.path[1]);
        bytes += event.entry.value.length;
      }
      sizes.push(bytes);
      if (ready > 0) break;
    }
    expect(seen).toEqual(Array.from({ length: 250 }, (_, n) => n));
    expect(Math.max(...sizes)).toBeLessThan(32 * MIB);
    // What comes next is behind all of it.
    await ruled.tree.set("m.0", "s");
    await using later = engine.watch(parsePath("m"), { after: watch.cursor });
    for await (const [first] of later) {
      expect(first).toMatchObject({ type: "put", entry: { path: ["m", "0"] } });
      break;
    }
  });

  it("get() and put() refuse what is more than a value may be, and say how much it is", async () => {
    await using ruled = await manyOfLittle(1, 10_000_000);
    const error = await refusal(ruled.client("much").get(["m", 0]));
    expect(error).toMatchObject({
      code: "TREE_CODEC_REFUSED",
      message: expect.stringMatching(/its encode gives 10000005 bytes, and 8388608 are the most/),
    });
    expect(await ruled.tree.get(["m", 0])).toBe("x");
  });
});
