import { CodeError } from "../../base/errors.ts";
import { compile } from "../compile.ts";
import { checkEntry } from "../entry.ts";
import { evaluateBody } from "../evaluate.ts";

/** What a rule's text becomes. */
export type RuleFunction = (...values: readonly unknown[]) => unknown;

/**
 * Compiles the body of a function of a rule: TypeScript or JavaScript that imports nothing and gives its
 * answer at once.
 *
 * @param name what it is called in messages and stacks
 * @throws CodeError `CODE_SYNTAX`, `CODE_UNSUPPORTED`
 */
export function ruleFunction(name: string, code: string, vars: readonly string[]): RuleFunction {
  const unit = compile(checkEntry("proc", name, { code, vars }));
  if (unit.form !== "body" || unit.imports.length > 0) {
    throw new CodeError(
      "CODE_UNSUPPORTED",
      `${name}: a rule is the body of a function, without imports`,
    );
  }
  const call = evaluateBody({ unit, key: unit.hash.slice(0, 8) }, [], {
    dynamicImport: async () => {
      throw new CodeError("CODE_UNSUPPORTED", `${name}: a rule can't import anything`);
    },
    meta: {},
    namespaces: [],
  });
  return (...values) => {
    const answer = call(...values);
    if (typeof (answer as PromiseLike<unknown> | undefined | null)?.then === "function") {
      throw new BrokenRule("its answer is a promise; a rule answers at once");
    }
    return answer;
  };
}

/** What is wrong is the rule, not the value. */
export class BrokenRule extends Error {}
