import { parse, type AnyNode, type Program } from "acorn";
import { analyze, type Reference } from "eslint-scope";
import { walk } from "estree-walker";

import { codeErrorAt, placeAt, type CodeOrigin } from "./code-frame.ts";

/** JavaScript, read: its tree, who refers to what, and what stands around each node. */
export interface Syntax {
  readonly ast: Program;
  /** What refers to a declaration of the top level, by its name. */
  readonly references: ReadonlyMap<string, readonly Reference[]>;
  /** Names that nobody declares. */
  readonly free: readonly string[];
  /** The names that a declaration declares. */
  declaredBy(declaration: AnyNode): readonly string[];
}

/**
 * Reads a module, or a function's body with imports in it.
 *
 * @throws CodeError `CODE_SYNTAX`
 */
export function readSyntax(js: string, origin: CodeOrigin, form: "body" | "module"): Syntax {
  let ast: Program;
  try {
    ast = parse(js, {
      ecmaVersion: "latest",
      sourceType: "module",
      // The scope analysis wants them.
      ranges: true,
      allowReturnOutsideFunction: form === "body",
    });
  } catch (error) {
    throw syntaxError(error, origin);
  }
  const scopes = analyze(ast as never, {
    ecmaVersion: 2026,
    sourceType: "module",
    ignoreEval: true,
  });
  const references = new Map<string, readonly Reference[]>();
  for (const variable of scopes.globalScope?.childScopes[0]?.variables ?? []) {
    references.set(variable.name, variable.references);
  }
  const through = scopes.globalScope?.through ?? [];
  const free = new Set(through.map(({ identifier }) => (identifier as { name: string }).name));
  return {
    ast,
    references,
    free: [...free].sort(),
    declaredBy: (node) => scopes.getDeclaredVariables(node as never).map(({ name }) => name),
  };
}

function syntaxError(error: unknown, origin: CodeOrigin): Error {
  if (!(error instanceof SyntaxError)) throw error;
  const at = "pos" in error && typeof error.pos === "number" ? error.pos : 0;
  const reason = error.message.replace(/ \(\d+:\d+\)$/, "");
  return codeErrorAt("CODE_SYNTAX", reason, origin, placeAt(origin.text, at));
}

/** Visits every node; the ancestors start with the parent. They are valid during the call only. */
export function visit(
  ast: Program,
  enter: (node: AnyNode, ancestors: readonly AnyNode[]) => void,
): void {
  const ancestors: AnyNode[] = [];
  walk(ast as never, {
    enter: (node) => {
      enter(node as unknown as AnyNode, ancestors);
      ancestors.unshift(node as unknown as AnyNode);
    },
    leave: () => {
      ancestors.shift();
    },
  });
}
