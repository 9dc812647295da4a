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
export function assertPure(text: string, parsers: Parsers): void {
  const ast = read(text, parsers);
  const [statement] = ast.body;
  if (
    statement?.type === "ExpressionStatement" &&
    statement.expression.type === "ClassExpression"
  ) {
    throw notAlone("it is a class: send a function that returns one");
  }
  const options = { ecmaVersion: 2026, ignoreEval: true } as const;
  const { globalScope } = parsers.scopes.analyze(ast as never, options);
  for (const { identifier } of globalScope?.through ?? []) {
    const { name, loc } = identifier as unknown as acorn.Identifier;
    if (!GIVEN.has(name) && !(name in globalThis)) throw captured(name, loc?.start);
  }
}

function read(text: string, { acorn: { parse } }: Parsers): acorn.Program {
  try {
    return parse(`(${text}\n)`, { ecmaVersion: "latest", ranges: true, locations: true });
  } catch (error) {
    throw notAlone(
      text.includes("[native code]")
        ? "it is built in or bound, so that it has no text"
        : "its text does not stand alone, as that of a method or getter: send a function expression",
      error,
    );
  }
}

function captured(name: string, place: acorn.Position | undefined): GatewayError {
  const { line, column } = place ?? { line: 1, column: 1 };
  // The bracket before it is ours.
  const at = `line ${line}, column ${line === 1 ? column : column + 1}`;
  return notAlone(
    `it uses ${JSON.stringify(name)} of what is around it (${at}): pass that as an argument, or import() it inside`,
  );
}

function notAlone(why: string, cause?: unknown): GatewayError {
  return new GatewayError("GATEWAY_SOURCE", `the function can't be sent: ${why}`, { cause });
}
