/** The hub as real processes: killed, frozen, raced for, sent garbage, left idle. */
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

import { BanyanError, type Engine, formatPath, openEngine, parsePath } from "banyan";
import { expect, test, vi } from "vitest";

import { hubPid, isAlive, ROOT, temporaryFolder } from "./kit.ts";

const DEADLINE_MS = 40_000;

test("writes that were acknowledged outlive kill -9, and a follower misses none and sees none twice", async () => {
  using folder = temporaryFolder();
  await using writer = await openEngine(folder.path, { create: true });
  await using follower = await openEngine(folder.path);
  const seen = follow(follower, "load");
  await seen.ready;
  const pids = new Set<number>();
  const acknowledged: number[] = [];
  for (let round = 0; round < 5; round++) {
    const pid = hubPid(folder.path);
    expect(pid).toBeDefined();
    pids.add(pid as number);
    const stop = new AbortController();
    const work = async (worker: number): Promise<void> => {
      for (let i = 0; !stop.signal.aborted; i++) {
        const { revision } = await put(writer, `load:${worker}`, `${round}/${i}`);
        acknowledged.push(revision);
      }
    };
    const before = acknowledged.length;
    const workers = [1, 2, 3, 4, 5, 6].map((worker) => work(worker));
    await until(() => acknowledged.length > before + 200, "200 writes");
    process.kill(pid as number, "SIGKILL");
    const then = acknowledged.length;
    await until(() => acknowledged.length > then + 200, "200 writes after the kill");
    stop.abort();
    await Promise.all(workers);
  }
  const { revision } = await put(writer, "load.end", "1");
  acknowledged.push(revision);
  await until(() => seen.revisions.at(-1) === revision, "the last change");
  expect(pids.size).toBe(5);
  // Not one more, either: a write that was sent twice is one write.
  expect(seen.revisions).toEqual(acknowledged.toSorted((a, b) => a - b));
  expect(seen.resets).toBe(0);
  expect(await listing(writer, "load")).toEqual(seen.state());
});

test("counters raised by compare-and-set lose no update and count none twice when the hub is killed", async () => {
  using folder = temporaryFolder();
  await using first = await openEngine(folder.path, { create: true });
  await using second = await openEngine(folder.path);
  let done = 0;
  const count = async (engine: Engine): Promise<void> => {
    for (let mine = 0; mine < 150;) {
      const entry = await engine.get(parsePath("counter"));
      const next = entry === undefined ? 1 : Number(text(entry.value)) + 1;
      try {
        await engine.put(parsePath("counter"), bytes(`${next}`), {
          ifRevision: entry?.revision ?? 0,
        });
        mine++;
        done++;
      } catch (error) {
        if (!BanyanError.has(error, "ENGINE_CONFLICT")) throw error;
      }
    }
  };
  const counting = Promise.all([first, second, first].map((engine) => count(engine)));
  for (let kills = 1; kills <= 3; kills++) {
    await until(() => done > kills * 100, `${kills * 100} counts`);
    process.kill(hubPid(folder.path) as number, "SIGKILL");
  }
  await counting;
  const entry = await first.get(parsePath("counter"));
  expect(text(entry?.value ?? bytes(""))).toBe("450");
});

test("of ten clients that come at once one starts the hub, and all reach it", async () => {
  using folder = temporaryFolder();
  const script = `
    const { openEngine, parsePath } = await import(${JSON.stringify(join(ROOT, "dist/index.js"))});
    const engine = await openEngine(${JSON.stringify(folder.path)}, { create: true });
    await engine.put(parsePath("race:" + process.argv[1]), new Uint8Array());
    console.log(engine.hub.pid);
    await engine.close();
  `;
  const pids = await Promise.all(
    Array.from({ length: 10 }, (_, i) => run(["--input-type=module", "-e", script, String(i)])),
  );
  expect(new Set(pids)).toEqual(new Set([`${hubPid(folder.path)}`]));
  await until(() => hubsOf(folder.path).length === 1, "the losers' end");
  await using engine = await openEngine(folder.path);
  expect(await engine.children(parsePath("race")).toArray()).toHaveLength(10);
});

test("a hub that was frozen under load is replaced, and is no second writer when it wakes", async () => {
  using folder = temporaryFolder();
  await using writer = await openEngine(folder.path, { create: true });
  await using other = await openEngine(folder.path);
  const seen = follow(other, "load");
  await seen.ready;
  const frozen = hubPid(folder.path) as number;
  const acknowledged: number[] = [];
  const stop = new AbortController();
  const work = async (worker: number): Promise<void> => {
    for (let i = 0; !stop.signal.aborted; i++) {
      acknowledged.push((await put(writer, `load:${worker}`, `${i}`)).revision);
    }
  };
  const workers = [1, 2, 3].map((worker) => work(worker));
  await until(() => acknowledged.length > 100, "100 writes");
  await freezeInCommit(frozen);
  const then = acknowledged.length;
  try {
    await until(() => acknowledged.length > then + 100, "100 writes after the freeze");
    expect(hubPid(folder.path)).not.toBe(frozen);
  } finally {
    if (isAlive(frozen)) process.kill(frozen, "SIGCONT");
  }
  await until(() => !hubsOf(folder.path).includes(frozen), "the end of the old hub");
  stop.abort();
  await Promise.all(workers);
  const { revision } = await put(writer, "load.end", "1");
  acknowledged.push(revision);
  await until(() => seen.revisions.at(-1) === revision, "the last change");
  expect(seen.revisions).toEqual(acknowledged.toSorted((x, y) => x - y));
  expect(await listing(writer, "load")).toEqual(seen.state());
  expect(hubsOf(folder.path)).toEqual([hubPid(folder.path)]);
});

test("an engine of one process and a hub refuse each other", async () => {
  using folder = temporaryFolder();
  {
    await using alone = await openEngine(folder.path, { create: true, exclusive: true });
    await put(alone, "a", "1");
    await expect(openEngine(folder.path)).rejects.toMatchObject({ code: "NODE_TREE_IN_USE" });
    expect(hubsOf(folder.path)).toEqual([]);
  }
  await using shared = await openEngine(folder.path);
  await expect(openEngine(folder.path, { exclusive: true })).rejects.toMatchObject({
    code: "NODE_TREE_IN_USE",
  });
  expect(await listing(shared, "a")).toEqual(["a=1"]);
});

test("garbage on the socket harms nobody", async () => {
  using folder = temporaryFolder();
  await using engine = await openEngine(folder.path, { create: true });
  const { socket } = record(folder.path);
  const hello = Buffer.from([5, 0, 0, 0, 1, 2, 3, 4, 5]);
  const garbage = [Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.alloc(100_000, 0xff), hello];
  for (let i = 0; i < 20; i++) {
    garbage.push(crypto.getRandomValues(Buffer.alloc(1 + i * 97)));
  }
  await Promise.all(garbage.map((piece) => send(socket.replace(/^unix:/, ""), piece)));
  await put(engine, "a", "1");
  expect(await listing(engine, "a")).toEqual(["a=1"]);
  expect(isAlive(record(folder.path).pid)).toBe(true);
});

test("a hub that nobody uses ends, and the next client finds everything", async () => {
  using folder = temporaryFolder();
  // A hub serves a tree; making one is its clients' doing.
  mkdirSync(join(folder.path, ".banyan"));
  const hub = spawn(process.execPath, [join(ROOT, "dist/entry/hub.cjs"), folder.path, "200"], {
    stdio: "ignore",
  });
  const ended = new Promise<number | null>((resolve) => hub.once("exit", resolve));
  await until(() => hubPid(folder.path) === hub.pid, "the hub");
  {
    await using engine = await openEngine(folder.path);
    await put(engine, "a", "1");
  }
  expect(await ended).toBe(0);
  expect(hubPid(folder.path)).toBeUndefined();
  await using engine = await openEngine(folder.path);
  expect(await listing(engine, "a")).toEqual(["a=1"]);
  expect(hubPid(folder.path)).not.toBe(hub.pid);
});

test("a damaged store is a clear error, and not a hub that dies again and again", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, ".banyan/store"), { recursive: true });
  writeFileSync(join(folder.path, ".banyan/store/format"), "banyan store 99\n");
  await expect(openEngine(folder.path)).rejects.toMatchObject({
    message: expect.stringContaining("newer version"),
  });
  expect(readdirSync(join(folder.path, ".banyan/store"))).toEqual(["format"]);
});

interface Follower {
  readonly ready: Promise<void>;
  readonly revisions: number[];
  readonly resets: number;
  state(): string[];
}

/** Keeps what a watch says. It ends with the engine. */
function follow(engine: Engine, where: string): Follower {
  const state = new Map<string, string>();
  const revisions: number[] = [];
  let resets = 0;
  let isReady: () => void;
  const ready = new Promise<void>((resolve) => (isReady = resolve));
  const work = async (): Promise<void> => {
    for await (const batch of engine.watch(parsePath(where))) {
      for (const event of batch) {
        if (event.type === "ready") isReady();
        if (event.type === "reset") resets++;
        if (event.type !== "put") continue;
        revisions.push(event.entry.revision);
        state.set(formatPath(event.entry.path), text(event.entry.value));
      }
    }
  };
  void work();
  return {
    ready,
    revisions,
    get resets() {
      return resets;
    },
    state: () => Array.from(state, ([path, value]) => `${path}=${value}`).toSorted(),
  };
}

async function put(engine: Engine, where: string, value: string): Promise<{ revision: number }> {
  return engine.put(parsePath(where), bytes(value));
}

async function listing(engine: Engine, where: string): Promise<string[]> {
  const entries: string[] = [];
  for await (const { path, value } of engine.list(parsePath(where))) {
    entries.push(`${formatPath(path)}=${text(value)}`);
  }
  return entries.toSorted();
}

async function until(is: () => boolean, what: string): Promise<void> {
  await vi.waitUntil(is, { timeout: DEADLINE_MS, interval: 5 }).catch(() => {
    throw new Error(`waited in vain for ${what}`);
  });
}

/**
 * Stops the process, if it can be told within a commit, where it holds the store's locks: those that
 * come after it are then blocked until it is dead.
 */
async function freezeInCommit(pid: number): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    process.kill(pid, "SIGSTOP");
    await until(() => stateOf(pid) === "T", "the stop");
    if (isWriting(pid) !== false) return;
    process.kill(pid, "SIGCONT");
    await new Promise((resolve) => setImmediate(resolve));
  }
  process.kill(pid, "SIGSTOP");
}

function stateOf(pid: number): string | undefined {
  return readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.[0];
}

/** Whether its main thread is in pwrite(2) or pwritev(2); undefined where that can't be seen. */
function isWriting(pid: number): boolean | undefined {
  try {
    const call = readFileSync(`/proc/${pid}/task/${pid}/syscall`, "utf8").split(" ")[0] ?? "";
    return (process.arch === "arm64" ? ["68", "70"] : ["18", "296"]).includes(call);
  } catch {
    return undefined;
  }
}

/** The hub processes of a tree, as the system lists them. */
function hubsOf(tree: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return args.some((arg) => arg.endsWith("entry/hub.cjs")) && args.includes(tree);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function run(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code).toBe(0);
  return output.trim();
}

function record(tree: string): { pid: number; socket: string } {
  const content = readFileSync(join(tree, ".banyan/hub.json"), "utf8");
  return JSON.parse(content) as { pid: number; socket: string };
}

/** Writes to a socket, and resolves when the other side has ended it or it is flushed. */
function send(path: string, piece: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path, () => socket.end(piece));
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
    socket.resume();
  });
}

function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}
