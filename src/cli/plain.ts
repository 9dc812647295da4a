import { looksLikeBigint } from "../node/json.ts";
import { formatPath, parsePath } from "../wire/path-text.ts";
import { Path } from "../wire/path.ts";

/**
 * A value as plain JSON, with what JSON lacks under one-key objects: `{"$path": "a.b"}`,
 * `{"$bytes": "<base64>"}`, `{"$bigint": "1"}`, `{"$date": "<ISO 8601>"}`, `{"$number": "NaN"}`,
 * `{"$error": {...}}`. Undefined becomes null.
 */
export function toJson(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === "bigint") return { $bigint: value.toString() };
  if (typeof value === "number") {
    const isPlain = Number.isFinite(value) && !looksLikeBigint(value);
    return isPlain ? value : { $number: String(value) };
  }
  if (typeof value !== "object") return value;
  return objectToJson(value);
}

function objectToJson(value: object): unknown {
  if (value instanceof Path) return { $path: formatPath(value) };
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Date) {
    return { $date: Number.isNaN(value.getTime()) ? null : value.toISOString() };
  }
  const bytes = bytesOf(value);
  if (bytes !== undefined) return { $bytes: Buffer.from(bytes).toString("base64") };
  if (value instanceof Error) {
    const { name, message, stack } = value;
    return { $error: { name, message, stack } };
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
}

/** The bytes of a typed array, a view or a buffer; undefined for anything else. */
export function bytesOf(value: object): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  return value instanceof ArrayBuffer ? new Uint8Array(value) : undefined;
}

/** The inverse of `toJson`, for values that people type. */
export function fromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const only = entries.length === 1 ? entries[0] : undefined;
  if (only !== undefined && typeof only[1] === "string") {
    const special = SPECIAL[only[0]];
    if (special !== undefined) return special(only[1]);
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, fromJson(item)]));
}

const SPECIAL: Readonly<Record<string, ((text: string) => unknown) | undefined>> = {
  __proto__: null as never,
  $path: (text) => parsePath(text),
  $bytes: (text) => new Uint8Array(Buffer.from(text, "base64")),
  $bigint: (text) => BigInt(text),
  $date: (text) => new Date(text),
  $number: (text) => Number(text),
};
