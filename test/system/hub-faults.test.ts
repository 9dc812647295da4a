/** What a store can meet: no room, a file that is damaged under it, a folder it may not write. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  appendFileSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";

import { BanyanError, open, type PathLike, type Tree } from "banyan";
import { expect, test, vi } from "vitest";

import { hubPid, ROOT, temporaryFolder } from "./kit.ts";

const ENOUGH_BLOCKS = 4_000;
const LARGE = "x".repeat(20_000);

test("where there is no room, writes are refused as a whole, reads go on, and nothing that was acknowledged is lost", async () => {
  using folder = temporaryFolder();
  const kept: number[] = [];
  {
    await using hub = await startHub(folder.path, { maxBlocks: ENOUGH_BLOCKS });
    const tree = await open(folder.path);
    const codes = new Set<string>();
    const hints = new Set<boolean>();
    for (let i = 0; i < 200; i++) {
      const durability = i % 20 === 0 ? "flushed" : "commit";
      try {
        await tree.set(["k", i], LARGE, { durability });
        kept.push(i);
      } catch (error) {
        codes.add(BanyanError.is(error) ? error.code : String(error));
        hints.add(String(error).includes("make some on the disk"));
      }
    }
    expect([codes, hints]).toEqual([new Set(["ENGINE_FULL"]), new Set([true])]);
    expect(kept.length).toBeGreaterThan(20);
    expect(await names(tree)).toEqual(kept);
    expect(await tree.get(["k", kept[0] ?? -1])).toBe(LARGE);
    // A deletion needs pages as well, which are free when what was deleted before is on the disk.
    await vi.waitUntil(() => removed(tree, ["k", kept[0] ?? -1]), {
      timeout: 30_000,
      interval: 50,
    });
    kept.shift();
    // Nobody died of it.
    expect(hubPid(folder.path)).toBe(hub.process.pid);
    await tree.close();
  }
  await using tree = await open(folder.path);
  expect(await names(tree)).toEqual(kept);
  await tree.set(["k", 1_000], LARGE);
  expect(await tree.get(["k", 1_000])).toBe(LARGE);
});

test("a tree on a full disk can still be opened and read, and is written to again when there is room", async ({
  skip,
}) => {
  using folder = temporaryFolder();
  const disk = (options: string): boolean =>
    spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder.path]).status === 0;
  skip(!disk("size=24m"), "only root can make a disk");
  try {
    const first = await open(folder.path, { create: true });
    await first.set("kept", "x");
    const store = join(folder.path, ".banyan/store");
    await vi.waitUntil(() => readdirSync(store).includes("reserve"), { timeout: 30_000 });
    const full = { code: "ENGINE_FULL" };
    for (const text of ["x".repeat(500_000), "x"]) {
      const all = Array.from({ length: 100 }, (_, i) => first.set([text.length, i], text));
      await Promise.allSettled(all);
    }
    takeAll(join(folder.path, "rest"));
    await expect(first.set("large", "x".repeat(3_500_000))).rejects.toMatchObject(full);
    await first.close();
    process.kill(hubPid(folder.path) as number, "SIGKILL");
    await using tree = await open(folder.path);
    expect(await tree.get("kept")).toBe("x");
    await expect(tree.set("large", "x".repeat(3_500_000))).rejects.toMatchObject(full);
    rmSync(join(folder.path, "rest"));
    expect(disk("remount,size=64m")).toBe(true);
    await tree.set("large", "x".repeat(3_500_000));
  } finally {
    process.kill(hubPid(folder.path) as number, "SIGKILL");
    spawnSync("umount", ["-l", folder.path]);
  }
});

test("a full disk has room again behind keepHistory() and delete(), also with a hub that starts then", async ({
  skip,
}) => {
  using folder = temporaryFolder();
  const disk = ["-t", "tmpfs", "-o", "size=20m", "tmpfs", folder.path];
  skip(spawnSync("mount", disk).status !== 0, "only root can make a disk");
  try {
    await using tree = await open(folder.path, { create: true });
    const store = join(folder.path, ".banyan/store");
    await vi.waitUntil(() => readdirSync(store).includes("reserve"), { timeout: 30_000 });
    let written = 0;
    for (let refused = 0; refused === 0;) {
      const all = Array.from({ length: 50 }, (_, i) => tree.set(["k", written + i], LARGE));
      const results = await Promise.allSettled(all);
      refused = results.filter(({ status }) => status === "rejected").length;
      written += all.length - refused;
    }
    takeAll(join(folder.path, "rest"));
    process.kill(hubPid(folder.path) as number, "SIGKILL");
    await tree.keepHistory(":", { versions: 0 });
    const { deleted } = await tree.delete("k", { recursive: true });
    expect(deleted).toBeGreaterThanOrEqual(written);
    for (let i = 0; i < 50; i++) await tree.set(["new", i], LARGE);
    expect(await tree.get(["new", 49])).toBe(LARGE);
    expect(await names(tree)).toEqual([]);
  } finally {
    process.kill(hubPid(folder.path) as number, "SIGKILL");
    spawnSync("umount", ["-l", folder.path]);
  }
});

test("a data file that is cut off under the hub is an error that says so", async () => {
  using folder = temporaryFolder();
  await using first = await open(folder.path, { create: true });
  for (let i = 0; i < 300; i++) await first.set(["k", i], "x".repeat(100));
  process.kill(hubPid(folder.path) as number, "SIGKILL");
  truncateSync(join(folder.path, ".banyan/store/data.mdb"), 4 * 4096);
  const failed: unknown = await open(folder.path).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: "NODE_HUB_FAILED" });
  expect((failed as Error).message).toContain("is damaged");
});

test("a store that no hub can open any more is told to who waits for one, with the cause, after a few tries", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set("a", 1);
  const file = join(folder.path, ".banyan/store/format");
  const format = readFileSync(file);
  writeFileSync(file, "banyan store 99\n");
  process.kill(hubPid(folder.path) as number, "SIGKILL");
  const failed: unknown = await tree.set("b", 2).catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: expect.stringMatching(/^ENGINE_(UNAVAILABLE|AMBIGUOUS)$/) });
  expect((failed as Error).message).toContain("use a newer version");
  const log = readFileSync(join(folder.path, ".banyan/hub.log"), "utf8");
  expect(log.split("use a newer version").length - 1).toBeLessThan(6);
  writeFileSync(file, format);
  await tree.set("c", 3);
  expect(await tree.get("a")).toBe(1);
});

test("a folder that can't be written is refused with what to do, and nothing is left in it", async () => {
  using folder = temporaryFolder();
  await (await open(folder.path, { create: true })).close();
  process.kill(hubPid(folder.path) as number, "SIGKILL");
  const banyan = join(folder.path, ".banyan");
  chmodSync(banyan, 0o500);
  const before = statSync(banyan).mtimeMs;
  const script = `
    const { open } = await import(${JSON.stringify(join(ROOT, "dist/index.js"))});
    for (const place of [${JSON.stringify(folder.path)}, ${JSON.stringify(join(banyan, "new"))}]) {
      await open(place, { create: true }).catch((error) => console.log(error.code + " " + error.message));
    }
    const { examineTree } = await import(${JSON.stringify(join(ROOT, "build/node/doctor.js"))});
    for (const { state, says } of await examineTree(${JSON.stringify(folder.path)})) console.log(state + " " + says);
  `;
  const [command, ...args] = [...boundByModes(), process.execPath];
  const child = spawn(command, [...args, "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let says = "";
  child.stdout.on("data", (chunk) => (says += String(chunk)));
  await once(child, "close");
  chmodSync(banyan, 0o700);
  expect(says).toContain("NODE_DENIED can't write in");
  expect(says).toContain("NODE_DENIED can't make a tree in");
  expect(says).toContain(`problem ${banyan} can't be read and written (EACCES): chmod`);
  expect(statSync(banyan).mtimeMs).toBe(before);
});

/** What starts a program that the modes of files hold for, also where they don't for this one. */
function boundByModes(): string[] {
  const without = "-dac_override,-dac_read_search";
  const isRoot = process.getuid?.() === 0;
  return isRoot ? ["setpriv", `--bounding-set=${without}`, `--inh-caps=${without}`] : [];
}

/** Leaves nothing of the disk. */
function takeAll(path: string): void {
  try {
    for (;;) appendFileSync(path, Buffer.alloc(4_096));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

/** Whether there was room for it. */
async function removed(tree: Tree, path: PathLike): Promise<boolean> {
  return tree.delete(path).then(
    () => true,
    (error: unknown) => {
      if (!BanyanError.has(error, "ENGINE_FULL")) throw error;
      return false;
    },
  );
}

async function names(tree: Tree): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { name } of tree.list("k")) found.push(name);
  return found;
}

interface StartedHub extends AsyncDisposable {
  readonly process: ChildProcess;
}

/** A hub whose files can't grow beyond a number of blocks of 512 bytes. Ends it in order. */
async function startHub(
  folder: string,
  { maxBlocks }: { readonly maxBlocks: number },
): Promise<StartedHub> {
  mkdirSync(join(folder, ".banyan"));
  const limit = `trap "" XFSZ; ulimit -f ${maxBlocks}; exec "$0" "$@"`;
  const command = [process.execPath, join(ROOT, "dist/entry/hub.cjs"), folder, "600000"];
  const hub = spawn("sh", ["-c", limit, ...command], { stdio: "ignore" });
  await vi.waitUntil(() => hubPid(folder) === hub.pid, { timeout: 30_000, interval: 5 });
  return {
    process: hub,
    [Symbol.asyncDispose]: async () => {
      hub.kill("SIGTERM");
      await once(hub, "exit");
    },
  };
}
