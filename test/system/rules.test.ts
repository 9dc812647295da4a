/** Rules on data, applied by the hub's process for every way in: DistKV's cases and what is around them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { open, openEngine, Path, type Tree } from "banyan";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { INT, INT_CODEC, PERCENT, refusal } from "../rule-examples.ts";
import { Cluster } from "./cluster.ts";
import { type CommandResult, hubPid, inProcess, temporaryFolder } from "./kit.ts";

const folder = temporaryFolder();
let tree: Tree;
beforeAll(async () => {
  tree = await open(folder.path, { create: true, author: "ann" });
  await tree.rules.types.set("int", INT);
});
afterAll(async () => {
  await tree.close();
  folder[Symbol.dispose]();
});

function file(name: string, text: string): string {
  const path = join(folder.path, name);
  writeFileSync(path, text);
  return path;
}

/** The command, in this process. */
function command(...args: string[]): Promise<CommandResult> {
  return inProcess(["-t", folder.path, ...args]);
}

describe("the hub", () => {
  it("refuses what does not fit from every client, also below the tree", async () => {
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

  it("has the rules again when another took over, and the checks' own process", async () => {
    await tree.rules.matches.set("over.+", { type: "int" });
    await tree.set("over.a", 1);
    process.kill(hubPid(folder.path) as number, "SIGKILL");
    expect((await refusal(tree.set("over.a", "x"))).code).toBe("TREE_RULE_VIOLATED");
    await tree.set("over.a", 2);
    expect(await tree.get("over.a")).toBe(2);
  });

  it("stops code that loops or takes its process with it, names it, and goes on with the others", async () => {
    const bad = {
      code: `if (value === "loop") for (;;);
        if (value === "memory") { const all = []; for (;;) all.push(new Array(1e6).fill(1)); }
        if (value === "buffers") {
          const all = [];
          while (all.length < 20) all.push(Buffer.alloc(5e7, 1));
          for (;;);
        }
        if (value === "exit") process.exit(0);
        if (value === "later") void Promise.resolve().then(() => { for (;;); });
        if (value === "timer") setTimeout(() => { for (;;); });
        if (value === "mute") {
          const { push } = Array.prototype;
          Array.prototype.push = function (...all) {
            return all[0]?.ok === undefined ? push.apply(this, all) : this.length;
          };
        }
        if (value === "bad") return "no";`,
      good: ["a", "b"],
      bad: ["bad"],
    };
    await tree.rules.types.set("evil", bad);
    await tree.rules.matches.set("evil.+", { type: "evil" });
    await tree.rules.matches.set("fine.+", { type: "int" });
    const hub = hubPid(folder.path);
    for (const [value, why] of [
      ["loop", "timeout"],
      ["later", "timeout"],
      ["exit", "lost"],
      ["memory", /^(lost|timeout)$/],
      ["buffers", /^(lost|timeout)$/],
      ["mute", "lost"],
    ] as const) {
      const others = [1, 2, 3].map((n) => tree.set(`fine.${n}`, n));
      const alone = refusal(tree.set("evil.x", value));
      await Promise.all([...others, tree.set("fine.4", 4)]);
      const error = await alone;
      expect(error).toMatchObject({ code: "TREE_RULE_FAILED", details: { by: "evil" } });
      expect(error.details["why"]).toMatch(why);
    }
    // What it leaves behind harms nobody who comes after it.
    await tree.set("evil.x", "timer");
    for (let n = 0; n < 20; n++) await tree.set("fine.5", n);
    await tree.set("evil.x", "a");
    await refusal(tree.set("evil.x", "bad"));
    expect(hubPid(folder.path)).toBe(hub);
    expect(await tree.get("evil.x")).toBe("a");
  });

  it("converts for the clients that ask for it, whose reads never go past it (CV1, CV2, CV3, CV4, CV5)", async () => {
    await tree.rules.codecs.set("int", INT_CODEC);
    await tree.rules.conversions("foo").set("inty.#", { codec: "int" });
    const told = (async () => {
      const values: unknown[] = [];
      for await (const event of tree.watch("inty")) {
        if (event.type === "put" && values.push(event.entry.value) === 4) break;
      }
      return values;
    })();
    await using con = await open(folder.path, { codecs: "foo", author: "con" });
    await con.set("inty.ten", "10");
    for (const path of ["inty.nope", "inty.nope.nopenope"]) {
      expect((await refusal(con.set(path, 11))).code).toBe("TREE_CODEC_REFUSED");
    }
    await con.set("inty.yep.yepyepyep", "13");
    await con.set("inty.yep", "99");
    await con.set("inty", "hello");
    expect(await told).toEqual([10, 13, 99, "hello"]);
    // As many as make other clients read in place.
    const read: unknown[] = [];
    for (let n = 0; n < 100; n++) read.push(await con.get("inty.ten"));
    expect(new Set(read)).toEqual(new Set(["10"]));
    expect(con.engine.direct).toBeUndefined();
    expect((await con.walk("inty").toArray()).map(({ value }) => value)).toEqual([
      "hello",
      "10",
      "99",
      "13",
    ]);
    process.kill(hubPid(folder.path) as number, "SIGKILL");
    await con.set("inty.ten", "11");
    expect([await con.get("inty.ten"), await tree.get("inty.ten")]).toEqual(["11", 11]);
    const unknown = await refusal(open(folder.path, { codecs: "fop" }));
    expect(unknown.code).toBe("TREE_NO_CODECS");
  });
});

describe("banyan rule", () => {
  it("TY11: a type from a file, one below it with examples, a match, and what then is written", async () => {
    const integer = file(
      "int.yaml",
      'good: [0, 1]\nbad: [null, foo]\ncode: if (!Number.isInteger(value)) throw new Error("not an int")\n',
    );
    expect(await command("rule", "type", "set", "int2", integer)).toMatchObject({ code: 0 });
    const script = file(
      "percent.ts",
      'if (value < 0 || value > 100) throw new Error("no percentage");\n',
    );
    const percent = ["rule", "type", "set", "int2.percent", "-s", script, "-g", "0", "-g", "100"];
    const refused = await command(...percent, "-b", "-1", "-b", "5.5");
    expect(refused).toMatchObject({ code: 7, stdout: "" });
    expect(refused.stderr).toMatch(
      /int2.percent: example 2 of "bad", 5.5, is refused by the type int2: not an int/,
    );
    expect(await command(...percent, "-b", "-1", "-b", "555")).toMatchObject({ code: 0 });
    expect(await command("rule", "match", "set", "foo.+.bar", "int2.percent")).toMatchObject({
      code: 0,
    });
    for (const value of [["-v", "123"], ["123"], ["5.5"]]) {
      const wrong = await command("data", "set", "foo.dud.bar", ...value);
      expect(wrong).toMatchObject({ code: 7, stdout: "" });
      expect(wrong.stderr).toMatch(/foo.dud.bar does not fit the type int2/);
    }
    expect(await command("data", "set", "foo.dud.bar", "55")).toMatchObject({ code: 0 });
    expect(await tree.get("foo.dud.bar")).toBe(55);
  });

  it("TY13: check lists what does not fit with exit 7, and exits 0 where all does", async () => {
    await tree.set("old.a", "x");
    await tree.set("old.b", 2);
    expect(await command("rule", "match", "set", "old.+", "int")).toMatchObject({ code: 0 });
    const found = await command("-o", "json", "rule", "check", "old");
    expect(found.code).toBe(7);
    expect(JSON.parse(found.stdout)).toMatchObject([
      {
        path: { $path: "old.a" },
        type: { $path: "int" },
        match: { $path: "old.+" },
        reason: "not an int",
      },
    ]);
    expect((await command("rule", "check", "old")).stdout).toMatch(
      /^old\.a\tint\tnot an int\tann\t/,
    );
    expect(await tree.get("old.a")).toBe("x");
    expect(await command("rule", "check", "old.b")).toMatchObject({ code: 0, stdout: "" });
  });

  it("test says whether a value would be taken, why not with exit 7, and writes nothing", async () => {
    await tree.rules.types.set("int.percent", PERCENT);
    await tree.rules.matches.set("tried.+", { type: "int.percent" });
    const said = async (...args: string[]): Promise<unknown[]> => {
      const { code, stdout, stderr } = await command("rule", ...args);
      return [code, (stdout + stderr).trim()];
    };
    expect(await said("test", "tried.a", "55")).toEqual([
      0,
      "fits the type int.percent (match tried.+)",
    ]);
    expect(await said("test", "tried.a", "155")).toEqual([
      7,
      "does not fit the type int.percent (match tried.+): not a percentage",
    ]);
    expect(await said("test", "tried.a", "-v", "55")).toEqual([
      7,
      "does not fit the type int, above int.percent (match tried.+): not an int",
    ]);
    expect(await said("test", "untried", "x")).toEqual([0, "fits: nothing is said of this path"]);
    expect(await said("type", "test", "int", "-f", file("int.json", "1.5"))).toEqual([
      7,
      "does not fit the type int: not an int",
    ]);
    const { code, stdout } = await command(
      "-o",
      "json",
      "rule",
      "type",
      "test",
      "int.percent",
      "7",
    );
    expect([code, JSON.parse(stdout)]).toEqual([0, { fits: true, type: { $path: "int.percent" } }]);
    expect(await said("type", "test", "none", "7")).toEqual([
      3,
      expect.stringMatching(/no type none/),
    ]);
    expect(await said("test", "tried.a")).toEqual([
      2,
      expect.stringMatching(/give the value once/),
    ]);
    expect(await tree.get("tried.a")).toBeUndefined();
  });

  it("prints what set takes, lists, deletes, and says what is missing or in use", async () => {
    const text = (await command("rule", "type", "get", "int")).stdout;
    expect(await command("rule", "type", "set", "again", file("again.yaml", text))).toMatchObject({
      code: 0,
    });
    expect(await tree.rules.types.get("again")).toEqual(INT);
    expect(await command("rule", "match", "set", "again.+", "again")).toMatchObject({ code: 0 });
    expect((await command("rule", "match", "ls", "again")).stdout).toMatch(/^again\.\+\tagain\t/);
    const listed = await command("-o", "json", "rule", "type", "ls", "again");
    expect(JSON.parse(listed.stdout)).toMatchObject([
      { path: { $path: "again" }, definition: INT },
    ]);
    const used = await command("rule", "type", "rm", "again");
    expect(used).toMatchObject({ code: 4 });
    expect(used.stderr).toMatch(/used by the match again\.\+/);
    expect(await command("rule", "match", "rm", "again.+")).toMatchObject({ code: 0 });
    expect(await command("rule", "type", "delete", "again")).toMatchObject({ code: 0 });
    expect(await command("rule", "type", "rm", "again")).toMatchObject({ code: 3 });
    expect(await command("rule", "type", "get", "again")).toMatchObject({ code: 3, stdout: "" });
    const typo = await command(
      "rule",
      "type",
      "set",
      "x",
      file("x.yaml", "cod: 1\ngood: []\nbad: []\n"),
    );
    expect(typo).toMatchObject({ code: 7 });
    expect(typo.stderr).toMatch(/did you mean "code"/);
  });

  it("codec and convert, and --codecs for a command that reads and writes through them", async () => {
    const decode = file("decode.ts", INT_CODEC.decode);
    const encode = file("encode.ts", INT_CODEC.encode);
    const codec = ["rule", "codec", "set", "number", "--decode", decode, "--encode", encode];
    const wrong = await command(...codec, "--in", '["1", 2]', "--out", '[1, "1"]');
    expect(wrong).toMatchObject({ code: 7 });
    expect(wrong.stderr).toMatch(/example 1 of "in", "1", decode gives 1, not 2/);
    expect(await command(...codec, "--in", '["1", 1]', "--out", '[1, "1"]')).toMatchObject({
      code: 0,
    });
    expect(await command("rule", "convert", "set", "texts", "c.+", "number")).toMatchObject({
      code: 0,
    });
    expect(await command("--codecs", "texts", "data", "set", "c.x", "-v", "42")).toMatchObject({
      code: 0,
    });
    expect((await command("-o", "json", "data", "get", "c.x")).stdout).toBe("42\n");
    expect((await command("--codecs", "texts", "-o", "json", "data", "get", "c.x")).stdout).toBe(
      '"42"\n',
    );
    expect((await command("rule", "convert", "ls")).stdout).toMatch(/^texts$/m);
    expect((await command("rule", "convert", "ls", "texts")).stdout).toMatch(/^c\.\+\tnumber\t/);
    expect(await command("rule", "codec", "rm", "number")).toMatchObject({ code: 4 });
    expect(await command("rule", "convert", "rm", "texts", "c.+")).toMatchObject({ code: 0 });
    expect(await command("rule", "codec", "rm", "number")).toMatchObject({ code: 0 });
    expect(await command("--codecs", "texts", "data", "get", "c.x")).toMatchObject({ code: 3 });
  });

  it("import is refused where it does not fit, and rules themselves can be exported and imported", async () => {
    await tree.rules.matches.set("imp.+", { type: "int" });
    const lines = '{"path":"a","value":1}\n{"path":"b","value":"x"}\n';
    const refused = await command("data", "import", "imp", file("imp.jsonl", lines));
    expect(refused).toMatchObject({ code: 7 });
    expect(refused.stderr).toMatch(/imp\.b does not fit the type int/);
    const rules = await command("data", "export", ":.banyan.rule");
    using other = temporaryFolder();
    const path = file("rules.jsonl", rules.stdout);
    const moved = await inProcess(["-t", other.path, "data", "import", ":.banyan.rule", path]);
    expect(moved).toMatchObject({ code: 0, stderr: expect.stringMatching(/written/) });
    expect(await inProcess(["-t", other.path, "data", "set", "imp.z", "x"])).toMatchObject({
      code: 7,
    });
  });
});

describe("a job", () => {
  it("TY15: that writes what does not fit gets the error; the run fails, the old value stays", async () => {
    await using cluster = await Cluster.open("n1");
    await cluster.tree.rules.types.set("int", INT);
    await cluster.tree.rules.matches.set("out.+", { type: "int" });
    await cluster.tree.set("out.a", 1);
    const caught = `
      try { await _client.set("out.a", "bad") } catch (error) { return [error.code, error.message] }`;
    await cluster.proc("caught", caught);
    await cluster.jobs.set("caught", { code: "caught" });
    expect(await cluster.stopped("caught")).toMatchObject({
      result: ["TREE_RULE_VIOLATED", "out.a does not fit the type int: not an int"],
    });
    await cluster.proc("thrown", 'await _self.set("out.a", "bad")');
    await cluster.jobs.set("thrown", { code: "thrown" });
    expect(await cluster.stopped("thrown")).toMatchObject({ result: null });
    const record = await cluster.record("run", "thrown");
    expect(record.message).toMatch(/out\.a does not fit the type int: not an int/);
    expect(await cluster.tree.get("out.a")).toBe(1);
  });
});
