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
  if (limits !== DEFAULT_VALUE_LIMITS || spare === undefined) {
    const writer = new Writer(limits);
    writeValue(writer, value);
    return writer.takeCopy();
  }
  const writer = spare;
  spare = undefined;
  try {
    writeValue(writer, value);
    return writer.takeCopy();
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
