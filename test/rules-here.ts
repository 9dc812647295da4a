import type { RuleOutcome, RuleRunner, RuleTask } from "../src/tree/rules/rule-runner.ts";
import { RuleBench, type BenchWorker } from "../src/code/rules/rule-bench.ts";
import type { RuleMachineOptions } from "../src/code/rules/rule-machine.ts";
import type { RuleWorker } from "../src/code/rules/rule-work.ts";

/**
 * Runs the code of rules on this thread: for tests of what applies rules, which need no process for it.
 * Code that loops holds the thread up for as long as the limit has it.
 */
export class RulesHere implements RuleRunner {
  readonly #bench: RuleBench;

  constructor(options: RuleMachineOptions = {}) {
    this.#bench = new RuleBench({ open: () => workerHere(options) });
  }

  run(task: RuleTask): Promise<RuleOutcome> {
    return this.#bench.run(task);
  }

  async close(): Promise<void> {
    this.#bench.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function workerHere(options: RuleMachineOptions): BenchWorker {
  let machine: Promise<RuleWorker> | undefined;
  const load = async (): Promise<RuleWorker> => {
    const { RuleMachine } = await import("../src/code/rules/rule-machine.ts");
    return new RuleMachine(options);
  };
  return {
    gone: false,
    end: () => {},
    work: async (units, tasks, forget) => {
      machine ??= load();
      return (await machine).work(units, tasks, forget);
    },
  };
}
