// Data: the tree over its hub, against LMDB in the process itself and against the least that a hub can cost.
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { COMMITS, DATA, WATCH_WARM } from "./lib/data.mjs";
import { interleave, pairRatio, processUrl } from "./lib/interleave.mjs";
import { ask, endHub, helper, median, percentile, short, temporaryFolder } from "./lib/measure.mjs";
import { FSYNC, startRedis } from "./lib/redis.mjs";
import { PAIRS, part, ratio, wanted } from "./lib/report.mjs";

const WATCH = "put seen by a watcher";

const rows = Object.keys(DATA).filter(wanted);
/** What all of them do; only Banyan has writes that don't wait for the disk. */
const flushed = rows.filter((row) => !COMMITS.includes(row));
const all = wanted(WATCH) ? [...rows, WATCH] : rows;
const root = temporaryFolder();
let folders = 0;

function folder() {
  const path = join(root, String(++folders));
  mkdirSync(path);
  return path;
}

async function openLmdb() {
  const { child } = await helper(processUrl("storer"), "lmdb", folder());
  return { caller: child, children: [child] };
}

async function openFloor(program = "floor-hub") {
  const at = folder();
  const socket = join(at, "socket");
  const hub = await helper(processUrl(program), socket, at);
  const storer = await helper(processUrl("storer"), "floor", socket);
  return { caller: storer.child, children: [storer.child, hub.child], place: ["floor", socket] };
}

/** For the watch alone. */
async function openRedis(...place) {
  const storer = await helper(processUrl("storer"), ...place);
  return { caller: storer.child, children: [storer.child], place };
}

async function openBanyan() {
  const at = folder();
  const { child } = await helper(processUrl("storer"), "banyan", at);
  child.once("exit", () => endHub(at));
  return { caller: child, children: [child], place: ["banyan", at] };
}

/** A number a second, or, for watches, microseconds. */
async function measure(row, { caller, place }) {
  if (row !== WATCH) return ask(caller, row);
  const watcher = await helper(processUrl("watcher"), ...place);
  const ages = ask(watcher.child, "ages");
  await ask(caller, "watch");
  const counted = (await ages).slice(WATCH_WARM);
  watcher.child.kill();
  return { p50: percentile(counted, 0.5), p99: percentile(counted, 0.99) };
}

function rateRow(numbers, row) {
  const [lmdb, floor, banyan] = ["lmdb", "floor", "banyan"].map((name) => numbers(name, row));
  return [
    row,
    lmdb === undefined ? "–" : short(median(lmdb)),
    floor === undefined ? "–" : short(median(floor)),
    short(median(banyan)),
    lmdb === undefined ? "–" : ratio(pairRatio(banyan, lmdb)),
    floor === undefined ? "–" : ratio(pairRatio(banyan, floor)),
  ];
}

function watchTable(numbers) {
  const of = (name, part_) => {
    const found = numbers(name, WATCH);
    return found === undefined ? "–" : short(median(found.map((one) => one[part_])));
  };
  return {
    title: "From a put to a watcher in another process",
    says:
      "A put every 2 ms, behind 5,500 that do not count; from before the put in one process until the watcher in another has the value. " +
      `Microseconds, medians of ${PAIRS} repetitions of 500.`,
    head: ["", "p50 µs", "p99 µs"],
    rows: [
      ["floor of a relay", of("relay", "p50"), of("relay", "p99")],
      ["floor of a hub", of("floor", "p50"), of("floor", "p99")],
      ["Redis, nothing kept, least client", of("redis", "p50"), of("redis", "p99")],
      ...FSYNC.map((fsync) => [`Redis, ${fsync}`, of(fsync, "p50"), of(fsync, "p99")]),
      ["Banyan", of("banyan", "p50"), of("banyan", "p99")],
    ],
    notes: [
      "LMDB has no watches. *Floor of a relay*: msgpack frames over a unix socket to a process that keeps a map; no store is less.",
      "*Banyan*: `set` as it is by default, which outlives every process; the floor waits for the disk.",
      "*Redis*: a keyspace event, and a GET for the value. *everysec*, *always*: its append-only file, ioredis over TCP; " +
        "`everysec` outlives its process as `set` does, `always` a power failure. *Least client*: as little as one can be.",
    ],
  };
}

await part(async () => {
  const server = wanted(WATCH) ? await startRedis(folder()) : undefined;
  const redis = server === undefined ? {} : { redis: ["redis", server.socket] };
  for (const fsync of server === undefined ? [] : FSYNC) {
    const { port } = await startRedis(folder(), fsync);
    redis[fsync] = ["ioredis", `${port}`];
  }
  const subjects = {
    lmdb: { open: openLmdb, rows: flushed.filter((row) => row !== "get, 64 in flight"), measure },
    floor: {
      open: () => openFloor(),
      rows: wanted(WATCH) ? [...flushed, WATCH] : flushed,
      measure,
    },
    ...(wanted(WATCH) && {
      relay: { open: () => openFloor("floor-relay"), rows: [WATCH], measure },
    }),
    ...Object.fromEntries(
      Object.entries(redis).map(([name, place]) => [
        name,
        { open: () => openRedis(...place), rows: [WATCH], measure },
      ]),
    ),
    banyan: { open: openBanyan, measure },
  };
  const numbers = await interleave(subjects, all);
  const table = {
    title: "Data",
    says:
      "20,000 entries of 128 characters. *LMDB*: the `lmdb` package in the process itself, no hub, nobody else " +
      "sees a change. *Floor of a hub*: msgpack frames over a unix socket to a process with LMDB. *Banyan*: " +
      "`tree.get`, `set` and `list` over a unix socket to its hub. In all three a *put* is done when it is on " +
      `disk. Operations a second, medians of ${PAIRS} repetitions; the ratios are medians of pair ratios.`,
    head: ["work", "LMDB /s", "floor /s", "Banyan /s", "ratio to LMDB", "ratio to floor"],
    rows: rows.map((row) => rateRow(numbers, row)),
    notes: [
      "*get*: random keys; LMDB's is a synchronous call, so that nothing can be in flight.",
      "*list*: the children of an entry with their values, as entries a second; LMDB and the floor give bare values, Banyan revision, author and time too.",
      "*put (commit)*: what `set` does unless it is told otherwise: done when the hub has it, which outlives every process, but not a power failure.",
      "*put*: writes also keep a log of changes, by which watches go on after a break, and say who wrote what when.",
    ],
  };
  return wanted(WATCH) ? [table, watchTable(numbers)] : [table];
});
