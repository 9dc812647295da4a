import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { RuleBench } from "../code/rules/rule-bench.ts";
import type { RuleOutcome, RuleRunner, RuleTask } from "../tree/rules/rule-runner.ts";
import { RuleProcess } from "./rule-process.ts";

export interface RulesApartOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** How long a process stays without work. Default 60,000. */
  readonly idleMs?: number | undefined;
}

const MAX_SUSPECTS = 1_000;

/**
 * Runs the code of rules in processes of their own, which are started when they are needed: one for all
 * rules, and another for those that once did not end in time or took their process with them. So who
 * writes what those rules are about has to wait, and nobody else.
 */
export class RulesApart implements RuleRunner {
  readonly #main: RuleBench;
  readonly #apart: RuleBench;
  /** The ids of the rules in question. */
  readonly #suspects = new Set<string>();

  constructor(options: RulesApartOptions) {
    const { clock, idleMs = 60_000 } = options;
    const bench = { open: () => new RuleProcess(options), idle: { clock, afterMs: idleMs } };
    this.#main = new RuleBench(bench);
    this.#apart = new RuleBench(bench);
  }

  async run(task: RuleTask): Promise<RuleOutcome> {
    const isSuspect = task.units.some(({ id }) => this.#suspects.has(id));
    const outcome = await (isSuspect ? this.#apart : this.#main).run(task);
    if (!outcome.ok && (outcome.why === "timeout" || outcome.why === "lost")) {
      if (this.#suspects.size >= MAX_SUSPECTS) this.#suspects.clear();
      // Not those above it, which others need.
      for (const { id, name } of task.units) if (name === outcome.unit) this.#suspects.add(id);
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
