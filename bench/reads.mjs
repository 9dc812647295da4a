// Reading in another process than the one that keeps the data, beside Redis and LMDB.
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { interleave, pairRatio, processUrl } from "./lib/interleave.mjs";
import { endHub, helper, median, short, temporaryFolder } from "./lib/measure.mjs";
import { fills, OVER_SOCKET, READS } from "./lib/reads.mjs";
import { startRedis } from "./lib/redis.mjs";
import { PAIRS, part, progress, ratio, wanted } from "./lib/report.mjs";

const rows = Object.keys(READS).filter(wanted);
const root = temporaryFolder();

function folder(name) {
  const path = join(root, name);
  mkdirSync(path);
  return path;
}

/** What the readers of a kind are told; filled once. */
async function placesOf() {
  const redis = await startRedis(folder("redis"));
  if (redis === undefined) progress("there is no redis-server: its column stays empty");
  const places = { lmdb: folder("lmdb"), redis: redis?.socket, banyan: folder("banyan") };
  for (const [kind, place] of Object.entries(places)) {
    progress(`filling ${kind}`);
    if (place !== undefined) await fills[kind](place);
  }
  return { ...places, socket: places.banyan };
}

/** Which of our readers has a row. */
const ours = (row) => (row === OVER_SOCKET ? "socket" : "banyan");

await part(async () => {
  const places = await placesOf();
  const subjects = {};
  for (const [kind, place] of Object.entries(places)) {
    if (place === undefined) continue;
    const open = async () => {
      const { child } = await helper(processUrl("reader"), kind, place);
      return { caller: child, children: [child] };
    };
    const isIts = {
      lmdb: (row) => !row.includes("64 in flight"),
      redis: () => true,
      banyan: (row) => row !== OVER_SOCKET,
      socket: (row) => row === OVER_SOCKET,
    }[kind];
    subjects[kind] = { open, rows: rows.filter(isIts) };
  }
  const numbers = await interleave(subjects, rows);
  endHub(places.banyan);
  const cell = (name, row) => {
    const found = numbers(name, row);
    return found === undefined ? "–" : short(median(found));
  };
  const against = (name, row) => {
    const found = numbers(name, row);
    return found === undefined ? "–" : ratio(pairRatio(numbers(ours(row), row), found));
  };
  return [
    {
      title: "Reads in another process",
      says:
        "100,000 entries of 128 characters, random keys, decoded, in a process that is not the one that keeps " +
        "them. *LMDB*: the `lmdb` package reads the file itself. *Redis*: over a unix socket, by a client that " +
        "does nothing but write commands and cut replies. *Banyan*: `tree.get` and `tree.walk().toArray()`, with " +
        `all promises on. Operations a second, medians of ${PAIRS} repetitions; the ratios are medians of pair ratios.`,
      head: ["work", "LMDB /s", "Redis /s", "Banyan /s", "ratio to LMDB", "ratio to Redis"],
      rows: rows.map((row) => [
        row,
        cell("lmdb", row),
        cell("redis", row),
        cell(ours(row), row),
        against("lmdb", row),
        against("redis", row),
      ]),
      notes: [
        "*over the socket*: `tree.get` in a worker thread, where nothing is read in place: all is asked of the hub. " +
          "Warmed up for 1.5 s, both of them.",
        "*64 in flight*: Redis' commands of one turn leave in one write, which is what clients call auto-pipelining.",
        "*scan*: Redis has no order: SCAN with a pattern goes through all keys, and MGET fetches the values.",
      ],
    },
  ];
});
