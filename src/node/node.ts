import { availableParallelism, hostname, loadavg } from "node:os";

import { type Clock, systemClock } from "../base/clock.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { onAbort } from "../base/abort.ts";
import { type Log, silentLog } from "../base/log.ts";
import { Scope } from "../base/scope.ts";
import { portChannel } from "../channel/port.ts";
import { CodeLibrary } from "../code/library.ts";
import { cleanStack } from "../code/source-url.ts";
import { Lane, type LaneOptions } from "../executor/lane.ts";
import { LanesApart } from "../executor/lanes-apart.ts";
import type { LeaseTimes } from "../runner/node-entry.ts";
import type { PlaceType } from "../runner/placement.ts";
import { refuseBlocking } from "../remote/sync/session.ts";
import { runObjects } from "../runner/run-objects.ts";
import { Runner } from "../runner/runner.ts";
import { TreeConfig } from "../tree/config.ts";
import type { Tree } from "../tree/tree.ts";
import { checkNode } from "./check-node.ts";
import { openWorkers } from "./workers.ts";

export interface NodeOptions {
  /** Used, not owned: close it after the node. */
  readonly tree: Tree;
  /** Unique among the nodes of the tree. */
  readonly name: string;
  /** Default: the group "default". */
  readonly groups?: readonly string[] | undefined;
  /** Which jobs it runs. Default: all three. */
  readonly types?: readonly PlaceType[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** How many runs it has at once before others get the any-node jobs. Default 100. */
  readonly slots?: number | undefined;
  /** Seconds. Default: length 5, renewal 1, margin 0.5. */
  readonly lease?: Partial<LeaseTimes> | undefined;
  /** What stored code sees as `_cfg`, besides the tree's own settings; these win. See `TreeConfig`. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  /** The directory from which stored code imports packages. Default: the current. */
  readonly resolveFrom?: string | undefined;
  /**
   * What the runs of its jobs may hold together, in MB, buffers included; also what a job may that got a
   * thread for itself. Default: 512, and no more than a quarter of the machine's memory.
   */
  readonly memoryMb?: number | undefined;
  /** Of the thread that jobs share, and of those that a job gets for itself. */
  readonly lane?: Partial<Omit<LaneOptions, "clock" | "log" | "memoryMb">> | undefined;
  /** Milliseconds between two starts. Default 0. */
  readonly startSpacingMs?: number | undefined;
  /** How many runs of a job are kept as history. Default 20. */
  readonly keepRuns?: number | undefined;
  /**
   * A run that had to end is still there although another node may begin with its job. A process that
   * is nothing but a node should end itself then.
   */
  readonly onStuck?: ((job: string) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: Log | undefined;
  /** Gives up waiting for the node's name. */
  readonly signal?: AbortSignal | undefined;
}

/** A running node. */
export interface BanyanNode extends AsyncDisposable {
  readonly name: string;
  /** How many runs it has. */
  readonly running: number;
  /** Whether it holds its lease; without one it runs nothing. */
  readonly holdsLease: boolean;
  /** Resolves when the node is closed, also by itself where it can't follow the tree any more, or when `signal` aborts. */
  closed(signal?: AbortSignal): Promise<void>;
  /** Stops its runs in order, so that other nodes take over, and gives its name back. Idempotent. */
  close(): Promise<void>;
}

/**
 * Runs the jobs of a tree in this process, until the node is closed. Resolves when it holds its lease.
 *
 * @throws RunnerError `RUNNER_NAME_TAKEN` if a node of that name is alive; TypeError and RangeError for
 *   options that no node can have
 */
export async function runNode(options: NodeOptions): Promise<BanyanNode> {
  checkNode(options);
  const { log = silentLog, name } = options;
  const scope = new Scope({ onError: (error, task) => log.warn(`${task} failed`, { error }) });
  const failed = deferred<void>();
  // Until it is closed: whoever blocks here loses the lease.
  const refusal = refuseBlocking(
    `it keeps the lease of node ${name}; use connect() and await, or put what blocks into a ` +
      "procedure with is_async: false",
  );
  scope.defer(() => refusal[Symbol.dispose]());
  try {
    const runner = await openRunner(options, scope, failed.resolve);
    announce(options, scope);
    const node = new RunningNode(runner, scope);
    void failed.promise.then(() => node.close());
    return node;
  } catch (error) {
    await scope.close();
    throw error;
  }
}

/** Who looks sees at once when this process is gone; its lease may be held for longer. */
function announce({ tree, name, groups = ["default"] }: NodeOptions, scope: Scope): void {
  const about = { pid: process.pid, hostname: hostname(), groups };
  scope.use(tree.peers.announce(tree.system.node.append(name), about));
}

/** Runs of code that blocks, at once: each has a thread of some 10 MB. The slots limit most of them. */
const MAX_BLOCKING = 1_000;

async function openRunner(
  options: NodeOptions,
  scope: Scope,
  onFailed: () => void,
): Promise<Runner> {
  const { tree, clock = systemClock, log = silentLog, resolveFrom, config } = options;
  const code = scope.use(await CodeLibrary.open(tree, { resolveFrom, clock, log }));
  // Nobody knows what else it would miss: it would run old code for ever.
  void code.failed.then(onFailed);
  const settings = scope.use(await TreeConfig.open(tree));
  const lane = (laneName: string): Lane =>
    new Lane({
      entry: new URL("../entry/lane.js", import.meta.url),
      channel: (worker) => portChannel(worker, { label: laneName }),
      showFrame: cleanStack,
      name: laneName,
      clock,
      log,
      memoryMb: options.memoryMb,
      ...options.lane,
    });
  const shared = scope.use(lane("lane"));
  const continuing = scope.use(lane("lane of what goes on"));
  const blocking = scope.use(
    openWorkers({ maxThreads: MAX_BLOCKING, memoryMb: options.memoryMb, clock, log }),
  );
  const apart = new LanesApart(() => lane("lane apart"));
  const runner = await Runner.open({
    ...options,
    code,
    executors: {
      shared,
      continuing,
      blocking,
      own: () => lane("own lane"),
      apart: (round) => apart.seat(round),
    },
    openObjects: runObjects({ code, config: () => ({ ...settings.all(), ...config }) }),
    hostname: hostname(),
    load: machineLoad,
    onFailed,
  });
  return scope.use(runner);
}

/** Processes that want to run, per processor, as far as that is below 1. */
function machineLoad(): number {
  return Math.min(1, (loadavg()[0] ?? 0) / availableParallelism());
}

class RunningNode implements BanyanNode {
  readonly #runner: Runner;
  readonly #scope: Scope;
  readonly #ended: Deferred<void> = deferred();

  constructor(runner: Runner, scope: Scope) {
    this.#runner = runner;
    this.#scope = scope;
  }

  get name(): string {
    return this.#runner.name;
  }

  get running(): number {
    return this.#runner.running;
  }

  get holdsLease(): boolean {
    return this.#runner.holdsLease;
  }

  async closed(signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#ended.promise;
    const aborted = deferred<void>();
    using _listener = onAbort(signal, () => aborted.resolve());
    await Promise.race([this.#ended.promise, aborted.promise]);
  }

  async close(): Promise<void> {
    await this.#scope.close();
    this.#ended.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
