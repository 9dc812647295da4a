// The hub: how soon another takes over from one that was killed, and what a million entries cost.
import { open } from "banyan";
import { setTimeout as pause } from "node:timers/promises";

import { ownMb, residentMb } from "./lib/cluster.mjs";
import { processUrl } from "./lib/interleave.mjs";
import {
  ask,
  end,
  endHub,
  helper,
  hubPid,
  median,
  percentile,
  short,
  temporaryFolder,
} from "./lib/measure.mjs";
import { openRedis, startRedis } from "./lib/redis.mjs";
import { part, progress, wanted } from "./lib/report.mjs";

const QUICK = process.env.BENCH_QUICK === "1";
const KILLS = QUICK ? 5 : 20;
const ENTRIES = QUICK ? 100_000 : 1_000_000;
const AT_ONCE = 1_000;
/** A session that ended sooner is taken for one of a hub that fails, and the next one waits a moment. */
const LIVES_MS = 1_300;

const TAKEOVER = "takeover of a killed hub";
const MILLION = "a million entries";

const value = (i) => String(i).padStart(12, "0") + "v".repeat(116);

const row = (what, times) => [what, short(median(times)), short(percentile(times, 0.95))];

/** From the kill of the hub until a change that was made after it has reached a watcher in another process. */
async function takeoverTable() {
  const folder = temporaryFolder();
  const tree = await open(folder, { create: true });
  await tree.set("mark", 0);
  const { child } = await helper(processUrl("follower"), folder);
  const writes = [];
  const watches = [];
  for (let i = 1; i <= KILLS; i++) {
    await pause(LIVES_MS);
    const seen = new Promise((resolve) => {
      child.on("message", (mark) => mark === i && resolve(performance.now()));
    });
    const from = performance.now();
    process.kill(hubPid(folder), "SIGKILL");
    await tree.set("mark", i);
    writes.push(performance.now() - from);
    watches.push((await seen) - from);
    child.removeAllListeners("message");
  }
  progress(TAKEOVER);
  await end(child);
  await tree.close();
  endHub(folder);
  return {
    title: "Takeover of a killed hub",
    says:
      `From its SIGKILL, ${KILLS} times, until a write that was begun right then is done, and until the watcher in ` +
      "another process, whose watch went on, has it. The clients notice, one of them starts the successor, and all " +
      "connect to that. Milliseconds.",
    head: ["", "p50 ms", "p95 ms"],
    rows: [row("the write is done", writes), row("the watcher has it", watches)],
  };
}

async function fill(put) {
  for (let at = 0; at < ENTRIES; at += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => put(at + i, value(at + i))));
    if (at % 100_000 === 0) progress(`${MILLION}: ${at} are there`);
  }
}

const name = (i, dot) => `k${dot}${String(i).padStart(7, "0")}`;

async function banyanMillion() {
  const folder = temporaryFolder();
  const tree = await open(folder, { create: true });
  await fill((i, text) => tree.set(name(i, "."), text));
  await tree.close();
  process.kill(hubPid(folder), "SIGTERM");
  while (hubPid(folder) !== undefined) await pause(20);
  // Its own hub comes with the first who opens it.
  const { child } = await helper(processUrl("first-watch"), folder);
  const first = await ask(child, "go");
  const mb = residentMb(hubPid(folder));
  const own = ownMb(hubPid(folder));
  await end(child);
  endHub(folder);
  if (first.entries !== ENTRIES) throw new Error(`wrong result: ${first.entries} entries`);
  return { ...first, mb, own };
}

async function redisMillion() {
  const server = await startRedis(temporaryFolder());
  if (server === undefined) return undefined;
  const before = residentMb(server.child.pid);
  const redis = await openRedis(server.socket);
  await fill((i, text) => redis.call("SET", name(i, "/"), text));
  const mb = residentMb(server.child.pid);
  const from = performance.now();
  let entries = 0;
  for (let cursor = "0"; ;) {
    const [next, keys] = await redis.call("SCAN", cursor, "MATCH", "k/*", "COUNT", "5000");
    if (keys.length > 0) entries += (await redis.call("MGET", ...keys)).length;
    if (next === "0") break;
    cursor = next;
  }
  if (entries < ENTRIES) throw new Error(`wrong result: ${entries} entries`);
  const watch = performance.now() - from;
  redis.end();
  await end(server.child);
  return { watch, mb, before };
}

async function millionTable() {
  const ours = await banyanMillion();
  const theirs = await redisMillion();
  const each = (mb) => `${short((mb * 2 ** 20) / ENTRIES)} bytes`;
  const cell = (of) => (theirs === undefined ? "–" : of(theirs));
  return {
    title: `${short(ENTRIES)} entries`,
    says:
      "Of 128 characters. *Open*: from `open()` in a fresh process until the tree is there, the start of the hub included. " +
      "*Watch from the start*: until every entry was delivered. *Memory*: of the process that serves them, behind that, " +
      "pages of the store's file that it has looked at included. Once each. *Redis*: SCAN and MGET of all, as it has no watch that " +
      "begins with what is there; it keeps nothing on disk. *NATS KV*: version 2.15.1, one replica, 1,000,000 values of 100 " +
      "bytes, measured on another day on a machine like this: its restart, its watch, and its memory after the load and " +
      "after overwrites and watches of everything (2.9.10: 4,300 ms, 4,700 ms, 228 and 922 MB). etcd keeps every key in " +
      "memory, too, and was not measured with a million.",
    head: ["", "Banyan", "Redis", "NATS KV"],
    rows: [
      ["open", `${short(ours.open)} ms`, "–", "1,050 ms"],
      [
        "watch from the start",
        `${short(ours.watch)} ms`,
        cell(({ watch }) => `${short(watch)} ms`),
        "3,400 ms",
      ],
      ["memory", `${short(ours.mb)} MB`, cell(({ mb }) => `${short(mb)} MB`), "292 to 621 MB"],
      ["of that no pages of the file", `${short(ours.own)} MB`, "all", "all"],
      ["memory an entry", each(ours.mb), cell(({ mb }) => each(mb)), "306 to 651 bytes"],
    ],
  };
}

await part(async () => {
  const tables = [];
  if (wanted(TAKEOVER)) tables.push(await takeoverTable());
  if (wanted(MILLION)) tables.push(await millionTable());
  return tables;
});
