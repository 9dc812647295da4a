import { encodeValue } from "../wire/value.ts";

/** What a record keeps of one error. */
export interface ErrorDetail {
  readonly message: string;
  /** The class's name, as "TypeError"; "string" and the like for what is no Error. */
  readonly name: string;
  /** The `code` of an error that has one, ours or another's. */
  readonly code?: string;
  /** The stack, causes included, shortened; empty where there is none. */
  readonly trace: string;
}

const FIRST_LINES = 10;
const LAST_LINES = 30;
const MAX_LINE_LENGTH = 500;
const MAX_MESSAGE_LENGTH = 4_000;
const MAX_DATA_BYTES = 64 * 1024;
const MAX_CAUSES = 5;

/** Reads whatever was thrown. Never throws, also where its getters do. */
export function describeError(thrown: unknown): ErrorDetail {
  if (!isErrorLike(thrown)) {
    return { message: cut(describe(thrown), MAX_MESSAGE_LENGTH), name: kindOf(thrown), trace: "" };
  }
  const code = read(thrown, "code");
  const detail = {
    message: cut(textOf(thrown, "message") ?? "", MAX_MESSAGE_LENGTH),
    name: textOf(thrown, "name") ?? "Error",
    trace: shortenTrace(traceOf(thrown)),
  };
  return typeof code === "string" || typeof code === "number"
    ? { ...detail, code: String(code) }
    : detail;
}

/** Keeps the first 10 and the last 30 lines: where it was thrown, and how it came there. */
function shortenTrace(trace: string): string {
  const lines = trace.split("\n").map((line) => cut(line, MAX_LINE_LENGTH));
  const omitted = lines.length - FIRST_LINES - LAST_LINES;
  if (omitted <= 0) return lines.join("\n");
  return [
    ...lines.slice(0, FIRST_LINES),
    `    ... ${omitted} lines left out`,
    ...lines.slice(-LAST_LINES),
  ].join("\n");
}

/** Fills "{name}" from `data`. What names nothing there stays as it is: a template never fails. */
export function formatMessage(template: string, data: Readonly<Record<string, unknown>>): string {
  const text = template.replace(/\{(\w+)\}/g, (place, name: string) =>
    Object.hasOwn(data, name) ? describe(read(data, name)) : place,
  );
  return cut(text, MAX_MESSAGE_LENGTH);
}

/** `data` as it can be stored: what can't be is replaced by a text that describes it. */
export function storableData(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (isStorable(data)) return { ...data };
  const kept: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  let keys: string[] = [];
  try {
    keys = Object.keys(data);
  } catch {
    // A proxy that refuses: there is nothing to keep.
  }
  for (const key of keys) {
    const value = read(data, key);
    kept[key] = isStorable(value) ? value : cut(describe(value), MAX_LINE_LENGTH);
  }
  return isStorable(kept) ? { ...kept } : { omitted: "the data is too large to be kept" };
}

function isStorable(value: unknown): boolean {
  try {
    return encodeValue(value).length <= MAX_DATA_BYTES;
  } catch {
    return false;
  }
}

function isErrorLike(thrown: unknown): thrown is object {
  return typeof thrown === "object" && thrown !== null && textOf(thrown, "message") !== undefined;
}

function traceOf(thrown: object): string {
  const parts: string[] = [];
  let at: unknown = thrown;
  while (isErrorLike(at) && parts.length < MAX_CAUSES) {
    parts.push(textOf(at, "stack") ?? `${textOf(at, "name")}: ${textOf(at, "message")}`);
    at = read(at, "cause");
  }
  return parts.join("\ncaused by: ");
}

function textOf(from: object, key: string): string | undefined {
  const value = read(from, key);
  return typeof value === "string" ? value : undefined;
}

function read(from: object, key: string): unknown {
  try {
    return (from as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

function describe(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "function") return `function ${textOf(value, "name") ?? ""}`.trim();
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value) ?? kindOf(value);
  } catch {
    return kindOf(value);
  }
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  const made = read(value, "constructor");
  return (typeof made === "function" ? textOf(made, "name") : undefined) ?? "object";
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}...`;
}
