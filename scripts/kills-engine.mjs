// The engine under fire: `node scripts/kills-engine.mjs [KILLS] [SEED]`, after a build. 64 clients in eight
// processes contend for registers by compare-and-set, three others watch everything, and hub, clients and
// watchers are killed at random with SIGKILL. Afterwards each register's history is linearizable, no
// acknowledged write is lost, no count is, and what each watcher was told is what happened, gapless, once.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { formatPath, openEngine, parsePath } from "../dist/index.js";
import { findViolation, seededRandom } from "../dist/testing/index.js";
import { root } from "./prepare.mjs";
import { numbersOf } from "./numbers.mjs";

const CONTENDERS = 8;
const WITNESSES = 3;
/** How much has to happen between two kills: bytes of histories. */
const PROGRESS_BYTES = 6_000;
const DEADLINE_MS = 60_000;

/** @returns what was seen; throws where anything is wrong */
export async function killsOfEngine({ kills, seed, log = () => {} }) {
  const base = mkdtempSync(join(tmpdir(), "banyan-kills-"));
  const tree = join(base, "tree");
  mkdirSync(tree);
  const random = seededRandom(seed);
  const engine = await openEngine(tree, { create: true });
  const fleet = new Fleet(base, tree);
  const killed = { hub: 0, contender: 0, witness: 0 };
  try {
    fleet.startAll();
    for (let i = 0; i < kills; i++) {
      await fleet.progress();
      await pause(random() * 30);
      const target = ["hub", "hub", "contender", "contender", "witness"][Math.floor(random() * 5)];
      await fleet.kill(target, random);
      killed[target]++;
      if ((i + 1) % 20 === 0) log(`${i + 1} kills`);
    }
    await fleet.progress();
    await fleet.stop("contender");
    const { revision } = await engine.put(parsePath("end"), new TextEncoder().encode("end"));
    await fleet.told(revision);
    await fleet.stop("witness");
    return { killed, ...(await check(engine, fleet, revision)) };
  } finally {
    fleet.killAll();
    const hub = fleet.hub();
    await engine.close();
    if (hub !== undefined) signal(hub, "SIGKILL");
    rmSync(base, { recursive: true, force: true });
  }
}

class Fleet {
  #base;
  #tree;
  #children = new Map();
  #names = 0;
  #contenders = [];

  constructor(base, tree) {
    this.#base = base;
    this.#tree = tree;
  }

  startAll() {
    for (let i = 0; i < CONTENDERS; i++) this.#startContender();
    for (let i = 0; i < WITNESSES; i++) this.#startWitness(`witness${i}`);
  }

  get contenders() {
    return this.#contenders.map((name) => this.#lines(name));
  }

  get witnesses() {
    return Array.from({ length: WITNESSES }, (_, i) => this.#lines(`witness${i}`));
  }

  hub() {
    try {
      return JSON.parse(readFileSync(join(this.#tree, ".banyan/hub.json"), "utf8")).pid;
    } catch {
      return undefined;
    }
  }

  async kill(target, random) {
    if (target === "hub") {
      const pid = this.hub();
      if (pid !== undefined) signal(pid, "SIGKILL");
      return;
    }
    const names = [...this.#children.keys()].filter((name) => name.startsWith(target));
    const name = names[Math.floor(random() * names.length)];
    const child = this.#children.get(name);
    // Nobody but us ends them: one that has ended by itself has failed.
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    this.#children.delete(name);
    if (target === "witness") this.#startWitness(name);
    else this.#startContender();
  }

  /** Resolves when the clients have got some way. */
  async progress() {
    const size = () => this.#contenders.reduce((sum, name) => sum + this.#size(name), 0);
    const before = size();
    await until(() => size() > before + PROGRESS_BYTES, "progress");
  }

  /** Resolves when every watcher was told of a revision. */
  async told(revision) {
    const isTold = (lines) => lines.at(-1)?.cursor.revision >= revision;
    await until(() => this.witnesses.every(isTold), "the last change", 500);
  }

  async stop(target) {
    for (const [name, child] of this.#children) {
      if (!name.startsWith(target)) continue;
      this.#children.delete(name);
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const [code, endedBy] = await ended;
      // The signal ends one that is not up yet.
      if (code !== 0 && endedBy !== "SIGTERM")
        throw new Error(`${name} ended with ${code ?? endedBy}`);
    }
  }

  killAll() {
    for (const child of this.#children.values()) child.kill("SIGKILL");
  }

  #startContender() {
    const name = `contender${++this.#names}`;
    this.#contenders.push(name);
    this.#start(name, "contender.mjs", [this.#tree, name, this.#file(name)]);
  }

  #startWitness(name) {
    this.#start(name, "witness.mjs", [this.#tree, this.#file(name)]);
  }

  #start(name, program, args) {
    const script = join(root, "test/system/processes", program);
    const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "ignore", 2] });
    this.#children.set(name, child);
  }

  #file(name) {
    return join(this.#base, `${name}.jsonl`);
  }

  #size(name) {
    return statSync(this.#file(name), { throwIfNoEntry: false })?.size ?? 0;
  }

  #lines(name) {
    if (this.#size(name) === 0) return [];
    const lines = readFileSync(this.#file(name), "utf8").split("\n");
    // What is behind the last end of a line was cut off by a kill.
    return lines.slice(0, -1).map((line) => JSON.parse(line));
  }
}

async function check(engine, fleet, last) {
  const operations = fleet.contenders.flatMap(joinLines);
  const final = new Map();
  for await (const { path, revision, value } of engine.list(parsePath(":"))) {
    final.set(formatPath(path), { revision, value: new TextDecoder().decode(value) });
  }
  const [first, ...others] = fleet.witnesses.map((lines) => changesOf(lines));
  for (const other of others) assertEqual(other, first, "what two watchers were told");
  assertEqual(
    first.map(({ revision }) => revision),
    Array.from({ length: last }, (_, i) => i + 1),
    "the revisions that a watcher was told",
  );
  const told = new Map(first.map(({ key, revision, value }) => [revision, `${key}=${value}`]));
  let acknowledged = 0;
  for (const { key, value, done, revision } of operations) {
    if (done !== true) continue;
    acknowledged++;
    assertEqual(told.get(revision), `${key}=${value}`, "an acknowledged write");
  }
  const state = new Map(first.map(({ key, revision, value }) => [key, { revision, value }]));
  assertEqual(inOrder(final), inOrder(state), "the tree and what was told of it");
  checkRegisters(operations, final);
  return { operations: operations.length, acknowledged, revisions: last };
}

function checkRegisters(operations, final) {
  const byKey = new Map();
  for (const one of operations) {
    if (!byKey.has(one.key)) byKey.set(one.key, []);
    byKey.get(one.key).push(one);
  }
  for (const [key, history] of byKey) {
    const end = Math.max(...history.map(({ called, returned = called }) => returned)) + 1;
    const read = { type: "read", value: final.get(key)?.value, called: end, returned: end };
    const violation = findViolation([...history, read]);
    if (violation !== undefined) {
      throw new Error(`${key} is not linearizable: ${JSON.stringify(violation)}`);
    }
    if (!key.startsWith("counter")) continue;
    const counted = history.filter(({ type, done }) => type === "swap" && done === true).length;
    const open = history.filter(({ type, done }) => type === "swap" && done === undefined).length;
    const count = Number(final.get(key).value.split(" ")[0]);
    if (count < counted || count > counted + open) {
      throw new Error(`${key} counts ${count}; ${counted} were acknowledged, ${open} are unknown`);
    }
  }
}

/** The lines of one process as operations: a call, and its answer if there was one. */
function joinLines(lines) {
  const byId = new Map();
  for (const line of lines) byId.set(line.id, { ...byId.get(line.id), ...line });
  return [...byId.values()];
}

function changesOf(lines) {
  const events = lines.flatMap((line) => line.events);
  if (events.some(({ type }) => type === "reset")) throw new Error("a watcher was reset");
  return events.filter(({ type }) => type === "put");
}

function inOrder(map) {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function assertEqual(seen, expected, what) {
  const [a, b] = [seen, expected].map((value) => JSON.stringify(value));
  if (a === b) return;
  let at = 0;
  while (a[at] === b[at]) at++;
  const near = (text) => text.slice(Math.max(0, at - 80), at + 80);
  throw new Error(`${what}: ${near(a)}, expected ${near(b)}`);
}

async function until(is, what, everyMs = 10) {
  const end = performance.now() + DEADLINE_MS;
  while (!is()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await pause(everyMs);
  }
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kills, seed] = numbersOf(process.argv.slice(2), [200, Date.now() % 1_000_000]);
  say(`${kills} kills, seed ${seed}`);
  const seen = await killsOfEngine({ kills, seed, log: say });
  say(JSON.stringify(seen));
}
