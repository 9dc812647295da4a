/** How the LMDB engine's rows are laid out. A change here is a new format: see `lmdb-file.ts`. */
import { Reader } from "../wire/reader.ts";
import { decodePath } from "../wire/path-key.ts";
import { Writer } from "../wire/writer.ts";
import { decodeUtf8 } from "../wire/text.ts";
import type { Path } from "../wire/path.ts";
import type { EngineEntry, EntryInPlace, Revision, WriteResult } from "./engine.ts";
import type { Change } from "./store.ts";

const writer = new Writer();

const PUT = 1;
const DELETE = 0;

/** A row of `tree`: revision, time, author, then the value up to the end. */
export function encodeEntry(entry: EngineEntry): Uint8Array {
  writeEntry(entry);
  return writer.take();
}

export function decodeEntry(key: Uint8Array, row: Uint8Array): EngineEntry {
  return readEntry(key, readerOf(row));
}

/** A row of `tree` where it lies: the first `size` of these bytes. */
export function readEntryInPlace(bytes: Uint8Array, size: number, path: Path): EntryInPlace {
  if (bytes !== viewed) {
    viewed = bytes;
    rowView = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  const header = size > AUTHOR_AT ? (bytes[AUTHOR_AT] as number) : 1;
  // A header of one byte is that of short text in UTF-8, and that is what authors are.
  const start = AUTHOR_AT + 1 + (header >> 1);
  if (header >= 0x80 || header % 2 === 1 || start > size) return inGeneral(bytes, size, path);
  return {
    path,
    revision: rowView.getFloat64(0, true),
    time: rowView.getFloat64(8, true),
    author: header === 0 ? "" : authorAt(bytes, AUTHOR_AT + 1, start),
    bytes,
    start,
    end: size,
  };
}

const AUTHOR_AT = 16;
let viewed: Uint8Array | undefined;
let rowView: DataView = new DataView(new ArrayBuffer(0));
/** Few write most entries. */
let lastAuthor = "";

function authorAt(bytes: Uint8Array, start: number, end: number): string {
  if (lastAuthor.length === end - start) {
    let at = start;
    while (at < end && lastAuthor.charCodeAt(at - start) === bytes[at]) at++;
    if (at === end) return lastAuthor;
  }
  const author = decodeUtf8(bytes, start, end);
  // Only ASCII, where a byte is a character: the comparison relies on it.
  if (author.length === end - start) lastAuthor = author;
  return author;
}

function inGeneral(bytes: Uint8Array, size: number, path: Path): EntryInPlace {
  const reader = new Reader(bytes.slice(0, size));
  const revision = reader.f64();
  const time = reader.f64();
  const author = reader.string();
  return { path, revision, time, author, bytes, start: size - reader.left, end: size };
}

/** A row of `log`, under its revision: the kind, time, author, key, then the value up to the end. */
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

/** A row of `operations`: what the write gave; the previous entry is at the written one's key. */
export function encodeResult(key: Uint8Array, { revision, previous }: WriteResult): Uint8Array {
  writer.f64(revision);
  writer.varint(key.length);
  writer.bytes(key);
  if (previous !== undefined) writeEntry(previous);
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
  /** Of all rows of the log. */
  readonly bytes: number;
}

export function encodeHead({ revision, forgotten, bytes }: Head): Uint8Array {
  writer.f64(revision);
  writer.f64(forgotten);
  writer.f64(bytes);
  return writer.take();
}

export function decodeHead(row: Uint8Array): Head {
  const reader = readerOf(row);
  return { revision: reader.f64(), forgotten: reader.f64(), bytes: reader.f64() };
}

function writeEntry({ revision, time, author, value }: EngineEntry): void {
  writer.f64(revision);
  writer.f64(time);
  writer.string(author);
  writer.bytes(value);
}

function readEntry(key: Uint8Array, reader: Reader): EngineEntry {
  const revision = reader.f64();
  const time = reader.f64();
  const author = reader.string();
  return { path: decodePath(key), value: reader.view(reader.left), revision, author, time };
}

function readerOf(row: Uint8Array): Reader {
  // A Buffer's views are Buffers; readers of entries get plain bytes.
  return new Reader(new Uint8Array(row.buffer, row.byteOffset, row.length));
}
