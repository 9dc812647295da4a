/** One hub after the other: killed, frozen and ended at random under load, raced for, and lied about. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { type Engine, openEngine, parsePath } from "banyan";
import { seededRandom } from "banyan/testing";
import { expect, test, vi } from "vitest";

import { hubPid, isAlive, shuffled, temporaryFolder } from "./kit.ts";

const DEADLINE_MS = 60_000;

test(
  "hubs that are killed, frozen and ended at random lose no acknowledged write, and no watch a change",
  { timeout: 180_000 },
  async () => {
    const seed = Number(process.env["BANYAN_SEED"] ?? Date.now() % 1_000_000);
    process.stdout.write(`takeover: BANYAN_SEED=${seed}\n`);
    const random = seededRandom(seed);
    using folder = temporaryFolder();
    await using writer = await openEngine(folder.path, { create: true });
    await using other = await openEngine(folder.path);
    await using follower = await openEngine(folder.path);
    const seen = follow(follower);
    const acknowledged: number[] = [];
    const stop = new AbortController();
    const workers = [writer, other, writer, other].map(async (engine, worker) => {
      for (let i = 0; !stop.signal.aborted; i++) {
        acknowledged.push((await put(engine, `load:${worker}`, `${i}`)).revision);
      }
    });
    const frozen: number[] = [];
    const hubs: number[] = [];
    for (const fault of shuffled<NodeJS.Signals>(
      ["SIGKILL", "SIGKILL", "SIGSTOP", "SIGTERM", "SIGSTOP"],
      random,
    )) {
      await moreThan(acknowledged, 50 + Math.floor(random() * 100));
      const pid = hubPid(folder.path) as number;
      hubs.push(pid);
      process.kill(pid, fault);
      if (fault === "SIGSTOP") frozen.push(pid);
      await moreThan(acknowledged, 50);
      expect(hubPid(folder.path)).not.toBe(pid);
      // One that was frozen wakes while its successors work.
      if (frozen.length > 0 && random() < 0.5) wake(frozen.shift());
    }
    for (const pid of frozen) wake(pid);
    await until(() => hubs.every((pid) => !isAlive(pid)), "the end of all former hubs");
    stop.abort();
    await Promise.all(workers);
    const { revision } = await put(writer, "load.end", "1");
    acknowledged.push(revision);
    await until(() => seen.at(-1) === revision, "the last change");
    expect(seen).toEqual(acknowledged.toSorted((a, b) => a - b));
  },
);

test("clients that come while a hub ends for want of them find it or another", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, ".banyan"));
  const script = join(import.meta.dirname, "processes/come-and-go.mjs");
  const hubs = new Set<number>();
  const names: string[] = [];
  // Where somebody is there all the time, no hub ends: between two rounds nobody is.
  while (hubs.size < 2) {
    const round = ["a", "b", "c"].map((name) => `${name}${names.length}`);
    names.push(...round);
    const seen = round.map(async (name) => {
      const child = spawn(process.execPath, [script, folder.path, name, "12", "20"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [said, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
      expect(code).toBe(0);
      return JSON.parse(said) as number[];
    });
    for (const pid of (await Promise.all(seen)).flat()) hubs.add(pid);
  }
  await using engine = await openEngine(folder.path);
  for (const name of names) {
    expect(await engine.children(parsePath(`came.${name}`)).toArray()).toHaveLength(12);
  }
});

test.each([
  ["nobody listens at", false],
  ["somebody listens at who says nothing", true],
])("a record of a hub with a socket that %s is replaced", async (_, isThere) => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, ".banyan"));
  const socket = join(folder.path, "stale.sock");
  const server = createServer(() => {});
  if (isThere) await new Promise<void>((listening) => void server.listen(socket, listening));
  // A process that lives, but is none of ours.
  const record = { pid: process.pid, start: 1, host: "", socket: `unix:${socket}`, epoch: "stale" };
  writeFileSync(join(folder.path, ".banyan/hub.json"), JSON.stringify(record));
  await using engine = await openEngine(folder.path);
  await put(engine, "a", "1");
  expect(readFileSync(join(folder.path, ".banyan/hub.json"), "utf8")).not.toContain("stale");
  expect(isAlive(process.pid)).toBe(true);
  server.close();
});

/** The revisions that a watch tells, in the order in which it does. */
function follow(engine: Engine): number[] {
  const revisions: number[] = [];
  void (async () => {
    for await (const batch of engine.watch(parsePath("load"))) {
      for (const event of batch) {
        if (event.type === "put") revisions.push(event.entry.revision);
        if (event.type === "reset") revisions.push(Number.NaN);
      }
    }
  })();
  return revisions;
}

function put(engine: Engine, where: string, value: string): Promise<{ revision: number }> {
  return engine.put(parsePath(where), new TextEncoder().encode(value));
}

async function moreThan(list: readonly unknown[], count: number): Promise<void> {
  const before = list.length;
  await until(() => list.length > before + count, `${count} more writes`);
}

async function until(is: () => boolean, what: string): Promise<void> {
  await vi.waitUntil(is, { timeout: DEADLINE_MS, interval: 5 }).catch(() => {
    throw new Error(`waited in vain for ${what}`);
  });
}

function wake(pid: number | undefined): void {
  // The one who came after it may have had to kill it.
  if (pid !== undefined && isAlive(pid)) process.kill(pid, "SIGCONT");
}
