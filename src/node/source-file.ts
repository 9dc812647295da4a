/**
 * Stored code as text and back. What an entry holds besides its source stands in the first line, as a
 * comment in YAML's flow style, and is a part of the source:
 *
 *     // banyan: { is_async: true, vars: [name, place] }
 */
import { isDeepStrictEqual } from "node:util";

import { NodeError } from "../base/errors.ts";
import { formatPath, toPath } from "../wire/path-text.ts";
import type { PathLike } from "../wire/path.ts";
import { fromYaml, toYamlLine } from "./yaml.ts";

export type SourceKind = "proc" | "module";

const PRAGMA = /^\s*\/\/\s*banyan:\s*(\{.*\})\s*$/;

const FIELDS: Readonly<Record<SourceKind, readonly string[]>> = {
  proc: ["is_async", "mode", "vars", "default", "requires", "doc", "info"],
  module: ["requires", "doc", "info"],
};

const MODES: Readonly<Record<string, boolean | null>> = {
  inline: null,
  async: true,
  worker: false,
};

type Fields = Readonly<Record<string, unknown>>;

/** The entry that a file's text stands for. @throws Error that says what is wrong with the first line */
export function readSource(kind: SourceKind, text: string): Fields {
  const code = plainText(text);
  return { ...readPragma(kind, code), code };
}

/**
 * The text whose entry is this one. It is the source as it is where its first line says the same;
 * `derived` are the modules that it need not say it requires.
 *
 * @throws NodeError `NODE_BAD_VALUE` for what is no code, or has fields that do not fit on a line
 */
export function writeSource(kind: SourceKind, entry: unknown, derived: readonly string[]): string {
  const { code, ...stored } = entryOf(entry);
  const text = plainText(code);
  const says = meaning(kind, stored, derived);
  const [line = ""] = text.split("\n", 1);
  if (!PRAGMA.test(line)) return isEmpty(says) ? text : `${pragma(says)}\n${text}`;
  const said = saidBy(kind, text, derived);
  if (isDeepStrictEqual(said, says)) return text;
  const rest = said === undefined ? text : text.slice(line.length + 1);
  // A line that only looks like ours must not be taken for it.
  return isEmpty(says) && said !== undefined ? rest : `${pragma(says)}\n${rest}`;
}

/** The fields of a stored entry that no file shows: what is written over it keeps them. */
export function hiddenFields(kind: SourceKind, entry: unknown): Fields {
  if (typeof entry !== "object" || entry === null) return {};
  const shown = new Set([...FIELDS[kind], "code", "type"]);
  return Object.fromEntries(Object.entries(entry).filter(([name]) => !shown.has(name)));
}

/** Git and editors on Windows write other ends of lines, which mean nothing in code. */
function plainText(text: string): string {
  return text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n");
}

function entryOf(entry: unknown): Fields & { readonly code: string } {
  const { code } = (entry ?? {}) as { code?: unknown };
  if (typeof code !== "string") {
    throw new NodeError("NODE_BAD_VALUE", 'it has no text in "code"');
  }
  return { ...(entry as object), code };
}

function readPragma(kind: SourceKind, code: string): Fields {
  const [line = ""] = code.split("\n", 1);
  const said = PRAGMA.exec(line)?.[1];
  if (said === undefined) return {};
  const fields = fromYaml(said);
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw new Error("line 1: what follows `banyan:` is a map, as { is_async: true, vars: [a, b] }");
  }
  const unknown = Object.keys(fields).find((name) => !FIELDS[kind].includes(name));
  if (unknown === undefined) return fields as Fields;
  const known = FIELDS[kind].join(", ");
  throw new Error(`line 1: there is no field ${unknown}; there are ${known}`);
}

/** What the first line says; undefined where it makes no sense. */
function saidBy(kind: SourceKind, code: string, derived: readonly string[]): Fields | undefined {
  try {
    return meaning(kind, readPragma(kind, code), derived);
  } catch {
    return undefined;
  }
}

/** The fields that have to be said, each in one form. */
function meaning(kind: SourceKind, fields: Fields, derived: readonly string[]): Fields {
  const { mode, is_async: isAsync, requires, ...rest } = fields;
  const how = typeof mode === "string" && isAsync === undefined ? MODES[mode] : isAsync;
  const others = Array.isArray(requires)
    ? requires.filter((module) => !derived.includes(nameOf(module)))
    : requires;
  const all: Fields = { is_async: how, requires: others, ...rest };
  const said = FIELDS[kind].filter((name) => isSaid(all[name]));
  return Object.fromEntries(said.map((name) => [name, all[name]]));
}

/** A module as code names it. */
function nameOf(module: unknown): string {
  try {
    return formatPath(toPath(module as PathLike));
  } catch {
    return "";
  }
}

function isSaid(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (Array.isArray(value)) return value.length > 0;
  return !(isPlain(value) && Object.keys(value).length === 0);
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;
}

function isEmpty(fields: Fields): boolean {
  return Object.keys(fields).length === 0;
}

function pragma(fields: Fields): string {
  const line = `// banyan: ${toYamlLine(fields)}`;
  if (PRAGMA.test(line) && isDeepStrictEqual(fromYaml(PRAGMA.exec(line)?.[1] ?? ""), fields)) {
    return line;
  }
  throw new NodeError("NODE_BAD_VALUE", "its fields can't be said in one line without a loss");
}
