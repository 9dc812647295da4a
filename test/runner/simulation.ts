import { BanyanError } from "../../src/base/errors.ts";
import type { RunCode } from "../../src/executor/executor.ts";
import type { RunContext } from "../../src/runner/run-context.ts";
import type { Fence } from "../../src/runner/ownership.ts";
import { seededRandom } from "../../src/testing/random.ts";
import { formatPath } from "../../src/wire/path-text.ts";
import { Cluster, type NodeParts, type TestNode } from "./cluster.ts";

/** What a seed decides, and a fault can take away to see whether anybody notices. */
export interface SimulationOptions {
  readonly seed: number;
  readonly jobs: number;
  /** How much time passes before everything is healed. */
  readonly ms: number;
  /** Code that does not look at the deadline. */
  readonly withoutDeadlineCheck?: boolean;
  /** Writes that don't carry the fence. */
  readonly withoutFence?: boolean;
}

/** What went wrong; empty in a good world. */
export interface Verdict {
  readonly violations: readonly string[];
  readonly starts: number;
  readonly faults: number;
}

const NAMES = ["n1", "n2", "n3"];
const ONCE_JOBS = 8;
const STEP_MS = 20;
const FAULT_EVERY_MS = 700;
/** How long a fault may last. */
const MAX_FAULT_MS = 9_000;

/**
 * Three nodes and some any-node jobs that never end, under kills, freezes, cuts, slow answers and lost
 * ones, all drawn from the seed. The jobs write what they are to an entry of their own.
 */
export async function simulate(options: SimulationOptions): Promise<Verdict> {
  const random = seededRandom(options.seed);
  const world = new World(options, random);
  await using cluster = await Cluster.open({ parts: (node) => world.parts(node) });
  world.cluster = cluster;
  for (const name of NAMES) await world.start(name);
  for (let i = 0; i < options.jobs; i++) {
    await cluster.jobs.set(`job.j${i}`, { code: "endless", delay: 0.5, jitter: 0 });
  }
  for (let i = 0; i < ONCE_JOBS; i++) {
    const target = (cluster.clock.wall() + options.ms * random()) / 1000;
    await cluster.jobs.set(`once.j${i}`, { code: "once", target, delay: 0.5, jitter: 0 });
  }
  const watching = world.watchEffects();
  for (let ms = 0; ms < options.ms; ms += STEP_MS) {
    if (random() < STEP_MS / FAULT_EVERY_MS) await world.fault();
    await cluster.clock.advanceAsync(STEP_MS);
    await world.repair();
    world.check();
  }
  await world.healAll();
  for (let ms = 0; ms < 20_000; ms += STEP_MS) {
    await cluster.clock.advanceAsync(STEP_MS);
    world.check();
  }
  await world.checkAllRun(options.jobs);
  await world.checkOnce();
  await watching[Symbol.asyncDispose]();
  return world.verdict;
}

class World {
  cluster!: Cluster;
  readonly #options: SimulationOptions;
  readonly #random: () => number;
  readonly #violations: string[] = [];
  readonly #contexts = new Map<string, { readonly node: TestNode; readonly run: RunContext }>();
  readonly #lastToken = new Map<string, number>();
  /** What will be repaired, and when. */
  readonly #repairs: { readonly at: number; readonly repair: () => Promise<void> | void }[] = [];
  readonly #faulty = new Set<string>();
  /** Some worlds are slower than others. */
  readonly #slowShare: number;
  #healed = false;
  #starts = 0;
  #faults = 0;

  constructor(options: SimulationOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
    this.#slowShare = random() < 0.5 ? 0.005 : 0.08;
  }

  get verdict(): Verdict {
    return { violations: this.#violations, starts: this.#starts, faults: this.#faults };
  }

  async start(name: string): Promise<void> {
    const { cluster } = this;
    // Half of the machines tell at once that a process is gone.
    const isGone = this.#random() < 0.5 ? cluster.isGone : () => false;
    await cluster.start(name, { lease: { length: 2, renewal: 0.4, margin: 0.1 }, isGone });
  }

  parts(node: TestNode): NodeParts {
    node.engine.faults.latencyMs = () => this.#latency();
    node.engine.faults.losesReply = () => !this.#healed && this.#random() < 0.01;
    return {
      code: {
        keyOf: () => "key",
        errorOf: () => undefined,
        modeOf: () => null,
        shipment: () => ({}),
        onSwitch: () => ({ [Symbol.dispose]: () => {} }),
      },
      openObjects: (run) => ({
        host: { run },
        values: {},
        close: () => {},
        detach: () => {},
        tell: () => {},
      }),
      run: this.#work(node),
    };
  }

  async fault(): Promise<void> {
    const node = this.#pick();
    if (node === undefined || this.#faulty.has(node.name)) return;
    this.#faults += 1;
    this.#faulty.add(node.name);
    const kind = this.#random();
    const after = this.#random() * MAX_FAULT_MS;
    if (kind < 0.35) {
      node.kill();
      this.#later(after, () => this.start(node.name));
    } else if (kind < 0.7) {
      node.freeze();
      this.#later(after, () => node.thaw());
    } else {
      node.engine.cut({ loud: this.#random() < 0.5 });
      this.#later(after, () => node.engine.heal());
    }
    this.#later(after, () => void this.#faulty.delete(node.name));
  }

  async repair(): Promise<void> {
    const now = this.cluster.clock.now();
    while (this.#repairs[0] !== undefined && this.#repairs[0].at <= now) {
      await this.#repairs.shift()?.repair();
    }
  }

  async healAll(): Promise<void> {
    this.#healed = true;
    for (const { repair } of this.#repairs.splice(0)) await repair();
  }

  /** At most one run of a job believes that it may act. */
  check(): void {
    const holders = new Map<string, number[]>();
    for (const { node, run } of this.#contexts.values()) {
      if (!node.alive || !believes(run)) continue;
      const job = formatPath(run.path);
      holders.set(job, [...(holders.get(job) ?? []), run.token]);
    }
    for (const [job, tokens] of holders) {
      if (tokens.length > 1) this.#violation(`${job}: ${tokens.join(" and ")} believe at once`);
    }
  }

  async checkAllRun(jobs: number): Promise<void> {
    for (let i = 0; i < jobs; i++) {
      const job = `job.j${i}`;
      const running = [...this.#contexts.values()].filter(
        ({ node, run }) => node.alive && believes(run) && formatPath(run.path) === job,
      );
      const state = await this.cluster.jobs.state(job);
      if (running.length !== 1) this.#violation(`${job}: ${running.length} runs in the end`);
      else if (state?.token !== running[0]?.run.token)
        this.#violation(`${job}: the state tells another run`);
    }
  }

  /** What has succeeded is not run again. */
  async checkOnce(): Promise<void> {
    for (let i = 0; i < ONCE_JOBS; i++) {
      const runs = await this.cluster.jobs.runs(`once.j${i}`);
      const outcomes = runs.map(({ outcome }) => outcome ?? "running").toReversed();
      const first = outcomes.indexOf("ok");
      if (first < 0) this.#violation(`once.j${i}: ${outcomes.join(", ")}: never finished`);
      else if (first < outcomes.length - 1) this.#violation(`once.j${i}: ${outcomes.join(", ")}`);
    }
  }

  /** Effects come in the order of tokens. */
  watchEffects(): AsyncDisposable {
    const watch = this.cluster.tree.watch("effect");
    const seen = new Map<string, number>();
    const reading = (async () => {
      for await (const event of watch) {
        if (event.type !== "put") continue;
        const { job, token } = event.entry.value as { job: string; token: number };
        const last = seen.get(job) ?? 0;
        if (token < last) this.#violation(`${job}: an effect of ${token} after one of ${last}`);
        seen.set(job, Math.max(last, token));
      }
    })();
    return {
      [Symbol.asyncDispose]: async () => {
        await watch.close();
        await reading;
      },
    };
  }

  /** Writes its token again and again, until it is told to end or has done enough. */
  #work(node: TestNode): RunCode {
    return async ({ host, signal }) => {
      const run = host["run"] as RunContext;
      const job = formatPath(run.path);
      this.#starts += 1;
      if (run.token <= (this.#lastToken.get(job) ?? 0)) {
        this.#violation(`${job}: token ${run.token} after ${this.#lastToken.get(job)}`);
      }
      this.#lastToken.set(job, run.token);
      this.#contexts.set(`${node.name} ${run.token}`, { node, run: this.#seen(run) });
      try {
        const until = job.startsWith("once") ? node.clock.now() + 3_000 * this.#random() : Infinity;
        while (!signal.aborted && node.clock.now() < until) await this.#effect(node, run);
      } finally {
        this.#contexts.delete(`${node.name} ${run.token}`);
      }
    };
  }

  async #effect(node: TestNode, run: RunContext): Promise<void> {
    if (this.#options.withoutDeadlineCheck !== true) run.check();
    const condition: Fence | undefined =
      this.#options.withoutFence === true ? undefined : run.fence;
    const job = formatPath(run.path);
    try {
      await node.tree.set(["effect", job], { job, token: run.token }, { condition });
    } catch (error) {
      if (BanyanError.has(error, "ENGINE_CONDITION")) run.onFenced();
      else if (!BanyanError.has(error, "ENGINE_AMBIGUOUS")) throw error;
    }
    await new Promise<void>(
      (resolve) => void node.clock.after(100 + 200 * this.#random(), resolve),
    );
  }

  /** How the world sees a run: without the deadline check it believes for as long as it runs. */
  #seen(run: RunContext): RunContext {
    return this.#options.withoutDeadlineCheck === true ? { ...run, check: () => {} } : run;
  }

  #pick(): TestNode | undefined {
    const alive = this.cluster.nodes.filter((node) => node.alive);
    return alive[Math.floor(this.#random() * alive.length)];
  }

  #later(ms: number, repair: () => Promise<void> | void): void {
    this.#repairs.push({ at: this.cluster.clock.now() + ms, repair });
    this.#repairs.sort((a, b) => a.at - b.at);
  }

  /** Mostly quick, sometimes slow, now and then very slow. */
  #latency(): number {
    const draw = this.#random();
    if (this.#healed) return 1;
    if (draw < 0.9) return 1 + draw * 4;
    return draw < 1 - this.#slowShare ? 30 + draw * 50 : 900 * this.#random();
  }

  #violation(text: string): void {
    if (this.#violations.length < 20) {
      this.#violations.push(`${text} (at ${this.cluster.clock.now()} ms)`);
    }
  }
}

function believes(run: RunContext): boolean {
  try {
    run.check();
    return true;
  } catch {
    return false;
  }
}
