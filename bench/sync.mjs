// Sync proxies: one property get at a time, by blocking, against the least that a round trip can cost, and RPyC.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { interleave, pairRatio, processUrl } from "./lib/interleave.mjs";
import { helper, keep, median, RUN_MS, short, WARM_MS } from "./lib/measure.mjs";
import { PAIRS, part, progress, ratio, wanted } from "./lib/report.mjs";

const PROCESS = "get from another process";
const THREAD = "get from a worker to its parent";
const BY_PROXIES = "the same, parent with proxies too";
const PYTHON = process.env.PYTHON ?? "/usr/bin/python3";
const RPYC = fileURLToPath(new URL("processes/sync_rpyc.py", import.meta.url));

/** A server of `kind`, and a caller of it. */
const ofProcess = (kind) => async () => {
  const serving = await helper(processUrl("sync-server"), kind);
  const calling = await helper(processUrl("sync-caller"), kind, String(serving.ready));
  return { caller: calling.child, children: [calling.child, serving.child] };
};

const ofThread = (kind) => async () => {
  const { child } = await helper(processUrl("sync-caller"), kind);
  return { caller: child, children: [child] };
};

const hasRpyc = spawnSync(PYTHON, ["-c", "import rpyc"]).status === 0;
if (!hasRpyc) progress(`skipped: RPyC, as ${PYTHON} has no module rpyc`);

async function openRpyc() {
  const [serving, port] = await python("serve");
  const [calling] = await python("call", port, WARM_MS, RUN_MS);
  return { calling, children: [calling.child, serving.child] };
}

/** Resolves with the process and the first line that it wrote. */
async function python(...args) {
  const child = spawn(PYTHON, [RPYC, ...args.map(String)], { stdio: ["pipe", "pipe", "inherit"] });
  keep(child);
  const lines = createInterface({ input: child.stdout });
  const [line] = await once(lines, "line");
  return [{ child, lines }, line];
}

async function askRpyc(_, { calling: { child, lines } }) {
  child.stdin.write("measure\n");
  const [line] = await once(lines, "line");
  return Number(line);
}

const subjects = {
  floor: { open: ofProcess("floor"), rows: [PROCESS] },
  ...(hasRpyc ? { rpyc: { open: openRpyc, rows: [PROCESS], measure: askRpyc } } : {}),
  banyan: { open: ofProcess("banyan"), rows: [PROCESS] },
  atomics: { open: ofThread("atomics"), rows: [THREAD, BY_PROXIES] },
  thread: { open: ofThread("thread"), rows: [THREAD] },
  "thread-proxies": { open: ofThread("thread-proxies"), rows: [BY_PROXIES] },
};

/** What is compared in each row. */
const COMPARED = {
  [PROCESS]: { floor: "floor", banyan: "banyan", peer: hasRpyc ? "rpyc" : undefined },
  [THREAD]: { floor: "atomics", banyan: "thread" },
  [BY_PROXIES]: { floor: "atomics", banyan: "thread-proxies" },
};

const rows = Object.keys(COMPARED).filter(wanted);
const isCompared = (name) => rows.some((row) => Object.values(COMPARED[row]).includes(name));

await part(async () => {
  const chosen = Object.fromEntries(Object.entries(subjects).filter(([name]) => isCompared(name)));
  const numbers = await interleave(chosen, rows);
  return [
    {
      title: "Synchronous property gets",
      says:
        "`thing.x` again and again, where each get blocks its thread until it is answered. *Floor* between " +
        "processes: one `add` at a time, awaited, over TCP on loopback: length-prefixed msgpack frames, one write a " +
        "tick. *Floor* between threads: bare `Atomics.wait` and `notify` there and back, nothing else. The other " +
        `side of Banyan's serves from its event loop. Operations a second, medians of ${PAIRS} repetitions.`,
      head: ["work", "floor /s", "RPyC /s", "Banyan /s", "to the floor", "to RPyC"],
      rows: rows.map((row) => {
        const { floor, banyan, peer } = COMPARED[row];
        const [atFloor, ours] = [numbers(floor, row), numbers(banyan, row)];
        const theirs = peer === undefined ? undefined : numbers(peer, row);
        return [
          row,
          short(median(atFloor)),
          theirs === undefined ? "" : short(median(theirs)),
          short(median(ours)),
          ratio(pairRatio(ours, atFloor)),
          theirs === undefined ? "" : ratio(pairRatio(ours, theirs)),
        ];
      }),
      notes: hasRpyc ? [] : ["RPyC was skipped: it is not installed."],
    },
  ];
});
