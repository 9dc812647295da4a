// Runs the example: `banyan dev` on this folder with three nodes and a tree of its own, and a view of it.
// On a terminal it goes on until Ctrl-C; otherwise it replays all days at full speed, compares the
// statistics with expected.tsv, and exits with 0 if they are equal, else with 1.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createWriteStream } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { open } from "banyan";

import { difference, tableOf } from "./table.mjs";
import { View } from "./view.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const command = fileURLToPath(new URL("../../dist/entry/banyan.js", import.meta.url));
const REPLAY_TIMEOUT_MS = 90_000;

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => stop.abort(new Error(name)));

const where = await mkdtemp(join(tmpdir(), "banyan-weather-"));
const terminal = process.stdout.isTTY;
const logFile = join(where, "dev.log");
const system = spawn(process.execPath, [command, "-t", where, "dev", here], {
  // On a terminal the log would tear the picture; without one it is what people read if it fails.
  stdio: ["ignore", "pipe", "pipe"],
  detached: true,
});
const log = createWriteStream(logFile);
system.stdout.pipe(log);
system.stderr.pipe(log);
const ended = once(system, "exit");
void ended.then(() => stop.abort(new Error("banyan dev ended")));

let exitCode = 1;
const isAlive = (child) => child.exitCode === null && child.signalCode === null;
try {
  const tree = await open(where, { create: true, author: "view", signal: stop.signal });
  try {
    exitCode = await (terminal ? show(tree) : replay(tree));
    if (!isAlive(system)) exitCode = 1;
  } finally {
    await tree.close();
  }
} catch (error) {
  if (stop.signal.aborted) exitCode = terminal && isAlive(system) ? 0 : 130;
  else process.stderr.write(`${error.stack ?? error}\n`);
} finally {
  if (!isAlive(system)) process.stderr.write("banyan dev ended, and everything with it\n");
  system.kill("SIGTERM");
  await ended;
  if (exitCode === 1) {
    process.stderr.write(`--- the log ---\n${await readFile(logFile, "utf8")}`);
  }
  await rm(where, { recursive: true, force: true });
}
process.exit(exitCode);

async function show(tree) {
  const view = await View.open(tree, { where });
  process.stdout.write("\u001B[?1049h\u001B[?25l");
  try {
    while (!stop.signal.aborted) {
      const lines = view.draw({ columns: process.stdout.columns });
      process.stdout.write(`\u001B[H${lines.map((line) => `${line}\u001B[K`).join("\n")}\u001B[J`);
      await sleep(200, undefined, { signal: stop.signal }).catch(() => {});
    }
  } finally {
    process.stdout.write("\u001B[?25h\u001B[?1049l");
  }
  return 0;
}

async function replay(tree) {
  const started = performance.now();
  await tree.set("weather.pace", 0);
  const expected = await readFile(new URL("expected.tsv", import.meta.url), "utf8");
  const days =
    (await readFile(new URL("data/weather/source.csv", import.meta.url), "utf8"))
      .trimEnd()
      .split("\n").length - 1;
  process.stdout.write(`replaying ${days} days on three nodes ...\n`);
  const actual = await settled(tree, { expected, until: started + REPLAY_TIMEOUT_MS });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const wrong = difference(expected, actual);
  if (wrong.length > 0) {
    process.stdout.write(`the statistics differ from expected.tsv:\n${wrong.join("\n")}\n`);
    return 1;
  }
  const station = await tree.get(tree.system.state.concat(["n1", "weather", "station"]));
  const statistics = await tree.get(tree.system.state.concat(["-", "weather", "statistics"]));
  process.stdout.write(
    `${days} days in ${seconds} s; 48 months and both alarms equal expected.tsv\n` +
      `  station on ${station?.node}: ${station?.result}\n` +
      `  statistics on ${statistics?.node}, token ${statistics?.token}\n`,
  );
  return 0;
}

/** Waits until the tree's table is the expected one, or time is up; gives the last one either way. */
async function settled(tree, { expected, until }) {
  let actual = "";
  while (performance.now() < until) {
    actual = await tableOf(tree);
    if (actual === expected) break;
    await sleep(250, undefined, { signal: stop.signal });
  }
  return actual;
}
