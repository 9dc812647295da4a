/** A whole tree as a file, and subtrees as text, by the command and with real processes. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { open } from "banyan";
import { expect, test } from "vitest";

import { banyan, inProcess, temporaryFolder } from "./kit.ts";

test("SL1: a tree that is loaded has the same values, revisions, authors and times, and goes on behind them", async () => {
  using folder = temporaryFolder();
  using other = temporaryFolder();
  const file = join(folder.path, "saved");
  let before: unknown;
  let last = 0;
  {
    await using tree = await open(folder.path, { create: true, author: "ann" });
    await tree.set("a", 1);
    await tree.set(":", new Uint8Array([1, 2]));
    await tree.set("b:2.c", { deep: [2n ** 70n] });
    await tree.set("gone", 1);
    await tree.delete("gone");
    await tree.keepHistory("a", { versions: 3, days: 4 });
    last = (await tree.set("a", 2)).revision;
    before = await tree.walk(":").toArray();
  }
  expect((await banyan(["-t", folder.path, "snapshot", "save", file])).code).toBe(0);
  const inspected = await banyan(["-o", "json", "snapshot", "inspect", file]);
  expect(JSON.parse(inspected.stdout)).toMatchObject({ records: 3, revision: last });
  expect(await banyan(["snapshot", "load", file, other.path])).toMatchObject({ code: 0 });
  await using tree = await open(other.path);
  expect(await tree.walk(":").toArray()).toEqual(before);
  expect((await tree.historyRules()).filter(({ versions }) => versions === 3)).toHaveLength(1);
  expect((await tree.set("new", 1)).revision).toBe(last + 1);
  expect((await banyan(["snapshot", "load", file, other.path])).code).toBe(4);
});

test("a snapshot is the state of one revision, also of a tree that is written to meanwhile", async () => {
  using folder = temporaryFolder();
  using other = temporaryFolder();
  const file = join(folder.path, "saved");
  await using tree = await open(folder.path, { create: true });
  const names = Array.from({ length: 3_000 }, (_, i) => i);
  await Promise.all(names.map((i) => tree.set(["n", i], "x".repeat(500))));
  const stop = new AbortController();
  // Written one after the other: of one state, each counter is as far as the one before it, or one behind.
  const writing = (async () => {
    for (let round = 1; !stop.signal.aborted; round++) {
      for (let i = 0; i < 20; i++) await tree.set(["counter", i], round);
      await tree.delete(["n", 3_000 - round]);
    }
  })();
  for (let i = 0; (await tree.get("counter:19")) === undefined && i < 1e6; i++);
  const saved = await banyan(["-t", folder.path, "snapshot", "save", file]);
  stop.abort();
  await writing;
  expect(saved).toMatchObject({ code: 0 });
  expect((await banyan(["snapshot", "load", file, other.path])).code).toBe(0);
  await using loaded = await open(other.path);
  const counters = (await loaded.walk("counter").toArray()).map(({ value }) => value as number);
  const top = counters[0] as number;
  const behind = counters.filter((value) => value !== top);
  expect(counters).toHaveLength(20);
  expect(behind.every((value) => value === top - 1)).toBe(true);
  expect(counters.toSorted((a, b) => b - a)).toEqual(counters);
  const left = (await loaded.walk("n").toArray()).map(({ path }) => path[1] as number);
  // In the round that was under way nothing is deleted until its counters are all written.
  expect([2_999 - (top - 1), 2_999 - top]).toContain(left.at(-1));
});

test("a snapshot that is cut off, changed or of another format is refused, and makes no tree", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "saved");
  {
    await using tree = await open(join(folder.path), { create: true });
    await Promise.all(Array.from({ length: 300 }, (_, i) => tree.set(["n", i], "x".repeat(100))));
  }
  expect((await banyan(["-t", folder.path, "snapshot", "save", file])).code).toBe(0);
  const whole = readFileSync(file);
  const flipped = Buffer.from(whole);
  flipped.writeUInt8((flipped[20_000] as number) ^ 1, 20_000);
  const newer = Buffer.from(whole);
  newer.writeUInt8(9, 7);
  const cases = { cut: whole.subarray(0, 20_000), short: whole.subarray(0, 4), empty: Buffer.alloc(0), flipped, newer, longer: Buffer.concat([whole, Buffer.from("x")]), text: Buffer.from("this is no snapshot at all") }; // prettier-ignore
  for (const [name, bytes] of Object.entries(cases)) {
    const bad = join(folder.path, name);
    writeFileSync(bad, bytes);
    const target = join(folder.path, `tree-${name}`);
    mkdirSync(target);
    const result = await banyan(["snapshot", "load", bad, target]);
    expect(`${name} ${result.code}`).toBe(`${name} 7`);
    expect(result.stderr).toContain("NODE_BAD_SNAPSHOT");
    expect(existsSync(join(target, ".banyan", "store"))).toBe(false);
  }
  expect(readdirSync(folder.path).filter((name) => name.startsWith("saved."))).toEqual([]);
  expect(createHash("sha256").update(whole.subarray(0, -32)).digest()).toEqual(whole.subarray(-32));
});

test("SL2: a subtree that is exported and imported elsewhere is equal, with all its types, in every format", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  const values = { text: "é", bytes: new Uint8Array([0, 255]), large: 2n ** 80n, path: ["a.b"], nested: { $date: "no tag", list: [1.5, -0, Number.NaN] }, when: new Date(5), odd: { $path: "a" } }; // prettier-ignore
  for (const [name, value] of Object.entries(values)) await tree.set(["from", name], value);
  await tree.set("from", 1);
  await tree.set(["from", "deep", 2, null], true);
  const shown = async (at: string): Promise<unknown[]> =>
    (await tree.walk(at).toArray()).map(({ path, value }) => [path.slice(1), value]);
  for (const format of ["json", "jsonl", "yaml"]) {
    const file = join(folder.path, `export.${format}`);
    const run = (...args: string[]): ReturnType<typeof banyan> =>
      banyan(["-t", folder.path, "data", ...args]);
    expect(await run("export", "from", "-f", file)).toMatchObject({ code: 0 });
    expect(await run("import", `to-${format}`, file)).toMatchObject({ code: 0 });
    expect(await shown(`to-${format}`)).toEqual(await shown("from"));
  }
  const again = ["-t", folder.path, "data", "import", "to-json", join(folder.path, "export.json")];
  expect((await banyan(again)).stderr).toContain("0 written, 9 were there already");
  const bad = join(folder.path, "bad.jsonl");
  writeFileSync(bad, '{"path":"a","value":1}\n{"path":"b","value":{"$bigint":"x"}}\n');
  const refused = await banyan(["-t", folder.path, "data", "import", "x", bad]);
  expect(refused.code).toBe(7);
  expect(refused.stderr).toContain("entry 2");
  const missing = await banyan(["-t", join(folder.path, "new"), "data", "import", "x", `${bad}x`]);
  expect(missing).toMatchObject({ code: 3, stderr: expect.stringContaining("can't read") });
  expect(existsSync(join(folder.path, "new"))).toBe(false);
});

test("SL2: an export goes through a pipe, in the format that -o says, and an import comes from one", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  const value = { bytes: new Uint8Array([1]), text: "é\nü", list: [1n] };
  await tree.set("from.a", value);
  await tree.set("from.b", 2);
  const data = (input: string, ...args: string[]): ReturnType<typeof inProcess> =>
    inProcess(["-t", folder.path, ...args], input);
  for (const format of ["json", "jsonl", "yaml"]) {
    const { stdout } = await data("", "-o", format, "data", "export", "from");
    const same = await data("", "data", "export", "from", "-F", format, "-f", "-");
    expect([stdout, stdout.startsWith("[")]).toEqual([same.stdout, format === "json"]);
    const moved = await data(stdout, "data", "import", `to-${format}`, "-", "-F", format);
    expect(moved).toMatchObject({ code: 0, stderr: expect.stringContaining("2 written") });
    expect(await tree.get(`to-${format}.a`)).toEqual(value);
  }
  expect(await data("", "-o", "raw", "data", "export", "from")).toMatchObject({
    code: 2,
    stdout: "",
  });
  const bad = await data('{"path":"a","value":1}\n{"path', "data", "import", "x", "-");
  expect(bad).toMatchObject({ code: 7, stderr: expect.stringContaining("stdin") });
  expect(bad.stderr).toContain("line 2");
});

test("a snapshot that can't be written is an error of the file, and what is not there one to find", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set("a", 1);
  const run = (...args: string[]): ReturnType<typeof inProcess> =>
    inProcess(["-t", folder.path, "-o", "json", ...args]);
  const unsaved = await run("snapshot", "save", join(folder.path, "none/x.snap"));
  const { error } = JSON.parse(unsaved.stderr) as { error: unknown };
  expect([unsaved.code, error]).toMatchObject([1, { code: "CLI_FILE" }]);
  for (const args of [
    "snapshot load none new",
    "snapshot inspect none",
    "snapshot inspect .",
    "data import b none",
    "data import b .",
    "data set b -f none",
    "rule type set b none",
    "code add b none",
    "data rm b",
    "data get -r b",
    "data history b",
    "data diff b",
    "user rm x",
    "role rm x",
    "rule type rm x",
    "job rm x",
    "code rm x",
    "node rm x",
  ]) {
    // prettier-ignore
    const { code, stdout, stderr } = await run("-q", ...args.split(" "));
    expect([args, code, stdout, stderr]).toEqual([args, 3, "", expect.stringContaining('"code":')]);
  }
  expect(await run("role", "set", "x", "a", "rq")).toMatchObject({ code: 2 });
});
