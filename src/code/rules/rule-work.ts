import type { RuleOutcome, RuleTask, RuleUnit } from "../../tree/rules/rule-runner.ts";

/** Versions of rules that a machine keeps compiled before it is told to forget all. */
export const MAX_UNITS = 1_000;

/** A task as it goes to a machine, which knows the units by their ids. */
export interface RuleWork {
  readonly kind: RuleTask["kind"];
  readonly units: readonly string[];
  readonly value: Uint8Array;
  readonly previous?: Uint8Array | undefined;
}

export function workOf(task: RuleTask): RuleWork {
  const { kind, value } = task;
  const units = task.units.map(({ id }) => id);
  return kind === "decode"
    ? { kind, units, value, previous: task.previous }
    : { kind, units, value };
}

/** What a machine of another process or this one does. */
export interface RuleWorker {
  /**
   * Answers the first tasks in their order, one at least: the rest is for another go.
   *
   * @param units what the tasks need and was not given before
   * @param forget whether everything that was given before is to be forgotten
   */
  work(
    units: readonly RuleUnit[],
    tasks: readonly RuleWork[],
    forget: boolean,
  ): Promise<readonly RuleOutcome[]>;
}
