import type * as acorn from "acorn";
import type * as eslintScope from "eslint-scope";

import { GatewayError } from "../base/errors.ts";

interface Parsers {
  readonly acorn: typeof acorn;
  readonly scopes: typeof eslintScope;
}

/** What `compile` gives to every function, besides the globals. */
const GIVEN: ReadonlySet<string> = new Set(["require", "__name", "arguments", "undefined"]);

/**
 * Refuses what would not be the same function over there: only its text is sent, so it may use its
 * parameters, what it declares, and globals.
 *
 * @throws GatewayError `GATEWAY_SOURCE`, with the name that it uses and where
 */
export function assertPure(text: string, { acorn: { parse }, scopes }: Parsers): void {
  let ast: acorn.Program;
  try {
    ast = parse(`(${text}\n)`, { ecmaVersion: "latest", ranges: true, locations: true });
  } catch (error) {
    throw notAlone(
      text.includes("[native code]")
        ? "it is built in or bound, so that it has no text"
        : "its text does not stand alone, as that of a method or getter: send a function expression",
      error,
    );
  }
  const [statement] = ast.body;
  const expression = statement?.type === "ExpressionStatement" ? statement.expression : undefined;
  if (expression?.type === "ClassExpression") {
    throw notAlone("it is a class: send a function that returns one");
  }
  const { globalScope } = scopes.analyze(ast as never, { ecmaVersion: 2026, ignoreEval: true });
  for (const { identifier } of globalScope?.through ?? []) {
    const { name, loc } = identifier as { name: string; loc?: acorn.SourceLocation };
    if (GIVEN.has(name) || name in globalThis) continue;
    // The bracket before it is ours.
    const { line, column } = loc?.start ?? { line: 1, column: 1 };
    const at = `line ${line}, column ${line === 1 ? column : column + 1}`;
    throw notAlone(
      `it uses ${JSON.stringify(name)} of what is around it (${at}): pass that as an argument, or import() it inside`,
    );
  }
}

function notAlone(why: string, cause?: unknown): GatewayError {
  return new GatewayError("GATEWAY_SOURCE", `the function can't be sent: ${why}`, { cause });
}
