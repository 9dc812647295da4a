/** The published suites, and DistKV's cases of data, messages and errors, over the hub's process. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { comparePaths, formatPath, open, openEngine, parsePath, Path, type Tree } from "banyan";
import { engineSuite, treeSuite, type EngineFixtureOptions } from "banyan/testing";
import { describe, expect, it } from "vitest";

import { Cluster } from "./cluster.ts";
import { hubPid, inProcess, ROOT, temporaryFolder } from "./kit.ts";

describe("Tree over the hub's process", () => {
  treeSuite({
    test: it,
    open: async () => {
      const folder = temporaryFolder();
      const near = await open(folder.path, { create: true, author: "near" });
      const far = await open(folder.path, { author: "far" });
      const close = async (): Promise<void> => {
        await near.close();
        await far.close();
        folder[Symbol.dispose]();
      };
      return { near, far, [Symbol.asyncDispose]: close };
    },
  });
});

describe("HubEngine and the hub's process", () => {
  engineSuite({
    test: it,
    open: async (options) => {
      const folder = temporaryFolder();
      const limited = Object.keys(options).length > 0;
      const hub = limited ? await smallHub(folder.path, options) : undefined;
      const url = hub?.url ?? folder.path;
      const engines = [await openEngine(url, { create: true })];
      const another = async (): ReturnType<typeof openEngine> => {
        const engine = await openEngine(url);
        engines.push(engine);
        return engine;
      };
      return {
        engine: engines[0] as (typeof engines)[0],
        another,
        reopen: async () => {
          await Promise.all(engines.map((engine) => engine.close()));
          process.kill(hubPid(folder.path) as number, "SIGKILL");
          return another();
        },
        [Symbol.asyncDispose]: async () => {
          await Promise.all(engines.map((engine) => engine.close()));
          await hub?.[Symbol.asyncDispose]();
          folder[Symbol.dispose]();
        },
      };
    },
  });
});

describe("PA: paths and data", () => {
  it("PA1, PA4: paths keep types and order in text, on the wire and in values", async () => {
    using folder = temporaryFolder();
    await using near = await open(folder.path, { create: true });
    await using far = await open(folder.path);
    const texts = [
      ..."a.b.c a:2.c :2.c :t.c :1:.23.c :e:1:.23.c a:e.b x:n a:vabc a:v.c a:y616299 a:va:_b".split(
        " ",
      ),
      "a.x:_y.b",
      ":31",
      ":f:n:-3:1:.5",
    ];
    for (const text of texts) {
      const path = parsePath(text);
      expect(parsePath(formatPath(path))).toEqual(path);
      await near.set(path, { at: path, list: [...path] });
    }
    const found = [];
    for await (const { path, value } of far.walk(":")) {
      const { at, list } = value as { at: Path; list: unknown[] };
      expect([at instanceof Path, list instanceof Path]).toEqual([true, false]);
      expect([[...at], list]).toEqual([[...path], [...path]]);
      found.push(path);
    }
    expect(found).toHaveLength(new Set(texts.map((text) => formatPath(parsePath(text)))).size);
    expect(found).toEqual(found.toSorted(comparePaths));
  });

  it("PA2: what is no path is refused with the place, and with exit 2", async () => {
    await using cluster = await Cluster.open();
    const bad = ":w,:t:,a.b:,:2..c,a..b,a.:1,a.:t,:x1g,:x,.a.b,a.b.,a:h123,,:list,:dict".split(",");
    for (const text of bad) {
      await expect(cluster.tree.get(text)).rejects.toMatchObject({
        code: "WIRE_BAD_PATH",
        details: { position: expect.any(Number) },
      });
      for (const line of [
        ["get", text],
        ["set", text, "1"],
        ["ls", text],
      ]) {
        const { code, stdout, stderr } = await inProcess(["-t", cluster.path, "data", ...line]);
        expect([text, code, stdout]).toEqual([text, 2, ""]);
        expect(stderr).toMatch(/column \d+: /);
      }
    }
    expect(await cluster.command("data", "get", "a..b")).toMatchObject({ code: 2, stdout: "" });
    expect(await cluster.command("data", "ls")).toMatchObject({ code: 0, stdout: "" });
  });

  it("PA5: a path printed as YAML is the same path when it is read back", async () => {
    await using cluster = await Cluster.open();
    const value = {
      one: parsePath("a.b.c"),
      many: ["a:2.x:_y", ":", ":t", "*a", "!a.b", "#", "a::", "null"].map((text) =>
        parsePath(text),
      ),
      bytes: new Uint8Array([1, 2]),
    };
    await cluster.tree.set("pa5", value);
    const printed = await cluster.command("-o", "yaml", "data", "get", "pa5");
    expect(printed.stdout).toContain("one: !P a.b.c\n");
    const file = join(cluster.path, "value.yaml");
    writeFileSync(file, printed.stdout);
    expect(await cluster.command("data", "set", "pa5.back", "-f", file)).toMatchObject({ code: 0 });
    const back = (await cluster.tree.get("pa5.back")) as typeof value;
    expect(back).toEqual(value);
    expect([back.one, ...back.many].every((path) => path instanceof Path)).toBe(true);

    writeFileSync(file, "one: !P a..b\n");
    const refused = await cluster.command("data", "set", "pa5.back", "-f", file);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/value\.yaml.*a\.\.b/);
    expect(refused.stderr).not.toContain("node_modules");
    expect(await cluster.tree.get("pa5.back")).toEqual(value);
  });

  it("PA17: --new and --if-revision exit with 4 and change nothing", async () => {
    await using cluster = await Cluster.open();
    const { revision } = await cluster.tree.set("pa17", 1);
    for (const flags of [["--new"], ["--if-revision", "999"], ["--if-revision", "0"]]) {
      expect(await cluster.command("data", "set", "pa17", "2", ...flags)).toMatchObject({
        code: 4,
      });
    }
    expect(await cluster.tree.entry("pa17")).toMatchObject({ value: 1, revision });
    const at = ["--if-revision", String(revision)];
    expect(await cluster.command("data", "set", "pa17", "2", ...at)).toMatchObject({ code: 0 });
    expect(await cluster.tree.get("pa17")).toBe(2);
    // A revision that nothing has had yet is of no version (PA13).
    const future = await cluster.command("data", "diff", "pa17", "--from", "999999");
    expect(future).toMatchObject({ code: 3, stdout: "" });
    const get = (...flags: string[]): ReturnType<typeof inProcess> =>
      inProcess(["-t", cluster.path, "data", "get", "pa17", ...flags]);
    expect(await get("--revision", "999999")).toMatchObject({ code: 3, stdout: "" });
    expect(await get("--revision", `${revision}`)).toMatchObject({ code: 0, stdout: "1\n" });
  });

  it("PA8, PA9: ls gives the children, get -r what is within its depths", async () => {
    await using cluster = await Cluster.open();
    const data = async (...args: string[]): Promise<unknown> => {
      const { code, stdout } = await inProcess(["-t", cluster.path, "-o", "json", "data", ...args]);
      if (code !== 0) return code;
      const rows = JSON.parse(stdout) as Record<string, { $path: string; value: unknown }>[];
      return rows.map(({ path, entry, value }) => [path?.$path ?? path, entry?.value ?? value]);
    };
    const values = { ":": 123, foo: "hello", "foo.bar": "baz", "foo.baz": "quux" };
    for (const [path, value] of Object.entries(values)) await cluster.tree.set(path, value);
    const all = [[":", 123], ["foo", "hello"], ["foo.bar", "baz"], ["foo.baz", "quux"]]; // prettier-ignore
    expect(await data("ls", "foo")).toEqual(all.slice(2));
    expect(await data("ls", "foo.bar")).toEqual([]);
    expect(await data("get", "-r", ":")).toEqual(all);
    for (const [flag, depth, from, to] of [
      ["--max-depth", "2", 0, 4],
      ["--min-depth", "1", 1, 4],
      ["--max-depth", "1", 0, 2],
      ["--max-depth", "0", 0, 1],
    ] as const) {
      expect(await data("get", "-r", ":", flag, depth)).toEqual(all.slice(from, to));
    }
    expect(await data("get", "foo", "--max-depth", "1")).toBe(2);
    expect(await data("get", "-r", "foo", "--min-depth", "x")).toBe(2);
  });
});

describe("MI, ER: several processes", () => {
  it("MI3: a watch misses nothing of 100 writes around a restart of the hub, and sees nothing twice", async () => {
    await using cluster = await Cluster.open();
    await using other = await open(cluster.path, { author: "other" });
    await cluster.tree.set("before", 1);
    await using events = other.watch("mi3");
    expect((await events.next()).value).toMatchObject({ type: "ready", count: 0 });
    process.kill(cluster.hub, "SIGKILL");
    await Promise.all(Array.from({ length: 100 }, (_, i) => cluster.tree.set(["mi3", i], i)));
    await cluster.tree.set("mi3.last", 100);
    const seen: unknown[] = [];
    const marks: string[] = [];
    // What was missed may all come before "live", or some of it behind.
    while (seen.length < 101 || marks.length < 2) {
      const { value: event } = await events.next();
      if (event?.type === "put") seen.push(event.entry.value);
      else marks.push(event?.type ?? "end");
    }
    expect(seen.at(-1)).toBe(100);
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(seen.map((_, i) => i));
    expect(marks).toEqual(["stale", "live"]);
  });

  it("a program that only waits for its write does not end when the hub dies", async () => {
    await using cluster = await Cluster.open();
    const script = `
      const { open } = await import(${JSON.stringify(join(ROOT, "dist/index.js"))});
      const tree = await open(${JSON.stringify(cluster.path)});
      process.kill(tree.engine.hub.pid, "SIGKILL");
      await tree.set("written", true);
      await tree.close();`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: "inherit",
    });
    expect((await once(child, "exit"))[0]).toBe(0);
    expect(await cluster.tree.get("written")).toBe(true);
  });

  it("ER2: three processes that record one error at once make one record with three details", async () => {
    await using cluster = await Cluster.open();
    const script = `
      const { open } = await import(${JSON.stringify(join(ROOT, "dist/index.js"))});
      const [name] = process.argv.slice(1);
      const tree = await open(${JSON.stringify(cluster.path)}, { author: name });
      const go = tree.watch("er2.go");
      await tree.set(["er2", "here", name], true);
      for await (const event of go) if (event.type === "put") break;
      await tree.errors.record({ subsystem: "tester", path: "dup", error: new Error("from " + name), data: { name } });
      await tree.close();`;
    const names = ["a", "b", "c"];
    const ends = names.map((name) =>
      once(
        spawn(process.execPath, ["--input-type=module", "-e", script, name], { stdio: "inherit" }),
        "exit",
      ),
    );
    await cluster.until("all three", async () => {
      const here = await Promise.all(names.map((name) => cluster.tree.get(["er2", "here", name])));
      return here.every((is) => is === true);
    });
    await cluster.tree.set("er2.go", 1);
    expect((await Promise.all(ends)).map(([code]) => code as number)).toEqual([0, 0, 0]);
    const opened = await errors(cluster.tree);
    expect(opened).toMatchObject([{ count: 3, path: ["dup"] }]);
    expect(Object.keys(opened[0]?.nodes ?? {}).toSorted()).toEqual(names);
    const shown = await cluster.command("error", "show", "tester", "dup");
    for (const name of names) expect(shown.stdout).toContain(`${name}: 1 times`);
    expect(await cluster.command("error", "resolve", "tester", "dup")).toMatchObject({ code: 0 });
    expect(await errors(cluster.tree)).toEqual([]);
    expect((await cluster.command("error", "ls")).stdout).toBe("");
    expect((await cluster.command("error", "ls", "--all")).stdout).toContain("resolved");
  });
});

async function errors(tree: Tree): Promise<{ nodes: object; count: number; path: Path }[]> {
  const all = [];
  for await (const record of tree.errors.list()) all.push(record);
  return all;
}

/** The hub's parts in a process of their own, with limits that a hub does not have. */
async function smallHub(
  folder: string,
  { history, maxValueBytes }: EngineFixtureOptions,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const url = `unix:${join(folder, "socket")}`;
  const store = join(folder, "store");
  mkdirSync(store);
  const script = join(import.meta.dirname, "processes/small-hub.mjs");
  const child = spawn(
    process.execPath,
    [script, store, url, `${history ?? ""}`, `${maxValueBytes ?? ""}`],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const ended = once(child, "exit");
  await once(child.stdout, "data");
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
