// Stresses sync proxies, built before: `node scripts/stress-sync.mjs [calls] [--seed N] [--load N]`.
// One driver calls a thread, two processes that block too and one that serves from its event loop, a million times by
// default: with callbacks within callbacks, calls that cross, circles of three, large arguments, errors, timeouts,
// sessions that close and peers that are killed. `--load` starts so many processes that do nothing but compute. Fails
// where an answer is wrong, or nothing goes on: then it says what everybody was at. `taskset -c 0` puts all on one core.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const STUCK_MS = 60_000;
const LOOK_MS = 2_000;
const PROCESSES = new URL("stress-sync/", import.meta.url);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: "string" }, load: { type: "string", default: "0" } },
});
const calls = Number(positionals[0] ?? 1_000_000);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
process.stdout.write(`${calls} calls, --seed ${seed} --load ${values.load}\n`);

const folder = mkdtempSync(join(tmpdir(), "banyan-stress-"));
const children = [];
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

for (let i = 0; i < Number(values.load); i++) start("burner");
const peers = ["first", "second", "server"].map((name) => start("peer", name, folder));
await Promise.all(peers.map((child) => once(child, "message")));
const begun = performance.now();
const driver = start("driver", folder, String(calls), String(seed));
const watch = setInterval(look, LOOK_MS);
let seen = "";
let seenAt = performance.now();

const [code, signal] = await once(driver, "exit");
clearInterval(watch);
if (code !== 0) fail(`the driver ended with ${code ?? signal}`);
process.stdout.write(`done in ${Math.round((performance.now() - begun) / 1000)} s\n`);
process.exit(0);

function start(name, ...args) {
  const child = fork(new URL(`${name}.mjs`, PROCESSES), args);
  children.push(child);
  return child;
}

/** Shows how far it is, and gives up where nothing goes on. */
function look() {
  const now = states().driver ?? "";
  if (now !== seen) {
    seen = now;
    seenAt = performance.now();
    process.stdout.write(`${Math.round((seenAt - begun) / 1000)} s: ${now}\n`);
  } else if (performance.now() - seenAt > STUCK_MS) {
    fail(`nothing went on for ${STUCK_MS / 1000} s`);
  }
}

function fail(what) {
  process.stdout.write(`FAILED, --seed ${seed}: ${what}\n`);
  for (const [name, state] of Object.entries(states()))
    process.stdout.write(`  ${name}: ${state}\n`);
  process.exit(1);
}

/** What everybody was at last. */
function states() {
  const files = readdirSync(folder).filter((name) => name.endsWith(".state"));
  return Object.fromEntries(
    files.map((name) => [name.slice(0, -6), readFileSync(join(folder, name), "utf8").trimEnd()]),
  );
}
