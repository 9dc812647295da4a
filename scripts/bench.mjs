// `npm run bench [-- PART[/ROWS]] [--markdown] [--write] [--json=FILE] [--quick] [--no-build]`: builds, and measures one
// part after the other in fresh processes. PART and ROWS are regular expressions. The tables go to stdout, as Markdown;
// progress goes to stderr. `--markdown` prints each part as it stands in docs/benchmarks.md, with when and where it was
// measured; `--write` puts it there, and leaves the other parts as they are. `--json` writes the same as data.
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";

import { markdown } from "../bench/lib/report.mjs";
import { build, install, requireNode, root, version } from "./prepare.mjs";

const PAGE = `${root}/docs/benchmarks.md`;
/** In this order, those which there are; others come behind them. */
const ORDER = ["remote", "threads", "sync", "gateway", "tree", "reads", "hub", "code", "jobs"];
const PARTS = readdirSync(`${root}/bench`)
  .filter((name) => name.endsWith(".mjs"))
  .map((name) => name.slice(0, -".mjs".length))
  .sort((a, b) => placeOf(a) - placeOf(b));
/** A part that takes longer hangs. */
const PART_MS = 25 * 60_000;
const FLAGS = ["--markdown", "--write", "--quick", "--no-build"];
const JSON_FLAG = "--json=";

const flags = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const [filter = ""] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const quick = flags.includes("--quick");
const json = flags.find((flag) => flag.startsWith(JSON_FLAG))?.slice(JSON_FLAG.length);
const unknown = flags.find((flag) => !FLAGS.includes(flag) && !flag.startsWith(JSON_FLAG));
if (unknown !== undefined) {
  fail(`unknown option ${unknown}: there are ${FLAGS.join(", ")} and ${JSON_FLAG}FILE`);
}

const [partFilter, rows = ""] = filter.split("/");
const parts = PARTS.filter((name) => new RegExp(partFilter, "i").test(name));
if (parts.length === 0) fail(`no part matches ${partFilter}: there are ${PARTS.join(", ")}`);
if (flags.includes("--write") && (rows !== "" || quick)) {
  fail("--write takes whole parts, without --quick");
}

requireNode();
install();
if (!flags.includes("--no-build")) build();

const measured = [];
for (const name of parts) {
  process.stderr.write(`${name} ...\n`);
  const started = new Date().toISOString();
  const load = loadavg()[0];
  const tables = await measure(name);
  const taken = { part: name, started, load, machine: machine(), version: version(), tables };
  measured.push(taken);
  const text = tables.map(markdown).join("\n");
  const section = `${stamp(taken)}\n\n${text}`;
  process.stdout.write(`${flags.includes("--markdown") ? section : text}\n`);
  if (flags.includes("--write")) putInPage(name, section);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(measured, undefined, 2)}\n`);
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

function machine() {
  const [{ model }] = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const system = `${type()} ${release().split(".", 2).join(".")}`;
  return `Node.js ${process.version}, ${system}, ${availableParallelism()} cores (${model.trim()}), ${gigabytes} GB`;
}

function stamp({ started, load, machine: where, version: ours }) {
  const busy = load > 1 ? " **The machine was busy with other work: take the ratios only.**" : "";
  return `*${started.slice(0, 10)}, Banyan ${ours}, ${where}; load before: ${load.toFixed(1)}.*${busy}`;
}

/** Replaces what stands between a part's two marks. */
function putInPage(name, section) {
  const page = readFileSync(PAGE, "utf8");
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const block = `${begin}\n\n${section.trimEnd()}\n\n${end}`;
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  const put =
    from < 0 || to < from
      ? `${page.trimEnd()}\n\n${block}\n`
      : page.slice(0, from) + block + page.slice(to + end.length);
  writeFileSync(PAGE, put);
  process.stderr.write(`${name} written to docs/benchmarks.md\n`);
}

function placeOf(name) {
  const place = ORDER.indexOf(name);
  return place < 0 ? ORDER.length : place;
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
