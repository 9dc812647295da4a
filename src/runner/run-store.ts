import type { Tree } from "../tree/tree.ts";
import { BanyanError } from "../base/errors.ts";
import { Path } from "../wire/path.ts";
import type { LogLine, Run } from "./job.ts";
import type { Fence } from "./ownership.ts";
import type { SlotPath } from "./slot-mirror.ts";

interface LineBatch {
  readonly index: number;
  readonly lines: readonly LogLine[];
  /** Of a run that still has its job. */
  readonly fence: Fence | undefined;
}

/** The element between a run and its lines: no job's name by accident. */
const LOG = "log";

/**
 * The history of runs, at `.banyan.run.<slot>.<job>.<token>`, and their lines, in batches at
 * `....log.<n>`. The token is a number there, so that runs are in order.
 */
export class RunStore {
  readonly #tree: Tree;

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** @throws EngineError `ENGINE_CONDITION` if the run has lost its job */
  async write(slot: string, run: Run, fence: Fence): Promise<void> {
    await this.#tree.set(this.#at({ slot, path: run.job }, run.token), run, { condition: fence });
  }

  async writeLines(at: SlotPath, token: number, batch: LineBatch): Promise<void> {
    const path = this.#at(at, token).concat([LOG, batch.index]);
    await this.#tree.set(path, batch.lines, { condition: batch.fence });
  }

  /** Writes the true end of a run that another took for lost. Where its record is gone it stays so. */
  async amend(slot: string, run: Run): Promise<void> {
    const path = this.#at({ slot, path: run.job }, run.token);
    for (;;) {
      const stored = await this.#tree.entry(path);
      if (stored === undefined) return;
      try {
        await this.#tree.set(path, run, { ifRevision: stored.revision });
        return;
      } catch (error) {
        // Its successor has written it meanwhile, or it is no more.
        if (!BanyanError.has(error, "ENGINE_CONFLICT")) throw error;
      }
    }
  }

  async deleteLines(at: SlotPath, token: number, index: number): Promise<void> {
    await this.#tree.delete(this.#at(at, token).concat([LOG, index]));
  }

  async get(at: SlotPath, token: number): Promise<Run | undefined> {
    return toRun(await this.#tree.get(this.#at(at, token)));
  }

  /** The runs of a job in one slot, oldest first. */
  async list(at: SlotPath): Promise<Run[]> {
    const runs: Run[] = [];
    const root = this.#root(at);
    for await (const entry of this.#tree.walk(root, { minDepth: 1, maxDepth: 1 })) {
      const run = toRun(entry.value);
      // A job below this one may have a number for its name.
      if (run !== undefined && at.path.equals(run.job) && entry.path.at(-1) === run.token) {
        runs.push(run);
      }
    }
    return runs;
  }

  async lines(at: SlotPath, token: number): Promise<LogLine[]> {
    const lines: LogLine[] = [];
    for await (const entry of this.#tree.walk(this.#at(at, token).append(LOG), { minDepth: 1 })) {
      if (Array.isArray(entry.value)) lines.push(...(entry.value as LogLine[]));
    }
    return lines;
  }

  /** Keeps the last `keep` runs of a job, and of others no lines either. */
  async prune(at: SlotPath, keep: number): Promise<void> {
    const runs = await this.list(at);
    const kept = new Set(runs.slice(Math.max(0, runs.length - keep)).map(({ token }) => token));
    for (const { token } of runs) {
      if (!kept.has(token)) await this.#tree.delete(this.#at(at, token), { recursive: true });
    }
    // Of a run that came after these, the record may still be on its way.
    const last = keep === 0 ? Infinity : (runs.at(-1)?.token ?? 0);
    for await (const { name: token } of this.#tree.list(this.#root(at))) {
      if (typeof token !== "number" || token >= last || kept.has(token)) continue;
      await this.#deleteLines(this.#at(at, token).append(LOG));
    }
  }

  /** One by one: below may be what belongs to another job, whose name ends like this. */
  async #deleteLines(log: Path): Promise<void> {
    for await (const { path, value } of this.#tree.walk(log, { minDepth: 1, maxDepth: 1 })) {
      if (Array.isArray(value)) await this.#tree.delete(path);
    }
  }

  #root({ slot, path }: SlotPath): Path {
    return this.#tree.system.run.concat([slot, ...path]);
  }

  #at(at: SlotPath, token: number): Path {
    return this.#root(at).append(token);
  }
}

function toRun(value: unknown): Run | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const run = value as Partial<Run>;
  const sound =
    typeof run.id === "string" &&
    run.job instanceof Path &&
    typeof run.token === "number" &&
    typeof run.started === "number";
  return sound ? (run as Run) : undefined;
}
