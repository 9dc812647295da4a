import { createRequire } from "node:module";

import type * as swc from "@swc/wasm-typescript";

import { codeErrorAt, placeAt, type CodeOrigin } from "./code-frame.ts";
import type { ImportSpan } from "./scan.ts";
import type { Place } from "./unit.ts";

/** What `@swc/wasm-typescript` throws: a plain object. */
interface StripFailure {
  readonly code?: string;
  readonly message?: string;
  readonly startLine?: number;
  readonly startColumn?: number;
}

const require = createRequire(import.meta.url);

/**
 * The stripper is WebAssembly. Text that is nested too deeply overflows its stack, and from then on
 * it fails for every other text too; so an instance that crashed is thrown away.
 */
class Stripper {
  #transform: typeof swc.transformSync | undefined;

  /** @throws StripFailure for what is wrong with the text, RangeError where it is too deep */
  strip(text: string): string {
    this.#transform ??= this.#load();
    try {
      return this.#transform(text, { mode: "strip-only", module: true }).code;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#transform = undefined;
      throw new RangeError("the type stripper crashed", { cause: error });
    }
  }

  #load(): typeof swc.transformSync {
    const name = "@swc/wasm-typescript";
    delete require.cache[require.resolve(name)];
    return (require(name) as typeof swc).transformSync;
  }
}

const stripper = new Stripper();

const BODY_PREFIX = "async()=>{";
const BODY_SUFFIX = "\n}";

/**
 * Blanks the types of a module's text. The result has the same length and the same lines.
 *
 * @throws CodeError `CODE_SYNTAX`; `CODE_UNSUPPORTED` for what is more than types: enums, namespaces
 *   with values, parameter properties, `<T>x`, `import x = `, `export =`
 */
export function stripModule(origin: CodeOrigin): string {
  return strip(origin.text, origin, 0);
}

/**
 * As `stripModule`, for the body of a function with imports in it, which no parser takes as it is:
 * the imports are stripped as a module, the rest as a function, and the two laid over each other.
 */
export function stripBody(origin: CodeOrigin, imports: readonly ImportSpan[]): string {
  const { text } = origin;
  refuseImportEquals(origin, imports);
  const without = mapSpans(text, imports, blank, (part) => part);
  const stripped = strip(BODY_PREFIX + without + BODY_SUFFIX, origin, BODY_PREFIX.length);
  const body = stripped.slice(BODY_PREFIX.length, -BODY_SUFFIX.length);
  if (imports.length === 0) return body;
  const only = mapSpans(text, imports, (part) => part, blankStatement);
  const head = strip(only, origin, 0);
  return mapSpans(
    body,
    imports,
    (_, { start, end }) => head.slice(start, end),
    (part) => part,
  );
}

/** The same text with everything but its line ends made blank. */
export function blank(text: string): string {
  return text.replaceAll(/[^\r\n\u2028\u2029]/g, " ");
}

/** As `blank`, but nothing before it runs into what follows: the author's semicolon stands in it. */
export function blankStatement(text: string): string {
  return /^[^\r\n\u2028\u2029]/.test(text) ? `;${blank(text.slice(1))}` : blank(text);
}

function mapSpans(
  text: string,
  spans: readonly ImportSpan[],
  inside: (part: string, span: ImportSpan) => string,
  outside: (part: string) => string,
): string {
  let result = "";
  let at = 0;
  for (const span of spans) {
    result += outside(text.slice(at, span.start)) + inside(text.slice(span.start, span.end), span);
    at = span.end;
  }
  return result + outside(text.slice(at));
}

/** The scanner ends its span inside of `import x = require("y")`. */
function refuseImportEquals(origin: CodeOrigin, imports: readonly ImportSpan[]): void {
  for (const { start, end } of imports) {
    if (!/^import\s+(?:type\s+)?[\p{ID_Continue}$]+\s*=/u.test(origin.text.slice(start, end))) {
      continue;
    }
    throw unsupported(origin, "import equals declaration", placeAt(origin.text, start));
  }
}

function strip(text: string, origin: CodeOrigin, prefixLength: number): string {
  try {
    return stripper.strip(text);
  } catch (error) {
    if (error instanceof RangeError) throw error;
    const failure = atUtf16Columns(error as StripFailure, text);
    const { code, message = String(error), startLine = 1, startColumn = 0 } = failure;
    const lines = origin.text.split(/\r\n|\n|\r/);
    const line = Math.min(startLine, lines.length);
    const column = startColumn + 1 - (startLine === 1 ? prefixLength : 0);
    // The end of the wrapper is the end of what the author wrote.
    const end = (lines[line - 1] ?? "").length + 1;
    const inside = Math.min(Math.max(1, column), end);
    const place = { line, column: startLine > lines.length ? end : inside };
    if (code === "UnsupportedSyntax") throw unsupported(origin, message, place);
    throw codeErrorAt("CODE_SYNTAX", shorten(message), origin, place);
  }
}

/**
 * The stripper counts columns as a terminal shows them. Asked again with one narrow character for
 * each UTF-16 unit, it counts as everybody else does.
 */
function atUtf16Columns(failure: StripFailure, text: string): StripFailure {
  if (!/[^\0-\x7F]/.test(text)) return failure;
  const narrow = text.replaceAll(/[^\0-\x7F]/g, (unit) => (/\s/.test(unit) ? " " : "x"));
  try {
    stripper.strip(narrow);
    return failure;
  } catch (again) {
    const { startLine, startColumn } = again as StripFailure;
    return startLine === failure.startLine
      ? { ...failure, startColumn: startColumn ?? 0 }
      : failure;
  }
}

function unsupported(origin: CodeOrigin, message: string, place: Place): Error {
  const what = message
    .replace(/^The angle-bracket syntax.*/s, "<T>x, to be written as x as T,")
    .replace(/^TypeScript /, "")
    .replace(/ is not supported in .*/s, "");
  const reason = `${what} is not supported: stored code can only have erasable TypeScript`;
  return codeErrorAt("CODE_UNSUPPORTED", reason, origin, place);
}

/** Drops the list of everything that could stand there instead. */
function shorten(message: string): string {
  return message
    .replace(/^(Unexpected token .*?)\. Expected .{60,}$/s, "$1")
    .replace("Unexpected token `<eof>`", "Unexpected end of the text")
    .replace("got '<eof>'", "got the end of the text");
}
