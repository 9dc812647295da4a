// Jobs: how soon one runs, how soon another node takes it over, and what a node weighs.
import { CodeRoot, JobRoot } from "banyan";

import { openCluster, residentMb } from "./lib/cluster.mjs";
import { processUrl } from "./lib/interleave.mjs";
import { end, helper, hubPid, median, percentile, short } from "./lib/measure.mjs";
import { part, progress, wanted } from "./lib/report.mjs";

const QUICK = process.env.BENCH_QUICK === "1";
const STARTS = QUICK ? 10 : 50;
const WARM = 10;
const KILLS = QUICK ? 3 : 10;
const FREEZES = QUICK ? 1 : 3;
const BEATS = QUICK ? 2 : 5;

const START = "start of jobs";
const TAKEOVER = "takeover";
const MEMORY = "memory";

/** Tells when it began by the machine's own steady clock, which all processes share. */
const NOW = `
await _client.set(["bench", "seen", mark], {
  node: _self.node,
  steady: String(process.hrtime.bigint()),
  wall: performance.timeOrigin + performance.now(),
});`;
const HOLD = `${NOW}
for await (const event of _info) if (event.type === "nothing") break;`;

const steady = () => process.hrtime.bigint();
const msSince = (from, value) => Number(BigInt(value.steady) - from) / 1e6;

async function prepared() {
  const cluster = await openCluster();
  const code = await CodeRoot.open(cluster.tree, { evaluate: false });
  await code.add("bench.now", { code: NOW, vars: ["mark"], is_async: true });
  await code.add("bench.hold", { code: HOLD, vars: ["mark"], is_async: true });
  await code.close();
  return { cluster, jobs: await JobRoot.open(cluster.tree) };
}

async function starts() {
  const { cluster, jobs } = await prepared();
  await cluster.start("n1");
  const atOnce = [];
  const late = [];
  const seen = (mark) => cluster.until(["bench", "seen", mark], () => true);
  for (let i = 0; i < WARM + STARTS; i++) {
    const mark = `once${i}`;
    const value = seen(mark);
    const from = steady();
    await jobs.set(["bench", mark], { code: "bench.now", data: { mark }, target: 0 });
    atOnce.push(msSince(from, await value));
  }
  progress("jobs that are due at once");
  for (let i = 0; i < WARM + STARTS; i++) {
    const mark = `timed${i}`;
    const value = seen(mark);
    const target = Date.now() + 150;
    await jobs.set(["bench", mark], {
      code: "bench.now",
      data: { mark },
      target: target / 1000,
    });
    late.push((await value).wall - target);
  }
  progress("jobs that are due later");
  await cluster.close();
  return {
    title: "Start of jobs",
    says:
      "Until the job's code runs in the lane of a node that runs already, by the code's own clock. Milliseconds, " +
      `${STARTS} jobs each, one at a time.`,
    head: ["", "p50 ms", "p95 ms"],
    rows: [
      startRow("a new job that is due at once: from the call of `set`", atOnce),
      startRow("a job with a time: from that time", late),
    ],
    notes: [
      "In between lie the write of the entry, the claim of the job, and the record that says it runs, each on disk.",
    ],
  };
}

function startRow(name, times) {
  const counted = times.slice(WARM);
  return [name, short(median(counted)), short(percentile(counted, 0.95))];
}

/** Times from a fault of the node that runs the job until its code runs on the other. */
async function takeovers(signal, count) {
  const { cluster, jobs } = await prepared();
  await cluster.start("n1");
  await cluster.start("n2");
  const times = [];
  let holder = cluster.until(["bench", "seen", "held"], () => true);
  await jobs.set("bench.held", {
    code: "bench.hold",
    data: { mark: "held" },
    target: 0,
    delay: 0.1,
  });
  let { node } = await holder;
  for (let i = 0; i < count; i++) {
    const victim = cluster.process(node);
    const dead = node;
    holder = cluster.until(["bench", "seen", "held"], (value) => value.node !== dead);
    const from = steady();
    victim.kill(signal);
    const value = await holder;
    times.push(msSince(from, value));
    ({ node } = value);
    if (signal !== "SIGKILL") await end(victim, "SIGKILL");
    await cluster.start(dead);
  }
  progress(`takeover after ${signal}`);
  await cluster.close();
  return times;
}

async function takeoverTable() {
  const killed = await takeovers("SIGKILL", KILLS);
  const frozen = await takeovers("SIGSTOP", FREEZES);
  return {
    title: "Takeover",
    says:
      "An any-node job on one of two nodes, on one machine; from the fault until its code runs on the other node. " +
      "Milliseconds.",
    head: ["", "times", "median ms", "longest ms"],
    rows: [
      takeoverRow("its node is killed (SIGKILL)", killed),
      takeoverRow("its node is frozen (SIGSTOP)", frozen),
    ],
    notes: [
      "Of a process that is gone, its machine knows; of a frozen one, only its lease says so, which is 5 s long. It had been renewed up to a second before the fault.",
    ],
  };
}

function takeoverRow(name, times) {
  return [name, String(times.length), short(median(times)), short(Math.max(...times))];
}

async function memory() {
  const { cluster, jobs } = await prepared();
  const bare = await helper(processUrl("idle"));
  const joined = await helper(processUrl("joined"), cluster.folder);
  const node = await cluster.start("n1");
  await cluster.beats("n1", { pid: node.pid, count: BEATS });
  const idle = residentMb(node.pid);
  const value = cluster.until(["bench", "seen", "m"], () => true);
  await jobs.set("bench.m", { code: "bench.now", data: { mark: "m" }, target: 0 });
  await value;
  await cluster.beats("n1", { pid: node.pid, count: BEATS });
  const rows = [
    ["a bare Node.js process", residentMb(bare.child.pid)],
    ["a process that has opened the tree", residentMb(joined.child.pid)],
    ["the hub", residentMb(hubPid(cluster.folder))],
    ["a node that has run nothing", idle],
    ["the same after its first job, with its lane", residentMb(node.pid)],
  ];
  await end(bare.child);
  await end(joined.child);
  await cluster.close();
  return {
    title: "Memory of idle processes",
    says: `Resident memory (VmRSS), shared pages counted in each, after ${BEATS} renewals of the node's lease.`,
    head: ["process", "MB"],
    rows: rows.map(([name, mb]) => [name, mb.toFixed(0)]),
  };
}

await part(async () => {
  const tables = [];
  if (wanted(MEMORY)) tables.push(await memory());
  if (wanted(START)) tables.push(await starts());
  if (wanted(TAKEOVER)) tables.push(await takeoverTable());
  return tables;
});
