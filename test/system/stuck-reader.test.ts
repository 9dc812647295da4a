/**
 * A process that is stuck: in the middle of a read of the store itself, behind a real hub, whose clock is ahead; or
 * with a watch.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { open, type Tree } from "banyan";
import { expect, test } from "vitest";

import { type Clock, systemClock } from "../../src/base/clock.ts";
import { runHub } from "../../src/node/hub.ts";
import { treeDirectory } from "../../src/node/open.ts";
import { ROOT, temporaryFolder } from "./kit.ts";

const DEADLINE_MS = 20_000;
const ENTRIES = 500;
const MEGABYTE = 1024 * 1024;

/** A hub in this process, with what it logs. Nobody waits for its patience: its clock can be put ahead. */
class NearHub implements AsyncDisposable {
  readonly logged: string[] = [];
  readonly #end = new AbortController();
  #ran: Promise<unknown> = Promise.resolve();
  #aheadMs = 0;

  static async open(directory: string): Promise<NearHub> {
    const hub = new NearHub();
    await treeDirectory(directory, { create: true });
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + hub.#aheadMs };
    const note = (message: string): void => void hub.logged.push(message);
    await new Promise<void>((onReady, failed) => {
      const log = { debug: note, info: note, warn: note, error: note };
      const { signal } = hub.#end;
      hub.#ran = runHub({
        directory,
        idleMs: Infinity,
        signal,
        clock,
        log,
        onReady: () => onReady(),
      });
      hub.#ran.catch(failed);
    });
    return hub;
  }

  /** Writes, and lets time pass for the hub, until it has said `what`. */
  async until(what: string, write: () => Promise<unknown>): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!this.logged.some((line) => line.includes(what))) {
      if (performance.now() > deadline) throw new Error(`the hub only said ${this.logged.join()}`);
      await write();
      this.#aheadMs += 500;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#ran;
  }
}

/** A process that reads in place, and does `stuck` in the middle of a page; then it reads all of it once more. */
function reader(folder: string, stuck: string): ChildProcess {
  const script = `
    import { existsSync } from "node:fs";
    import { open, parsePath } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
    const tree = await open(${JSON.stringify(folder)});
    while (tree.engine.direct === undefined) await tree.get("data");
    let seen = 0;
    const began = performance.now();
    const page = tree.engine.direct.page(parsePath("data"), {}, () => {
      if (++seen !== 100) return;
      console.log("reads");
      ${stuck}
      // So long at least it would have been, by the hub's clock.
      while (performance.now() - began < 1_100);
    });
    const all = await tree.walk("data").toArray();
    const values = [...new Set(all.map(({ value }) => value))];
    while (tree.engine.direct !== undefined) await new Promise(setImmediate);
    console.log(JSON.stringify({ discarded: typeof page === "symbol", count: all.length, values }));
    await tree.close();
  `;
  return spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function filled(folder: string): Promise<Tree> {
  const tree = await open(folder, { create: true });
  await Promise.all(Array.from({ length: ENTRIES }, (_, i) => tree.set(["data", i], "before")));
  return tree;
}

async function change(tree: Tree): Promise<void> {
  await Promise.all(Array.from({ length: ENTRIES }, (_, i) => tree.set(["data", i], "after")));
}

function linesOf({ stdout }: ChildProcess): () => Promise<string> {
  if (stdout === null) throw new Error("no stdout");
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the reader ended");
    return value;
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

test("a reader that hangs in the middle of a read is told to ask the hub, and what it read is thrown away", async () => {
  using folder = temporaryFolder();
  await using hub = await NearHub.open(folder.path);
  await using tree = await filled(folder.path);
  const go = join(folder.path, "go");
  const child = reader(folder.path, `while (!existsSync(${JSON.stringify(go)}));`);
  try {
    const line = linesOf(child);
    await line();
    await change(tree);
    await hub.until("a reader is stuck", () => tree.set("other", 1));
    writeFileSync(go, "");
    expect(JSON.parse(await line())).toEqual({
      discarded: true,
      count: ENTRIES,
      values: ["after"],
    });
  } finally {
    await kill(child);
  }
});

test("a reader that is frozen in the middle of a read loses its place, and the store stops growing", async () => {
  using folder = temporaryFolder();
  await using hub = await NearHub.open(folder.path);
  await using tree = await filled(folder.path);
  const child = reader(folder.path, 'process.kill(process.pid, "SIGSTOP");');
  const size = (): number => statSync(join(folder.path, ".banyan/store/data.mdb")).size;
  await tree.keepHistory("large", { versions: 0 });
  // Flushed: what the last flush holds can't be used again before the next.
  const write = (): Promise<unknown> =>
    tree.set("large", new Uint8Array(3 * MEGABYTE), { durability: "flushed" });
  try {
    const line = linesOf(child);
    await line();
    await change(tree);
    await hub.until("a reader is stuck", () => tree.set("other", 1));
    const before = size();
    const isLarge = (): boolean => size() - before > 64 * MEGABYTE;
    await hub.until("the reader's place is free", () => (isLarge() ? tree.get("data") : write()));
    const after = size();
    expect(after - before).toBeLessThan(128 * MEGABYTE);
    for (let i = 0; i < 16; i++) await write();
    // What watches can resume by grows on, by 48 MB; the pages of old versions are used again. Else it is 144 MB.
    expect(size() - after).toBeLessThan(112 * MEGABYTE);
  } finally {
    await kill(child);
  }
});

/** A process that watches, and says what it has been told when it is "ready" and when it sees the end. */
function watcher(folder: string): ChildProcess {
  const script = `
    import { open } from ${JSON.stringify(join(ROOT, "dist/index.js"))};
    const tree = await open(${JSON.stringify(folder)});
    const told = [];
    for await (const event of tree.watch("large")) {
      told.push(event.type === "put" ? event.entry.value[0] : (event.cause ?? event.type));
      if (event.type === "ready" || told.at(-1) === "e") console.log(JSON.stringify(told.splice(0)));
    }
  `;
  return spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

test("a watcher that is stopped has one large value on its way, and is told that it missed the others and what there is", async () => {
  const WRITES = 24;
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.keepHistory("large", { versions: 0 });
  const child = watcher(folder.path);
  try {
    const line = linesOf(child);
    expect(await line()).toBe('["ready"]');
    child.kill("SIGSTOP");
    const seen: unknown[] = [];
    const other = (async () => {
      for await (const event of tree.watch("large")) {
        if (event.type === "put") seen.push((event.entry.value as Uint8Array)[0]);
        if (seen.length === WRITES) return;
      }
    })();
    for (let i = 0; i < WRITES; i++) {
      await tree.set(["large", i % 3], new Uint8Array(3 * MEGABYTE).fill(i));
    }
    await other;
    expect(seen).toEqual(Array.from({ length: WRITES }, (_, i) => i));
    await tree.set("large.end", "end");
    child.kill("SIGCONT");
    expect(await line()).toBe('[0,"overflow",21,22,23,"e"]');
  } finally {
    await kill(child);
  }
});
