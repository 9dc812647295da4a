import type { RuleOutcome, RuleRunner, RuleTask } from "../../tree/rules/rule-runner.ts";
import type { RuleMachineOptions } from "./rule-machine.ts";
import { MAX_UNITS, workOf, type RuleWorker } from "./rule-work.ts";

/**
 * Runs the code of rules on this thread: for a store that is this process's own. Code that loops holds
 * the thread up for as long as the limit has it. The compiler is loaded with the first task.
 */
export class RulesHere implements RuleRunner {
  readonly #options: RuleMachineOptions;
  readonly #known = new Set<string>();
  #machine: Promise<RuleWorker> | undefined;
  #closed = false;

  constructor(options: RuleMachineOptions = {}) {
    this.#options = options;
  }

  async run(task: RuleTask): Promise<RuleOutcome> {
    this.#machine ??= this.#load();
    const machine = await this.#machine;
    if (this.#closed) {
      return {
        ok: false,
        why: "lost",
        unit: task.units[0]?.name ?? "",
        reason: "the tree is closed",
      };
    }
    const forget = this.#known.size >= MAX_UNITS;
    if (forget) this.#known.clear();
    const units = task.units.filter(({ id }) => !this.#known.has(id));
    for (const { id } of units) this.#known.add(id);
    const [outcome] = await machine.work(units, [workOf(task)], forget);
    return outcome as RuleOutcome;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #load(): Promise<RuleWorker> {
    const { RuleMachine } = await import("./rule-machine.ts");
    return new RuleMachine(this.#options);
  }
}
