/**
 * The weather example under fire: the processes of `banyan dev` are killed at random with SIGKILL, and
 * afterwards the statistics equal the committed table, no token has written for two runs, and the
 * station has lost no day. Progress of the example itself paces the kills; nothing sleeps.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { open, type Tree } from "banyan";
import { seededRandom } from "banyan/testing";
import { expect, it } from "vitest";

import { difference, tableOf } from "../../examples/weather/table.mjs";
import { View } from "../../examples/weather/view.mjs";
import { systemClock } from "../../src/base/clock.ts";
import { COMMAND, hubPid, ROOT, shuffled, temporaryFolder } from "./kit.ts";

const KILLS = { holder: 10, other: 10, hub: 10 } as const;
type Target = keyof typeof KILLS;

const EXAMPLE = join(ROOT, "examples/weather");
const DEADLINE_MS = 240_000;

it(
  "the statistics equal the table after 30 random kills of holder, other nodes and hub",
  { timeout: DEADLINE_MS + 30_000 },
  async () => {
    const seed = Number(process.env["BANYAN_SEED"] ?? Date.now() % 1_000_000);
    process.stdout.write(`kills: BANYAN_SEED=${seed}\n`);
    using folder = temporaryFolder();
    await using system = await start(folder.path);
    const { tree, signal } = system;
    await tree.set("weather.pace", 0.03);
    await using witness = new Witness(tree, signal);
    const view = await View.open(tree, { where: folder.path });
    const drawn: string[] = [];

    const random = seededRandom(seed);
    const counts = { holder: 0, other: 0, hub: 0 };
    for (const target of shuffled(plan(), random)) {
      await witness.days(1 + Math.floor(random() * 12));
      await kill(target, { tree, folder: folder.path, random, signal });
      counts[target] += 1;
      drawn.push(...view.draw({ columns: 200 }));
    }
    expect(counts).toEqual(KILLS);

    await witness.moved(view, drawn);
    await tree.set("weather.pace", 0);
    const expected = readFileSync(join(EXAMPLE, "expected.tsv"), "utf8");
    await witness.until(async () => (await tableOf(tree)) === expected).catch(() => {});
    expect(difference(expected, await tableOf(tree))).toEqual([]);
    expect(witness.problems).toEqual([]);
    expect(witness.tokens.size).toBeGreaterThan(1);
    expect(drawn.some((line) => /statistics: .*(failover|takeover)/.test(line))).toBe(true);
  },
);

interface System extends AsyncDisposable {
  readonly tree: Tree;
  readonly signal: AbortSignal;
}

async function start(folder: string): Promise<System> {
  const out = new AbortController();
  const deadline = out.signal;
  const timer = systemClock.after(DEADLINE_MS, () => out.abort(new Error("out of time")));
  const child: ChildProcess = spawn(process.execPath, [COMMAND, "-t", folder, "dev", EXAMPLE], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr?.on("data", (chunk) => (log += String(chunk)));
  const ended = once(child, "exit");
  const tree = await open(folder, { create: true, author: "test", signal: deadline });
  return {
    tree,
    signal: deadline,
    [Symbol.asyncDispose]: async () => {
      if (deadline.aborted)
        process.stdout.write(`--- out of time; the log ends ---\n${log.slice(-8000)}\n`);
      timer[Symbol.dispose]();
      await tree.close();
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** Watches everything the example writes, and judges it. */
class Witness implements AsyncDisposable {
  readonly problems: string[] = [];
  /** Which run wrote under which token. */
  readonly tokens = new Map<number, string>();
  readonly #tree: Tree;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #watching: Promise<void>[];
  #listeners = new Set<() => void>();
  #day = 0;
  #lastToken = 0;

  constructor(tree: Tree, signal: AbortSignal) {
    this.#tree = tree;
    signal.addEventListener("abort", () => this.#stop.abort(signal.reason));
    this.#signal = this.#stop.signal;
    this.#watching = [this.#station(), this.#months()];
  }

  /** Resolves when that many further days are in the tree. */
  async days(count: number): Promise<void> {
    const goal = this.#day + count;
    await this.until(() => Promise.resolve(this.#day >= goal));
  }

  /** Resolves when the view has told of a move of the statistics. */
  async moved(view: View, drawn: string[]): Promise<void> {
    await this.until(() => {
      drawn.push(...view.draw({ columns: 200 }));
      return Promise.resolve(drawn.some((line) => line.includes("weather.statistics: ")));
    });
  }

  /** Asks again after every change; rejects when the test's time is up. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) {
      await new Promise<void>((resolve, reject) => {
        const wake = (): void => {
          this.#listeners.delete(wake);
          this.#signal.removeEventListener("abort", fail);
          resolve();
        };
        const fail = (): void => reject(this.#signal.reason as Error);
        this.#listeners.add(wake);
        this.#signal.addEventListener("abort", fail, { once: true });
        if (this.#signal.aborted) fail();
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#watching);
  }

  async #station(): Promise<void> {
    for await (const event of this.#tree.watch("weather.station", { signal: this.#signal })) {
      if (event.type === "put") {
        const { next } = event.entry.value as { next: number };
        if (next < this.#day)
          this.problems.push(`the station went back from ${this.#day} to ${next}`);
        if (next > this.#day + 1) this.problems.push(`day ${this.#day + 1} was not seen`);
        this.#day = next;
      }
      this.#wake();
    }
  }

  async #months(): Promise<void> {
    for await (const event of this.#tree.watch("weather", { signal: this.#signal })) {
      this.#wake();
      if (event.type !== "put" || event.entry.path[1] !== "month") continue;
      const { token, run } = event.entry.value as { token: number; run: string };
      const before = this.tokens.get(token);
      if (before !== undefined && before !== run) {
        this.problems.push(`token ${token} wrote for run ${before} and for run ${run}`);
      }
      if (token < this.#lastToken) {
        this.problems.push(`token ${token} wrote after token ${this.#lastToken}`);
      }
      this.#lastToken = Math.max(this.#lastToken, token);
      this.tokens.set(token, run);
    }
  }

  #wake(): void {
    for (const wake of this.#listeners) wake();
  }
}

interface Killing {
  readonly tree: Tree;
  readonly folder: string;
  readonly random: () => number;
  readonly signal: AbortSignal;
}

async function kill(target: Target, { tree, folder, random, signal }: Killing): Promise<void> {
  if (target === "hub") {
    await untilKilled(() => Promise.resolve(hubPid(folder)), signal);
    return;
  }
  await untilKilled(async () => {
    const state = (await tree.get(tree.system.state.concat(["-", "weather", "statistics"]))) as
      | { node: string; stopped: number | null }
      | undefined;
    if (state === undefined || state.stopped !== null) return undefined;
    const nodes: { name: string; pid: number }[] = [];
    for await (const { path, value } of tree.walk(tree.system.node, { minDepth: 1 })) {
      const { pid, ended } = value as { pid: number; ended?: number };
      if (ended === undefined) nodes.push({ name: String(path.at(-1)), pid });
    }
    const fitting = nodes.filter(({ name }) => (name === state.node) === (target === "holder"));
    return fitting[Math.floor(random() * fitting.length)]?.pid;
  }, signal);
}

/** Asks for a victim until there is one that could be killed. */
async function untilKilled(
  victim: () => Promise<number | undefined>,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const pid = await victim();
    try {
      if (pid !== undefined) {
        process.kill(pid, "SIGKILL");
        return;
      }
    } catch {
      // It died in between: the next question finds another.
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function plan(): Target[] {
  return (Object.keys(KILLS) as Target[]).flatMap((target) =>
    Array.from({ length: KILLS[target] }, () => target),
  );
}
