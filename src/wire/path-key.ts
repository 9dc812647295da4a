/**
 * Paths as keys of an ordered store: comparing the bytes compares the paths.
 *
 * An element is a tag, in the order of the types, and what follows it: nothing, eight bytes of a
 * number, or text or bytes up to a zero byte (a zero inside is written as 00 FF, which sorts behind
 * every path that goes on after the end of the element). So a path's key is a prefix of the keys of
 * all that lies below it, and of nothing else. The root's key is empty; LMDB takes no empty key, so
 * put a byte of your own before it there.
 */
import { WireError } from "../base/errors.ts";
import { Path, PATH_LIMITS, type PathElement } from "./path.ts";
import { decodeAscii, MAX_LOOPED_BYTES } from "./text.ts";

const TAG_NULL = 0x08;
const TAG_FALSE = 0x10;
const TAG_TRUE = 0x11;
const TAG_NUMBER = 0x20;
const TAG_STRING = 0x30;
const TAG_BYTES = 0x40;
const END = 0x00;
const ESCAPED_ZERO = 0xff;

const MAX_BYTES = PATH_LIMITS.maxEncodedBytes;
// One step writes at most nine bytes after the check for room.
const scratch = new Uint8Array(MAX_BYTES + 16);
/** Up to here an array needs no memory beside V8's heap, and is sooner made and filled by hand. */
const MAX_OWN_BYTES = 64;
const numberBytes = new DataView(new ArrayBuffer(8));

/**
 * The key, at most 1,024 bytes, in a buffer of its own.
 *
 * @throws WireError `WIRE_BAD_PATH` for more than that, and for a string with a lone surrogate.
 */
export function encodePath(path: readonly PathElement[]): Uint8Array {
  let at = 0;
  for (const element of path) {
    at = typeof element === "string" ? putString(element, at) : putOther(element, at);
    if (at > MAX_BYTES) tooLong();
  }
  if (at > MAX_OWN_BYTES) return scratch.slice(0, at);
  const key = new Uint8Array(at);
  for (let i = 0; i < at; i++) key[i] = scratch[i] as number;
  return key;
}

/**
 * Writes the key of a path into `target` from `start` on.
 *
 * @returns where it ends
 * @throws WireError `WIRE_BAD_PATH`; RangeError where there is no room
 */
export function encodePathInto(
  path: readonly PathElement[],
  target: Uint8Array,
  start: number,
): number {
  let at = 0;
  for (const element of path) {
    at = typeof element === "string" ? putString(element, at) : putOther(element, at);
    if (at > MAX_BYTES) tooLong();
  }
  if (start + at > target.length) throw new RangeError("no room for the key");
  for (let i = 0; i < at; i++) target[start + i] = scratch[i] as number;
  return start + at;
}

/** Text up to here takes less than the limit of a key, whatever it is. */
const MAX_PLAIN_TEXT = 500;
const DOT = 0x2e;
const COLON = 0x3a;

/**
 * Writes the key of a path in its text form, where that is plain: names of ASCII between dots. So nothing
 * has to be made of it that is thrown away at once.
 *
 * @returns where it ends; -1 for all other text, also where it is no path
 */
export function encodePlainText(text: string, target: Uint8Array, start: number): number {
  if (text.length > MAX_PLAIN_TEXT || start + 2 * text.length + 2 > target.length) return -1;
  let at = start;
  let names = 1;
  let isEmpty = true;
  target[at++] = TAG_STRING;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === DOT) {
      if (isEmpty) return -1;
      target[at++] = END;
      target[at++] = TAG_STRING;
      names++;
      isEmpty = true;
    } else {
      if (unit === COLON || unit === 0 || unit >= 0x80) return -1;
      target[at++] = unit;
      isEmpty = false;
    }
  }
  if (isEmpty || names > PATH_LIMITS.maxElements) return -1;
  target[at++] = END;
  return at;
}

/**
 * The path of a key; what it accepts, `encodePath` turns into the same bytes again.
 *
 * @throws WireError `WIRE_BAD_PATH`
 */
export function decodePath(key: Uint8Array): Path {
  if (key.length > MAX_BYTES) tooLong();
  const elements: PathElement[] = [];
  let at = 0;
  while (at < key.length) {
    const tag = key[at++];
    if (tag === TAG_STRING || tag === TAG_BYTES) {
      const end = endOfBytes(key, at);
      elements.push(tag === TAG_STRING ? stringBetween(key, at, end) : bytesBetween(key, at, end));
      at = end + 1;
    } else if (tag === TAG_NUMBER) {
      elements.push(numberAt(key, at));
      at += 8;
    } else {
      elements.push(constantOf(tag));
    }
  }
  return Path.fromElements(elements);
}

/** Below 0, 0 or above 0, as the keys of the two paths compare byte by byte. */
export function comparePaths(a: readonly PathElement[], b: readonly PathElement[]): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const order = compareElements(a[i] as PathElement, b[i] as PathElement);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** The keys of a path and of all that lies below it: from `start` up to, and without, `end`. */
export function subtreeRange(path: readonly PathElement[]): { start: Uint8Array; end: Uint8Array } {
  const start = encodePath(path);
  const end = new Uint8Array(start.length + 1);
  end.set(start);
  // No tag is as large, and a zero that goes on as FF belongs to a longer element.
  end[start.length] = 0xff;
  return { start, end };
}

function tooLong(): never {
  throw new WireError("WIRE_BAD_PATH", `the path takes more than ${MAX_BYTES} bytes; shorten it`, {
    details: { limit: MAX_BYTES },
  });
}

function malformed(): never {
  throw new WireError("WIRE_BAD_PATH", "the bytes are no path");
}

function putString(text: string, start: number): number {
  if (start + text.length > MAX_BYTES) tooLong();
  let at = start;
  scratch[at++] = TAG_STRING;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80 && unit !== 0) {
      scratch[at++] = unit;
    } else if (unit === 0) {
      scratch[at++] = 0;
      scratch[at++] = ESCAPED_ZERO;
    } else {
      const code = text.codePointAt(i) as number;
      if (code > 0xffff) i++;
      at = putCodePoint(code, at);
    }
    if (at > MAX_BYTES) tooLong();
  }
  scratch[at++] = END;
  return at;
}

function putCodePoint(code: number, start: number): number {
  let at = start;
  if (code < 0x800) {
    scratch[at++] = 0xc0 | (code >> 6);
  } else {
    if (code < 0x10000) {
      if (code >= 0xd800 && code < 0xe000) {
        throw new WireError(
          "WIRE_BAD_PATH",
          "a string of the path holds half a surrogate pair, which has no UTF-8 form; use bytes",
        );
      }
      scratch[at++] = 0xe0 | (code >> 12);
    } else {
      scratch[at++] = 0xf0 | (code >> 18);
      scratch[at++] = 0x80 | ((code >> 12) & 0x3f);
    }
    scratch[at++] = 0x80 | ((code >> 6) & 0x3f);
  }
  scratch[at++] = 0x80 | (code & 0x3f);
  return at;
}

function putOther(element: Exclude<PathElement, string>, start: number): number {
  if (typeof element === "number") {
    scratch[start] = TAG_NUMBER;
    putNumber(element, start + 1);
    return start + 9;
  }
  if (element instanceof Uint8Array) return putBytes(element, start);
  scratch[start] = element === null ? TAG_NULL : element ? TAG_TRUE : TAG_FALSE;
  return start + 1;
}

/** Bytes of a double compare as the double does once negative ones are inverted. */
function putNumber(number: number, start: number): void {
  // Adding 0 turns -0 into 0: they are one element.
  numberBytes.setFloat64(0, number + 0);
  const negative = numberBytes.getUint8(0) >= 0x80;
  scratch[start] = numberBytes.getUint8(0) ^ (negative ? 0xff : 0x80);
  for (let i = 1; i < 8; i++) {
    scratch[start + i] = numberBytes.getUint8(i) ^ (negative ? 0xff : 0);
  }
}

function putBytes(bytes: Uint8Array, start: number): number {
  if (start + bytes.length > MAX_BYTES) tooLong();
  let at = start;
  scratch[at++] = TAG_BYTES;
  for (const byte of bytes) {
    scratch[at++] = byte;
    if (byte === 0) scratch[at++] = ESCAPED_ZERO;
    if (at > MAX_BYTES) tooLong();
  }
  scratch[at++] = END;
  return at;
}

function constantOf(tag: number | undefined): null | boolean {
  if (tag === TAG_NULL) return null;
  if (tag === TAG_TRUE) return true;
  if (tag === TAG_FALSE) return false;
  return malformed();
}

function numberAt(key: Uint8Array, start: number): number {
  if (start + 8 > key.length) malformed();
  const first = key[start] as number;
  const negative = first < 0x80;
  numberBytes.setUint8(0, first ^ (negative ? 0xff : 0x80));
  for (let i = 1; i < 8; i++) {
    numberBytes.setUint8(i, (key[start + i] as number) ^ (negative ? 0xff : 0));
  }
  const number = numberBytes.getFloat64(0);
  if (!Number.isFinite(number) || Object.is(number, -0)) malformed();
  return number;
}

/** Where the zero byte is that ends the text or bytes starting at `start`. */
function endOfBytes(key: Uint8Array, start: number): number {
  for (let at = start; at < key.length; at++) {
    if (key[at] === END && key[at + 1] !== ESCAPED_ZERO) return at;
  }
  return malformed();
}

function bytesBetween(key: Uint8Array, start: number, end: number): Uint8Array {
  const bytes: number[] = [];
  for (let at = start; at < end; at++) {
    const byte = key[at] as number;
    bytes.push(byte);
    if (byte === 0) at++;
  }
  return Uint8Array.from(bytes);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function stringBetween(key: Uint8Array, start: number, end: number): string {
  // An escaped zero is no ASCII either: its second byte is FF.
  const text = end - start <= MAX_LOOPED_BYTES ? decodeAscii(key, start, end) : undefined;
  if (text !== undefined) return text;
  try {
    return utf8.decode(bytesBetween(key, start, end));
  } catch {
    return malformed();
  }
}

/** null, booleans, numbers, strings, bytes. */
function rankOf(element: PathElement): number {
  if (element === null) return 0;
  if (typeof element === "boolean") return 1;
  if (typeof element === "number") return 2;
  return typeof element === "string" ? 3 : 4;
}

function compareElements(a: PathElement, b: PathElement): number {
  if (a === b) return 0;
  if (typeof a === "string" && typeof b === "string") return compareStrings(a, b);
  const rank = rankOf(a);
  const order = rank - rankOf(b);
  if (order !== 0) return order;
  if (a instanceof Uint8Array) return compareBytes(a, b as Uint8Array);
  return Number(a) - Number(b) < 0 ? -1 : Number(a) > Number(b) ? 1 : 0;
}

/** As their UTF-8 bytes compare, which is by code point, where `<` goes by UTF-16 units. */
function compareStrings(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    return x >= 0xd800 && y >= 0xd800 ? codePointRank(x) - codePointRank(y) : x - y;
  }
  return a.length - b.length;
}

/** Surrogates stand for code points behind the rest of the 16-bit units. */
function codePointRank(unit: number): number {
  return unit >= 0xe000 ? unit - 0x2000 : unit + 0x2000;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const order = (a[i] as number) - (b[i] as number);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
