import type { AbortOptions } from "../base/abort.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { RunnerError } from "../base/errors.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import { checkTree } from "../tree/check-tree.ts";
import type { TreeEntry } from "../tree/entry.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath, toPath } from "../wire/path-text.ts";
import { Path, type PathLike } from "../wire/path.ts";
import {
  type JobEntry,
  type JobInput,
  type JobRequest,
  type JobState,
  type LogLine,
  type Run,
} from "./job.ts";
import { requestRoot } from "./job-views.ts";
import { type JobListing, listingOf, type SlotState } from "./job-listing.ts";
import { deniedJobs } from "./denied-jobs.ts";
import { liveNodes, whyJob } from "./job-why.ts";
import { toNodeEntry } from "./node-entry.ts";
import { toOwnerRecord } from "./ownership.ts";
import { checkJob, parseJob } from "./parse-job.ts";
import { RunStore } from "./run-store.ts";
import { toJobState } from "./stored-state.ts";
import { type JobListEvent, watchJobList } from "./watch-list.ts";

export type { JobListEvent, JobListing, SlotState };

export interface JobRootOptions {
  readonly clock?: Clock | undefined;
}

export interface JobSetOptions extends AbortOptions {
  readonly ifRevision?: number | undefined;
  readonly onlyNew?: boolean | undefined;
  /** Writes nothing where the entry is this already. */
  readonly idem?: boolean | undefined;
}

const SET_OPTIONS: OptionNames<JobSetOptions> = {
  ...ABORT_OPTIONS,
  ifRevision: true,
  onlyNew: true,
  idem: true,
};

export interface JobRemoveOptions {
  /** Also while it runs: that ends. */
  readonly force?: boolean | undefined;
  /** Delete only if the entry is at this revision. */
  readonly ifRevision?: number | undefined;
}

const REMOVE_OPTIONS: OptionNames<JobRemoveOptions> = { force: true, ifRevision: true };

export interface JobSetResult {
  readonly revision: number;
  /** Whether anything was written. */
  readonly changed: boolean;
}

/** A change of one job's state in one slot; `undefined`: it is gone. */
export interface JobStateEvent extends Omit<SlotState, "state"> {
  readonly path: Path;
  readonly state: JobState | undefined;
}

/**
 * The jobs of a tree, for people and programs: what is to run where, and what became of it. It only
 * reads and writes the tree; running is what nodes do.
 */
export class JobRoot {
  readonly #tree: Tree;
  readonly #clock: Clock;
  readonly #runs: RunStore;

  private constructor(tree: Tree, clock: Clock) {
    this.#tree = tree;
    this.#clock = clock;
    this.#runs = new RunStore(tree);
  }

  /** Uses `tree`, does not own it. */
  static async open(tree: Tree, options: JobRootOptions = {}): Promise<JobRoot> {
    checkTree(tree, "JobRoot.open");
    checkOptions(options, { clock: true }, "JobRoot.open");
    return new JobRoot(tree, options.clock ?? systemClock);
  }

  /**
   * Creates or replaces a job. Nodes follow at once: a run of it goes on only if nothing changed that
   * it depends on. Anything may be given for a job: what is none is refused.
   *
   * @throws RunnerError `RUNNER_BAD_JOB`, and what `tree.set` throws
   */
  set(path: PathLike, job: JobInput, options?: JobSetOptions): Promise<JobSetResult>;
  set(path: PathLike, job: unknown, options?: JobSetOptions): Promise<JobSetResult>;
  async set(path: PathLike, job: unknown, options: JobSetOptions = {}): Promise<JobSetResult> {
    checkOptions(options, SET_OPTIONS, "jobs.set");
    const { revision, changed } = await this.#tree.set(this.#at(path), checkJob(job), options);
    return { revision, changed };
  }

  /** The entry with its defaults. @throws RunnerError `RUNNER_BAD_JOB` for what is no job entry */
  async get(path: PathLike, options: AbortOptions = {}): Promise<JobEntry | undefined> {
    checkOptions(options, ABORT_OPTIONS, "jobs.get");
    const stored = await this.raw(path, options);
    return stored === undefined ? undefined : parseJob(stored);
  }

  /** The entry as it is stored. */
  async raw(path: PathLike, options: AbortOptions = {}): Promise<unknown> {
    checkOptions(options, ABORT_OPTIONS, "jobs.raw");
    return this.#tree.get(this.#at(path), options);
  }

  /** The jobs at and below a path, with what they do. */
  async list(below: PathLike = Path.root): Promise<JobListing[]> {
    const states = await this.#allStates();
    const alive = new Set((await liveNodes(this.#tree)).map(({ name }) => name));
    const denied = await deniedJobs(this.#tree, toPath(below));
    const listings: JobListing[] = [];
    const root = this.#tree.system.job;
    for await (const stored of this.#tree.walk(this.#at(below))) {
      const path = Path.fromElements(stored.path.slice(root.length));
      const name = formatPath(path);
      const facts = { states: states.get(name) ?? [], alive, denied: denied.get(name) };
      listings.push(listingOf(path, stored, facts));
    }
    return listings;
  }

  /**
   * The jobs at and below a path, as `list()` tells them: first all of them, in one event, perhaps of none;
   * then those that became different. A reader that lags is told how they are by then.
   */
  watchList(
    below: PathLike = Path.root,
    options: AbortOptions = {},
  ): AsyncGenerator<readonly JobListEvent[], void> {
    checkOptions(options, ABORT_OPTIONS, "jobs.watchList");
    return watchJobList(this.#tree, toPath(below), options);
  }

  /** The state of a job in every slot that has one. */
  async states(path: PathLike): Promise<SlotState[]> {
    const job = toPath(path);
    const found: SlotState[] = [];
    for await (const { name: slot } of this.#tree.list(this.#tree.system.state)) {
      if (typeof slot !== "string") continue;
      const state = toJobState(
        await this.#tree.get(this.#tree.system.state.concat([slot, ...job])),
      );
      if (state !== undefined) found.push({ slot, state });
    }
    return found;
  }

  /** The state of a job: of the slot that is named, otherwise of the one that started last. */
  async state(path: PathLike, slot?: string): Promise<JobState | undefined> {
    const states = await this.states(path);
    const wanted = slot === undefined ? states : states.filter((one) => one.slot === slot);
    return wanted.map((one) => one.state).sort((a, b) => b.started - a.started)[0];
  }

  /** Its runs on all nodes, newest first. */
  async runs(path: PathLike, options: { readonly limit?: number } = {}): Promise<Run[]> {
    checkOptions(options, { limit: true }, "jobs.runs");
    const found = await this.#slotRuns(toPath(path));
    return found.map(({ run }) => run).slice(0, options.limit);
  }

  /** What a run wrote to its log; the newest run if none is named. */
  async logs(path: PathLike, options: { readonly run?: string } = {}): Promise<LogLine[]> {
    checkOptions(options, { run: true }, "jobs.logs");
    const job = toPath(path);
    const runs = await this.#slotRuns(job);
    const wanted =
      options.run === undefined ? runs[0] : runs.find(({ run }) => run.id === options.run);
    if (wanted === undefined) {
      if (options.run === undefined) return [];
      throw new RunnerError("RUNNER_NOT_FOUND", `${formatPath(job)} has no run ${options.run}`);
    }
    return this.#runs.lines({ slot: wanted.slot, path: job }, wanted.run.token);
  }

  /**
   * Asks for a run now, whatever the schedule says; nothing happens if it runs already. Resolves when
   * that is written: a node sees to it.
   *
   * @throws RunnerError `RUNNER_NOT_FOUND`
   */
  async run(path: PathLike): Promise<void> {
    await this.#request(path, "run");
  }

  /**
   * Ends the present run, or the wait to try again. The job starts again when it is next due.
   *
   * @throws RunnerError `RUNNER_NOT_FOUND`
   */
  async cancel(path: PathLike): Promise<void> {
    await this.#request(path, "cancel");
  }

  /**
   * Deletes a job with its state and its runs. False if there was none.
   *
   * @throws RunnerError `RUNNER_BUSY` while it runs, unless `force`, which cancels the run
   */
  async remove(path: PathLike, options: JobRemoveOptions = {}): Promise<boolean> {
    checkOptions(options, REMOVE_OPTIONS, "jobs.remove");
    const job = toPath(path);
    const busy = await this.#busySlots(job);
    const [first] = busy;
    if (first !== undefined && options.force !== true) {
      throw new RunnerError(
        "RUNNER_BUSY",
        `${formatPath(job)} is running on ${first.state.node}: disable it first, or force it`,
        { details: { node: first.state.node } },
      );
    }
    const { ifRevision } = options;
    const { changed } = await this.#tree.delete(this.#at(job), { ifRevision });
    await this.#tree.delete(requestRoot(this.#tree).concat(job));
    const running = new Set(busy.map(({ slot }) => slot));
    for (const { slot } of await this.states(job)) {
      // A node that runs it tidies up itself when it has stopped.
      if (!running.has(slot)) await this.#removeSlot(slot, job);
    }
    for (const subsystem of ["job", "run"]) {
      await this.#tree.errors.resolve({ subsystem, path: job });
    }
    return changed;
  }

  /** Why a job runs or does not, by slot: what a node would say. */
  async why(path: PathLike): Promise<Readonly<Record<string, string>>> {
    const job = toPath(path);
    const stored = await this.#tree.entry(this.#at(job));
    if (stored === undefined) throw notFound(job);
    return whyJob(this.#tree, {
      path: job,
      entry: parseJob(stored.value),
      revision: stored.revision,
      states: await this.states(job),
      clock: this.#clock,
    });
  }

  /** The states of the jobs at and below a path: those there are, then every change. */
  async *watch(
    below: PathLike = Path.root,
    options: AbortOptions = {},
  ): AsyncIterable<JobStateEvent> {
    checkOptions(options, ABORT_OPTIONS, "jobs.watch");
    const prefix = toPath(below);
    const root = this.#tree.system.state;
    for await (const event of this.#tree.watch(root, { ...options, minDepth: 1 })) {
      if (event.type !== "put" && event.type !== "delete") continue;
      const at = event.type === "put" ? event.entry.path : event.path;
      const slot = at[root.length];
      const path = Path.fromElements(at.slice(root.length + 1));
      if (typeof slot !== "string" || !prefix.contains(path)) continue;
      const state = event.type === "put" ? toJobState(event.entry.value) : undefined;
      yield { path, slot, state };
    }
  }

  async #request(path: PathLike, action: JobRequest["action"]): Promise<void> {
    const job = toPath(path);
    if ((await this.#tree.entry(this.#at(job))) === undefined) throw notFound(job);
    const request: JobRequest = { action, time: this.#now() };
    await this.#tree.set(requestRoot(this.#tree).concat(job), request);
  }

  async #slotRuns(job: Path): Promise<{ readonly slot: string; readonly run: Run }[]> {
    const found: { readonly slot: string; readonly run: Run }[] = [];
    for await (const { name: slot } of this.#tree.list(this.#tree.system.run)) {
      if (typeof slot !== "string") continue;
      for (const run of await this.#runs.list({ slot, path: job })) found.push({ slot, run });
    }
    return found.sort((a, b) => b.run.token - a.run.token);
  }

  /** Where it runs, under a lease that holds as far as the store knows. */
  async #busySlots(job: Path): Promise<SlotState[]> {
    const busy: SlotState[] = [];
    for (const one of await this.states(job)) {
      const owner = await this.#tree.get(this.#tree.system.owner.concat([one.slot, ...job]));
      const record = toOwnerRecord(owner);
      if (one.state.stopped !== null || record === undefined || record.lease === null) continue;
      const node = toNodeEntry(await this.#tree.get(this.#tree.system.node.append(record.node)));
      if (node?.id === record.lease && node.ended === undefined) busy.push(one);
    }
    return busy;
  }

  async #removeSlot(slot: string, path: Path): Promise<void> {
    await this.#runs.prune({ slot, path }, 0);
    await this.#tree.delete(this.#tree.system.state.concat([slot, ...path]));
    await this.#tree.delete(this.#tree.system.owner.concat([slot, ...path]));
  }

  async #allStates(): Promise<Map<string, SlotState[]>> {
    const all = new Map<string, SlotState[]>();
    const root = this.#tree.system.state;
    for await (const stored of this.#tree.walk(root, { minDepth: 1 })) {
      const found = slotState(stored, root);
      if (found === undefined) continue;
      const name = formatPath(found.path);
      all.set(name, [...(all.get(name) ?? []), found]);
    }
    return all;
  }

  #at(path: PathLike): Path {
    return this.#tree.system.job.concat(toPath(path));
  }

  /** Seconds since 1970. */
  #now(): number {
    return this.#clock.wall() / 1000;
  }
}

function slotState(
  stored: TreeEntry,
  root: Path,
): (SlotState & { readonly path: Path }) | undefined {
  const slot = stored.path[root.length];
  const state = toJobState(stored.value);
  if (typeof slot !== "string" || state === undefined) return undefined;
  return { slot, state, path: Path.fromElements(stored.path.slice(root.length + 1)) };
}

function notFound(path: Path): RunnerError {
  return new RunnerError("RUNNER_NOT_FOUND", `there is no job ${formatPath(path)}`);
}
