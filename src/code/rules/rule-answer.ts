import type { RuleOutcome } from "../../tree/rules/rule-runner.ts";
import { MAX_REASON, type RuleWork, WorkerLost } from "./rule-work.ts";

const WHYS = ["refused", "broken", "timeout", "lost"] as const;

/**
 * What came from where code of rules runs, which may have changed everything there: what is no answer to
 * these tasks takes the worker out of use.
 *
 * @throws WorkerLost
 */
export function checkAnswer(answer: unknown, tasks: readonly RuleWork[]): readonly RuleOutcome[] {
  if (Array.isArray(answer) && answer.length > 0 && answer.length <= tasks.length) {
    return answer.map((one: unknown, index) => checkOutcome(one, tasks[index] as RuleWork));
  }
  throw noAnswer();
}

function checkOutcome(outcome: unknown, { kind }: RuleWork): RuleOutcome {
  if (typeof outcome !== "object" || outcome === null) throw noAnswer();
  const fields = outcome as Readonly<Record<string, unknown>>;
  if (fields["ok"] === true) {
    if (kind === "check") return { ok: true };
    const { value } = fields;
    if (value instanceof Uint8Array) return { ok: true, value };
    throw noAnswer();
  }
  const why = WHYS.find((known) => known === fields["why"]);
  const [unit, reason] = [textOf(fields["unit"]), textOf(fields["reason"])];
  if (fields["ok"] !== false || why === undefined) throw noAnswer();
  if (unit === undefined || reason === undefined) throw noAnswer();
  const [at, frame] = [textOf(fields["at"]), textOf(fields["frame"])];
  return { ok: false, why, unit, reason, ...(at && { at }), ...(frame && { frame }) };
}

function textOf(text: unknown): string | undefined {
  return typeof text === "string" ? text.slice(0, 4 * MAX_REASON) : undefined;
}

function noAnswer(): WorkerLost {
  return new WorkerLost("it gave an answer that is none: code has changed what it runs in");
}
