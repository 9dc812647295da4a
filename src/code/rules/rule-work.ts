import { DEFAULT_ENGINE_LIMITS } from "../../engine/engine.ts";
import type { RuleOutcome, RuleTask, RuleUnit } from "../../tree/rules/rule-runner.ts";

/** Versions of rules that a machine keeps compiled before it is told to forget all. */
export const MAX_UNITS = 1_000;

/** How long the code of rules may run, in milliseconds. */
export const LIMIT_MS = 1_000;

/** What their objects may take, and the whole process that runs it, in MB. */
export const HEAP_MB = 256;
export const PROCESS_MB = 512;

/** Of a reason, in characters. */
export const MAX_REASON = 500;

/** What a codec may make of a value, in bytes: some larger than what can be stored, as text is for bytes. */
export const MAX_RESULT_BYTES = 2 * DEFAULT_ENGINE_LIMITS.maxValueBytes;

/** Why what was stopped at the limit is refused. */
export function tooLong(limitMs: number): string {
  return `its code did not end within ${limitMs / 1000} s`;
}

/** A worker that is gone with what it had to do. */
export class WorkerLost extends Error {
  /** "timeout": it was ended because code kept it for itself. */
  readonly why: "timeout" | "lost";

  constructor(message: string, options: ErrorOptions & { readonly why?: "timeout" } = {}) {
    super(message, options);
    this.why = options.why ?? "lost";
  }
}

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
