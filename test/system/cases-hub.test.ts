/** DistKV's cases of several clients at one hub, and of readers that lag. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

import { open, type Tree } from "banyan";
import { expect, test, vi } from "vitest";

import { hubPid, temporaryFolder } from "./kit.ts";

const DEADLINE_MS = 40_000;

test("KR2: ten clients that start together, with no hub there, read what all of them write", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set(":", "root");
  process.kill(hubPid(folder.path) as number, "SIGKILL");
  const clients = await Promise.all(Array.from({ length: 10 }, () => open(folder.path)));
  await Promise.all(
    clients.map(async (client, i) => {
      expect(await client.get(":")).toBe("root");
      await client.set(["foo", i], i);
    }),
  );
  for (const client of clients) {
    const all = await client.list("foo").toArray();
    expect(all.map(({ entry }) => entry?.value)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }
  await clients[0]?.delete("foo:3");
  for (const client of clients) expect(await client.get("foo:3")).toBeUndefined();
  // With nothing kept of it, nothing tells that it was ever there.
  expect(await tree.history("foo:3")).toHaveLength(2);
  await tree.keepHistory("foo", { versions: 0 });
  expect(await tree.history("foo:3")).toEqual([]);
  await Promise.all(clients.map((client) => client.close()));
});

test("KR6: watches, mirrors and subscriptions of every client go on behind a killed hub", async () => {
  using folder = temporaryFolder();
  await using writer = await open(folder.path, { create: true });
  await using reader = await open(folder.path);
  await writer.set("a.b", 0);
  await using mirror = await reader.mirror("a");
  const told: string[] = [];
  using _listener = mirror.subscribe(({ stale, changes }) => {
    told.push(stale ? "stale" : "live", ...changes.map(({ path }) => String(path)));
  });
  await using messages = reader.subscribe("topic");
  await messages.ready;
  const watch = reader.watch("a");
  await next(watch, "ready");
  for (let round = 1; round <= 2; round++) {
    process.kill(hubPid(folder.path) as number, "SIGKILL");
    const { revision } = await writer.set("a.b", round);
    await next(watch, "live");
    await mirror.waitFor(revision);
    expect([mirror.get("a.b"), mirror.stale]).toEqual([round, false]);
    await writer.publish("topic.x", round);
    const { value } = await messages[Symbol.asyncIterator]().next();
    expect(value).toMatchObject({ value: round });
  }
  // What was missed may come before "live" or with it.
  expect(told.lastIndexOf("live")).toBeGreaterThan(told.lastIndexOf("stale"));
  expect(told.indexOf("stale")).toBeGreaterThanOrEqual(0);
});

test("the folder, the store and the hub's socket are open to their user alone", async () => {
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await tree.set("a", 1);
  const own = join(folder.path, ".banyan");
  const { socket } = JSON.parse(readFileSync(join(own, "hub.json"), "utf8")) as { socket: string };
  const places = [own, dirname(socket.replace("unix:", ""))];
  for (const name of readdirSync(join(own, "store"))) places.push(join(own, "store", name));
  const openToOthers = places.filter((path) => (statSync(path).mode & 0o077) !== 0);
  expect([places.length > 3, openToOthers]).toEqual([true, []]);
});

test("MI5: a watcher that does not read is told that it missed something, and nobody else notices", async () => {
  const COUNT = 10_000;
  using folder = temporaryFolder();
  await using tree = await open(folder.path, { create: true });
  await using other = await open(folder.path);
  const idle = other.watch("k", { maxBacklog: 1_000 });
  await next(idle, "ready");
  const seen = follow(tree, COUNT);
  for (let written = 0; written < COUNT; written += 400) {
    await Promise.all(Array.from({ length: 400 }, (_, i) => tree.set(["k", i], written + i)));
    await vi.waitUntil(() => seen.count >= written - 2_000, { timeout: DEADLINE_MS, interval: 1 });
  }
  await seen.done;
  const events: string[] = [];
  for await (const event of idle) {
    if (event.type === "reset") events.push(event.cause);
    if (events.length > 0 && event.type === "put") events.push("put");
    if (events.length > 0 && event.type === "ready") break;
  }
  expect(events).toEqual(["overflow", ...Array.from({ length: 400 }, () => "put")]);
});

/** Counts the changes of `k`, each of which has to come once. */
function follow(tree: Tree, until: number): { count: number; done: Promise<void> } {
  const seen = { count: 0, done: Promise.resolve() };
  seen.done = (async () => {
    for await (const event of tree.watch("k", { current: false })) {
      if (event.type === "ready") continue;
      if (event.type !== "put") throw new Error(`told of a ${event.type}`);
      expect(event.entry.value).toBe(seen.count++);
      if (seen.count === until) return;
    }
  })();
  return seen;
}

async function next(watch: AsyncIterableIterator<{ type: string }>, type: string): Promise<void> {
  for (;;) {
    const { value, done } = await watch.next();
    if (done === true) throw new Error("the watch ended");
    if (value.type === type) return;
  }
}
