/** The tool chain: from what is stored to a unit that can be run. Loads a parser and a type stripper. */
import { createHash } from "node:crypto";

import { parseExpressionAt } from "acorn";

import { codeErrorAt, placeAt, type CodeOrigin } from "./code-frame.ts";
import type { CheckedEntry } from "./entry.ts";
import { findSyntaxError } from "./evaluate.ts";
import { rewrite, type Rewritten } from "./rewrite.ts";
import { scan, type Scan } from "./scan.ts";
import { stripBody, stripModule } from "./strip.ts";
import type { Unit } from "./unit.ts";

/**
 * Compiles one entry. Nothing of it runs, and nothing that it imports is looked at.
 *
 * @throws CodeError `CODE_SYNTAX`, `CODE_UNSUPPORTED`, with place and frame
 */
export function compile(entry: CheckedEntry): Unit {
  // A `#!` line is a comment, but not inside of a function.
  const text = entry.code.replace(/^#!/, "//");
  const origin: CodeOrigin = { kind: entry.kind, name: entry.name, text };
  try {
    return compileEntry(entry, origin);
  } catch (error) {
    // The parsers are recursive, and the text may be hostile.
    if (!(error instanceof RangeError)) throw error;
    const place = { line: 1, column: 1, cause: error };
    throw codeErrorAt("CODE_UNSUPPORTED", "the source is nested too deeply", origin, place);
  }
}

function compileEntry(entry: CheckedEntry, origin: CodeOrigin): Unit {
  const { kind, name, vars, defaults, isAsync } = entry;
  const found = entry.json ? undefined : scan(origin.text);
  const form = entry.json ? "json" : formOf(kind, found, origin);
  const parts =
    form === "json" ? readJson(origin) : rewriteText(origin, form, found, isAsync === true);
  const later = [...new Set([...parts.later, ...entry.requires])];
  const hash = hashOf([kind, form, entry.code, vars, defaults, isAsync]);
  const unit: Unit = { ...parts, later, kind, name, hash, form, vars, defaults, isAsync };
  const wrong = form === "json" ? undefined : findSyntaxError(unit);
  if (wrong !== undefined) throw codeErrorAt("CODE_SYNTAX", wrong.message, origin, wrong.place);
  return unit;
}

/** A procedure is a body, or a module that exports one function. */
function formOf(kind: Unit["kind"], found: Scan | undefined, origin: CodeOrigin): Unit["form"] {
  if (kind === "module") return "module";
  const values = found?.exports.filter(({ typeOnly }) => !typeOnly) ?? [];
  const isModule = values.some((mark) => mark.name === "default");
  const other = isModule ? values.find((mark) => mark.name !== "default") : found?.exports[0];
  if (other === undefined) return isModule ? "module" : "body";
  const reason = "a procedure cannot have exports; store it as a module";
  throw codeErrorAt("CODE_UNSUPPORTED", reason, origin, placeAt(origin.text, other.start));
}

function rewriteText(
  origin: CodeOrigin,
  form: "body" | "module",
  found: Scan | undefined,
  isAsync: boolean,
): Rewritten {
  if (form === "module") {
    return rewrite(stripModule(origin), origin, { form, allowAwait: true });
  }
  if (found === undefined) explainBody(origin);
  const js = stripBody(origin, found?.imports ?? []);
  return rewrite(js, origin, { form, allowAwait: isAsync });
}

/**
 * A body that could not be scanned: with its imports still in it, only a module's parser can say
 * what is wrong, unless it is the `return` that no module has.
 */
function explainBody(origin: CodeOrigin): void {
  try {
    stripModule(origin);
  } catch (error) {
    if (!/Return statement is not allowed/.test((error as Error).message)) throw error;
  }
}

function readJson(origin: CodeOrigin): Rewritten {
  try {
    JSON.parse(origin.text);
  } catch (cause) {
    const place = placeAt(origin.text, findJsonError(origin.text));
    throw codeErrorAt("CODE_SYNTAX", (cause as Error).message, origin, { ...place, cause });
  }
  return {
    imports: [],
    later: [],
    exports: ["default"],
    stars: [],
    head: "",
    body: origin.text,
    free: [],
  };
}

/** `JSON.parse` rarely says where. What is no JavaScript either is found; the rest is at the end. */
function findJsonError(text: string): number {
  try {
    parseExpressionAt(text, 0, { ecmaVersion: "latest" });
    return text.length;
  } catch (error) {
    return (error as { pos?: number }).pos ?? text.length;
  }
}

function hashOf(parts: readonly unknown[]): string {
  const text = JSON.stringify(parts, (_, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
  return createHash("sha256").update(text).digest("hex");
}
