import type { Clock } from "../../base/clock.ts";
import { type Deferred, deferred } from "../../base/deferred.ts";
import type { RuleOutcome, RuleRefusal, RuleTask, RuleUnit } from "../../tree/rules/rule-runner.ts";
import { MAX_UNITS, type RuleWorker, WorkerLost, workOf } from "./rule-work.ts";

/** What goes to a worker in one go. */
const MAX_TASKS = 64;
const MAX_BYTES = 4 * 1024 * 1024;

interface Waiting {
  readonly task: RuleTask;
  readonly answer: Deferred<RuleOutcome>;
}

/** Where the work is done, until it is gone. */
export interface BenchWorker extends RuleWorker {
  /** Whether nothing more can come of it. */
  readonly gone: boolean;
  end(why: string): void;
}

export interface RuleBenchOptions {
  /** Makes the worker, and another when that one is gone. */
  readonly open: () => BenchWorker;
  /** Ends the worker where it had no work for so long. */
  readonly idle?: { readonly clock: Clock; readonly afterMs: number } | undefined;
}

/**
 * One worker at a time, and what waits for it: tasks that come together go together. Where the worker is
 * lost with several of them, they go to the next one by one, until it is known which it was: who loses
 * one that has done nothing else.
 */
export class RuleBench {
  readonly #options: RuleBenchOptions;
  readonly #waiting: Waiting[] = [];
  #worker: BenchWorker | undefined;
  readonly #known = new Set<string>();
  /** So many tasks were with a process when it was lost: they go one by one, to find the culprit. */
  #careful = 0;
  /** The present worker has answered nothing yet. */
  #isFresh = true;
  #working = false;
  #closed = false;
  #idle: Disposable | undefined;

  constructor(options: RuleBenchOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  run(task: RuleTask): Promise<RuleOutcome> {
    const answer = deferred<RuleOutcome>();
    if (this.#closed) answer.resolve(lost(task, "the tree is closed"));
    else this.#waiting.push({ task, answer });
    if (!this.#working) void this.#work();
    return answer.promise;
  }

  /** Answers what still waits with "lost". Idempotent. */
  close(): void {
    this.#closed = true;
    this.#idle?.[Symbol.dispose]();
    for (const { task, answer } of this.#waiting.splice(0)) {
      answer.resolve(lost(task, "the tree is closed"));
    }
    this.#worker?.end("the tree is closed");
  }

  async #work(): Promise<void> {
    this.#working = true;
    this.#idle?.[Symbol.dispose]();
    // What else is asked for in this turn goes with it.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      const outcomes = await this.#send(batch);
      for (const [index, waiting] of batch.entries()) {
        const outcome = outcomes[index];
        if (outcome !== undefined) waiting.answer.resolve(outcome);
      }
      // What there was no time for, or what was lost together, comes next.
      if (this.#closed)
        for (const { task, answer } of batch) answer.resolve(lost(task, "the tree is closed"));
      else this.#waiting.unshift(...batch.slice(outcomes.length));
    }
    this.#working = false;
    const { idle } = this.#options;
    if (this.#closed || idle === undefined) return;
    this.#idle = idle.clock.after(idle.afterMs, () => this.#worker?.end("it was idle"));
  }

  #take(): Waiting[] {
    let count = 0;
    for (let bytes = 0; count < this.#waiting.length && count < MAX_TASKS; count++) {
      bytes += this.#waiting[count]?.task.value.length ?? 0;
      if (count > 0 && (this.#careful > 0 || bytes > MAX_BYTES)) break;
    }
    this.#careful = Math.max(0, this.#careful - 1);
    return this.#waiting.splice(0, count);
  }

  /** The outcomes of the first of the batch; of none where all were lost together. */
  async #send(batch: readonly Waiting[]): Promise<readonly RuleOutcome[]> {
    const tasks = batch.map(({ task }) => workOf(task));
    try {
      const worker = this.#present();
      const forget = this.#known.size >= MAX_UNITS;
      if (forget) this.#known.clear();
      const units = new Map<string, RuleUnit>();
      for (const { task } of batch) {
        for (const unit of task.units) if (!this.#known.has(unit.id)) units.set(unit.id, unit);
      }
      for (const id of units.keys()) this.#known.add(id);
      const outcomes = await worker.work([...units.values()], tasks, forget);
      this.#isFresh = false;
      return outcomes;
    } catch (error) {
      const [only, another] = batch;
      // Otherwise it may be what earlier ones have left behind.
      if (only !== undefined && another === undefined && this.#isFresh) {
        return [blamed(only.task, error as Error)];
      }
      this.#careful = batch.length;
      return [];
    }
  }

  #present(): BenchWorker {
    if (this.#worker === undefined || this.#worker.gone) {
      this.#known.clear();
      this.#isFresh = true;
      this.#worker = this.#options.open();
    }
    return this.#worker;
  }
}

/** What is said of a task that was alone with a worker that had done nothing else. */
function blamed(task: RuleTask, error: Error): RuleOutcome {
  const outcome = lost(task, `what ran it was lost: ${error.message}`);
  const isLate = error instanceof WorkerLost && error.why === "timeout";
  return isLate ? { ...outcome, why: "timeout", reason: error.message } : outcome;
}

function lost(task: RuleTask, reason: string): RuleRefusal {
  return { ok: false, why: "lost", unit: task.units.at(-1)?.name ?? "", reason };
}
