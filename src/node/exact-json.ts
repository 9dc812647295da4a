/**
 * Values as JSON and back without a loss. What JSON has no word for is an object with one name:
 *
 * | JSON | value |
 * | --- | --- |
 * | `{"$number": "NaN"}`, also `Infinity`, `-Infinity`, `-0` | that number |
 * | `{"$number": "9007199254740992"}` | a whole number of 2**53 or more; without that it would be a bigint |
 * | `{"$bigint": "12"}` | a bigint, also one that is large enough to be read as one without |
 * | `{"$bytes": "AAEC"}` | bytes, in base64 |
 * | `{"$date": "2026-01-01T00:00:00.000Z"}` | a date |
 * | `{"$path": "a:2"}` | a path |
 * | `{"$object": {"$date": 1}}` | an object that would else be taken for one of these |
 * | `{"$wire": "..."}` | anything else: its bytes as they are stored, in base64 |
 */
import { NodeError } from "../base/errors.ts";
import { formatPath, parsePath } from "../wire/path-text.ts";
import { Path } from "../wire/path.ts";
import { decodeValue, encodeValue } from "../wire/value.ts";
import { looksLikeBigint } from "./json.ts";

/** What `JSON.stringify` writes without a loss, and `fromExactJson` understands. */
export function toExactJson(value: unknown): unknown {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number") {
    const plain = Number.isFinite(value) && !Object.is(value, -0) && !looksLikeBigint(value);
    return plain ? value : { $number: Object.is(value, -0) ? "-0" : String(value) };
  }
  if (typeof value === "string") return isWhole(value) ? value : wire(value);
  if (typeof value === "bigint") return { $bigint: value.toString() };
  return typeof value === "object" ? ofObject(value) : wire(value);
}

/** @throws NodeError `NODE_BAD_VALUE` for a tag with something senseless in it */
export function fromExactJson(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(fromExactJson);
  if (typeof json !== "object" || json === null) return json;
  const names = Object.keys(json);
  const [name = ""] = names;
  if (names.length !== 1 || !name.startsWith("$")) return plainObject(json, fromExactJson);
  return tagged(name, (json as Record<string, unknown>)[name]);
}

function tagged(name: string, content: unknown): unknown {
  if (name === "$object" && typeof content === "object" && content !== null) {
    return plainObject(content, fromExactJson);
  }
  const read = TAGS.get(name);
  if (read === undefined || typeof content !== "string") {
    throw new NodeError(
      "NODE_BAD_VALUE",
      `${name} means nothing here; write {"$object": {...}} around it`,
    );
  }
  try {
    return read(content);
  } catch (cause) {
    throw new NodeError("NODE_BAD_VALUE", `${name} can't be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

const TAGS: ReadonlyMap<string, (text: string) => unknown> = new Map<
  string,
  (text: string) => unknown
>([
  ["$number", readNumber],
  ["$bigint", (text) => BigInt(text)],
  ["$bytes", readBase64],
  ["$date", readDate],
  ["$path", (text) => parsePath(text)],
  ["$wire", (text) => decodeValue(readBase64(text))],
]);

function ofObject(value: object): unknown {
  if (value instanceof Path) return { $path: formatPath(value) };
  if (Array.isArray(value)) return Array.from(value, toExactJson);
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (value instanceof Date && !Number.isNaN(value.getTime()))
    return { $date: value.toISOString() };
  const prototype: unknown = Object.getPrototypeOf(value);
  const names = Object.keys(value);
  if ((prototype !== Object.prototype && prototype !== null) || !names.every(isWhole)) {
    return wire(value);
  }
  const plain = plainObject(value, toExactJson);
  return names.length === 1 && names[0]?.startsWith("$") === true ? { $object: plain } : plain;
}

function plainObject(value: object, change: (item: unknown) => unknown): object {
  const plain: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) {
    // Every name is data, also `__proto__`.
    Object.defineProperty(plain, name, {
      value: change(item),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return plain;
}

function wire(value: unknown): { readonly $wire: string } {
  return { $wire: Buffer.from(encodeValue(value)).toString("base64") };
}

function readNumber(text: string): number {
  const number = Number(text);
  if (["NaN", "Infinity", "-Infinity", "-0"].includes(text)) return number;
  if (looksLikeBigint(number) && String(number) === text) return number;
  throw new TypeError(`${text} is written without a tag`);
}

/** `Buffer` leaves out what is no base64. */
function readBase64(text: string): Uint8Array {
  if (/^[\w+/-]*={0,2}$/u.test(text)) return new Uint8Array(Buffer.from(text, "base64"));
  throw new TypeError("it is no base64");
}

function readDate(text: string): Date {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) throw new TypeError(`${text} is no date`);
  return date;
}

/** Half a surrogate pair has no form in UTF-8. */
function isWhole(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
