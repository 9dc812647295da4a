import assert from "node:assert/strict";

import type { Clock } from "../../src/base/clock.ts";
import type { Log } from "../../src/base/log.ts";
import { silentLog } from "../../src/base/log.ts";
import { CodeLibrary } from "../../src/code/library.ts";
import { Linker } from "../../src/code/link.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import type { RunCode } from "../../src/executor/executor.ts";
import { JobRoot } from "../../src/runner/job-root.ts";
import { runStored } from "../../src/runner/kit/run-stored.ts";
import type { CodeSource, OpenRunObjects } from "../../src/runner/run-context.ts";
import { runObjects } from "../../src/runner/run-objects.ts";
import { Runner, type RunnerOptions } from "../../src/runner/runner.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Tree } from "../../src/tree/tree.ts";
import { FaultyEngine } from "./faulty-engine.ts";
import { TestExecutor } from "./test-executor.ts";

/** A process's clock: stands still while the process is frozen, and for good when it is dead. */
class ProcessClock implements Clock {
  readonly #world: ManualClock;
  #state: "runs" | "frozen" | "dead" = "runs";
  #late: (() => void)[] = [];

  constructor(world: ManualClock) {
    this.#world = world;
  }

  now(): number {
    return this.#world.now();
  }

  wall(): number {
    return this.#world.wall();
  }

  after(delayMs: number, run: () => void): Disposable {
    let off = false;
    const timer = this.#world.after(delayMs, () => {
      if (this.#state === "runs") run();
      else this.#late.push(() => void (off || run()));
    });
    return {
      [Symbol.dispose]: () => {
        off = true;
        timer[Symbol.dispose]();
      },
    };
  }

  set(state: "runs" | "frozen" | "dead"): void {
    this.#state = state;
    if (state !== "runs") return;
    const late = this.#late;
    this.#late = [];
    for (const run of late) run();
  }
}

export interface NodeParts {
  readonly code: CodeSource;
  readonly run: RunCode;
  readonly openObjects: OpenRunObjects;
}

export interface ClusterOptions {
  /** What runs instead of stored code. */
  readonly parts?: ((node: TestNode) => NodeParts) | undefined;
  readonly log?: Log;
}

/** One node as a process of its own would be, in this process. */
export class TestNode {
  readonly name: string;
  readonly pid: number;
  readonly clock: ProcessClock;
  readonly engine: FaultyEngine;
  readonly tree: Tree;
  runner!: Runner;
  library: CodeLibrary | undefined;
  executor!: TestExecutor;
  /** For jobs that go on while their node is cut off. */
  continuing!: TestExecutor;
  /** For code that may block. */
  blocking!: TestExecutor;
  /** Made for code that had blocked its thread. */
  readonly lanes: TestExecutor[] = [];
  alive = true;
  /** Jobs whose run did not end in time. */
  readonly stuck: string[] = [];

  constructor(cluster: Cluster, name: string, pid: number) {
    this.name = name;
    this.pid = pid;
    this.clock = new ProcessClock(cluster.clock);
    this.engine = new FaultyEngine(cluster.engine, (ms, run) => void cluster.clock.after(ms, run));
    this.tree = Tree.over(this.engine, { author: name, clock: this.clock });
  }

  /** As kill -9 does it. */
  kill(): void {
    this.alive = false;
    this.clock.set("dead");
    this.engine.kill();
    for (const lane of [this.executor, this.continuing, this.blocking, ...this.lanes])
      void lane.close();
  }

  freeze(): void {
    this.clock.set("frozen");
    this.engine.pause(true);
  }

  thaw(): void {
    // Timers first: it is the unfavourable order.
    this.clock.set("runs");
    this.engine.pause(false);
  }
}

/** Several nodes over one tree in memory, with one clock that a test moves. */
export class Cluster implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly engine = new MemoryEngine({ clock: this.clock });
  readonly tree = Tree.over(this.engine, { author: "test", clock: this.clock });
  readonly nodes: TestNode[] = [];
  jobs!: JobRoot;
  readonly #options: ClusterOptions;
  readonly #owned: AsyncDisposable[] = [];
  #pids = 100;

  private constructor(options: ClusterOptions) {
    this.#options = options;
  }

  static async open(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(options);
    cluster.jobs = await JobRoot.open(cluster.tree, { clock: cluster.clock });
    return cluster;
  }

  async start(name: string, options: Partial<RunnerOptions> = {}): Promise<TestNode> {
    const node = new TestNode(this, name, ++this.#pids);
    const { code, run, openObjects } = await this.#parts(node);
    node.executor = new TestExecutor(run, node.clock);
    node.continuing = new TestExecutor(run, node.clock);
    node.blocking = new TestExecutor(run, node.clock);
    const own = (): TestExecutor => {
      const lane = new TestExecutor(run, node.clock);
      node.lanes.push(lane);
      return lane;
    };
    const { executor: shared, continuing, blocking } = node;
    const opening = Runner.open({
      tree: node.tree,
      name,
      code,
      openObjects,
      executors: { shared, continuing, blocking, own, apart: own },
      clock: node.clock,
      log: this.#options.log ?? silentLog,
      identity: { pid: node.pid, start: 1, host: "here" },
      isGone: () => false,
      random: () => 0.5,
      onStuck: (job) => node.stuck.push(job),
      ...options,
    });
    node.runner = await this.settle(opening);
    this.nodes.push(node);
    return node;
  }

  /** Whether the process with that pid is dead: for nodes of one machine. */
  isGone = ({ pid }: { pid: number }): boolean =>
    this.nodes.some((node) => node.pid === pid && !node.alive);

  /** Stores a procedure. */
  async proc(
    path: string,
    code: string,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    await this.tree.set(this.tree.system.proc.concat(path.split(".")), {
      is_async: true,
      vars: [],
      ...more,
      code,
    });
    await this.clock.advanceAsync(100);
  }

  /** Moves time until `promise` settles. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    const settled = { yes: false };
    const done = promise.finally(() => (settled.yes = true));
    done.catch(() => {});
    for (let ms = 0; !settled.yes && ms < 60_000; ms += 10) await this.clock.advanceAsync(10);
    return done;
  }

  /** Moves time until `ready` gives something; fails after `withinMs`. */
  async until<T>(
    ready: () => T | Promise<T>,
    withinMs = 10_000,
  ): Promise<Exclude<T, undefined | false>> {
    for (let ms = 0; ms <= withinMs; ms += 10) {
      const value = await ready();
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
      await this.clock.advanceAsync(10);
    }
    throw new Error(`not within ${withinMs} ms: ${ready.toString()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) {
      if (node.alive) {
        node.engine.heal();
        node.thaw();
        await this.settle(node.runner.close());
      }
      await node.engine.close();
      if (!node.alive) {
        node.clock.set("runs");
        await this.settle(node.runner.close());
      }
      const left = node.executor.active.size + node.continuing.active.size;
      assert.equal(left, 0, "runs that nobody ended");
      await node.tree.close();
    }
    for (const owned of this.#owned.toReversed()) await owned[Symbol.asyncDispose]();
    await this.tree.close();
    // What is still on its way arrives; what arms itself again stays.
    await this.clock.advanceAsync(2_000);
    assert.equal(this.clock.pending, 0, "timers that nobody took off");
  }

  async #parts(node: TestNode): Promise<NodeParts> {
    if (this.#options.parts !== undefined) return this.#options.parts(node);
    const opening = CodeLibrary.open(node.tree, { clock: node.clock, collectMs: 1 });
    const library = await this.settle(opening);
    node.library = library;
    this.#owned.push(library);
    const linker = new Linker({
      resolveFrom: import.meta.url,
      loadTimeoutMs: 10_000,
      clock: node.clock,
      log: silentLog,
    });
    return {
      code: library,
      run: runStored((shipment) => linker.open(shipment), node.clock),
      openObjects: runObjects({ code: library }),
    };
  }
}
