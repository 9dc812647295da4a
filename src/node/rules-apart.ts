import type { Clock } from "../base/clock.ts";
import { deferred, type Deferred } from "../base/deferred.ts";
import { MAX_UNITS, workOf } from "../code/rules/rule-work.ts";
import type { Log } from "../base/log.ts";
import type { RuleOutcome, RuleRunner, RuleTask, RuleUnit } from "../tree/rules/rule-runner.ts";
import { RuleProcess } from "./rule-process.ts";

export interface RulesApartOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** How long a process stays without work. Default 60,000. */
  readonly idleMs?: number | undefined;
}

/** What goes to a process in one go. */
const MAX_TASKS = 64;
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_SUSPECTS = 1_000;

/**
 * Runs the code of rules in processes of their own, which are started when they are needed: one for all
 * rules, and another for those that once did not end in time or took their process with them. So who
 * writes what those rules are about has to wait, and nobody else.
 */
export class RulesApart implements RuleRunner {
  readonly #main: Bench;
  readonly #apart: Bench;
  /** The ids of the rules in question. */
  readonly #suspects = new Set<string>();

  constructor(options: RulesApartOptions) {
    this.#main = new Bench(options);
    this.#apart = new Bench(options);
  }

  async run(task: RuleTask): Promise<RuleOutcome> {
    const isSuspect = task.units.some(({ id }) => this.#suspects.has(id));
    const outcome = await (isSuspect ? this.#apart : this.#main).run(task);
    if (!outcome.ok && (outcome.why === "timeout" || outcome.why === "lost")) {
      if (this.#suspects.size >= MAX_SUSPECTS) this.#suspects.clear();
      for (const { id } of task.units) this.#suspects.add(id);
    }
    return outcome;
  }

  async close(): Promise<void> {
    this.#main.close();
    this.#apart.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

interface Waiting {
  readonly task: RuleTask;
  readonly answer: Deferred<RuleOutcome>;
}

/** One process at a time, and what waits for it. */
class Bench {
  readonly #options: RulesApartOptions;
  readonly #waiting: Waiting[] = [];
  #process: RuleProcess | undefined;
  readonly #known = new Set<string>();
  /** So many tasks were with a process when it was lost: they go one by one, to find the culprit. */
  #careful = 0;
  #working = false;
  #closed = false;
  #idle: Disposable | undefined;

  constructor(options: RulesApartOptions) {
    this.#options = options;
  }

  run(task: RuleTask): Promise<RuleOutcome> {
    const answer = deferred<RuleOutcome>();
    if (this.#closed) answer.resolve(lost(task, "the tree is closed"));
    else this.#waiting.push({ task, answer });
    if (!this.#working) void this.#work();
    return answer.promise;
  }

  close(): void {
    this.#closed = true;
    this.#idle?.[Symbol.dispose]();
    for (const { task, answer } of this.#waiting.splice(0)) {
      answer.resolve(lost(task, "the tree is closed"));
    }
    this.#process?.end("the tree is closed");
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
    if (this.#closed) return;
    this.#idle = this.#options.clock.after(this.#options.idleMs ?? 60_000, () => {
      this.#process?.end("it was idle");
    });
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
    const worker = this.#worker();
    const forget = this.#known.size >= MAX_UNITS;
    if (forget) this.#known.clear();
    const units = new Map<string, RuleUnit>();
    for (const { task } of batch) {
      for (const unit of task.units) if (!this.#known.has(unit.id)) units.set(unit.id, unit);
    }
    for (const id of units.keys()) this.#known.add(id);
    const tasks = batch.map(({ task }) => workOf(task));
    try {
      return await worker.work([...units.values()], tasks, forget);
    } catch (error) {
      const [only, another] = batch;
      if (only !== undefined && another === undefined) {
        return [lost(only.task, `its process was lost: ${(error as Error).message}`)];
      }
      this.#careful = batch.length;
      return [];
    }
  }

  #worker(): RuleProcess {
    if (this.#process === undefined || this.#process.gone) {
      this.#known.clear();
      this.#process = new RuleProcess(this.#options);
    }
    return this.#process;
  }
}

function lost(task: RuleTask, reason: string): RuleOutcome {
  return { ok: false, why: "lost", unit: task.units.at(-1)?.name ?? "", reason };
}
