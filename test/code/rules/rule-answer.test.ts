import { describe, expect, it } from "vitest";

import { checkAnswer } from "../../../src/code/rules/rule-answer.ts";
import { type RuleWork, WorkerLost } from "../../../src/code/rules/rule-work.ts";

const check: RuleWork = { kind: "check", units: ["t@1"], value: new Uint8Array() };
const encode: RuleWork = { ...check, kind: "encode" };
const bytes = new Uint8Array([1]);

describe("checkAnswer()", () => {
  it("gives the outcomes of the first tasks, and nothing else that came with them", () => {
    const refusal = { ok: false, why: "refused", unit: "t", reason: "no" };
    expect(checkAnswer([{ ok: true, value: 1 }], [check, check])).toEqual([{ ok: true }]);
    expect(
      checkAnswer(
        [
          { ok: true, value: bytes },
          { ...refusal, x: 1 },
        ],
        [encode, check],
      ),
    ).toEqual([{ ok: true, value: bytes }, refusal]);
    const where = { at: "a.0", frame: "> 1 | x" };
    expect(checkAnswer([{ ...refusal, ...where }], [check])).toEqual([{ ...refusal, ...where }]);
  });

  it("keeps texts short, whatever came", () => {
    const outcome = { ok: false, why: "lost", unit: "t", reason: "x".repeat(1e6) };
    const [short] = checkAnswer([outcome], [check]) as readonly { readonly reason: string }[];
    expect(short?.reason.length).toBeLessThan(10_000);
  });

  it.each([
    [null],
    [undefined],
    ["ok"],
    [{ length: 1, 0: { ok: true } }],
    [[]],
    [[{ ok: true }, { ok: true }]],
    [[null]],
    [[{}]],
    [[{ ok: 1 }]],
    [[{ ok: false, why: "else", unit: "t", reason: "no" }]],
    [[{ ok: false, why: "refused", unit: 1, reason: "no" }]],
    [[{ ok: false, why: "refused", unit: "t" }]],
  ])("refuses %j, which is no answer to one task", (answer) => {
    expect(() => checkAnswer(answer, [check])).toThrow(WorkerLost);
  });

  it("refuses a conversion without bytes", () => {
    expect(() => checkAnswer([{ ok: true }], [encode])).toThrow(WorkerLost);
  });
});
