/** Reads past the socket: real processes that read the store of a hub themselves. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";

import { open, type Tree } from "banyan";
import { expect, test, vi } from "vitest";

import { hubPid, ROOT, temporaryFolder } from "./kit.ts";

const DEADLINE_MS = 40_000;
const INDEX = JSON.stringify(join(ROOT, "dist/index.js"));

/** Reads until the store is read directly. */
async function untilDirect(tree: Tree): Promise<void> {
  const read = async (): Promise<void> => {
    for (let i = 0; i < 40; i++) await tree.get("nothing.is.here");
    expect(tree.engine.direct).toBeDefined();
  };
  await vi.waitFor(read, { timeout: DEADLINE_MS, interval: 20 });
}

/** A process that runs `script` with `tree`; `line()` gives what it prints, `say()` tells it to go on. */
class Other implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(folder: string, script: string) {
    const source = `
      import { open } from ${INDEX};
      import { createInterface } from "node:readline";
      const tree = await open(${JSON.stringify(folder)}, { create: true });
      const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
      const say = (text) => console.log(text);
      ${script}
      await tree.close();
      process.exit(0);
    `;
    this.child = spawn(process.execPath, ["--input-type=module", "-e", source], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const { stdout } = this.child;
    if (stdout === null) throw new Error("no stdout");
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the other process ended");
    return value;
  }

  say(text: string): void {
    this.child.stdin?.write(`${text}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await gone;
  }
}

test("get() past the socket sees at once what another process was told is written", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set("count", 0);
  await untilDirect(tree);
  await using other = new Other(
    folder.path,
    `for (let i = 1; i <= 500; i++) {
       await tree.set("count", i);
       say(i);
     }
     await told.next();`,
  );
  for (let i = 1; i <= 500; i++) {
    const written = Number(await other.line());
    expect(await tree.get("count")).toBeGreaterThanOrEqual(written);
  }
  expect(await tree.get("count")).toBe(500);
  await untilDirect(tree);
});

test("set() then get() past the socket gives what was set, also within one turn of the event loop", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await untilDirect(tree);
  for (let i = 0; i < 300; i++) {
    const before = tree.get("mine");
    await tree.set("mine", i);
    expect(await tree.get("mine")).toBe(i);
    // Nobody waited for it: where reads have to let others go first, the write may be among those.
    expect([i === 0 ? undefined : i - 1, i]).toContain(await before);
  }
  await tree.delete("mine");
  expect(await tree.get("mine")).toBeUndefined();
  expect(await tree.entry("mine")).toBeUndefined();
});

test("walk() and list() past the socket give what the hub gives", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true, author: "änne" });
  const bytes = new Uint8Array([0, 1, 255]);
  const paths = [
    ...Array.from({ length: 1_100 }, (_, i) => ["flat", i]),
    ...Array.from({ length: 60 }, (_, i) => ["deep", `a${i}`, `b${i % 7}`, "c"]),
    ["deep", "a3"], ["deep", "a3", ""], ["deep", "a3", "\0"], ["deep", bytes], ["deep", bytes, "x"],
    ["deep", null, true, -1.5], ["deep", "é\u{1f600}", "ü"], ["deep", "x".repeat(200)], [],
  ]; // prettier-ignore
  const values = [1, -1, 1.5, 300, "text", "é", "x".repeat(40), "y".repeat(20_000), null, true, 2n ** 70n, bytes, { a: [1, { b: 2 }] }, [], new Date(5)]; // prettier-ignore
  await Promise.all(paths.map((path, i) => tree.set(path, values[i % values.length])));
  await untilDirect(tree);
  for (const at of [":", "flat", "deep", "deep.a3", "nothing", "deep.a4.b4"]) {
    for (const options of [{}, { minDepth: 1 }, { maxDepth: 1 }, { minDepth: 2, maxDepth: 3 }]) {
      await using fresh = await open(folder.path);
      const asked = await fresh.walk(at, options).toArray();
      expect(fresh.engine.direct).toBeUndefined();
      expect(await tree.walk(at, options).toArray()).toEqual(asked);
    }
    await using fresh = await open(folder.path);
    expect(await tree.list(at).toArray()).toEqual(await fresh.list(at).toArray());
  }
  for (const path of paths.slice(-80)) {
    await using fresh = await open(folder.path);
    expect(await tree.entry(path)).toEqual(await fresh.entry(path));
  }
  expect(await tree.walk(":").toArray()).toHaveLength(paths.length);
  await untilDirect(tree);
});

test("reads past the socket follow a store that outgrows its map", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set("first", 1);
  await untilDirect(tree);
  await using other = new Other(
    folder.path,
    `for (let i = 0; i < 60; i++) {
       await tree.set(["large", i], new Uint8Array(1_000_000).fill(i));
       say(i);
     }
     await told.next();`,
  );
  for (let i = 0; i < 60; i++) {
    const written = Number(await other.line());
    expect((await tree.get(["large", written])) as Uint8Array).toHaveLength(1_000_000);
    expect(await tree.get("first")).toBe(1);
  }
  await untilDirect(tree);
});

test("reads go on when the hub is killed, and are direct again with the next one", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await untilDirect(tree);
  for (let round = 0; round < 3; round++) {
    await tree.set("round", round);
    process.kill(hubPid(folder.path) as number, "SIGKILL");
    for (let i = 0; i < 50; i++) expect(await tree.get("round")).toBe(round);
    await tree.set("round", -1);
    expect(await tree.get("round")).toBe(-1);
    await untilDirect(tree);
  }
});

test("a store in the place of a removed one is not taken for it", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set("which", "old");
  await untilDirect(tree);
  const first = hubPid(folder.path);
  rmSync(join(folder.path, ".banyan"), { recursive: true, maxRetries: 20, retryDelay: 20 });
  await using other = new Other(
    folder.path,
    `await tree.set("which", "new"); say("there"); await told.next();`,
  );
  expect(await other.line()).toBe("there");
  const found = async (): Promise<void> => expect(await tree.get("which")).toBe("new");
  await vi.waitFor(found, { timeout: DEADLINE_MS, interval: 20 });
  expect(hubPid(folder.path)).not.toBe(first);
  await untilDirect(tree);
  expect(await tree.get("which")).toBe("new");
});

test("two trees of one process read directly, and one goes on when the other is closed", async () => {
  using folder = temporaryFolder();
  await using one = await open(folder.path, { create: true });
  const two = await open(folder.path);
  await one.set("a", 1);
  await untilDirect(one);
  await untilDirect(two);
  expect([await one.get("a"), await two.get("a")]).toEqual([1, 1]);
  await two.close();
  await one.set("a", 2);
  expect(await one.get("a")).toBe(2);
  await untilDirect(one);
  await expect(two.get("a")).rejects.toMatchObject({ code: "TREE_CLOSED" });
});

test("a worker thread never reads past the socket: it may be ended in the middle", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set("a", 1);
  const source = `
    const { parentPort } = require("node:worker_threads");
    import(${INDEX}).then(async ({ open }) => {
      const tree = await open(${JSON.stringify(folder.path)});
      for (let i = 0; i < 200; i++) await tree.get("a");
      parentPort.postMessage([await tree.get("a"), tree.engine.direct === undefined]);
      await tree.close();
    });
  `;
  const worker = new Worker(source, { eval: true });
  const [message] = (await once(worker, "message")) as [unknown];
  expect(message).toEqual([1, true]);
  await worker.terminate();
});

test("reads that never wait leave the rest of the process its turns", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set("a", 1);
  await untilDirect(tree);
  const seen = { turns: 0 };
  const timer = setInterval(() => seen.turns++, 1);
  while (seen.turns < 20) expect(await tree.get("a")).toBe(1);
  clearInterval(timer);
});

test("a reader that is frozen between two reads does not make the store grow", async () => {
  const COUNT = 800;
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set("a", 1);
  await using other = new Other(
    folder.path,
    `const direct = async () => { while (tree.engine.direct === undefined) await tree.get("a"); };
     await direct();
     say("reading");
     setTimeout(() => { for (;;) {} }, 5);
     for (;;) await tree.get("a");`,
  );
  expect(await other.line()).toBe("reading");
  const write = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await tree.set("b", new Uint8Array(100_000));
  };
  await write(40);
  const before = storeSize(folder.path);
  // Many more than commits that wait for the disk at a time, whose pages are kept as well.
  await write(COUNT);
  // The log keeps each value, and so does what is remembered of each write; that a third is kept, the
  // entry as it was, is what a reader would be to blame for.
  expect((storeSize(folder.path) - before) / (COUNT * 100_000)).toBeLessThan(2.75);
});

function storeSize(folder: string): number {
  return statSync(join(folder, ".banyan/store/data.mdb")).size;
}
