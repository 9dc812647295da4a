import { BanyanError } from "../base/errors.ts";
import { writeBigint } from "./bigint.ts";
import { toBriefErrorRecord, toErrorRecord } from "./error-record.ts";
import type { ValueWriteExtension } from "./extension.ts";
import { kindOf } from "./kind.ts";
import { encodePath } from "./path-key.ts";
import type { Path } from "./path.ts";
import { MAX_SHORT_ITEMS, MAX_SHORT_TEXT, TAG } from "./tags.ts";
import { writeBuffer, writeView } from "./views.ts";
import type { Writer } from "./writer.ts";

/** Writes one value; where it throws, part of it is written. See `writeValue`. */
export function encode(
  writer: Writer,
  value: unknown,
  extension: ValueWriteExtension | undefined,
): void {
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
    encode(writer, array[i], extension);
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
    encode(writer, object[key], extension);
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
    encode(writer, toErrorRecord(error), undefined);
    writer.checkSize();
  } catch (failure) {
    if (!BanyanError.is(failure)) throw failure;
    writer.restore(state);
    encode(writer, toBriefErrorRecord(error), undefined);
  }
  writer.leave();
}

function putOther(
  writer: Writer,
  value: unknown,
  extension: ValueWriteExtension | undefined,
): void {
  if (extension !== undefined) {
    // An extension nests values as a container does, and the same limit holds for it. Whether what
    // it writes may contain itself, it knows: references and graphs do.
    writer.enter(undefined, 0);
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
