import { setMaxListeners } from "node:events";

import type { Clock } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import { BanyanError, RunnerError } from "../base/errors.ts";
import { type Log, silentLog } from "../base/log.ts";
import { kindOf } from "../base/kind-of.ts";
import { Scope } from "../base/scope.ts";
import type { Tree } from "../tree/tree.ts";
import type { Path } from "../wire/path.ts";
import { formatPath } from "../wire/path-text.ts";
import { GroupView } from "./group-view.ts";
import { ANY_SLOT, DEFAULT_GROUP, slotOf } from "./job.ts";
import { JobReports } from "./job-reports.ts";
import { JobRunner, type JobRunnerParts } from "./job-runner.ts";
import { JobViews } from "./job-views.ts";
import { DEFAULT_LEASE, type LeaseTimes, type NodeFacts } from "./node-entry.ts";
import { checkName } from "./names.ts";
import { NodeLease } from "./node-lease.ts";
import { Ownership } from "./ownership.ts";
import type { Candidate, PlaceType } from "./placement.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import { Roster } from "./roster.ts";
import type { CodeSource, OpenRunObjects, RunExecutors } from "./run-context.ts";
import { RunRights } from "./run-rights.ts";
import { RunStore } from "./run-store.ts";
import { SlotMirror, type SlotPath } from "./slot-mirror.ts";
import { StartGate } from "./start-gate.ts";

export interface RunnerOptions {
  /** Used, not owned. */
  readonly tree: Tree;
  /** The node's name: unique among the nodes of the tree. */
  readonly name: string;
  readonly code: CodeSource;
  readonly executors: RunExecutors;
  readonly openObjects: OpenRunObjects;
  /** Default: the group "default". */
  readonly groups?: readonly string[] | undefined;
  /** Which jobs it runs. Default: all three. */
  readonly types?: readonly PlaceType[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** How many runs it has at once before others get the any-node jobs. Default 100. */
  readonly slots?: number | undefined;
  readonly lease?: Partial<LeaseTimes> | undefined;
  /** Milliseconds between two starts on this node. Default 0. */
  readonly startSpacingMs?: number | undefined;
  /** How many runs of a job are kept as history. Default 20. */
  readonly keepRuns?: number | undefined;
  /** How busy the machine is, from 0 to 1. Default: the share of slots that are taken. */
  readonly load?: (() => number) | undefined;
  readonly hostname?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: Log | undefined;
  /**
   * A run that had to end is still there when another node may begin. A process that can't end it
   * otherwise has to end itself.
   */
  readonly onStuck?: ((job: string) => void) | undefined;
  /** The tree can't be followed any more, whatever the reason: the runner closes. */
  readonly onFailed?: ((error: unknown) => void) | undefined;
  readonly identity?: ProcessIdentity | undefined;
  readonly isGone?: ((process: ProcessIdentity) => boolean) | undefined;
  readonly random?: (() => number) | undefined;
  /** Gives up waiting for the lease. */
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_SLOTS = 100;
const DEFAULT_KEPT_RUNS = 20;

/**
 * Everything one node does for jobs: it holds the node's lease, watches entries, states, owners, code
 * and the other nodes, and runs what falls to it. Nothing that stands in an entry stops it.
 */
export class Runner implements AsyncDisposable {
  readonly name: string;
  readonly #options: RunnerOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #scope: Scope;
  readonly #jobs = new Map<string, JobRunner>();
  #parts!: JobRunnerParts;
  #views!: JobViews;
  #draining = false;
  #closing: Promise<void> | undefined;

  private constructor(options: RunnerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#clock = options.clock ?? systemClock;
    this.#scope = new Scope({
      onError: (error, task) => this.#log.warn(`${task} failed`, { error }),
    });
    // Each write that is under way listens to it, for every job of the node.
    setMaxListeners(0, this.#scope.signal);
  }

  /**
   * Resolves when the node holds its lease and looks after its jobs.
   *
   * @throws RunnerError `RUNNER_NAME_TAKEN`
   */
  static async open(options: RunnerOptions): Promise<Runner> {
    checkNames(options);
    const runner = new Runner(options);
    try {
      await runner.#open();
      return runner;
    } catch (error) {
      await runner.#scope.close();
      throw error;
    }
  }

  /** How many runs it has. */
  get running(): number {
    let count = 0;
    for (const job of this.#jobs.values()) if (job.busy) count += 1;
    return count;
  }

  /** Whether it holds its lease at this moment. */
  get holdsLease(): boolean {
    return this.#parts.lease.held?.isValid() === true;
  }

  /** Starts nothing more, and stops what runs so that other nodes go on with it. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#evaluateAll();
    await Promise.all([...this.#jobs.values()].map((job) => job.settled()));
  }

  /** Drains, and gives the lease back. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.drain();
    for (const job of this.#jobs.values()) job.close();
    await this.#scope.close(new RunnerError("RUNNER_CANCELLED", "the node is closed"));
  }

  async #open(): Promise<void> {
    const { tree, isGone, random = Math.random, keepRuns = DEFAULT_KEPT_RUNS } = this.#options;
    const [name, log, clock, scope] = [this.name, this.#log, this.#clock, this.#scope];
    const times = { ...DEFAULT_LEASE, ...this.#options.lease };
    // First, so that a name that is taken costs nothing; disposed of last, when all has ended.
    const lease = scope.use(await this.#acquire(times));
    const roster = scope.use(
      await Roster.open({ tree, clock, log, self: name, isGone, random: this.#options.random }),
    );
    const ownership = scope.use(await Ownership.open(tree, name, roster));
    const groups = scope.use(await GroupView.open({ tree, clock, node: name, roster }));
    const states = scope.use(await SlotMirror.open(tree, tree.system.state, name));
    const spawn = this.#spawn.bind(this);
    const { code, executors, openObjects, onStuck } = this.#options;
    const reports = scope.use(await JobReports.open({ tree, clock, node: name, code, spawn }));
    const views = scope.use(
      await JobViews.open(tree, {
        clock,
        onBad: (path, error) => reports.badEntry(path, error),
        onSound: (path) => reports.soundEntry(path),
        onRemoved: (path) => reports.removed(path),
      }),
    );
    const { signal } = scope;
    const rights = scope.use(new RunRights({ tree, clock, spawn, signal, reports, jobs: views }));
    const gate = new StartGate(clock, this.#options.startSpacingMs ?? 0);
    scope.defer(() => gate.close());
    this.#views = views;
    this.#parts = {
      tree,
      clock,
      log,
      node: name,
      code,
      executors,
      openObjects,
      lease,
      roster,
      groups,
      ownership,
      states,
      reports,
      gate,
      rights,
      keepRuns,
      random,
      spawn,
      runs: new RunStore(tree),
      marginMs: times.margin * 1000,
      signal: scope.signal,
      view: (path) => views.get(path),
      self: () => this.#self(),
      draining: () => this.#draining,
      onFree: () => this.#onFree(),
      onStuck: (job) => {
        log.error(`a run of ${job} did not end in time`);
        onStuck?.(job);
      },
    };
    this.#listen();
  }

  #acquire(times: LeaseTimes): Promise<NodeLease> {
    const { tree, identity, isGone, signal } = this.#options;
    return NodeLease.acquire({
      tree,
      times,
      identity,
      isGone,
      signal,
      name: this.name,
      clock: this.#clock,
      log: this.#log,
      facts: () => this.#facts(),
    });
  }

  #listen(): void {
    const { lease, roster, groups, ownership, states, code, rights } = this.#parts;
    this.#views.onChange((path) => this.#evaluate(path));
    rights.onAllowed(() => this.#evaluateAll());
    this.#views.onChange((path) => {
      const { entry } = this.#views.get(path);
      if (entry !== undefined) rights.entryWritten(path, entry.code);
    });
    ownership.onChange((at) => this.#evaluateSlot(at));
    states.onChange((at) => this.#evaluateSlot(at));
    this.#scope.use(roster.onChange(() => this.#evaluateAll()));
    this.#scope.use(groups.onChange(() => this.#evaluateAll()));
    this.#scope.use(code.onSwitch(() => this.#evaluateAll()));
    this.#scope.use(lease.onTrouble(() => this.#evaluateAll()));
    this.#scope.use(
      lease.onChange((held) => {
        if (held !== undefined) this.#evaluateAll();
        else for (const job of this.#jobs.values()) job.leaseLost();
      }),
    );
    for (const { failed } of [this.#views, roster, ownership, states]) {
      void failed.then((error) => this.#onFailed(error));
    }
    for (const path of this.#views.paths()) this.#evaluate(path);
    // What is kept of jobs that were deleted while nobody looked.
    for (const at of states.places()) this.#evaluateSlot(at);
  }

  /** Holding on to a lease would keep its jobs from nodes that do see what happens. */
  #onFailed(error: unknown): void {
    if (this.#closing !== undefined || this.#scope.closed) return;
    this.#log.error(`node ${this.name} can't follow the tree any more and closes`, { error });
    void this.close();
    this.#options.onFailed?.(error);
  }

  #evaluate(path: Path): void {
    const { entry } = this.#views.get(path);
    if (entry !== undefined) this.#evaluateSlot({ slot: slotOf(entry.place, this.name), path });
    for (const slot of [ANY_SLOT, this.name]) this.#jobs.get(keyOf({ slot, path }))?.evaluate();
    if (entry === undefined)
      for (const slot of [ANY_SLOT, this.name]) this.#evaluateSlot({ slot, path });
  }

  #evaluateSlot(at: SlotPath): void {
    if (this.#scope.closed) return;
    const key = keyOf(at);
    let job = this.#jobs.get(key);
    if (job === undefined) {
      job = new JobRunner(at, this.#parts);
      this.#jobs.set(key, job);
    }
    job.evaluate();
    if (job.unused) {
      job.close();
      this.#jobs.delete(key);
    }
  }

  #evaluateAll(): void {
    for (const job of this.#jobs.values()) job.evaluate();
  }

  #onFree(): void {
    for (const job of this.#jobs.values()) if (job.wantsRoom) job.evaluate();
  }

  #self(): Candidate {
    const { groups, types, labels, load, slots, running } = this.#facts();
    return { name: this.name, groups, types, labels, load, free: slots - running };
  }

  #facts(): NodeFacts {
    const {
      groups = [DEFAULT_GROUP],
      types = ALL_TYPES,
      labels = {},
      hostname = "",
    } = this.#options;
    const { slots = DEFAULT_SLOTS } = this.#options;
    const { running } = this;
    const load = this.#options.load?.() ?? Math.min(1, running / slots);
    return { groups, types, labels, hostname, load, slots, running };
  }

  #spawn(name: string, task: () => Promise<unknown>): void {
    this.#scope.spawn(name, async () => {
      try {
        await task();
      } catch (error) {
        if (!BanyanError.has(error, "TREE_CLOSED")) throw error;
      }
    });
  }
}

const ALL_TYPES: readonly PlaceType[] = ["single", "any", "all"];

function keyOf({ slot, path }: SlotPath): string {
  return `${slot} ${formatPath(path)}`;
}

function checkNames({ name, groups = [] }: RunnerOptions): void {
  checkName(name, "a node's name");
  if (!Array.isArray(groups)) {
    throw new TypeError(`a node's groups are a list of names, not ${kindOf(groups)}`);
  }
  for (const group of groups as readonly unknown[]) checkName(group, "a group's name");
}
