import { closest } from "../base/closest.ts";
import { CodeError } from "../base/errors.ts";
import { formatPath, toPath } from "../wire/path-text.ts";
import type { PathLike } from "../wire/path.ts";
import { GIVEN_NAMES, RESERVED } from "./reserved.ts";
import type { AsyncMode, CodeKind } from "./unit.ts";

/** The names of `is_async`: accepted in its place, and shown. */
export type CodeMode = "inline" | "async" | "worker";

/**
 * What is stored for a procedure or module. Nothing else can be added; what another version of this
 * program stored beside it is kept and not looked at.
 */
export interface CodeEntry {
  /** TypeScript or JavaScript. */
  readonly code: string;
  /** The names that positional arguments bind to, in order. Procedures only. */
  readonly vars?: readonly string[];
  /** Values for vars that a caller leaves out. Procedures only. */
  readonly default?: Readonly<Record<string, unknown>>;
  /** null (as if left out) inline, true asynchronously, false in a worker. Procedures only. */
  readonly is_async?: AsyncMode;
  /** Another way to write `is_async`. */
  readonly mode?: CodeMode;
  /** The stored modules that it imports, and others that it needs. Derived when it is added. */
  readonly requires?: readonly PathLike[];
  /** `json` for data that is imported `with { type: "json" }`. Modules only. */
  readonly type?: "json";
  /** For people, as `info`: kept, and not looked at. */
  readonly doc?: unknown;
  readonly info?: unknown;
}

const FIELDS: Readonly<Record<keyof CodeEntry, CodeKind | "both">> = {
  code: "both",
  vars: "proc",
  default: "proc",
  is_async: "proc",
  mode: "proc",
  requires: "both",
  type: "module",
  doc: "both",
  info: "both",
};

/** An entry, checked and complete. */
export interface CheckedEntry {
  readonly kind: CodeKind;
  /** The canonical text of its path. */
  readonly name: string;
  readonly code: string;
  readonly vars: readonly string[];
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly isAsync: AsyncMode;
  readonly requires: readonly string[];
  readonly json: boolean;
}

const MODES: ReadonlyMap<unknown, AsyncMode> = new Map<unknown, AsyncMode>([
  ["inline", null],
  ["async", true],
  ["worker", false],
]);

export function modeName(isAsync: AsyncMode): CodeMode {
  return isAsync === null ? "inline" : isAsync ? "async" : "worker";
}

/**
 * Checks what was found in the tree, or what a caller wants to store.
 *
 * @throws CodeError `CODE_INVALID`, which says the field
 */
export function checkEntry(kind: CodeKind, name: string, value: unknown): CheckedEntry {
  const fail = (what: string): never => {
    throw new CodeError("CODE_INVALID", `${name}: ${what}`, { details: { kind, path: name } });
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return fail(`a ${kind} entry is an object with a field "code"`);
  }
  const entry = value as Partial<Record<keyof CodeEntry, unknown>>;
  const { code, type } = entry;
  if (typeof code !== "string") return fail('"code" is not a string, can\'t compile it');
  if (type !== undefined && (type !== "json" || kind === "proc")) {
    return fail('the only "type" is "json", and only a module has it');
  }
  const vars = checkVars(entry.vars, fail);
  const isAsync = checkMode(entry, fail);
  if (kind === "module" && (vars.length > 0 || isAsync !== null || entry.default !== undefined)) {
    return fail('a module has no "vars", "default" or "is_async"');
  }
  return {
    kind,
    name,
    code,
    vars,
    defaults: checkDefaults(entry.default, vars, fail),
    isAsync,
    requires: checkRequires(entry.requires, fail),
    json: type === "json",
  };
}

/**
 * Refuses an entry with fields that nobody would look at.
 *
 * @throws CodeError `CODE_INVALID`, with the field that looks like it
 */
export function checkFields(kind: CodeKind, name: string, entry: object): void {
  const unknown = Object.keys(entry).find((field) => !Object.hasOwn(FIELDS, field));
  if (unknown === undefined) return;
  const fields = Object.entries(FIELDS).filter(([, of]) => of === "both" || of === kind);
  const known = fields.map(([field]) => field);
  const like = closest(unknown, known);
  const hint = like === undefined ? `there are ${known.join(", ")}` : `did you mean "${like}"?`;
  throw new CodeError("CODE_INVALID", `${name}: there is no field ${quote(unknown)} (${hint})`, {
    details: { kind, path: name },
  });
}

type Fail = (what: string) => never;

const quote = (text: unknown): string => JSON.stringify(text);

/** Names that a strict function can't have as parameters. */
const NOT_VARS = new Set(
  (
    "arguments await break case catch class const continue debugger default delete do else enum " +
    "eval export extends false finally for function if implements import in instanceof interface " +
    "let new null package private protected public return static super switch this throw true " +
    "try typeof var void while with yield"
  ).split(" "),
);

/** Whether a function can have a parameter of that name. */
function isVariableName(name: string): boolean {
  return (
    /^[\p{ID_Start}$_][\p{ID_Continue}$\u200C\u200D]*$/u.test(name) &&
    !NOT_VARS.has(name) &&
    !name.startsWith(RESERVED)
  );
}

function checkVars(vars: unknown, fail: Fail): readonly string[] {
  if (vars === undefined || vars === null) return [];
  if (!Array.isArray(vars)) return fail('"vars" is not a list of names');
  for (const name of vars as unknown[]) {
    if (GIVEN_NAMES.some((given) => given === name)) {
      fail(`${quote(name)} in "vars" is a name that code has anyway: leave it out of "vars"`);
    }
    if (typeof name !== "string" || !isVariableName(name)) {
      fail(`${quote(name)} in "vars" is not a valid variable name`);
    }
  }
  if (new Set(vars).size < vars.length) fail('"vars" names a variable twice');
  return [...(vars as string[])];
}

function checkMode(entry: { is_async?: unknown; mode?: unknown }, fail: Fail): AsyncMode {
  const { is_async: isAsync, mode } = entry;
  if (isAsync !== undefined && isAsync !== null && typeof isAsync !== "boolean") {
    return fail('"is_async" is one of null (inline), true (async), false (worker)');
  }
  if (mode === undefined || mode === null) return isAsync ?? null;
  const named = MODES.get(mode);
  if (named === undefined) return fail('"mode" is one of "inline", "async", "worker"');
  if (isAsync !== undefined && isAsync !== named) fail('"mode" and "is_async" differ');
  return named;
}

function checkDefaults(
  value: unknown,
  vars: readonly string[],
  fail: Fail,
): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    return fail('"default" is not an object of values by variable');
  }
  for (const name of Object.keys(value)) {
    if (!vars.includes(name)) fail(`"default" has ${quote(name)}, which is not in "vars"`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function checkRequires(value: unknown, fail: Fail): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return fail('"requires" is not a list of module paths');
  return (value as unknown[]).map((like) => {
    try {
      if (typeof like !== "string" && !Array.isArray(like)) throw new TypeError("no path");
      return formatPath(toPath(like as PathLike));
    } catch {
      return fail(`${quote(like)} in "requires" is not a path`);
    }
  });
}
