/** DistKV's cases of types and codecs, on the engine that applies them. */
import { describe, expect, it } from "vitest";

import { INT, INT_CODEC, PERCENT, refusal } from "../../rule-examples.ts";
import { RuledTree } from "./kit.ts";

describe("TY: types and matches", () => {
  it("TY1: a type whose code has a mistake is refused, with the place", async () => {
    await using ruled = await RuledTree.open();
    const { types } = ruled.tree.rules;
    const syntax = await refusal(types.set("int", { ...INT, code: "if (value >) throw 1" }));
    expect(syntax).toMatchObject({ code: "TREE_BAD_RULE", details: { kind: "type", name: "int" } });
    expect(syntax.message).toMatch(/int:1:12: /);
    expect(syntax.details["frame"]).toMatch(/> 1 \| if \(value >\)/);
    const name = await refusal(types.set("int", { ...INT, code: "if (!isInt(value)) throw 1" }));
    expect(name.message).toMatch(/ReferenceError: isInt is not defined/);
    const late = 'if (!Number.isInteger(value)) throw new Eror("no")';
    const hidden = await refusal(types.set("int", { ...INT, code: late }));
    expect(hidden.message).toMatch(/example 1 of "bad", "dud", .*Eror is not defined/);
    expect(await types.get("int")).toBeUndefined();
  });

  it("TY2, TY3, TY4, TY5, TY6: examples that disagree are refused and named, and so are too few of them", async () => {
    await using ruled = await RuledTree.open();
    const { types } = ruled.tree.rules;
    const good = await refusal(types.set("int", { ...INT, good: [0, "dud"] }));
    expect(good.code).toBe("TREE_BAD_RULE");
    expect(good.message).toBe('the type int: example 2 of "good", "dud", is refused: not an int');
    const bad = await refusal(types.set("int", { ...INT, bad: ["dud", 4] }));
    expect(bad.message).toMatch(/example 2 of "bad", 4, fits/);
    expect(bad.details).toMatchObject({ example: { list: "bad", number: 2, value: 4 } });
    expect((await refusal(types.set("int", { ...INT, bad: [] }))).message).toMatch(/"bad" needs/);
    expect((await refusal(types.set("int", { ...INT, good: [1] }))).message).toMatch(
      /"good" needs/,
    );
    expect(await types.set("int", INT)).toMatchObject({ changed: true });
    expect(await types.get("int")).toEqual(INT);
  });

  it("TY7, TY8: a type below another has to fit it with all of its examples", async () => {
    await using ruled = await RuledTree.open();
    const { types } = ruled.tree.rules;
    await types.set("int", INT);
    const bad = await refusal(types.set("int.percent", { ...PERCENT, bad: [-1, "fuf"] }));
    expect(bad.message).toMatch(
      /example 2 of "bad", "fuf", is refused by the type int: not an int/,
    );
    const good = await refusal(types.set("int.percent", { ...PERCENT, good: [0, 5.5] }));
    expect(good.message).toMatch(
      /example 2 of "good", 5.5, is refused by the type int: not an int/,
    );
    await types.set("int.percent", PERCENT);
  });

  it("TY9, TY10: a match names a type that exists, and what does not fit is not written", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    const { types, matches } = tree.rules;
    await types.set("int", INT);
    await types.set("int.percent", PERCENT);
    const typo = await refusal(matches.set("one.+.two", { tope: "int" } as never));
    expect(typo.message).toMatch(/no field "tope" \(did you mean "type"\?\)/);
    const unknown = await refusal(matches.set("one.+.two", { type: "percent" }));
    expect(unknown.message).toBe("the match one.+.two: there is no type percent");
    await matches.set("one.+.two", { type: "int.percent" });
    await tree.set("one.x.two", 99);
    const float = await refusal(tree.set("one.y.two", 9.9));
    expect(float.code).toBe("TREE_RULE_VIOLATED");
    expect(float.message).toBe(
      "one.y.two does not fit the type int, above int.percent: not an int",
    );
    const details = { path: ["one", "y", "two"], type: ["int", "percent"], by: "int" };
    expect(float.details).toMatchObject({
      ...details,
      match: ["one", "+", "two"],
      reason: "not an int",
    });
    expect((await refusal(tree.set("one.y.two", "zoz"))).code).toBe("TREE_RULE_VIOLATED");
    expect(await tree.get("one.y.two")).toBeUndefined();
    await tree.set("one.y", "zoz");
    await refusal(tree.set("one.x.two", 101));
    expect(await tree.get("one.x.two")).toBe(99);
  });

  it("TY13: entries that were there before are found, told with the reason, and kept", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    await tree.set("one.a.two", "old");
    await tree.set("one.b.two", 5);
    await tree.set("one.c.two", 777);
    await tree.rules.types.set("int", INT);
    await tree.rules.types.set("int.percent", PERCENT);
    await tree.rules.matches.set("one.+.two", { type: "int.percent" });
    const found = await tree.rules.check().toArray();
    expect(found).toMatchObject([
      {
        path: ["one", "a", "two"],
        type: ["int", "percent"],
        by: "int",
        reason: "not an int",
        author: "ann",
      },
      { path: ["one", "c", "two"], match: ["one", "+", "two"], by: "int.percent" },
    ]);
    expect(await tree.rules.check("one.c").toArray()).toHaveLength(1);
    expect(await tree.rules.check("one.b").toArray()).toEqual([]);
    expect(await tree.get("one.a.two")).toBe("old");
  });
});

describe("CV: codecs", () => {
  it("CV1: what a client writes is stored decoded, and encoded when it reads", async () => {
    await using ruled = await converted();
    const con = ruled.client("foo");
    await con.set("inty.ten", "10");
    expect(await ruled.tree.get("inty.ten")).toBe(10);
    expect(await con.get("inty.ten")).toBe("10");
    expect(await con.entry("inty.ten")).toMatchObject({ value: "10", author: "foo" });
    expect(await ruled.client("other").get("inty.ten")).toBe(10);
  });

  it("CV2, CV3, CV4: what can't be decoded is refused; # takes any depth but none", async () => {
    await using ruled = await converted();
    const con = ruled.client("foo");
    for (const [path, value] of [
      ["inty.nope", 11],
      ["inty.nope.nopenope", 12],
    ] as const) {
      const error = await refusal(con.set(path, value));
      expect(error.code).toBe("TREE_CODEC_REFUSED");
      expect(error.message).toBe(`${path} can't be written with the codec int: not a string`);
      expect(await ruled.tree.get(path)).toBeUndefined();
    }
    await con.set("inty.yep.yepyepyep", "13");
    await con.set("inty.yep", "99");
    await con.set("inty", "hello");
    const stored = await ruled.tree.walk("inty").toArray();
    expect(stored.map(({ value }) => value)).toEqual(["hello", 99, 13]);
    const read = await con.walk("inty").toArray();
    expect(read.map(({ value }) => value)).toEqual(["hello", "99", "13"]);
  });

  it("CV5: a watch tells stored values to one client and converted ones to the other, in order", async () => {
    await using ruled = await converted();
    const con = ruled.client("foo");
    const told = async (tree: typeof con): Promise<unknown[]> => {
      const values: unknown[] = [];
      for await (const event of tree.watch("inty")) {
        if (event.type === "put") values.push(event.entry.value);
        if (values.length === 4) return values;
      }
      return values;
    };
    const both = Promise.all([told(ruled.tree), told(con)]);
    await con.set("inty.ten", "10");
    await refusal(con.set("inty.nope", 11));
    await con.set("inty.yep.yepyepyep", "13");
    await con.set("inty.yep", "99");
    await con.set("inty", "hello");
    expect(await both).toEqual([
      [10, 13, 99, "hello"],
      ["10", "13", "99", "hello"],
    ]);
  });

  it("CV7: decode can merge with what is stored, which it does not change", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    const merge = {
      decode:
        "prev ??= {}; const had = Object.keys(prev).length; return Object.assign(prev, value, { had })",
      encode: "const { had, ...rest } = value; return rest",
      in: [[{ a: 1 }, { a: 1, had: 0 }]] as const,
      out: [[{ a: 1, had: 0 }, { a: 1 }]] as const,
    };
    await tree.rules.codecs.set("merge", merge);
    await tree.rules.conversions("parts").set("lamp.+", { codec: "merge" });
    const con = ruled.client("parts");
    const { revision } = await con.set("lamp.hall", { on: true });
    await con.set("lamp.hall", { level: 3 });
    expect(await con.get("lamp.hall")).toEqual({ on: true, level: 3 });
    const [, first] = await tree.history("lamp.hall");
    expect(first).toMatchObject({ revision, value: { on: true, had: 0 } });
    const many = Array.from({ length: 20 }, (_, n) => con.set("lamp.hall", { [`n${n}`]: n }));
    await Promise.all(many);
    expect(Object.keys((await con.get("lamp.hall")) as object)).toHaveLength(22);
    const stale = await refusal(con.set("lamp.hall", { on: false }, { ifRevision: revision }));
    expect(stale.code).toBe("ENGINE_CONFLICT");
  });
});

/** A tree whose clients of the set foo have the integers below `inty` as text. */
async function converted(): Promise<RuledTree> {
  const ruled = await RuledTree.open();
  await ruled.tree.rules.codecs.set("int", INT_CODEC);
  await ruled.tree.rules.conversions("foo").set("inty.#", { codec: "int" });
  return ruled;
}
