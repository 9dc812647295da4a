import { describe, expect, it, test } from "vitest";

import { RulesHere } from "../../rules-here.ts";
import { deferred } from "../../../src/base/deferred.ts";
import { MemoryEngine } from "../../../src/engine/memory.ts";
import { engineSuite } from "../../../src/testing/engine-suite.ts";
import { RuledEngine } from "../../../src/tree/rules/ruled-engine.ts";
import type { RuleOutcome, RuleRunner } from "../../../src/tree/rules/rule-runner.ts";
import { Tree } from "../../../src/tree/tree.ts";
import { parsePath } from "../../../src/wire/path-text.ts";
import { encodeValue } from "../../../src/wire/value.ts";
import { INT, INT_CODEC, PERCENT, refusal } from "../../rule-examples.ts";
import { RuledTree } from "./kit.ts";

describe("RuledEngine over MemoryEngine, and what a set of conversions makes of it", () => {
  for (const set of [undefined, "any"]) {
    engineSuite({
      test: (name, run) => test(`${name} ${set === undefined ? "" : "(converted)"}`, run),
      open: async ({ history, maxValueBytes }) => {
        const memory = new MemoryEngine({
          ...(history !== undefined && { history }),
          ...(maxValueBytes !== undefined && { limits: { maxValueBytes } }),
        });
        const ruled = await RuledEngine.open(memory, new RulesHere());
        const engine = set === undefined ? ruled : ruled.withCodecs(set);
        return { engine, [Symbol.asyncDispose]: () => engine.close() };
      },
    });
  }
});

/** Answers when it is told to, and keeps what it was asked. */
class SlowRunner implements RuleRunner {
  readonly #inner = new RulesHere();
  /** While it is set, answers wait for it. */
  gate: Promise<void> | undefined;
  asked = 0;

  async run(task: Parameters<RuleRunner["run"]>[0]): Promise<RuleOutcome> {
    this.asked++;
    const outcome = await this.#inner.run(task);
    await this.gate;
    return outcome;
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

describe("RuledEngine", () => {
  it("put() of a value is checked against the rules that are in force when it is written", async () => {
    const runner = new SlowRunner();
    await using tree = Tree.over(await RuledEngine.open(new MemoryEngine(), runner));
    await tree.rules.types.set("any", { schema: { minimum: 0 }, good: [1, 2], bad: [-1] });
    await tree.rules.types.set("text", { schema: { type: "string" }, good: ["", "a"], bad: [1] });
    await tree.rules.matches.set("a.+", { type: "any" });
    const gate = deferred<void>();
    runner.gate = gate.promise;
    const written = refusal(tree.set("a.x", 5));
    const changed = tree.rules.matches.set("a.+", { type: "text" });
    await changed;
    const kept = tree.set("a.y", "fits now");
    gate.resolve(undefined);
    expect((await written).message).toBe("a.x does not fit the type text: must be string");
    const { revision } = await kept;
    expect(revision).toBeGreaterThan((await changed).revision);
  });

  it("put() comes before a rule or fits it, whichever way the two race", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    await tree.rules.types.set("int", INT);
    const writes = Array.from({ length: 200 }, async (_, n) => {
      for (let i = 0; i < n % 60; i++) await Promise.resolve();
      return tree.set(`race.${n}`, n % 2 === 0 ? n : `n${n}`).then(
        ({ revision }) => ({ revision, isInt: n % 2 === 0 }),
        () => undefined,
      );
    });
    const rule = (async () => {
      for (let i = 0; i < 3; i++) await Promise.resolve();
      return (await tree.rules.matches.set("race.#", { type: "int" })).revision;
    })();
    const [since, ...results] = await Promise.all([rule, ...writes]);
    const texts = results.filter((result) => result !== undefined && !result.isInt);
    expect(results.filter((result) => result?.isInt === true)).toHaveLength(100);
    for (const text of texts) expect(text?.revision).toBeLessThan(since);
    expect(texts.length).toBeLessThan(100);
    expect(await tree.rules.check().toArray()).toHaveLength(texts.length);
  });

  it("put() that is sent again gives its result, also where a rule came in between", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    const first = await tree.set("a.x", "text", { operation: "one" });
    await tree.rules.types.set("int", INT);
    await tree.rules.matches.set("a.+", { type: "int" });
    expect(await tree.set("a.x", "text", { operation: "one" })).toEqual(first);
    const other = await refusal(tree.set("a.x", "text", { operation: "two" }));
    expect(other.code).toBe("TREE_RULE_VIOLATED");
    await tree.set("a.x", 1, { operation: "two" });
    expect(await tree.get("a.x")).toBe(1);
  });

  it("put() asks nobody where no rule is about the path, and never for Banyan's own data", async () => {
    const runner = new SlowRunner();
    await using tree = Tree.over(await RuledEngine.open(new MemoryEngine(), runner));
    await tree.set("a.b", 1);
    await tree.rules.types
      .set("none", { code: "throw new Error('no')", good: [], bad: [] })
      .catch(() => {});
    await tree.rules.types.set("int", INT);
    await tree.rules.matches.set("#", { type: "int" });
    const before = runner.asked;
    await tree.set([".banyan", "node", "n"], "text");
    await tree.set(":", "the root");
    expect(runner.asked).toBe(before);
    await refusal(tree.set("a.b", "x"));
    expect(runner.asked).toBe(before + 1);
    await tree.delete("a.b");
    expect(runner.asked).toBe(before + 1);
  });

  it("put() of a rule is verified whoever writes it, and a match can't be on Banyan's own data", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    const rule = tree.system.rule;
    const plain = await refusal(
      tree.set(rule.concat(["type", "int"]), { ...INT, good: ["a", "b"] }),
    );
    expect(plain.code).toBe("TREE_BAD_RULE");
    for (const path of [["type"], ["codec"], ["typo", "x"], ["convert"], ["convert", 1], []]) {
      const nowhere = await refusal(tree.set(rule.concat(path), INT));
      expect(nowhere.message).toMatch(/no rule can be there/);
    }
    await tree.rules.types.set("int", INT);
    const own = await refusal(tree.rules.matches.set(":.banyan.node.+", { type: "int" }));
    expect(own.message).toMatch(/Banyan's own data/);
    for (const value of [7, null, [], { type: 3 }, { type: [] }, { type: "a..b" }]) {
      expect((await refusal(tree.rules.matches.set("x", value as never))).code).toBe(
        "TREE_BAD_RULE",
      );
    }
  });

  it("delete() keeps types and codecs that other rules need, and names those", async () => {
    await using ruled = await RuledTree.open();
    const { types, matches, codecs, conversions } = {
      types: ruled.tree.rules.types,
      matches: ruled.tree.rules.matches,
      codecs: ruled.tree.rules.codecs,
      conversions: ruled.tree.rules.conversions("foo"),
    };
    await types.set("int", INT);
    await types.set("int.percent", PERCENT);
    await matches.set("a.+", { type: "int.percent" });
    await codecs.set("int", INT_CODEC);
    await conversions.set("a.+", { codec: "int" });
    const below = await refusal(types.delete("int"));
    expect(below.message).toBe("the type int is used by the type int.percent");
    const used = await refusal(types.delete("int.percent"));
    expect(used).toMatchObject({ code: "TREE_RULE_IN_USE", details: { users: ["the match a.+"] } });
    const codec = await refusal(codecs.delete("int"));
    expect(codec.details).toMatchObject({ users: ["the conversion a.+ of foo"] });
    await matches.delete("a.+");
    await types.delete("int.percent");
    await types.delete("int");
    await ruled.tree.set("a.x", "anything");
    expect(await types.delete("int")).toMatchObject({ changed: false });
  });

  it("put() of a type is refused where a type below no longer goes with it", async () => {
    await using ruled = await RuledTree.open();
    const { types } = ruled.tree.rules;
    await types.set("int", INT);
    await types.set("int.percent", PERCENT);
    const small = { schema: { type: "integer", maximum: 60 }, good: [0, 1], bad: [61] };
    const error = await refusal(types.set("int", small));
    expect(error.message).toMatch(
      /does not go with a type below it: the type int.percent: example 3 of "good", 100, is refused by the type int: must be <= 60/,
    );
    expect(error.details).toMatchObject({ name: "int", below: "int.percent" });
    expect(await types.get("int")).toEqual(INT);
  });

  it("the most specific match decides, and changes of matches hold at once", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    const { types, matches } = tree.rules;
    await types.set("int", INT);
    await types.set("text", { schema: { type: "string" }, good: ["", "a"], bad: [1] });
    await matches.set("a.#", { type: "int" });
    await matches.set("a.+.name", { type: "text" });
    await tree.set("a.x.name", "ann");
    await tree.set("a.x.age", 7);
    await refusal(tree.set("a.x.name", 7));
    await refusal(tree.set("a.x.age", "seven"));
    await matches.delete("a.+.name");
    await refusal(tree.set("a.x.name", "eve"));
    await matches.delete("a.#");
    await tree.set("a.x.name", "eve");
  });

  it("keeps the rules that were there when it is opened, also what is none to this version", async () => {
    await using ruled = await RuledTree.open();
    const { tree, beneath } = ruled;
    await tree.rules.types.set("int", INT);
    await tree.rules.matches.set("a.+", { type: "int" });
    const future = parsePath(":.banyan.rule.match.b.+");
    await beneath.put(future, encodeValue({ type: "int", since: "2.0" }));
    const again = await RuledEngine.open(beneath, new RulesHere());
    await using later = Tree.over(again, { ownsEngine: false });
    expect((await refusal(later.set("a.x", "y"))).code).toBe("TREE_RULE_VIOLATED");
    const broken = await refusal(later.set("b.x", 1));
    expect(broken.code).toBe("TREE_RULE_FAILED");
    expect(broken.message).toMatch(/the match b.\+ is not usable: .*"since"/);
    expect(await later.rules.matches.list().toArray()).toMatchObject([
      { path: ["a", "+"], definition: { type: ["int"] } },
      { path: ["b", "+"], definition: undefined, error: { code: "TREE_BAD_RULE" } },
    ]);
    await later.rules.matches.delete("b.+");
    await later.set("b.x", 1);
  });

  it("put() says where in a value a schema is violated, and takes drafts by their names", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    const lamp = {
      schema: {
        type: "object",
        properties: {
          levels: { type: "array", items: { type: "integer", maximum: 9 } },
          at: { format: "email" },
        },
        required: ["levels"],
        additionalProperties: false,
      },
      good: [{ levels: [] }, { levels: [1, 2], at: "a@b.cd" }],
      bad: [{}, { levels: ["x"] }],
    };
    await tree.rules.types.set("lamp", lamp);
    await tree.rules.matches.set("lamps.+", { type: "lamp" });
    const deep = await refusal(tree.set("lamps.hall", { levels: [1, 77] }));
    expect(deep.message).toBe("lamps.hall does not fit the type lamp: levels.1: must be <= 9");
    expect(deep.details).toMatchObject({ at: "levels.1" });
    const more = await refusal(tree.set("lamps.hall", { levels: [], lvl: 1 }));
    expect(more.message).toMatch(/must NOT have additional properties: lvl/);
    expect((await refusal(tree.set("lamps.hall", { levels: [], at: "nobody" }))).message).toMatch(
      /email/,
    );
    const typo = await refusal(
      tree.rules.types.set("lamp", { ...lamp, schema: { typ: "object" } }),
    );
    expect(typo.message).toMatch(/its schema is not usable: .*unknown keyword: "typ"/);
    for (const draft of ["draft-07", "draft-06", "draft/2019-09", "draft/2020-12"]) {
      const $schema = draft.includes("/")
        ? `https://json-schema.org/${draft}/schema`
        : `http://json-schema.org/${draft}/schema#`;
      const schema = { $schema, exclusiveMinimum: 0 };
      await tree.rules.types.set(["by", draft], { schema, good: [1, 2], bad: [0] });
    }
  });

  it("code that loops for ever is stopped, named, and harms no other write", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    const loops = {
      code: "if (value === 13) for (;;); if (value < 0) return false",
      good: [1, 2],
      bad: [-1],
    };
    const never = await refusal(tree.rules.types.set("loops", { ...loops, good: [1, 13] }));
    expect(never.message).toMatch(
      /example 2 of "good", 13, can't be checked: its code did not end within/,
    );
    await tree.rules.types.set("loops", loops);
    await tree.rules.matches.set("l.+", { type: "loops" });
    const results = await Promise.allSettled([1, 13, 2, -5].map((n) => tree.set(`l.n${n + 5}`, n)));
    expect(results.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
      "rejected",
    ]);
    const error = await refusal(tree.set("l.x", 13));
    expect(error).toMatchObject({
      code: "TREE_RULE_FAILED",
      details: { why: "timeout", by: "loops" },
    });
    expect(await tree.get("l.x")).toBeUndefined();
  });

  it("code of a type sees values of the usual classes, and changes only its copy", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    const code =
      "if (!(value.at instanceof Date) || !(value.raw instanceof Uint8Array)) throw new Error('classes'); value.at = 0; delete value.raw; return value.n > 0n ? true : 'n is ' + value.n";
    const good = { at: new Date(0), raw: new Uint8Array([1]), n: 1n };
    await tree.rules.types.set("rich", {
      code,
      good: [good, { ...good, n: 2n }],
      bad: [{ ...good, n: 0n }],
    });
    await tree.rules.matches.set("r", { type: "rich" });
    await tree.set("r", good);
    expect(await tree.get("r")).toEqual(good);
    expect((await refusal(tree.set("r", { ...good, n: -1n }))).message).toMatch(/n is -1$/);
  });

  it("code that is no rule is refused: imports, promises, exports", async () => {
    await using ruled = await RuledTree.open();
    const { types } = ruled.tree.rules;
    const examples = { good: [1, 2], bad: [3] };
    for (const [code, says] of [
      ['import fs from "node:fs"; return 1', /without imports/],
      ["export default function (v) {}", /body of a function/],
      ["return Promise.resolve(1)", /answers at once/],
      ["enum A { b }", /erasable TypeScript/],
    ] as const) {
      const error = await refusal(types.set("bad", { ...examples, code }));
      expect(error.message).toMatch(says);
    }
    const typed = "const n: number = value as number; if (n > 2) throw new Error(`${n}!`)";
    await types.set("fine", { ...examples, code: typed });
  });
});

describe("ConvertedEngine", () => {
  it("an entry that can't be encoded carries the error, and the others are read", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    const picky = {
      decode: "return Number(value)",
      encode: "if (value === 13) throw new Error('unlucky'); return String(value)",
      in: [["1", 1]] as const,
      out: [[2, "2"]] as const,
    };
    await tree.rules.codecs.set("picky", picky);
    await tree.rules.conversions("foo").set("n.+", { codec: "picky" });
    for (const n of [12, 13, 14]) await tree.set(`n.${n}`, n);
    const con = ruled.client("foo");
    const all = await con.walk("n").toArray();
    expect(all.map(({ value }) => value)).toEqual(["12", undefined, "14"]);
    expect(all[1]?.error).toMatchObject({ code: "TREE_CODEC_REFUSED" });
    const error = await refusal(con.get("n.13"));
    expect(error.message).toBe("n.13 can't be read with the codec picky: unlucky");
    await using mirror = await con.mirror("n");
    expect(mirror.get("n.12")).toBe("12");
    expect(() => mirror.get("n.13")).toThrow("unlucky");
  });

  it("history, revert, idem and what a write returns are in the client's form", async () => {
    await using ruled = await RuledTree.open();
    const { tree } = ruled;
    await tree.rules.types.set("int", INT);
    await tree.rules.matches.set("n.+", { type: "int" });
    await tree.rules.codecs.set("int", INT_CODEC);
    await tree.rules.conversions("foo").set("n.+", { codec: "int" });
    const con = ruled.client("foo");
    const { revision } = await con.set("n.a", "1");
    expect((await con.set("n.a", "2")).previous?.value).toBe("1");
    expect(await con.set("n.a", "2", { idem: true })).toMatchObject({ changed: false });
    expect((await con.history("n.a")).map(({ value }) => value)).toEqual(["2", "1"]);
    expect(await con.diff("n.a")).toMatchObject([{ before: "1", after: "2" }]);
    await con.revert("n.a", revision);
    expect(await tree.get("n.a")).toBe(1);
    expect((await con.list("n").toArray())[0]?.entry?.value).toBe("1");
    expect((await con.delete("n.a")).previous?.value).toBe("1");
    expect(con.engine.direct).toBeUndefined();
  });

  it("a codec whose examples do not come out, or do not come back, is refused", async () => {
    await using ruled = await RuledTree.open();
    const { codecs, conversions } = {
      codecs: ruled.tree.rules.codecs,
      conversions: ruled.tree.rules.conversions("x"),
    };
    const wrong = await refusal(codecs.set("int", { ...INT_CODEC, in: [["1", 2]] }));
    expect(wrong.message).toBe('the codec int: example 1 of "in", "1", decode gives 1, not 2');
    const out = await refusal(codecs.set("int", { ...INT_CODEC, out: [[1, "one"]] }));
    expect(out.message).toBe('the codec int: example 1 of "out", 1, encode gives "1", not "one"');
    const lossy = {
      decode: "return value.trim()",
      encode: "return value + '!'",
      in: [[" a", "a"]] as const,
      out: [["a", "a!"]] as const,
    };
    const back = await refusal(codecs.set("lossy", lossy));
    expect(back.message).toMatch(/decode of "a!", which encode makes of it, gives "a!", not "a"/);
    const throws = await refusal(codecs.set("int", { ...INT_CODEC, in: [[1, 1]] }));
    expect(throws.message).toMatch(/decode failed: not a string/);
    expect((await refusal(codecs.set("int", { ...INT_CODEC, in: [] }))).message).toMatch(
      /"in" needs/,
    );
    expect((await refusal(conversions.set("a", { codec: "int" }))).message).toMatch(
      /there is no codec int/,
    );
    const nothing = await refusal(codecs.set("int", { ...INT_CODEC, decode: "value" }));
    expect(nothing.message).toMatch(/decode gives nothing/);
  });
});
