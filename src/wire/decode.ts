import { WireError } from "../base/errors.ts";
import { readMagnitude } from "./bigint.ts";
import { fromErrorRecord } from "./error-record.ts";
import type { ValueReadExtension } from "./extension.ts";
import { decodePath } from "./path-key.ts";
import type { Reader } from "./reader.ts";
import { TAG } from "./tags.ts";
import { readAttached, readView } from "./views.ts";

/** Reads one value. See `readValue`. */
export function decode(reader: Reader, extension: ValueReadExtension | undefined): unknown {
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
    case TAG.attached:
      return readAttached(reader);
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
  const record = decode(reader, undefined);
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
  for (let i = 0; i < length; i++) array.push(decode(reader, extension));
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
    const value = decode(reader, extension);
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
