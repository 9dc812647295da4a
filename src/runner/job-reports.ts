import type { Clock } from "../base/clock.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { type BanyanError, CodeError, RunnerError } from "../base/errors.ts";
import type { Mirror } from "../tree/mirror.ts";
import type { Tree } from "../tree/tree.ts";
import type { Path } from "../wire/path.ts";
import { formatPath } from "../wire/path-text.ts";
import { ANY_SLOT, type JobState, type Run } from "./job.ts";
import type { CodeSource } from "./run-context.ts";
import { MAX_STALLS } from "./schedule.ts";
import type { Loss, RunResult } from "./settle.ts";
import type { SlotPath } from "./slot-mirror.ts";

export interface JobReportsOptions {
  readonly tree: Tree;
  readonly clock: Clock;
  readonly node: string;
  readonly code: Pick<CodeSource, "keyOf" | "settled">;
  /** Does something that nobody waits for. */
  readonly spawn: (name: string, task: () => Promise<unknown>) => void;
}

/** Code that is not there is reported when it did not come in this time. */
const MISSING_MS = 2_500;

const DENIED = "RUNNER_DENIED";

const LOSS_TEXT: Readonly<Record<Loss, (node: string) => string>> = {
  gone: (node) => `node ${node} went away while the job ran there`,
  restarted: () => "the runner was restarted while the job ran",
  "cut off": (node) => `node ${node} could not renew its lease while the job ran there`,
};

/**
 * The error records of a node's jobs: under "job" what is wrong with an entry, under "run" what
 * happened to runs. They follow what was decided and are never waited for.
 */
export class JobReports implements AsyncDisposable {
  readonly #options: JobReportsOptions;
  /** The "job" records, so that what never failed costs nothing. */
  readonly #open: Mirror;
  readonly #flagged = new Map<string, Disposable | "reported">();
  /** By job, what this node has said last of a start that was refused. */
  readonly #denied = new Map<string, string>();
  /** By record, the last write that is under way: one that overtakes another tells a lie. */
  readonly #writes = new Map<string, Deferred<void>>();

  private constructor(options: JobReportsOptions, open: Mirror) {
    this.#options = options;
    this.#open = open;
  }

  static async open(options: JobReportsOptions): Promise<JobReports> {
    const { tree } = options;
    return new JobReports(options, await tree.mirror(tree.system.error.append("job")));
  }

  badEntry(path: Path, error: unknown): void {
    this.#record("job", path, { error });
  }

  /** The entry can be used; whether its code can, and may be, is another matter. */
  soundEntry(path: Path): void {
    const { code } = this.#openRecord(path) ?? { code: "CODE_NOT_FOUND" };
    if (code !== "CODE_NOT_FOUND" && code !== DENIED) this.#working("job", path);
  }

  /** Entry and code can be used, so that whatever a node found wrong with the job is mended. */
  usable(path: Path): void {
    const record = this.#openRecord(path);
    if (record !== undefined && record.code !== DENIED) this.#working("job", path);
  }

  /** Who set the job may not run its code. To be told with each start that comes to nothing. */
  denied(path: Path, text: string): void {
    const name = formatPath(path);
    const record = this.#openRecord(path);
    const isKnown = record?.code === DENIED && record.message === text;
    if (this.#denied.get(name) === text || isKnown) return;
    this.#denied.set(name, text);
    this.#record("job", path, { error: new RunnerError(DENIED, text) });
  }

  isDenied(path: Path): boolean {
    return this.#denied.has(formatPath(path)) || this.#openRecord(path)?.code === DENIED;
  }

  /** They may. */
  permitted(path: Path): void {
    if (!this.isDenied(path)) return;
    this.#denied.delete(formatPath(path));
    this.#working("job", path);
  }

  /** The job is deleted: nobody is to mend what it left. */
  removed(path: Path): void {
    this.#denied.delete(formatPath(path));
    this.#working("job", path);
    this.#working("run", path);
  }

  /** To be told again and again which code a job would need and can't use. */
  codeMissing(at: SlotPath, code: Path | undefined): void {
    const name = `${at.slot} ${formatPath(at.path)}`;
    const flag = this.#flagged.get(name);
    if (code !== undefined && flag === undefined) {
      const timer: Disposable = this.#options.clock.after(MISSING_MS, () => {
        this.#options.spawn("look for code", async () => {
          // A node that has much to compile sees a job before its code.
          await this.#options.code.settled?.();
          if (this.#flagged.get(name) === timer) this.#reportMissing(at, code);
        });
      });
      this.#flagged.set(name, timer);
    } else if (code === undefined && flag !== undefined) {
      this.forget(at);
      if (flag === "reported") this.#working("job", at.path);
    }
  }

  forget(at: SlotPath): void {
    const name = `${at.slot} ${formatPath(at.path)}`;
    const flag = this.#flagged.get(name);
    if (flag !== undefined && flag !== "reported") flag[Symbol.dispose]();
    this.#flagged.delete(name);
  }

  /** A run was lost with its node. */
  lost(at: SlotPath, state: JobState, loss: Loss): void {
    const text = LOSS_TEXT[loss](state.node);
    const error = new RunnerError("RUNNER_RESTARTED", text);
    this.#record("run", at.path, { error, node: state.node, data: { run: state.run } });
  }

  /** How a run ended, by itself or by a stop. */
  ended(at: SlotPath, run: Run, { result, state }: { result: RunResult; state: JobState }): void {
    const { outcome, error } = result;
    const data = { run: run.id, reason: run.reason, outcome };
    if (outcome === "ok") return this.working(at);
    const harmful = outcome === "stalled" || outcome === "crashed";
    if (harmful && (state.stalls ?? 0) >= MAX_STALLS) {
      const text = `${(error as Error).message}, for the second time: it is not started again until it changes`;
      const { details } = error as BanyanError;
      const poisoned = new RunnerError("RUNNER_POISONED", text, { details });
      return this.#record("run", at.path, { error: poisoned, data });
    }
    // A thread that was lost through somebody else is that one's failure.
    const told = result.recorded === true || outcome === "cancelled" || outcome === "lost";
    if (error !== undefined && !told) this.#record("run", at.path, { error, data });
  }

  working(at: SlotPath): void {
    this.#working("run", at.path, at.slot === ANY_SLOT ? undefined : this.#options.node);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const flag of this.#flagged.values()) if (flag !== "reported") flag[Symbol.dispose]();
    await this.#open.close();
  }

  #reportMissing(at: SlotPath, code: Path): void {
    if (this.#options.code.keyOf(code) !== undefined) return this.forget(at);
    this.#flagged.set(`${at.slot} ${formatPath(at.path)}`, "reported");
    const text = `the job's code ${formatPath(code)} is missing or broken`;
    this.#record("job", at.path, { error: new CodeError("CODE_NOT_FOUND", text) });
  }

  #openRecord(path: Path): { readonly code?: unknown; readonly message?: unknown } | undefined {
    const record = this.#open.entry(this.#open.path.concat(path))?.value;
    if (typeof record !== "object" || record === null) return undefined;
    const { code, message, resolved } = record as Readonly<Record<string, unknown>>;
    return resolved === undefined ? { code, message } : undefined;
  }

  #record(
    subsystem: string,
    path: Path,
    { error, node = this.#options.node, data = {} }: ErrorFacts,
  ): void {
    const { errors } = this.#options.tree;
    const place = { subsystem, path };
    this.#write("record an error", place, () => errors.record({ ...place, error, node, data }));
  }

  #working(subsystem: string, path: Path, node?: string): void {
    const { errors } = this.#options.tree;
    const place = { subsystem, path };
    this.#write("resolve an error", place, () => errors.working({ ...place, node }));
  }

  /** One write after the other, for each record. */
  #write(
    what: string,
    { subsystem, path }: { readonly subsystem: string; readonly path: Path },
    write: () => Promise<unknown>,
  ): void {
    const key = `${subsystem} ${formatPath(path)}`;
    const before = this.#writes.get(key);
    const mine = deferred<void>();
    this.#writes.set(key, mine);
    this.#options.spawn(what, async () => {
      await before?.promise;
      try {
        await write();
      } finally {
        if (this.#writes.get(key) === mine) this.#writes.delete(key);
        mine.resolve();
      }
    });
  }
}

interface ErrorFacts {
  readonly error: unknown;
  readonly node?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}
