/**
 * What a file says and what an entry holds: the one place that turns one into the other, by the kind and the
 * file's ending.
 *
 * | kind | files |
 * | --- | --- |
 * | `proc`, `module` | `.ts`, `.js`, `.mts`, `.mjs`: the source, see `source-file.ts`; a module of JSON is `.json` |
 * | `job` | `.yaml`, `.yml`, `.json` |
 * | `data` | the same, for its value; `.exact.json` for what they can't hold; any other ending: text, or bytes |
 */
import { createHash } from "node:crypto";

import { NodeError } from "../base/errors.ts";
import { checkJob } from "../runner/parse-job.ts";
import { Path } from "../wire/path.ts";
import { encodeValue } from "../wire/value.ts";
import { fromExactJson, toExactJson } from "./exact-json.ts";
import { parseJson, stringifyJson } from "./json.ts";
import { readSource, writeSource } from "./source-file.ts";
import { fromYaml, toYaml } from "./yaml.ts";

/** The folders of a directory of code, and what their files become. */
export const DIRECTORY_KINDS = ["data", "module", "proc", "job"] as const;
export type DirectoryKind = (typeof DIRECTORY_KINDS)[number];

const EXACT = ".exact.json";
const CODE = [".ts", ".js", ".mts", ".mjs"];
const STRUCTURED = [".yaml", ".yml", ".json"];

/** Splits the name of a file; undefined where it means nothing among files of that kind. */
export function splitName(
  kind: DirectoryKind,
  name: string,
): { readonly stem: string; readonly ending: string } | undefined {
  if (name.startsWith(".") || name.endsWith(".d.ts") || name.endsWith("~")) return undefined;
  const dot = name.lastIndexOf(".");
  const last = dot < 1 ? "" : name.slice(dot);
  const ending = kind === "data" && name.endsWith(EXACT) ? EXACT : last;
  if (!isEndingOf(kind, ending)) return undefined;
  return { stem: name.slice(0, name.length - ending.length), ending };
}

function isEndingOf(kind: DirectoryKind, ending: string): boolean {
  if (kind === "data") return true;
  if (kind === "job") return STRUCTURED.includes(ending);
  return CODE.includes(ending) || (kind === "module" && ending === ".json");
}

/** The entry that a file's bytes stand for. @throws Error that says what is wrong with them */
export function readBytes(kind: DirectoryKind, ending: string, bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  if (kind === "module" && ending === ".json") return { code: text, type: "json" };
  if (kind === "module" || kind === "proc") return readSource(kind, text);
  if (ending === EXACT) return fromExactJson(parseJson(text));
  if (STRUCTURED.includes(ending)) {
    const value = fromYaml(text);
    if (value === undefined) throw new Error("the file is empty");
    return value;
  }
  return isText(text, bytes) ? text : new Uint8Array(bytes);
}

/** An entry as a file. */
export interface FileContent {
  readonly ending: string;
  readonly text: string | Uint8Array;
}

export interface WriteEntry {
  readonly kind: DirectoryKind;
  readonly value: unknown;
  /** The ending of the file that there is already: kept if it can hold the value. */
  readonly ending?: string | undefined;
  /** The modules that its code imports. */
  readonly derived: readonly string[];
}

/** @throws NodeError `NODE_BAD_VALUE` where no file can hold it without a loss */
export function writeBytes(entry: WriteEntry): FileContent {
  const { kind, value, ending, derived } = entry;
  if (kind !== "module" && kind !== "proc") return writeValue(kind, value, ending);
  if (isJsonModule(kind, value)) return { ending: ".json", text: value.code };
  const text = writeSource(kind, value, derived);
  return { ending: ending !== undefined && CODE.includes(ending) ? ending : ".ts", text };
}

/**
 * What an entry says, as a digest: the same for an entry and for the file that was made of it, however
 * either is laid out. What is derived does not count, nor does the order of names.
 */
export function digestOf(kind: DirectoryKind, value: unknown, derived: readonly string[]): string {
  const hash = createHash("sha256");
  if (kind === "module" || kind === "proc") {
    if (isJsonModule(kind, value)) hash.update(`json\n${value.code.replaceAll("\r\n", "\n")}`);
    else hash.update(`code\n${writeSource(kind, value, derived)}`);
  } else {
    hash.update("value\n").update(encodeValue(sorted(kind === "job" ? asJob(value) : value)));
  }
  return hash.digest("hex").slice(0, 32);
}

function writeValue(kind: "data" | "job", value: unknown, ending = ""): FileContent {
  const isStructured = STRUCTURED.includes(ending) || ending === EXACT;
  const raw = kind === "data" && !isStructured ? rawText(value) : undefined;
  if (raw !== undefined) {
    const usual = typeof raw === "string" ? ".txt" : ".bin";
    return { ending: ending === "" ? usual : ending, text: raw };
  }
  const digest = digestOf(kind, value, []);
  for (const form of new Set([ending, ".yaml", kind === "data" ? EXACT : ""])) {
    const text = structured(form, value);
    if (text !== undefined && holds(kind, form, text, digest)) return { ending: form, text };
  }
  throw new NodeError("NODE_BAD_VALUE", "no file can hold its value without a loss");
}

function structured(ending: string, value: unknown): string | undefined {
  if (ending === EXACT) return `${JSON.stringify(toExactJson(value), null, 2)}\n`;
  if (ending === ".json") return `${stringifyJson(value, 2, plainOnly)}\n`;
  return STRUCTURED.includes(ending) ? toYaml(value) : undefined;
}

/** `JSON.stringify` has its own idea of some of them, and no idea of bigints. */
function plainOnly(value: unknown): unknown {
  return typeof value === "bigint" ? null : value;
}

function holds(kind: DirectoryKind, ending: string, text: string, digest: string): boolean {
  try {
    return digestOf(kind, readBytes(kind, ending, Buffer.from(text, "utf8")), []) === digest;
  } catch {
    return false;
  }
}

/** Text, and bytes that are none, are a file as they are. */
function rawText(value: unknown): string | Uint8Array | undefined {
  if (typeof value === "string") return /\p{Surrogate}/u.test(value) ? undefined : value;
  if (!(value instanceof Uint8Array)) return undefined;
  return isText(Buffer.from(value).toString("utf8"), value) ? undefined : value;
}

function isText(text: string, bytes: Uint8Array): boolean {
  return Buffer.from(text, "utf8").equals(bytes);
}

function isJsonModule(
  kind: DirectoryKind,
  value: unknown,
): value is { readonly code: string; readonly type: "json" } {
  if (kind !== "module" || typeof value !== "object" || value === null) return false;
  const { code, type } = value as { code?: unknown; type?: unknown };
  return type === "json" && typeof code === "string";
}

/** As it would be stored; what is no job is compared as it is. */
function asJob(value: unknown): unknown {
  try {
    return checkJob(value);
  } catch {
    return value;
  }
}

/** The same value with the names of plain objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value instanceof Path ? value : value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const copy = Object.create(null) as Record<string, unknown>;
  for (const name of Object.keys(value).sort()) copy[name] = sorted((value as Record<string, unknown>)[name]); // prettier-ignore
  return copy;
}
