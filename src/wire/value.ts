/**
 * Values as bytes, exactly: null, undefined, booleans, numbers (-0, NaN), bigints, strings (lone
 * surrogates kept), bytes and typed arrays, Date, Path, Error, arrays and plain objects.
 *
 * What arrives is a copy: a Buffer arrives as a Uint8Array, a hole in an array as undefined, an
 * object without a prototype as a plain one; what an object holds are its own enumerable properties
 * with string names. Every name is inert: `__proto__`, `then` and `toJSON` are data like others.
 * Decoding runs no code of anybody's and allocates nothing that the bytes don't back. An object that
 * is there twice arrives as two; a cycle is refused.
 */
import { decode } from "./decode.ts";
import { encode } from "./encode.ts";
import type { ValueReadExtension, ValueWriteExtension } from "./extension.ts";
import { DEFAULT_VALUE_LIMITS, type ValueLimits } from "./limits.ts";
import { Reader } from "./reader.ts";
import { TAG } from "./tags.ts";
import { decodeUtf8 } from "./text.ts";
import { Writer } from "./writer.ts";

export { FIRST_EXTENSION_TAG } from "./extension.ts";
export type { ValueExtension, ValueReadExtension, ValueWriteExtension } from "./extension.ts";

// Kept between calls; while a getter of the value encodes another value it is undefined.
let spare: Writer | undefined = new Writer();

/**
 * The bytes of a value, in a buffer of its own.
 *
 * @throws WireError `WIRE_UNSUPPORTED` (with the place of what can't cross, as `.a.b[3]`), `WIRE_LIMIT`,
 *   `WIRE_BAD_PATH`; whatever a getter of the value throws
 */
export function encodeValue(
  value: unknown,
  limits: ValueLimits = DEFAULT_VALUE_LIMITS,
): Uint8Array {
  return withWriter(limits, (writer) => {
    writeValue(writer, value);
    return writer.takeCopy();
  });
}

/**
 * The same, in a block that others share: nobody overwrites them, but who keeps them keeps 16 KiB.
 *
 * @throws as `encodeValue`
 */
export function encodeForNow(value: unknown): Uint8Array {
  return withWriter(DEFAULT_VALUE_LIMITS, (writer) => {
    writeValue(writer, value);
    return writer.take();
  });
}

function withWriter(limits: ValueLimits, encodeBy: (writer: Writer) => Uint8Array): Uint8Array {
  if (limits !== DEFAULT_VALUE_LIMITS || spare === undefined) return encodeBy(new Writer(limits));
  const writer = spare;
  spare = undefined;
  try {
    return encodeBy(writer);
  } finally {
    spare = writer;
  }
}

/**
 * The value of bytes that may come from anybody.
 *
 * @throws WireError `WIRE_MALFORMED`, `WIRE_LIMIT`, `WIRE_BAD_PATH`
 */
export function decodeValue(
  bytes: Uint8Array,
  limits: ValueLimits = DEFAULT_VALUE_LIMITS,
): unknown {
  const reader = new Reader(bytes, limits);
  const value = readValue(reader);
  reader.expectEnd();
  return value;
}

/**
 * The value of the bytes from `start` up to `end`, of which nothing is kept: whoever owns them may
 * write to them again. What is stored most often, text and numbers, costs no copy. A `view` of the same bytes
 * makes it quicker.
 *
 * @throws as `decodeValue`
 */
export function decodeValueAt(
  bytes: Uint8Array,
  start: number,
  end: number,
  view?: DataView,
): unknown {
  const tag = start < end ? (bytes[start] as number) : TAG.null;
  if (tag < TAG.extension && end - start === 1) return tag;
  if (tag >= TAG.shortText && tag < TAG.null && end - start === 1 + tag - TAG.shortText) {
    return decodeUtf8(bytes, start + 1, end, view);
  }
  if (tag === TAG.string && end - start < MAX_FAST_TEXT) {
    const text = fastText(bytes, start + 1, end, view);
    if (text !== undefined) return text;
  }
  return decodeValue(bytes.slice(start, end));
}

/** Longer text than a size in two bytes can say is left to the general way, with its limits. */
const MAX_FAST_TEXT = 8_000;

/** Text of UTF-8 behind a size of one or two bytes; undefined for any other. */
function fastText(
  bytes: Uint8Array,
  start: number,
  end: number,
  view: DataView | undefined,
): string | undefined {
  let at = start;
  let header = bytes[at++] as number;
  if (header >= 0x80) {
    const second = bytes[at++] as number;
    if (second >= 0x80) return undefined;
    header = (header & 0x7f) + second * 0x80;
  }
  // An odd header is UTF-16's.
  if (header % 2 !== 0 || at + (header >> 1) !== end) return undefined;
  return decodeUtf8(bytes, at, end, view);
}

/**
 * Writes one value. Where it throws, the writer is as it was before.
 *
 * @throws as `encodeValue`
 */
export function writeValue(writer: Writer, value: unknown, extension?: ValueWriteExtension): void {
  const state = writer.save();
  try {
    encode(writer, value, extension);
    writer.checkSize();
  } catch (error) {
    writer.restore(state);
    throw error;
  }
}

/**
 * Reads one value.
 *
 * @throws as `decodeValue`, and what the extension throws
 */
export function readValue(reader: Reader, extension?: ValueReadExtension): unknown {
  return decode(reader, extension);
}
