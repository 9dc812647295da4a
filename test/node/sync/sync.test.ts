import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { describe, expect, it } from "vitest";

import { deferred } from "../../../src/base/deferred.ts";
import { MemoryEngine } from "../../../src/engine/memory.ts";
import { DirectoryLoader } from "../../../src/node/load-directory.ts";
import { silentLog } from "../../../src/base/log.ts";
import { patchOf } from "../../../src/node/sync/patch.ts";
import { isInStep } from "../../../src/node/sync/standing.ts";
import {
  compare,
  pullDirectory,
  pushDirectory,
  type SyncOptions,
} from "../../../src/node/sync/sync.ts";
import type { PushOptions } from "../../../src/node/sync/push.ts";
import type { SyncItem, SyncResult } from "../../../src/node/sync/transfer.ts";
import { Tree } from "../../../src/tree/tree.ts";
import type { PathElement } from "../../../src/wire/path.ts";
import { Path } from "../../../src/wire/path.ts";
import { GuardedHub } from "../guarded-hub.ts";

const { signal } = new AbortController();
const PLAIN: PushOptions = { force: false, delete: false, dryRun: false, check: true };

describe("pullDirectory()", () => {
  it("SL4 makes files of procedures, modules and jobs, and a second time finds nothing to do", async () => {
    await using both = await Both.open();
    const { done } = await both.pull();
    expect(done.map(({ file }) => file)).toEqual([
      "job/night.yaml",
      "module/calc/units.ts",
      "proc/greet.ts",
    ]);
    expect(both.read("proc/greet.ts")).toBe(
      "// banyan: { is_async: true, vars: [ name ] }\nreturn name;\n",
    );
    expect(await both.pull()).toEqual({ done: [], kept: [], failed: [] });
    expect(await both.differing()).toEqual([]);
  });

  it("SL4 brings what changed in the tree, and removes files only when it is told to", async () => {
    await using both = await Both.open();
    await both.pull();
    await both.module("calc.units", "export const x = 2;\n");
    await both.tree.delete(both.tree.system.proc.append("greet"));
    const { done, kept } = await both.pull();
    expect(done.map(({ file, action }) => [action, file])).toEqual([["changed", "module/calc/units.ts"]]); // prettier-ignore
    expect(kept.map(({ file }) => file)).toEqual(["proc/greet.ts"]);
    expect(both.read("module/calc/units.ts")).toBe("export const x = 2;\n");
    expect(both.has("proc/greet.ts")).toBe(true);
    await both.pull({ delete: true });
    expect(both.has("proc/greet.ts")).toBe(false);
    expect(await both.differing()).toEqual([]);
  });

  it("SL4 overwrites nothing that was changed here, and then writes nothing at all", async () => {
    await using both = await Both.open();
    await both.pull();
    both.write("proc/greet.ts", "mine");
    await both.procedure("greet", "theirs");
    await both.module("calc.units", "export const x = 2;\n");
    await expect(both.pull()).rejects.toMatchObject({
      code: "NODE_SYNC_CONFLICT",
      details: { files: ["proc/greet.ts"] },
    });
    expect(both.read("proc/greet.ts")).toBe("mine");
    expect(both.read("module/calc/units.ts")).toBe("export const x = 1;\n");
    await both.pull({ force: true }, { only: ["proc/greet.ts"] });
    expect(both.read("proc/greet.ts")).toContain("theirs");
    expect(await both.differing()).toEqual(["module/calc/units.ts"]);
  });

  it("leaves what is only here, also when it is forced, and brings back what was removed then", async () => {
    await using both = await Both.open();
    await both.pull();
    both.write("proc/new.ts", "return 1;");
    both.remove("proc/greet.ts");
    expect(await both.pull({ delete: true })).toMatchObject({ done: [], kept: [] });
    expect(both.has("proc/greet.ts")).toBe(false);
    await both.pull({ force: true, delete: true });
    expect(both.has("proc/greet.ts")).toBe(true);
    expect(both.read("proc/new.ts")).toBe("return 1;");
  });

  it("keeps data below the paths that are asked for, from then on", async () => {
    await using both = await Both.open();
    await both.tree.set("house.kitchen", { temperature: 21.5 });
    await both.tree.set("other", 1);
    await both.pull({}, { data: [Path.fromElements(["house"])] });
    expect(both.read("data/house/kitchen.yaml")).toBe("temperature: 21.5\n");
    await both.tree.set("house.hall", "text");
    expect((await both.pull()).done.map(({ file }) => file)).toEqual(["data/house/hall.txt"]);
    both.write("data/other.yaml", "1\n");
    expect(await both.differing()).toEqual([]);
    await both.pull();
    both.write("data/other.yaml", "2\n");
    await both.push();
    expect(await both.tree.get("other")).toBe(2);
  });

  it("names files so that every file system tells them apart, and reads them back", async () => {
    await using both = await Both.open();
    const paths: PathElement[][] = [
      ["Foo"],
      ["foo"],
      ["FOO", "a"],
      ["foo", "b"],
      [""],
      [2],
      [true, "a/b"],
      ["..", "x"],
      ["con"],
      ["é"],
      ["e\u0301"],
    ];
    for (const path of paths) await both.procedure(path, `return ${JSON.stringify(path)};`);
    await both.pull();
    const files = readdirSync(join(both.path, "proc"), { recursive: true, encoding: "utf8" });
    const folded = files.map((file) => file.normalize("NFC").toLowerCase());
    expect(new Set(folded).size).toBe(files.length);
    expect(files.filter((file) => file.endsWith(".ts"))).toHaveLength(paths.length + 1);
    // As another checkout reads them.
    rmSync(join(both.path, ".banyan-sync.json"));
    expect(await both.differing()).toEqual([]);
    expect(await both.pull()).toMatchObject({ done: [] });
  });

  it("writes through no link, and names what it could not write", async () => {
    await using both = await Both.open();
    using elsewhere = new Folder();
    await both.procedure("sub.x", "return 1;");
    mkdirSync(join(both.path, "proc"));
    symlinkSync(elsewhere.path, join(both.path, "proc/sub"));
    const { failed, done } = await both.pull();
    expect(failed).toMatchObject([{ file: "proc/sub/x.ts", problem: expect.stringContaining("leads out") }]); // prettier-ignore
    expect(readdirSync(elsewhere.path)).toEqual([]);
    expect(done).toHaveLength(3);
    rmSync(join(both.path, "proc"), { recursive: true });
    symlinkSync(elsewhere.path, join(both.path, "proc"));
    await expect(both.pull()).rejects.toMatchObject({ code: "NODE_BAD_DIRECTORY" });
  });

  it("keeps a file that is there already, and one that is saved meanwhile", async () => {
    await using both = await Both.open();
    mkdirSync(join(both.path, "proc/greet.ts"), { recursive: true });
    const { failed } = await both.pull();
    expect(failed).toMatchObject([{ file: "proc/greet.ts" }]);
    await both.module("calc.units", "export const x = 2;\n");
    // Saved by an editor when all was read, and before it is written.
    const watched = new Proxy(both.tree, {
      get: (target, name) => {
        if (name === "users") both.write("module/calc/units.ts", "mine");
        const found: unknown = Reflect.get(target, name, target);
        return typeof found === "function" ? found.bind(target) : found;
      },
    });
    await both.tree.delete(both.tree.system.job.append("night"));
    const late = await both.pull({}, { tree: watched });
    expect(late.failed.map(({ file }) => file)).toContain("module/calc/units.ts");
    expect(both.read("module/calc/units.ts")).toBe("mine");
  });

  it("keeps the ends of lines that a file has, and the ending of its name", async () => {
    await using both = await Both.open();
    both.write("module/calc/units.js", "export const x = 1;\r\n");
    expect((await both.pull()).done).toHaveLength(2);
    expect(await both.differing()).toEqual([]);
    await both.module("calc.units", "export const x = 2;\nexport const y = 3;\n");
    await both.pull();
    expect(both.read("module/calc/units.js")).toBe(
      "export const x = 2;\r\nexport const y = 3;\r\n",
    );
    expect(both.has("module/calc/units.ts")).toBe(false);
  });
});

describe("pushDirectory()", () => {
  it("SL4 brings an edit to the tree, after which both are in step", async () => {
    await using both = await Both.open();
    await both.pull();
    both.write("proc/greet.ts", '// banyan: { vars: [a] }\nimport { x } from "tree:calc.units";\nreturn a + x;\n'); // prettier-ignore
    expect(await both.differing()).toEqual(["proc/greet.ts"]);
    expect((await both.push()).done).toMatchObject([{ action: "changed", file: "proc/greet.ts" }]);
    expect(await both.tree.get(both.tree.system.proc.append("greet"))).toMatchObject({
      is_async: null,
      vars: ["a"],
      requires: ["calc.units"],
    });
    expect(await both.pull()).toEqual({ done: [], kept: [], failed: [] });
    expect(await both.push()).toEqual({ done: [], kept: [], failed: [] });
  });

  it("SL4 overwrites nothing that was changed in the tree, and then writes nothing at all", async () => {
    await using both = await Both.open();
    await both.pull();
    both.write("proc/greet.ts", "return 'mine';");
    both.write("proc/new.ts", "return 1;");
    await both.procedure("greet", "return 'theirs';");
    await expect(both.push()).rejects.toMatchObject({ code: "NODE_SYNC_CONFLICT" });
    expect(await both.code("proc", "greet")).toBe("return 'theirs';");
    expect(await both.code("proc", "new")).toBeUndefined();
    await both.push({ force: true });
    expect(await both.code("proc", "greet")).toBe("return 'mine';");
    expect(await both.differing()).toEqual([]);
  });

  it("SL4 deletes entries only when it is told to, and only if they are as they were", async () => {
    await using both = await Both.open();
    await both.pull();
    both.remove("proc/greet.ts");
    both.remove("job/night.yaml");
    expect((await both.push()).kept.map(({ file }) => file)).toEqual(["job/night.yaml", "proc/greet.ts"]); // prettier-ignore
    expect(await both.code("proc", "greet")).toBe("return name;\n");
    await both.procedure("greet", "return 'theirs';");
    await expect(both.push({ delete: true })).rejects.toMatchObject({ code: "NODE_SYNC_CONFLICT" });
    await both.pull({ force: true }, { only: ["proc"] });
    both.remove("proc/greet.ts");
    await both.push({ delete: true });
    expect(await both.code("proc", "greet")).toBeUndefined();
    expect(await both.tree.get(both.tree.system.job.append("night"))).toBeUndefined();
  });

  it("pushes nothing where code would not work, also code that is not in the push", async () => {
    await using both = await Both.open();
    await both.procedure("user", 'import { x } from "tree:calc.units";\nreturn x;');
    await both.pull();
    both.write("proc/a.ts", "return 1;");
    both.write("proc/bad.ts", "return (;");
    const before = await both.revisions();
    await expect(both.push()).rejects.toMatchObject({
      code: "NODE_SYNC_BROKEN",
      message: expect.stringContaining("bad:1:9"),
    });
    both.remove("proc/bad.ts");
    both.remove("module/calc/units.ts");
    await expect(both.push({ delete: true })).rejects.toThrow(/proc user works now/);
    both.write("module/calc/units.ts", "export const y = 1;");
    await expect(both.push()).rejects.toThrow(/proc user works now/);
    expect(await both.revisions()).toEqual(before);
    expect((await both.push({ check: false })).done).toHaveLength(2);
  });

  it("takes modules that import each other's new exports in one push, whatever their order", async () => {
    await using both = await Both.open();
    both.write("module/a.ts", 'import { b } from "./b";\nexport const a = b;\n');
    both.write("module/b.ts", 'import { c } from "tree:c";\nexport const b = c;\n');
    both.write("module/c.ts", "export const c = 1;\n");
    await both.push();
    const revisions = await both.revisions();
    const [a = 0, b = 0, c = 0] = ["a", "b", "c"].map((name) => revisions.get(`module.${name}`));
    expect([c < b, b < a]).toEqual([true, true]);
  });

  it("pushes nothing where a file can't be read or is no entry, and says which", async () => {
    await using both = await Both.open();
    using elsewhere = new Folder();
    await both.pull();
    const wrong: readonly (readonly [string, RegExp, () => void])[] = [
      ["proc/a.ts", /no field/, () => both.write("proc/a.ts", "// banyan: { nothing: 1 }\n")],
      ["job/a.yaml", /plaec/, () => both.write("job/a.yaml", "code: x\nplaec: 1\n")],
      ["data/a.yaml", /./, () => both.write("data/a.yaml", "a: [1\n")],
      ["data/big.txt", /at most/, () => both.write("data/big.txt", "x".repeat(5_000_000))],
      ["proc/greet.js", /stands for the same/, () => both.write("proc/greet.js", "return 1;")],
      ["proc/l.ts", /links out/, () => {
        writeFileSync(join(elsewhere.path, "l.ts"), "return 1;");
        symlinkSync(join(elsewhere.path, "l.ts"), join(both.path, "proc/l.ts"));
      }],
    ]; // prettier-ignore
    const before = await both.revisions();
    for (const [file, says, make] of wrong) {
      make();
      both.write("proc/fine.ts", "return 1;");
      const refused = both.push();
      await expect(refused).rejects.toMatchObject({ code: "NODE_BAD_DIRECTORY" });
      await expect(refused).rejects.toThrow(says);
      expect(await both.revisions()).toEqual(before);
      both.remove(file);
    }
    expect((await both.push()).done).toHaveLength(1);
  });

  it("says what was pushed where something stops it half-way, and goes on from there", async () => {
    await using both = await Both.open();
    await both.pull();
    for (const name of ["a", "b", "c"]) both.write(`data/${name}.yaml`, "1\n");
    const disturbed = new Proxy(both.tree, {
      get: (target, name) => {
        const found: unknown = Reflect.get(target, name, target);
        if (typeof found !== "function") return found;
        if (name !== "set") return found.bind(target);
        return async (path: Path, ...rest: [unknown]) => {
          // Somebody else is faster.
          if (path[0] === "b") await target.set(path, "theirs");
          return target.set(path, ...rest);
        };
      },
    });
    await expect(both.push({}, { tree: disturbed })).rejects.toMatchObject({
      code: "NODE_SYNC_CONFLICT",
      details: { files: ["data/b.yaml"], pushed: ["data/a.yaml"] },
    });
    expect(await both.tree.get("b")).toBe("theirs");
    expect(await both.differing()).toEqual(["data/b.yaml", "data/c.yaml"]);
    expect((await both.push({ force: true })).done).toHaveLength(2);
  });

  it("takes the right that each write needs, before it makes the first", async () => {
    await using hub = await GuardedHub.open();
    await using both = await Both.over(hub.owner);
    await both.pull();
    const [writer, developer] = [
      await hub.user("wri", "writer"),
      await hub.user("dev", "developer"),
    ];
    both.write("proc/greet.ts", "return 2;");
    both.write("data/a.yaml", "1\n");
    await expect(both.push({}, { tree: writer })).rejects.toMatchObject({ code: "ENGINE_DENIED" });
    expect(await hub.owner.get("a")).toBeUndefined();
    expect((await both.push({}, { tree: developer })).done).toHaveLength(2);
    // Whoever may not see entries must not take them for gone.
    const nobody = await hub.user("nobody");
    await expect(both.pull({ delete: true }, { tree: nobody })).rejects.toMatchObject({ code: "ENGINE_DENIED" }); // prettier-ignore
    expect(both.has("proc/greet.ts")).toBe(true);
  });

  it("lets a developer write the first code of a tree, and nothing that is not theirs", async () => {
    await using hub = await GuardedHub.open();
    const developer = await hub.user("dev", "developer");
    using folder = new Folder();
    mkdirSync(join(folder.path, "proc"));
    writeFileSync(join(folder.path, "proc/a.ts"), "return 1;");
    const options = { directory: folder.path, tree: developer, signal };
    expect((await pushDirectory(options, PLAIN)).done).toHaveLength(1);
    await expect(developer.set(developer.system.node.append("x"), 1)).rejects.toMatchObject({ code: "ENGINE_DENIED" }); // prettier-ignore
    await expect(developer.set(developer.system.user.append("x"), 1)).rejects.toMatchObject({ code: "ENGINE_DENIED" }); // prettier-ignore
  });

  it("keeps what files do not show of an entry", async () => {
    await using both = await Both.open();
    const at = both.tree.system.proc.append("greet");
    await both.tree.set(at, {
      code: "return 1;",
      later: { a: 1 },
      info: "why",
      requires: ["calc.units"],
    });
    await both.pull();
    expect(both.read("proc/greet.ts")).toBe("// banyan: { requires: [ calc.units ], info: why }\nreturn 1;"); // prettier-ignore
    both.write("proc/greet.ts", both.read("proc/greet.ts").replace("1", "2"));
    await both.push();
    expect(await both.tree.get(at)).toMatchObject({ later: { a: 1 }, info: "why", requires: ["calc.units"] }); // prettier-ignore
  });
});

describe("a directory that is kept in step", () => {
  it("is refused by another tree, unless that one is to take its place", async () => {
    await using both = await Both.open();
    await both.pull();
    await using other = Tree.over(new MemoryEngine());
    const options = { tree: other };
    await expect(both.push({}, options)).rejects.toMatchObject({ code: "NODE_SYNC_OTHER_TREE" });
    await expect(both.pull({ delete: true, force: true }, options)).rejects.toMatchObject({ code: "NODE_SYNC_OTHER_TREE" }); // prettier-ignore
    expect((await both.push({}, { ...options, adopt: true })).done).toHaveLength(3);
    expect((await both.push({}, options)).done).toEqual([]);
    await expect(both.push()).rejects.toMatchObject({ code: "NODE_SYNC_OTHER_TREE" });
  });

  it("goes on after a sync that was killed: what is the same is in step, drafts are removed", async () => {
    await using both = await Both.open();
    await both.pull();
    const before = both.read(".banyan-sync.json");
    both.write("proc/greet.ts", "return 2;");
    await both.push();
    await both.module("calc.units", "export const x = 2;\n");
    await both.pull();
    // Everything was done, and the last step, the state, was not.
    both.write(".banyan-sync.json", before);
    both.write(".banyan-sync-draft-1", "half");
    expect(await both.differing()).toEqual([]);
    expect(await both.pull()).toMatchObject({ done: [] });
    expect(both.has(".banyan-sync-draft-1")).toBe(false);
    both.write("proc/greet.ts", "return 3;");
    expect((await both.push()).done).toHaveLength(1);
  });

  it("is nobody else's while one sync works on it", async () => {
    await using both = await Both.open();
    await both.pull();
    const reached = deferred<void>();
    const goOn = deferred<void>();
    const slow = new Proxy(both.tree, {
      get: (target, name) => {
        const found: unknown = Reflect.get(target, name, target);
        if (typeof found !== "function") return found;
        if (name !== "set") return found.bind(target);
        return async (...args: [Path, unknown]) => {
          reached.resolve();
          await goOn.promise;
          return target.set(...args);
        };
      },
    });
    both.write("data/a.yaml", "1\n");
    const first = both.push({}, { tree: slow });
    await reached.promise;
    await expect(both.pull()).rejects.toMatchObject({ code: "NODE_SYNC_BUSY" });
    goOn.resolve();
    await first;
    expect(both.has(".banyan-sync.lock")).toBe(false);
    await both.pull();
  });

  it("refuses a state that it can't read, and a place that is no directory", async () => {
    await using both = await Both.open();
    await both.pull();
    for (const text of ["{", "{}", '{"version":2,"store":"x","data":[],"entries":{}}']) {
      both.write(".banyan-sync.json", text);
      await expect(both.pull()).rejects.toMatchObject({ code: "NODE_BAD_DIRECTORY" });
    }
    using empty = new Folder();
    await expect(both.push({}, { directory: empty.path })).rejects.toMatchObject({ code: "NODE_BAD_DIRECTORY" }); // prettier-ignore
    await expect(both.push({}, { directory: join(empty.path, "no") })).rejects.toMatchObject({ code: "NODE_BAD_DIRECTORY" }); // prettier-ignore
  });

  it("means the same to `banyan dev`: what was pulled is loaded as it was", async () => {
    await using both = await Both.open();
    await both.tree.set(["a", 2], "text");
    await both.pull({}, { data: [Path.fromElements(["a"])] });
    const loader = await DirectoryLoader.open({ directory: both.path, tree: both.tree, log: silentLog, signal }); // prettier-ignore
    expect(await loader.load()).toEqual({ loaded: 4, failed: 0 });
    expect(await both.tree.get(["a", 2])).toBe("text");
    expect(await both.differing()).toEqual([]);
  });

  it("a dry run changes nothing on either side", async () => {
    await using both = await Both.open();
    expect((await both.pull({ dryRun: true })).done).toHaveLength(3);
    expect(readdirSync(both.path)).toEqual([]);
    await both.pull();
    const before = await both.revisions();
    both.write("proc/greet.ts", "return 2;");
    expect((await both.push({ dryRun: true })).done).toHaveLength(1);
    expect(await both.revisions()).toEqual(before);
    expect(await both.differing()).toEqual(["proc/greet.ts"]);
  });
});

describe("patchOf()", () => {
  it("is a unified diff in the direction of the change, by value where that counts", async () => {
    await using both = await Both.open();
    await both.tree.set("a", { x: 1, y: 2 });
    await both.tree.set("b", Uint8Array.of(255));
    await both.pull({}, { data: [Path.fromElements(["a"]), Path.fromElements(["b"])] });
    both.write("data/a.yaml", "# first\ny: 3\nx: 1\n");
    both.write("data/b.bin", "text");
    await both.module("calc.units", "export const x = 2;\n");
    both.remove("proc/greet.ts");
    const patches = new Map<string, string>();
    for (const item of await both.items()) patches.set(item.file, await patchOf(item));
    expect(patches.get("data/a.yaml")).toMatch(
      /--- tree:data:a \(revision \d+\)\n\+\+\+ data\/a.yaml\n/,
    );
    expect(patches.get("data/a.yaml")).toMatch(/\n\+y: 3\n/);
    expect(patches.get("data/a.yaml")).not.toContain("first");
    expect(patches.get("data/b.bin")).toContain("bytes");
    expect(patches.get("module/calc/units.ts")).toMatch(/^--- module.*\n\+\+\+ tree:module:calc.units.*\n.*\n-.*1;\n\+.*2;/); // prettier-ignore
    expect(patches.get("proc/greet.ts")).toMatch(/^--- tree:proc:greet.*\n\+\+\+ \/dev\/null\n/);
  });
});

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "banyan-sync-"));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A directory and a tree with something in it. */
class Both implements AsyncDisposable {
  readonly tree: Tree;
  readonly #folder = new Folder();

  private constructor(tree: Tree) {
    this.tree = tree;
  }

  static async open(): Promise<Both> {
    return Both.over(Tree.over(new MemoryEngine(), { author: "joe" }));
  }

  static async over(tree: Tree): Promise<Both> {
    const both = new Both(tree);
    await both.module("calc.units", "export const x = 1;\n");
    await tree.set(tree.system.proc.append("greet"), { code: "return name;\n", is_async: true, vars: ["name"], requires: [] }); // prettier-ignore
    await tree.set(tree.system.job.append("night"), { code: Path.fromElements(["greet"]), target: null }); // prettier-ignore
    return both;
  }

  get path(): string {
    return this.#folder.path;
  }

  pull(how: Partial<PushOptions> = {}, options: Partial<SyncOptions> = {}): Promise<SyncResult> {
    return pullDirectory({ ...this.#options(), ...options }, { ...PLAIN, ...how });
  }

  push(how: Partial<PushOptions> = {}, options: Partial<SyncOptions> = {}): Promise<SyncResult> {
    return pushDirectory({ ...this.#options(), ...options }, { ...PLAIN, ...how });
  }

  async items(): Promise<readonly SyncItem[]> {
    return (await compare(this.#options())).filter((item) => item.problem !== undefined || !isInStep(item)); // prettier-ignore
  }

  /** The files that are not in step. */
  async differing(): Promise<string[]> {
    return (await this.items()).map(({ file }) => file);
  }

  module(path: string, code: string): Promise<unknown> {
    return this.tree.set(this.tree.system.module.concat(path.split(".")), { code, requires: [] });
  }

  procedure(path: string | PathElement[], code: string): Promise<unknown> {
    const elements = typeof path === "string" ? path.split(".") : path;
    return this.tree.set(this.tree.system.proc.concat(elements), { code, is_async: null, vars: [], requires: [] }); // prettier-ignore
  }

  async code(kind: "proc" | "module", name: string): Promise<unknown> {
    return ((await this.tree.get(this.tree.system[kind].append(name))) as { code?: string })?.code;
  }

  async revisions(): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    for await (const { path, revision } of this.tree.walk([])) {
      const below = this.tree.system.code.contains(path) ? path.slice(2) : path;
      found.set(below.join("."), revision);
    }
    return found;
  }

  read(file: string): string {
    return readFileSync(join(this.path, file), "utf8");
  }

  has(file: string): boolean {
    return existsSync(join(this.path, file));
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.path, file)), { recursive: true });
    writeFileSync(join(this.path, file), text);
  }

  remove(file: string): void {
    rmSync(join(this.path, file));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tree.close();
    this.#folder[Symbol.dispose]();
  }

  #options(): SyncOptions {
    return { directory: this.path, tree: this.tree, signal };
  }
}
