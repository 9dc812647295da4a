// `npm run bench [-- PART[/ROWS]] [--quick] [--no-build]`: builds, measures one part after the other in fresh processes, and
// prints tables to stdout. PART and ROWS are regular expressions. A full run (no filter, not quick) writes
// docs/benchmarks.md.
import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";

import { markdown } from "../bench/lib/report.mjs";
import { build, install, requireNode, root, version } from "./prepare.mjs";

const PARTS = ["remote", "threads", "tree", "code", "jobs"];
/** A part that takes longer hangs. */
const PART_MS = 15 * 60_000;

const flags = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const [filter = ""] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const quick = flags.includes("--quick");
const unknown = flags.find((flag) => flag !== "--quick" && flag !== "--no-build");
if (unknown !== undefined) fail(`unknown option ${unknown}: there are --quick and --no-build`);

const [partFilter, rows = ""] = filter.split("/");
const parts = PARTS.filter((name) => new RegExp(partFilter, "i").test(name));
if (parts.length === 0) fail(`no part matches ${partFilter}: there are ${PARTS.join(", ")}`);

requireNode();
install();
if (!flags.includes("--no-build")) build();

const started = new Date();
const load = loadavg()[0];
const texts = [];
for (const name of parts) {
  process.stderr.write(`${name} ...\n`);
  for (const table of await measure(name)) {
    const text = markdown(table);
    texts.push(text);
    process.stdout.write(`${text}\n`);
  }
}
if (filter === "" && !quick) {
  writeFileSync(`${root}/docs/benchmarks.md`, page(texts));
  process.stderr.write("written to docs/benchmarks.md\n");
}

async function measure(name) {
  const settings = quick ? { BENCH_QUICK: "1", BENCH_REPEAT: "1", BENCH_MS: "300" } : {};
  const child = fork(`${root}/bench/${name}.mjs`, {
    cwd: root,
    env: { ...process.env, ...settings, BENCH_ROWS: rows },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    timeout: PART_MS,
  });
  let tables;
  child.once("message", (message) => {
    tables = message;
  });
  const [code, signal] = await once(child, "exit");
  if (code !== 0 || tables === undefined) fail(`${name} failed: ${code ?? signal}`);
  return tables;
}

function page(tables) {
  const [{ model }] = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return [
    "# Benchmarks",
    "",
    "Written by `npm run bench`. Absolute figures are of one machine and one run; the ratios, of subjects measured in",
    "turn in the same run, are what compares.",
    "",
    `${started.toISOString().slice(0, 10)}, Banyan ${version()}, Node.js ${process.version}, ${type()} ${release().split(".", 2).join(".")}, ` +
      `${availableParallelism()} cores (${model.trim()}), ${gigabytes} GB; load before the run: ${load.toFixed(1)}.`,
    "",
    ...(load > 1
      ? ["**The machine was busy with other work: these figures are preliminary.**", ""]
      : []),
    "Method: each part runs in processes of its own, which are started anew for each repetition. Within a repetition",
    "the subjects take turns row by row: a warm-up, then 0.7 s. The result of every operation is checked; a wrong one",
    "ends the run. Differences below 15 % mean nothing.",
    "",
    ...tables,
  ].join("\n");
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
