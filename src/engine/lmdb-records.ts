/** How the LMDB engine's rows are laid out. A change here is a new format: see `lmdb-file.ts`. */
import { decodePath } from "../wire/path-key.ts";
import { Writer } from "../wire/writer.ts";
import type { Revision, WriteResult } from "./engine.ts";
import { readEntry, readerOf, writeEntry } from "./entry-row.ts";
import type { Change } from "./store.ts";

const writer = new Writer();

const PUT = 1;
const DELETE = 0;
/** Behind the kind of a change. */
const TIME_AT = 1;

/** In a row of `log`, and in a journal: the kind, time, author, key, then the value up to the end. */
export function encodeChange({ key, event }: Change): Uint8Array {
  const { entry } = event;
  writer.u8(event.type === "put" ? PUT : DELETE);
  writer.f64(entry.time);
  writer.string(entry.author);
  writer.varint(key.length);
  writer.bytes(key);
  if (event.type === "put") writer.bytes(event.entry.value);
  return writer.take();
}

export function decodeChange(revision: Revision, row: Uint8Array): Change {
  const reader = readerOf(row);
  const kind = reader.u8();
  const time = reader.f64();
  const author = reader.string();
  const key = reader.view(reader.varint());
  const path = decodePath(key);
  if (kind === DELETE)
    return { key, event: { type: "delete", entry: { path, revision, author, time } } };
  const value = reader.view(reader.left);
  return { key, event: { type: "put", entry: { path, value, revision, author, time } } };
}

/** When the change was made. */
export function changeTime(row: Uint8Array): number {
  return new DataView(row.buffer, row.byteOffset, row.length).getFloat64(TIME_AT, true);
}

/** A row of `operations`: what the write gave; the previous entry is at the written one's key. */
export function encodeResult(key: Uint8Array, { revision, previous }: WriteResult): Uint8Array {
  writer.f64(revision);
  writer.varint(key.length);
  writer.bytes(key);
  if (previous !== undefined) writeEntry(writer, previous);
  return writer.take();
}

export function decodeResult(row: Uint8Array): WriteResult {
  const reader = readerOf(row);
  const revision = reader.f64();
  const key = reader.view(reader.varint());
  return { revision, previous: reader.left === 0 ? undefined : readEntry(key, reader) };
}

/** Where the log stands. */
export interface Head {
  /** The store's last revision. */
  readonly revision: Revision;
  /** The log holds every change behind this revision. */
  readonly forgotten: Revision;
  /** Of all changes in the log. */
  readonly bytes: number;
  /** Up to here past versions have rows of their own: see `lmdb-past.ts`. */
  readonly made: Revision;
  /** Behind `made` there are deletions and names without rows of their own, which had them later once. */
  readonly isOld?: boolean;
}

/** Behind what was all of a head once. */
const IS_NEW = 1;

/** Of a log that is empty. */
export function headAt(revision: Revision): Head {
  return { revision, forgotten: revision, bytes: 0, made: revision };
}

export function encodeHead({ revision, forgotten, bytes, made }: Head): Uint8Array {
  writer.f64(revision);
  writer.f64(forgotten);
  writer.f64(bytes);
  writer.f64(made);
  writer.u8(IS_NEW);
  return writer.take();
}

export function decodeHead(row: Uint8Array): Head {
  const reader = readerOf(row);
  const [revision, forgotten, bytes] = [reader.f64(), reader.f64(), reader.f64()];
  // Up to format 3 they had their rows at once.
  const made = reader.left === 0 ? revision : reader.f64();
  return { revision, forgotten, bytes, made, isOld: reader.left === 0 };
}
