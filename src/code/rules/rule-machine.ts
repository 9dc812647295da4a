import { Script } from "node:vm";

import { BanyanError } from "../../base/errors.ts";
import type {
  CodecUnit,
  RuleOutcome,
  RuleRefusal,
  RuleUnit,
  TypeUnit,
} from "../../tree/rules/rule-runner.ts";
import { decodeValue, encodeValue } from "../../wire/value.ts";
import { BrokenRule, ruleFunction } from "./rule-function.ts";
import { schemaCheck } from "./rule-schema.ts";
import {
  LIMIT_MS,
  MAX_REASON,
  MAX_RESULT_BYTES,
  type RuleWork,
  type RuleWorker,
  tooLong,
} from "./rule-work.ts";

export interface RuleMachineOptions {
  /** How long the code of rules may run in one go before it is stopped. Default 1,000. */
  readonly limitMs?: number | undefined;
  /** Calls what is under that limit, where somebody looks at what is not. */
  readonly guarded?: (<T>(work: () => T) => T) | undefined;
}

/** After this long, what is left waits for the next go: so what is stopped has had most of the limit. */
const SLICE_MS = 100;
/** So it is after as many bytes of results: a message takes no more than a few of the largest. */
const SLICE_BYTES = 4 * 1024 * 1024;
/** Of code that did not get the processor. */
const MAX_ATTEMPTS = 4;

/** What a unit has against a value. */
interface Complaint {
  readonly reason: string;
  readonly at?: string | undefined;
}

/** A unit, ready for use. */
interface Compiled {
  readonly unit: RuleUnit;
  /** Why it is not usable. */
  readonly broken?: Omit<RuleRefusal, "ok" | "unit"> | undefined;
  readonly check?: ((value: unknown) => Complaint | undefined) | undefined;
  readonly decode?: ((value: unknown, previous: unknown) => unknown) | undefined;
  readonly encode?: ((value: unknown) => unknown) | undefined;
}

/** V8 stops code that loops where a script runs under a time limit; this is what such a script calls. */
const SLOT = Symbol.for("banyan.rules.slot");
const slot = globalThis as { [SLOT]?: (() => void) | undefined };
const callSlot = new Script('globalThis[Symbol.for("banyan.rules.slot")]()');

/** Runs the code of rules in this process: what it may not outlast or harm is its owner's affair. */
export class RuleMachine implements RuleWorker {
  readonly #limitMs: number;
  readonly #guarded: <T>(work: () => T) => T;
  readonly #units = new Map<string, Compiled>();
  /** Compiling may wait, and what comes next relies on what was given before. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ limitMs = LIMIT_MS, guarded = (work) => work() }: RuleMachineOptions = {}) {
    this.#limitMs = limitMs;
    this.#guarded = guarded;
  }

  work(
    units: readonly RuleUnit[],
    tasks: readonly RuleWork[],
    forget: boolean,
  ): Promise<readonly RuleOutcome[]> {
    const done = this.#last.then(() => this.#work(units, tasks, forget));
    this.#last = done.catch(() => {});
    return done;
  }

  async #work(
    units: readonly RuleUnit[],
    tasks: readonly RuleWork[],
    forget: boolean,
  ): Promise<readonly RuleOutcome[]> {
    if (forget) this.#units.clear();
    for (const unit of units) this.#units.set(unit.id, await compiled(unit));
    const outcomes: RuleOutcome[] = [];
    let current: Compiled | undefined;
    const until = performance.now() + SLICE_MS;
    let bytes = 0;
    const all = (): void => {
      while (outcomes.length < tasks.length) {
        const task = tasks[outcomes.length] as RuleWork;
        const outcome = this.#outcome(task, (unit) => (current = unit));
        outcomes.push(outcome);
        if (outcome.ok) bytes += outcome.value?.length ?? 0;
        if (bytes > SLICE_BYTES || performance.now() > until) return;
      }
    };
    if (this.#guarded(() => this.#ends(all))) return outcomes;
    const reason = tooLong(this.#limitMs);
    outcomes.push({ ok: false, why: "timeout", unit: current?.unit.name ?? "", reason });
    return outcomes;
  }

  /** Calls `run`, and stops it at the limit. @returns whether it came to its end */
  #ends(run: () => void): boolean {
    for (let attempt = 1; ; attempt++) {
      const before = process.cpuUsage();
      try {
        slot[SLOT] = run;
        callSlot.runInThisContext({ timeout: this.#limitMs });
        return true;
      } catch (error) {
        if ((error as { code?: unknown }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
        // Where others had the processor meanwhile, it was not the code that took the time.
        const { user, system } = process.cpuUsage(before);
        const worked = (user + system) / 1_000 > this.#limitMs / 2;
        if (worked || attempt === MAX_ATTEMPTS) return false;
      } finally {
        slot[SLOT] = undefined;
      }
    }
  }

  /** `begins` is told of each unit before it is used. */
  #outcome(task: RuleWork, begins: (unit: Compiled) => void): RuleOutcome {
    let result: Uint8Array | undefined;
    for (const id of task.units) {
      const unit = this.#units.get(id);
      if (unit === undefined) throw new Error(`the unit ${id} was not given`);
      begins(unit);
      const { name } = unit.unit;
      if (unit.broken !== undefined) return { ok: false, unit: name, ...unit.broken };
      try {
        const complaint = task.kind === "check" ? unit.check?.(read(task.value)) : undefined;
        if (complaint !== undefined) return { ok: false, why: "refused", unit: name, ...complaint };
        if (task.kind !== "check") result = convert(task, unit);
      } catch (error) {
        return { ok: false, unit: name, ...failure(error) };
      }
    }
    return result === undefined ? { ok: true } : { ok: true, value: result };
  }
}

async function compiled(unit: RuleUnit): Promise<Compiled> {
  try {
    return unit.kind === "type" ? await compileType(unit) : compileCodec(unit);
  } catch (error) {
    const frame = BanyanError.is(error) ? error.details["frame"] : undefined;
    const reason = textOf(error);
    return {
      unit,
      broken: { why: "broken", reason, ...(typeof frame === "string" ? { frame } : {}) },
    };
  }
}

async function compileType(unit: TypeUnit): Promise<Compiled> {
  const bySchema = unit.schema === undefined ? undefined : await schemaCheck(unit.schema);
  const code = unit.code === undefined ? undefined : ruleFunction(unit.name, unit.code, ["value"]);
  const byCode = (value: unknown): Complaint | undefined => {
    const answer = code?.(value);
    if (answer === false) return { reason: "its check says no" };
    return typeof answer === "string" && answer !== ""
      ? { reason: answer.slice(0, MAX_REASON) }
      : undefined;
  };
  return { unit, check: (value) => bySchema?.(value) ?? byCode(value) };
}

function compileCodec(unit: CodecUnit): Compiled {
  const decode = ruleFunction(`${unit.name}.decode`, unit.decode, ["value", "prev"]);
  const encode = ruleFunction(`${unit.name}.encode`, unit.encode, ["value"]);
  return { unit, decode, encode };
}

function convert({ kind, value, previous }: RuleWork, unit: Compiled): Uint8Array {
  const result =
    kind === "encode"
      ? unit.encode?.(read(value))
      : unit.decode?.(read(value), previous === undefined ? undefined : read(previous));
  if (result === undefined) throw new BrokenRule(`its ${kind} gives nothing`);
  const bytes = encodeValue(result);
  if (bytes.length <= MAX_RESULT_BYTES) return bytes;
  throw new RangeError(
    `its ${kind} gives ${bytes.length} bytes, and ${MAX_RESULT_BYTES} are the most that is taken`,
  );
}

/** Anew for each use: what code does to its value is seen by nobody else. */
function read(bytes: Uint8Array): unknown {
  return decodeValue(bytes);
}

/** A name that does not exist is a mistake in the code, whatever the value; anything else is a refusal. */
function failure(error: unknown): Pick<RuleRefusal, "why" | "reason"> {
  const broken = error instanceof BrokenRule || error instanceof ReferenceError;
  return { why: broken ? "broken" : "refused", reason: textOf(error) };
}

function textOf(error: unknown): string {
  let text: string;
  try {
    text = error instanceof ReferenceError ? String(error) : messageOf(error);
  } catch {
    text = "it threw something that can't be shown";
  }
  return text.slice(0, MAX_REASON);
}

function messageOf(error: unknown): string {
  const message: unknown = (error as { message?: unknown } | undefined | null)?.message;
  if (typeof message === "string" && message !== "") return message;
  return error instanceof Error ? error.name : `it threw ${String(error)}`;
}
