/**
 * A write as bytes, on its way to a hub, and what it came to: a hub has it sooner than as objects, whose names and shapes
 * would be looked at one by one at both ends.
 */
import { EngineError } from "../base/errors.ts";
import { decodePath, encodePathInto } from "../wire/path-key.ts";
import { type Path, PATH_LIMITS } from "../wire/path.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import type { Durability, EngineEntry, WriteOptions, WriteResult } from "./engine.ts";
import { entryOf, writeEntry } from "./entry-row.ts";
import { checkWriteOptions } from "./hub-checks.ts";

/** What is longer leaves as a call, which lets what is large go beside a message; of news, too. */
export const MAX_PACKED_BYTES = 16 * 1024;

export interface AskedWrite {
  readonly path: Path;
  /** `undefined` deletes. */
  readonly value: Uint8Array | undefined;
  readonly options: WriteOptions;
}

const Flag = {
  value: 1,
  operation: 2,
  /** Not as one that may have been sent before. */
  isFirst: 4,
  repeats: 8,
  author: 16,
  ifRevision: 32,
  condition: 64,
  commit: 128,
  flushed: 256,
} as const;

const DURABILITY = { commit: Flag.commit, flushed: Flag.flushed } as const;

const results = new Writer();
const key = new Uint8Array(PATH_LIMITS.maxEncodedBytes);

/** Whether a write of it had better be sent as objects. */
export function isLarge(value: Uint8Array | undefined): boolean {
  return value !== undefined && value.length > MAX_PACKED_BYTES;
}

/**
 * What is written may be part of it where it throws.
 *
 * @throws WireError `WIRE_BAD_PATH` for a path that is too long; TypeError for options that are none
 */
export function packWrite(writer: Writer, { path, value, options }: AskedWrite): void {
  const { operation, repeats, author, ifRevision, condition } = checkWriteOptions(options);
  writer.varint((value === undefined ? 0 : Flag.value) | flagsOf(options));
  writePath(writer, path);
  if (operation !== undefined) writer.string(operation);
  if (typeof repeats === "number") writer.f64(repeats);
  if (author !== undefined) writer.string(author);
  if (ifRevision !== undefined) writer.f64(ifRevision);
  if (condition !== undefined) {
    writePath(writer, condition.path);
    writer.f64(condition.revision);
  }
  if (value !== undefined) writer.bytes(value);
}

function flagsOf(options: WriteOptions): number {
  const { operation, repeats, author, ifRevision, condition, durability } = options;
  let flags = durability === undefined ? 0 : DURABILITY[durability];
  if (operation !== undefined) flags |= Flag.operation;
  if (repeats !== undefined) flags |= repeats === false ? Flag.isFirst : Flag.repeats;
  if (author !== undefined) flags |= Flag.author;
  if (ifRevision !== undefined) flags |= Flag.ifRevision;
  if (condition !== undefined) flags |= Flag.condition;
  return flags;
}

/** The value is a view of the bytes; numbers are whatever was sent. @throws WireError, TypeError for what is no such write */
export function unpackWrite(bytes: Uint8Array): AskedWrite {
  const reader = new Reader(bytes);
  const flags = reader.varint();
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const isFirst = has(Flag.isFirst) ? false : undefined;
  const path = readPath(reader);
  const options: WriteOptions = {
    operation: has(Flag.operation) ? reader.string() : undefined,
    repeats: has(Flag.repeats) ? reader.f64() : isFirst,
    author: has(Flag.author) ? reader.string() : undefined,
    ifRevision: has(Flag.ifRevision) ? reader.f64() : undefined,
    condition: has(Flag.condition) ? { path: readPath(reader), revision: reader.f64() } : undefined,
    durability: durabilityOf(flags),
  };
  const { left } = reader;
  if (!has(Flag.value) && left > 0) throw new TypeError("the write is longer than it says");
  return { path, value: has(Flag.value) ? reader.view(left) : undefined, options };
}

/** Of a write at `path`; as objects where it had better be sent so. */
export function packResult(path: Path, result: WriteResult): Uint8Array | WriteResult {
  const { revision, previous } = result;
  if (previous !== undefined && !isPlain(path, previous)) return result;
  results.f64(revision);
  if (previous !== undefined) writeEntry(results, previous);
  return results.take();
}

/** What a name has written before may be somewhere else; a codec may have failed; large values go beside a message. */
function isPlain(path: Path, { path: place, value, error }: EngineEntry): boolean {
  return place === path && error === undefined && value.length <= MAX_PACKED_BYTES;
}

/** @throws WireError, EngineError `ENGINE_UNAVAILABLE` for what is no such result */
export function unpackResult(path: Path, given: Uint8Array | WriteResult): WriteResult {
  if (!(given instanceof Uint8Array)) return given;
  const reader = new Reader(given);
  const revision = reader.f64();
  if (!Number.isSafeInteger(revision)) {
    throw new EngineError("ENGINE_UNAVAILABLE", "the hub sent a result that is none");
  }
  const { left } = reader;
  return { revision, previous: left === 0 ? undefined : entryOf(path, reader.view(left)) };
}

function durabilityOf(flags: number): Durability | undefined {
  if ((flags & Flag.commit) !== 0) return "commit";
  return (flags & Flag.flushed) === 0 ? undefined : "flushed";
}

function writePath(writer: Writer, path: Path): void {
  const size = encodePathInto(path, key, 0);
  writer.varint(size);
  writer.bytes(key.subarray(0, size));
}

function readPath(reader: Reader): Path {
  return decodePath(reader.view(reader.varint()));
}
