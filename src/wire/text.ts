import { WireError } from "../base/errors.ts";

/** The name of a property. */
export interface Key {
  readonly text: string;
  /**
   * Whether `Object.prototype` has it (`__proto__`, `constructor`): assigning it might run a setter,
   * so it has to be defined instead.
   */
  readonly inherited: boolean;
}

/** Up to here taking bytes one by one is quicker than a call of TextDecoder. */
export const MAX_LOOPED_BYTES = 20;
/** Up to here seeing that text is ASCII is quicker than what only UTF-8 needs. */
const MAX_SEEN_BYTES = 256;
const MAX_CACHED_BYTES = 32;
const CACHE_SLOTS = 2048;

/** What only Node has: several times as quick as a TextDecoder, but U+FFFD stands for what is not UTF-8. */
interface Host {
  readonly Buffer?: {
    readonly prototype: {
      readonly utf8Slice?: (this: Uint8Array, start: number, end: number) => string;
      readonly latin1Slice?: (this: Uint8Array, start: number, end: number) => string;
    };
  };
}

const { utf8Slice, latin1Slice } = (globalThis as Host).Buffer?.prototype ?? {};
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Of what is not UTF-8; it may also be in the text. */
const REPLACEMENT = "\uFFFD";

// One slot for each hash: a name that comes again costs a comparison instead of a new string, and
// what a peer sends can't make the cache grow.
const cache: (Key | undefined)[] = Array.from({ length: CACHE_SLOTS });

/**
 * Text of UTF-8. With a `view` of the same bytes it is quicker where they are ASCII.
 *
 * @throws WireError `WIRE_MALFORMED` for what is not UTF-8
 */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number, view?: DataView): string {
  if (end - start <= MAX_LOOPED_BYTES) {
    const text = decodeAscii(bytes, start, end);
    if (text !== undefined) return text;
  }
  if (view !== undefined && latin1Slice !== undefined && end - start <= MAX_SEEN_BYTES) {
    if (isAscii(view, start, end)) return latin1Slice.call(bytes, start, end);
  }
  if (utf8Slice !== undefined) {
    const text = utf8Slice.call(bytes, start, end);
    // `includes` takes three times as long.
    if (text.indexOf(REPLACEMENT) < 0) return text;
  }
  try {
    return utf8.decode(bytes.subarray(start, end));
  } catch {
    throw new WireError("WIRE_MALFORMED", "the bytes are no value: a string is not UTF-8");
  }
}

/** @throws WireError `WIRE_MALFORMED` for half a unit */
export function decodeUtf16(bytes: Uint8Array, start: number, end: number): string {
  if ((end - start) % 2 !== 0) {
    throw new WireError("WIRE_MALFORMED", "the bytes are no value: a string is not UTF-16");
  }
  let text = "";
  const units: number[] = [];
  for (let at = start; at < end; at += 2) {
    units.push((bytes[at] as number) | ((bytes[at + 1] as number) << 8));
    // In pieces: there is a limit on the number of arguments.
    if (units.length === 4096 || at + 2 >= end) {
      text += String.fromCharCode(...units);
      units.length = 0;
    }
  }
  return text;
}

/** As `decodeUtf8`, out of a cache. */
export function decodeKey(bytes: Uint8Array, start: number, end: number): Key {
  const length = end - start;
  if (length > MAX_CACHED_BYTES) return keyOf(decodeUtf8(bytes, start, end));
  let hash = length;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  const slot = (hash ^ (hash >>> 15)) & (CACHE_SLOTS - 1);
  const cached = cache[slot];
  if (cached !== undefined && equals(cached.text, bytes, start, end)) return cached;
  const key = keyOf(decodeUtf8(bytes, start, end));
  // Only ASCII, where a byte is a character: the comparison relies on it.
  if (key.text.length === length) cache[slot] = key;
  return key;
}

/** What is to be known about a property's name. */
export function keyOf(text: string): Key {
  return { text, inherited: text in Object.prototype };
}

/**
 * `undefined` where it is not ASCII, and where there is a zero in it, which ends a name. In pieces, since joining
 * single characters takes longer the more there are.
 */
export function decodeAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  let seen = 0;
  // The sign of what is one less than zero.
  let less = 0;
  let at = start;
  for (; end - at >= 8; at += 8) {
    const a = bytes[at] as number;
    const b = bytes[at + 1] as number;
    const c = bytes[at + 2] as number;
    const d = bytes[at + 3] as number;
    const e = bytes[at + 4] as number;
    const f = bytes[at + 5] as number;
    const g = bytes[at + 6] as number;
    const h = bytes[at + 7] as number;
    seen |= a | b | c | d | e | f | g | h;
    less |= (a - 1) | (b - 1) | (c - 1) | (d - 1) | (e - 1) | (f - 1) | (g - 1) | (h - 1);
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  for (let i = at; i < end; i++) {
    const byte = bytes[i] as number;
    seen |= byte;
    less |= byte - 1;
  }
  if (seen >= 0x80 || less < 0) return undefined;
  if (at === end) return text;
  const rest = fewCharacters(bytes, at, end - at);
  return at === start ? rest : text + rest;
}

function isAscii(view: DataView, start: number, end: number): boolean {
  let seen = 0;
  let at = start;
  for (; end - at >= 16; at += 16) {
    seen |= view.getInt32(at, true) | view.getInt32(at + 4, true);
    seen |= view.getInt32(at + 8, true) | view.getInt32(at + 12, true);
  }
  for (; at < end; at++) seen |= view.getUint8(at);
  return (seen & 0x80_80_80_80) === 0;
}

/** One to seven of them. */
function fewCharacters(bytes: Uint8Array, at: number, count: number): string {
  const a = bytes[at] as number;
  if (count === 1) return String.fromCharCode(a);
  const b = bytes[at + 1] as number;
  if (count === 2) return String.fromCharCode(a, b);
  const c = bytes[at + 2] as number;
  if (count === 3) return String.fromCharCode(a, b, c);
  const d = bytes[at + 3] as number;
  if (count === 4) return String.fromCharCode(a, b, c, d);
  const e = bytes[at + 4] as number;
  if (count === 5) return String.fromCharCode(a, b, c, d, e);
  const f = bytes[at + 5] as number;
  if (count === 6) return String.fromCharCode(a, b, c, d, e, f);
  return String.fromCharCode(a, b, c, d, e, f, bytes[at + 6] as number);
}

function equals(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== bytes[start + i]) return false;
  }
  return true;
}
