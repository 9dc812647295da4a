// Watches, counted: `node scripts/count-changes.mjs [CHANGES] [KILLS]`, after a build. While so many changes
// are written, three other processes watch everything, and the hub is killed now and then. Each is told every
// change once, in order. The writer waits for the slowest, so that nobody is told to start over.
import { fork } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { openEngine, Path } from "../dist/index.js";
import { root } from "./prepare.mjs";
import { numbersOf } from "./numbers.mjs";

const WATCHERS = 3;
/** Writes that are under way at a time, and how far a watcher may be behind. */
const AT_A_TIME = 200;
const MAX_LAG = 4_000;

/** @returns what was seen; throws where a change was missed or told twice */
export async function countChanges({ changes, kills, log = () => {} }) {
  const base = mkdtempSync(join(tmpdir(), "banyan-count-"));
  const tree = join(base, "tree");
  mkdirSync(tree);
  const engine = await openEngine(tree, { create: true });
  const watchers = Array.from({ length: WATCHERS }, () => new Watcher(tree));
  try {
    const since = performance.now();
    let killed = 0;
    for (let written = 0; written < changes;) {
      const count = Math.min(AT_A_TIME, changes - written);
      const puts = Array.from({ length: count }, (_, i) => put(engine, written + i));
      written += count;
      if (written > ((killed + 1) * changes) / (kills + 1)) {
        killed++;
        process.kill(hubOf(tree), "SIGKILL");
      }
      await Promise.all(puts);
      await Promise.all(watchers.map((watcher) => watcher.reaches(written - MAX_LAG)));
      if (written % 100_000 < count) log(`${written} changes`);
    }
    await Promise.all(watchers.map((watcher) => watcher.reaches(changes)));
    const seconds = (performance.now() - since) / 1_000;
    const resumed = watchers.map((watcher) => watcher.resumed);
    return { changes, killed, resumed, perSecond: Math.round(changes / seconds) };
  } finally {
    for (const watcher of watchers) watcher.end();
    const hub = hubOf(tree);
    await engine.close();
    if (hub !== undefined) process.kill(hub, "SIGKILL");
    rmSync(base, { recursive: true, force: true });
  }
}

class Watcher {
  #child;
  #last = 0;
  resumed = 0;
  #waiting;
  #failed;

  constructor(tree) {
    const script = join(root, "test/system/processes/counter.mjs");
    this.#child = fork(script, [tree], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#child.on("message", ({ last, resumed }) => {
      this.#last = last;
      this.resumed = resumed;
      this.#waiting?.();
    });
    this.#child.on("exit", (code) => {
      this.#failed = new Error(`a watcher ended with ${code}`);
      this.#waiting?.();
    });
  }

  async reaches(revision) {
    while (this.#last < revision) {
      if (this.#failed !== undefined) throw this.#failed;
      await new Promise((resolve) => (this.#waiting = resolve));
    }
  }

  end() {
    this.#child.kill("SIGKILL");
  }
}

function put(engine, n) {
  return engine.put(Path.fromElements(["k", n % 1_000]), new TextEncoder().encode(`${n}`));
}

function hubOf(tree) {
  try {
    return JSON.parse(readFileSync(join(tree, ".banyan/hub.json"), "utf8")).pid;
  } catch {
    return undefined;
  }
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [changes, kills] = numbersOf(process.argv.slice(2), [1_000_000, 20]);
  say(JSON.stringify(await countChanges({ changes, kills, log: say })));
}
