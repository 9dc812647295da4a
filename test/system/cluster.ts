import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";

import { type ErrorRecord, JobRoot, open, type JobState, type PathLike, type Tree } from "banyan";

import { banyan, COMMAND, type CommandResult, hubPid, isAlive, temporaryFolder } from "./kit.ts";

/** Longer than anything here takes on a busy machine. */
const DEADLINE_MS = 30_000;

/** One `banyan node run`. */
export class NodeProcess {
  readonly name: string;
  readonly child: ChildProcess;
  /** Its exit status, or the signal that ended it. */
  readonly exit: Promise<number | NodeJS.Signals | null>;
  /** What it said on stderr. */
  log = "";

  constructor(name: string, tree: string, flags: readonly string[]) {
    this.name = name;
    const args = [COMMAND, "-t", tree, "node", "run", "-n", name, ...flags];
    this.child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.child.stderr?.on("data", (chunk) => (this.log += String(chunk)));
    this.exit = once(this.child, "close").then(([code, signal]) => code ?? signal);
  }

  get pid(): number {
    return this.child.pid as number;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/**
 * A tree in a directory of its own with its hub, and node processes on it. Disposing ends them all and
 * checks that nothing of them is left. `tree` belongs to this process and runs nothing.
 */
export class Cluster implements AsyncDisposable {
  readonly path: string;
  readonly tree: Tree;
  readonly jobs: JobRoot;
  readonly nodes: NodeProcess[] = [];
  readonly #folder: Disposable;
  readonly #stop = new AbortController();
  readonly #following: Promise<void>;
  readonly #wakers = new Set<() => void>();
  #changes = 0;

  private constructor(folder: { path: string } & Disposable, tree: Tree, jobs: JobRoot) {
    this.#folder = folder;
    this.path = folder.path;
    this.tree = tree;
    this.jobs = jobs;
    this.#following = this.#follow();
  }

  /** Resolves when every node of `names` holds its lease. */
  static async open(...names: readonly string[]): Promise<Cluster> {
    const folder = temporaryFolder();
    const tree = await open(folder.path, { create: true, author: "test" });
    const cluster = new Cluster(folder, tree, await JobRoot.open(tree));
    await Promise.all(names.map((name) => cluster.start(name)));
    return cluster;
  }

  /** The process of the tree's hub. */
  get hub(): number {
    const pid = hubPid(this.path);
    if (pid === undefined) throw new Error("the tree has no hub");
    return pid;
  }

  /** Resolves when the node holds its lease. */
  async start(name: string, ...flags: readonly string[]): Promise<NodeProcess> {
    const node = new NodeProcess(name, this.path, flags);
    this.nodes.push(node);
    await this.until(`node ${name}`, async () => {
      const entry = (await this.tree.get([".banyan", "node", name])) as NodeEntry | undefined;
      return entry?.pid === node.pid && entry.ended === undefined;
    });
    return node;
  }

  node(name: string): NodeProcess {
    const found = this.nodes.findLast((node) => node.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  /** Stores a procedure as it is, without looking whether it compiles. */
  async proc(path: string, code: string, more: object = {}): Promise<void> {
    const at = this.tree.system.proc.concat(path.split("."));
    await this.tree.set(at, { code, is_async: true, ...more });
  }

  /** Asks again after every change in the tree until there is an answer that is not false or nothing. */
  async until<T>(
    what: string,
    question: () => T | Promise<T>,
    deadlineMs = DEADLINE_MS,
  ): Promise<Exclude<Awaited<T>, undefined | false>> {
    const deadline = AbortSignal.timeout(deadlineMs);
    for (;;) {
      // From before the question is asked: a change meanwhile is a reason to ask again.
      const seen = this.#changes;
      const answer = await question();
      if (answer !== undefined && answer !== false) {
        return answer as Exclude<Awaited<T>, undefined | false>;
      }
      if (seen === this.#changes && !(await this.#change(deadline))) await this.#giveUp(what);
    }
  }

  /** The state of a job once it has stopped. */
  stopped(job: PathLike, after = 0): Promise<JobState> {
    return this.until(`the end of ${String(job)}`, async () => {
      const state = await this.jobs.state(job);
      return state !== undefined && state.stopped !== null && state.token > after && state;
    });
  }

  /** The state of a job while it runs. */
  running(job: PathLike, after = 0): Promise<JobState> {
    return this.until(`a run of ${String(job)}`, async () => {
      const state = await this.jobs.state(job);
      return state !== undefined && state.stopped === null && state.token > after && state;
    });
  }

  /** An error record, once there is one that fits. */
  record(
    subsystem: string,
    path: PathLike,
    fits: (record: ErrorRecord) => boolean = () => true,
  ): Promise<ErrorRecord> {
    return this.until(`the error ${subsystem} ${String(path)}`, async () => {
      const record = await this.tree.errors.get({ subsystem, path });
      return record !== undefined && fits(record) && record;
    });
  }

  /** The value at a path, once there is one that fits. */
  value(
    path: PathLike,
    fits: (value: unknown) => boolean = (v) => v !== undefined,
  ): Promise<unknown> {
    return this.until(`a value at ${String(path)}`, async () => {
      const value = await this.tree.get(path);
      return fits(value) && { value };
    }).then(({ value }) => value);
  }

  /** The command on this tree. */
  command(...args: readonly string[]): Promise<CommandResult> {
    return banyan(["-t", this.path, "-q", ...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) {
      node.kill("SIGKILL");
      await node.exit;
    }
    this.#stop.abort();
    await this.#following;
    await this.tree.close();
    this.#folder[Symbol.dispose]();
    const left = hubsOf(this.path).filter(isAlive);
    // A hub that was just killed may still be on its way out.
    for (const pid of left) process.kill(pid, "SIGKILL");
    if (left.length > 1) throw new Error(`the tree had ${left.length} hubs at its end`);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    try {
      const watch = this.tree.watch(":", { current: false, signal });
      while ((await watch.next()).done !== true) {
        this.#changes += 1;
        for (const wake of this.#wakers) wake();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Whether anything changed before the deadline. */
  #change(deadline: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (changed: boolean): void => {
        this.#wakers.delete(wake);
        deadline.removeEventListener("abort", late);
        resolve(changed);
      };
      const wake = (): void => end(true);
      const late = (): void => end(false);
      this.#wakers.add(wake);
      deadline.addEventListener("abort", late);
      if (deadline.aborted) late();
    });
  }

  async #giveUp(what: string): Promise<never> {
    const states = (await this.jobs.list()).map((job) => JSON.stringify(job));
    const logs = this.nodes.map(({ name, log }) => `${name}: ${log.slice(-1500)}`);
    throw new Error(`waited in vain for ${what}\n${[...states, ...logs].join("\n")}`);
  }
}

/** What the tests look at in a node's entry. */
export interface NodeEntry {
  readonly id: string;
  readonly pid: number;
  readonly beat: number;
  readonly ended?: number;
  readonly ended_by?: string;
}

/** The hub processes of a tree, as the system lists them. */
export function hubsOf(tree: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return args.some((arg) => arg.endsWith("entry/hub.cjs")) && args.includes(tree);
      } catch {
        return false;
      }
    })
    .map(Number);
}
