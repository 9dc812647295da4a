import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { describe, expect, it } from "vitest";

import { silentLog } from "../../src/base/log.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { DirectoryLoader, type LoadCounts } from "../../src/node/load-directory.ts";
import { Tree } from "../../src/tree/tree.ts";

const DEADLINE_MS = 5_000;

describe("DirectoryLoader", () => {
  it("load() turns files into entries by kind, path and ending", async () => {
    await using folder = await Folder.open({
      "data/house/kitchen.yaml": "temperature: 21.5\npath: !P a:2.c\n",
      "data/notes.txt": "plain text",
      "module/calc/units.ts": "export const x = 1;\n",
      "proc/greet.ts": "// banyan: { is_async: true, vars: [name] }\nreturn name;\n",
      "proc/slow.ts": "// banyan: { is_async: false, vars: [n] }\nreturn n * 2;\n",
      "job/greet.yaml": "code: greet\ntarget: null\n",
      "proc/.hidden.ts": "return 1",
      "job/readme.md": "no job",
    });
    expect(await folder.load()).toEqual({ loaded: 6, failed: 0 });
    const { tree } = folder;
    expect(await tree.get("house.kitchen")).toMatchObject({ temperature: 21.5 });
    expect(await tree.get("notes")).toBe("plain text");
    expect(await tree.get(tree.system.proc.append("greet"))).toMatchObject({
      is_async: true,
      vars: ["name"],
    });
    const slow = tree.system.proc.append("slow");
    expect(await tree.get(slow)).toMatchObject({ is_async: false, vars: ["n"] });
    expect(await tree.get(tree.system.module.concat(["calc", "units"]))).toBeDefined();
    expect(await tree.get(tree.system.job.append("greet"))).toMatchObject({ target: null });
  });

  it("a file that can't be loaded becomes an error record that names it, and heals", async () => {
    await using folder = await Folder.open({
      "job/bad.yaml": "code: x\nplaec: { any: default }\n",
      "data/bad.json": "{",
      "proc/bad.ts": "// banyan: { varz: [a] }\nreturn 1;\n",
      "data/good.json": "1",
    });
    expect(await folder.load()).toEqual({ loaded: 1, failed: 3 });
    const open = [];
    for await (const record of folder.tree.errors.list()) open.push(record.message);
    expect(open).toHaveLength(3);
    expect(open.find((message) => message.startsWith("job/bad.yaml: "))).toMatch(/place/);
    folder.write("job/bad.yaml", "code: x\n");
    folder.write("data/bad.json", "{}");
    folder.write("proc/bad.ts", "return 1;\n");
    expect(await folder.load()).toEqual({ loaded: 4, failed: 0 });
    for await (const record of folder.tree.errors.list()) expect(record).toBeUndefined();
  });

  it("follow() brings saved files, and keeps an entry whose file was renamed", async () => {
    await using folder = await Folder.open({ "data/a.json": "1" });
    await using _following = await folder.follow();
    folder.write("data/a.json", "2");
    await folder.until("a", 2);
    folder.write("data/b.json", "true");
    await folder.until("b", true);
    folder.move("data/a.json", "data/a.yaml");
    folder.write("data/c.json", "3");
    await folder.until("c", 3);
    folder.move("data/b.json", "data/d.json");
    await folder.until("d", true);
    await folder.until("b", undefined);
    expect(await folder.tree.get("a")).toBe(2);
  });

  it("load() removes what an earlier run loaded from files that are gone", async () => {
    await using folder = await Folder.open({ "data/a.json": "1", "data/b.json": "2" });
    await folder.load();
    await folder.tree.set("mine", "not from a file");
    folder.remove("data/a.json");
    await folder.load();
    expect(await folder.tree.get("a")).toBeUndefined();
    expect(await folder.tree.get("b")).toBe(2);
    expect(await folder.tree.get("mine")).toBe("not from a file");
  });

  it("open() refuses what is no directory of code", async () => {
    await using folder = await Folder.open({ "other/file.txt": "x" });
    await expect(folder.load()).rejects.toMatchObject({ code: "NODE_BAD_DIRECTORY" });
  });
});

class Folder implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), "banyan-load-"));
  readonly tree = Tree.over(new MemoryEngine(), { author: "test" });
  readonly #stop = new AbortController();

  static async open(files: Readonly<Record<string, string>>): Promise<Folder> {
    const folder = new Folder();
    for (const [name, text] of Object.entries(files)) folder.write(name, text);
    return folder;
  }

  write(name: string, text: string): void {
    const file = join(this.path, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  move(from: string, to: string): void {
    renameSync(join(this.path, from), join(this.path, to));
  }

  remove(name: string): void {
    rmSync(join(this.path, name));
  }

  async load(): Promise<LoadCounts> {
    return (await this.#open()).load();
  }

  /** Resolves when the first load is done; disposing ends it. */
  async follow(): Promise<AsyncDisposable> {
    const loader = await this.#open();
    let ended: Promise<void> | undefined;
    await new Promise<LoadCounts>((resolve, reject) => {
      ended = loader.follow(resolve);
      ended.catch(reject);
    });
    return {
      [Symbol.asyncDispose]: async () => {
        this.#stop.abort(new Error("the test is over"));
        await ended;
      },
    };
  }

  /** Resolves when the entry has that value; undefined: when it is gone. */
  async until(path: string, value: unknown): Promise<void> {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    if (JSON.stringify(await this.tree.get(path)) === JSON.stringify(value)) return;
    for await (const event of this.tree.watch(path, { signal })) {
      const now = event.type === "put" ? event.entry.value : undefined;
      if (event.type !== "ready" && JSON.stringify(now) === JSON.stringify(value)) return;
      if (event.type === "ready" && value === undefined && event.count === 0) return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the test is over"));
    await this.tree.close();
    rmSync(this.path, { recursive: true, force: true });
  }

  #open(): Promise<DirectoryLoader> {
    const { path: directory, tree } = this;
    return DirectoryLoader.open({ directory, tree, log: silentLog, signal: this.#stop.signal });
  }
}
