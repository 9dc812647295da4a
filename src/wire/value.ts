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
import { BanyanError, WireError } from "../base/errors.ts";
import { readMagnitude, writeBigint } from "./bigint.ts";
import { fromErrorRecord, toBriefErrorRecord, toErrorRecord } from "./error-record.ts";
import { kindOf } from "./kind.ts";
import { DEFAULT_VALUE_LIMITS, type ValueLimits } from "./limits.ts";
import { decodePath, encodePath } from "./path-key.ts";
import type { Path } from "./path.ts";
import { Reader } from "./reader.ts";
import { MAX_SHORT_ITEMS, MAX_SHORT_TEXT, TAG } from "./tags.ts";
import { readView, writeBuffer, writeView } from "./views.ts";
import { Writer } from "./writer.ts";

/**
 * Takes over what is no plain value, as references to objects. Its tags are `FIRST_EXTENSION_TAG` and
 * the 15 behind it: `write` writes one of them and whatever is to follow, other values included (by
 * `writeValue` with the same writer and itself); `read` gets the tag and reads just that.
 */
export interface ValueExtension extends ValueWriteExtension, ValueReadExtension {}

/** The writing half of an extension. */
export interface ValueWriteExtension {
  /**
   * Asked for every object, arrays and plain ones included, before anything else looks at it: true
   * hands it to `write`. Where it is missing, plain values are copied.
   */
  claims?(value: object): boolean;

  /**
   * Gets what was claimed, and functions, symbols and objects that are no plain values.
   *
   * @returns false, with nothing written, for what it can't take: that is refused
   */
  write(writer: Writer, value: unknown): boolean;
}

/** The reading half of an extension. */
export interface ValueReadExtension {
  /** @throws WireError `WIRE_MALFORMED` for a tag it doesn't know */
  read(tag: number, reader: Reader): unknown;
}

/** The first of the 16 tags that extensions may use. */
export const FIRST_EXTENSION_TAG = TAG.extension;

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
    put(writer, value, extension);
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
  const tag = reader.u8();
  if (tag < TAG.extension) return tag;
  if (tag >= TAG.null)
    return tag < TAG.negativeInts ? readTagged(tag, reader, extension) : tag - 0x100;
  if (tag >= TAG.shortText) return reader.utf8(tag - TAG.shortText);
  if (tag >= TAG.shortObject) return readObject(tag - TAG.shortObject, reader, extension);
  if (tag >= TAG.shortArray) return readArray(tag - TAG.shortArray, reader, extension);
  if (extension === undefined) malformed(`tag ${tag} is an extension's, and there is none`);
  reader.enter(0, 0);
  const value = extension.read(tag, reader);
  reader.leave();
  return value;
}

function put(writer: Writer, value: unknown, extension: ValueWriteExtension | undefined): void {
  switch (typeof value) {
    case "number":
      putNumber(writer, value);
      return;
    case "string":
      putString(writer, value);
      return;
    case "object":
      if (value === null) writer.u8(TAG.null);
      else putObject(writer, value, extension);
      return;
    case "boolean":
      writer.u8(value ? TAG.true : TAG.false);
      return;
    case "undefined":
      writer.u8(TAG.undefined);
      return;
    case "bigint":
      writeBigint(writer, value);
      return;
    case "function":
    case "symbol":
    default:
      putOther(writer, value, extension);
  }
}

function putNumber(writer: Writer, value: number): void {
  if ((value | 0) !== value || (value === 0 && 1 / value < 0)) {
    writer.u8(TAG.f64);
    writer.f64(value);
  } else if (value < 0x80 && value >= 0) {
    writer.u8(value);
  } else if (value < 0 && value >= -0x20) {
    writer.u8(value + 0x100);
  } else if (value < 0x100 && value >= 0) {
    writer.u8(TAG.u8);
    writer.u8(value);
  } else {
    writer.u8(TAG.i32);
    writer.i32(value);
  }
}

function putString(writer: Writer, value: string): void {
  if (value.length <= MAX_SHORT_TEXT && writer.shortAscii(TAG.shortText, value)) return;
  writer.u8(TAG.string);
  writer.string(value);
}

function putObject(
  writer: Writer,
  value: object,
  extension: ValueWriteExtension | undefined,
): void {
  if (extension?.claims?.(value) === true) {
    putOther(writer, value, extension);
    return;
  }
  switch (kindOf(value)) {
    case "array":
      putArray(writer, value as readonly unknown[], extension);
      return;
    case "object":
      putProperties(writer, value as Record<string, unknown>, extension);
      return;
    case "view":
      writeView(writer, value as ArrayBufferView);
      return;
    case "buffer":
      writeBuffer(writer, value as ArrayBuffer);
      return;
    case "date":
      writer.u8(TAG.date);
      writer.f64(Date.prototype.getTime.call(value as Date));
      return;
    case "path":
      putPath(writer, value as Path);
      return;
    case "error":
      putError(writer, value as Error);
      return;
    case "other":
    default:
      putOther(writer, value, extension);
  }
}

function putArray(
  writer: Writer,
  array: readonly unknown[],
  extension: ValueWriteExtension | undefined,
): void {
  // Taken once: a getter may change the array meanwhile.
  const { length } = array;
  if (length <= MAX_SHORT_ITEMS) {
    writer.u8(TAG.shortArray + length);
  } else {
    writer.u8(TAG.array);
    writer.varint(length);
  }
  writer.enter(array, length);
  for (let i = 0; i < length; i++) {
    writer.place(i);
    put(writer, array[i], extension);
  }
  writer.leave();
}

function putProperties(
  writer: Writer,
  object: Record<string, unknown>,
  extension: ValueWriteExtension | undefined,
): void {
  const keys = Object.keys(object);
  const { length } = keys;
  if (length <= MAX_SHORT_ITEMS) {
    writer.u8(TAG.shortObject + length);
  } else {
    writer.u8(TAG.object);
    writer.varint(length);
  }
  writer.enter(object, length);
  for (let i = 0; i < length; i++) {
    const key = keys[i] as string;
    writer.place(key);
    writer.string(key);
    put(writer, object[key], extension);
  }
  writer.leave();
}

function putPath(writer: Writer, path: Path): void {
  const key = encodePath(path);
  writer.u8(TAG.path);
  writer.varint(key.length);
  writer.bytes(key);
}

/** The full record, or the brief one where the full one is over a limit: an error always arrives. */
function putError(writer: Writer, error: Error): void {
  writer.u8(TAG.error);
  writer.enter(error, 0);
  writer.place(undefined);
  const state = writer.save();
  try {
    put(writer, toErrorRecord(error), undefined);
    writer.checkSize();
  } catch (failure) {
    if (!BanyanError.is(failure)) throw failure;
    writer.restore(state);
    put(writer, toBriefErrorRecord(error), undefined);
  }
  writer.leave();
}

function putOther(
  writer: Writer,
  value: unknown,
  extension: ValueWriteExtension | undefined,
): void {
  if (extension !== undefined) {
    // An extension nests values as a container does, and the same limit holds for it.
    writer.enter(value, 0);
    writer.place(undefined);
    const taken = extension.write(writer, value);
    writer.leave();
    if (taken) return;
  }
  writer.refuse(`it is ${kindText(value)}`);
}

/** What a value is, in words, without running any of its code. */
function kindText(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value !== "object") return `a ${typeof value}`;
  const prototype: unknown = Object.getPrototypeOf(value);
  const maker = Object.getOwnPropertyDescriptor(prototype ?? {}, "constructor")?.value as unknown;
  const name = typeof maker === "function" ? maker.name : "";
  return name === "" ? "an instance of a class" : `an instance of ${name}`;
}

function readTagged(
  tag: number,
  reader: Reader,
  extension: ValueReadExtension | undefined,
): unknown {
  switch (tag) {
    case TAG.null:
      return null;
    case TAG.undefined:
      return undefined;
    case TAG.false:
      return false;
    case TAG.true:
      return true;
    case TAG.u8:
      return reader.u8();
    case TAG.i32:
      return reader.i32();
    case TAG.f64:
      return reader.f64();
    case TAG.string:
      return reader.string();
    case TAG.array:
      return readArray(reader.varint(), reader, extension);
    case TAG.object:
      return readObject(reader.varint(), reader, extension);
    default:
      return readRare(tag, reader);
  }
}

function readRare(tag: number, reader: Reader): unknown {
  switch (tag) {
    case TAG.bytes:
      return reader.copy(reader.varint());
    case TAG.view:
      return readView(reader);
    case TAG.bigint64:
      return reader.i64();
    case TAG.positiveBigint:
      return readMagnitude(reader);
    case TAG.negativeBigint:
      return -readMagnitude(reader);
    case TAG.date:
      return new Date(reader.f64());
    case TAG.path:
      return decodePath(reader.view(reader.varint()));
    case TAG.error:
      return readError(reader);
    default:
      return malformed(`there is no tag ${tag}`);
  }
}

function readError(reader: Reader): Error {
  // Records can be written within each other; the limit on nesting holds for them too.
  reader.enter(0, 0);
  const record = readValue(reader);
  reader.leave();
  return fromErrorRecord(record);
}

function readArray(
  length: number,
  reader: Reader,
  extension: ValueReadExtension | undefined,
): unknown[] {
  reader.enter(length, 1);
  const array: unknown[] = [];
  for (let i = 0; i < length; i++) array.push(readValue(reader, extension));
  reader.leave();
  return array;
}

function readObject(
  length: number,
  reader: Reader,
  extension: ValueReadExtension | undefined,
): Record<string, unknown> {
  // A name takes a byte at least, and a value another.
  reader.enter(length, 2);
  const object: Record<string, unknown> = {};
  for (let i = 0; i < length; i++) {
    const { text, inherited } = reader.key();
    const value = readValue(reader, extension);
    if (inherited) define(object, text, value);
    else object[text] = value;
  }
  reader.leave();
  return object;
}

function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

function malformed(problem: string): never {
  throw new WireError("WIRE_MALFORMED", `the bytes are no value: ${problem}`);
}
