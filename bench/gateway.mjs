// How long it takes until an interpreter elsewhere answers, against a bare one; and how fast a channel is.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Worker } from "node:worker_threads";

import { openGateway } from "banyan/gateway";

import { median } from "./lib/measure.mjs";
import { bestRatio, medianRatio, PAIRS, part, progress, wanted } from "./lib/report.mjs";

/** Starts that one repetition takes the median of. */
const STARTS = 5;
const ITEMS = 50_000;

async function timed(run) {
  const from = performance.now();
  const after = await run();
  const ms = performance.now() - from;
  await after?.();
  return ms;
}

/** A bare process, until it says something. */
async function bareProcess() {
  const child = spawn(process.execPath, ["-e", "process.stdout.write('1')"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  await once(child.stdout, "data");
  return () => ended;
}

async function bareThread() {
  const code = "require('node:worker_threads').parentPort.postMessage(1)";
  const worker = new Worker(code, { eval: true });
  await once(worker, "message");
  return () => worker.terminate();
}

const first = (spec) => async () => {
  const gateway = await openGateway(spec);
  if ((await gateway.exec("6 * 7").result) !== 42) throw new Error("a wrong result");
  return () => gateway.terminate();
};

const via = await openGateway("popen");
const firstVia = async () => {
  const gateway = await openGateway("popen", { via });
  if ((await gateway.exec("6 * 7").result) !== 42) throw new Error("a wrong result");
  return () => gateway.terminate();
};

const starts = {
  "popen, first result": [first("popen"), bareProcess],
  "popen via another, first result": [firstVia, bareProcess],
  "worker, first result": [first("worker"), bareThread],
};

async function start(subject) {
  const times = [];
  for (let i = 0; i < STARTS; i++) times.push(await timed(subject));
  return median(times);
}

/** Items a second, each sent when there is room for it. */
async function itemsFrom(gateway) {
  const run = gateway.exec("for (let i = 0; i < args[0]; i++) await channel.send(i)", [ITEMS]);
  const from = performance.now();
  let next = 0;
  for await (const item of run) if (item !== next++) throw new Error("out of order");
  if (next !== ITEMS) throw new Error(`${next} items came`);
  return ITEMS / ((performance.now() - from) / 1_000);
}

await part(async () => {
  const rows = [];
  for (const [row, [ours, bare]] of Object.entries(starts)) {
    if (!wanted(row)) continue;
    const [got, floor] = [[], []];
    for (let i = 0; i < PAIRS; i++) {
      progress(`${row}: repetition ${i + 1} of ${PAIRS}`);
      const turns = [
        [floor, bare],
        [got, ours],
      ];
      for (const [into, subject] of i % 2 === 0 ? turns : turns.toReversed()) {
        into.push(await start(subject));
      }
    }
    // Of rates, so that more is better as everywhere.
    const ratios = got.map((ms, i) => floor[i] / ms);
    rows.push([row, `${median(floor).toFixed(0)} ms`, `${median(got).toFixed(0)} ms`, medianRatio(ratios), bestRatio(ratios)]); // prettier-ignore
  }
  const rates = [];
  for (let i = 0; i < PAIRS; i++) {
    progress(`items of a channel: repetition ${i + 1} of ${PAIRS}`);
    rates.push(await itemsFrom(via));
  }
  const status = await via.status();
  await via.terminate();
  return [
    {
      title: "Gateways",
      says:
        "From `openGateway` to the first result of code that was sent. The floors are a bare `node -e` until its first " +
        "byte, and a bare `Worker` until its first message; the far side has nothing but Node, and gets its source first. " +
        `Medians of ${PAIRS} repetitions of ${STARTS} starts each.`,
      head: ["work", "bare", "Banyan", "ratio", "best"],
      rows,
      notes: [
        `A channel carries ${Math.round(median(rates) / 1_000)}k items a second from a process to this one, each sent when there is room.`,
        `The far side takes ${Math.round(status.memoryBytes / 1024 / 1024)} MB then, all of its Node included.`,
      ],
    },
  ];
});
