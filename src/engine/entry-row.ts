/**
 * How an entry lies in a row: in a store's file, and on its way from a hub. A change here is a new format: see
 * `lmdb-file.ts`.
 */
import { decodePath } from "../wire/path-key.ts";
import { toPath } from "../wire/path-text.ts";
import { Path, type PathLike } from "../wire/path.ts";
import { Reader } from "../wire/reader.ts";
import { decodeUtf8 } from "../wire/text.ts";
import { Writer } from "../wire/writer.ts";
import type { EngineEntry, EntryInPlace, Revision } from "./engine.ts";

const writer = new Writer();

/** Revision, time, author, then the value up to the end. */
export function encodeEntry(entry: EngineEntry): Uint8Array {
  writeEntry(writer, entry);
  return writer.take();
}

export function decodeEntry(key: Uint8Array, row: Uint8Array): EngineEntry {
  return readEntry(key, readerOf(row));
}

/** The same, where the path is known. */
export function entryOf(path: Path, row: Uint8Array): EngineEntry {
  return readRow(path, readerOf(row));
}

/** Of an entry, without the rest of its row. */
export function revisionOfRow(row: Uint8Array): Revision {
  return readerOf(row).f64();
}

/** Rows where they lie, one after the other: what is not looked at is not decoded. */
export class RowInPlace implements EntryInPlace {
  bytes: Uint8Array = new Uint8Array();
  view: DataView = new DataView(this.bytes.buffer);
  start = 0;
  end = 0;
  /** Where the row begins. */
  #at = 0;
  #path: PathLike = Path.root;
  /** Where it was decoded already. */
  #author: string | undefined;

  /** Becomes the row that is `size` of these bytes, the first ones or those from `at` on. */
  be(bytes: Uint8Array, size: number, path: PathLike, at: number = 0): this {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    this.#path = path;
    this.#author = undefined;
    this.#at = at;
    this.end = at + size;
    const header = size > AUTHOR_AT ? (bytes[at + AUTHOR_AT] as number) : 1;
    this.start = at + AUTHOR_AT + 1 + (header >> 1);
    // A header of one byte is that of short text in UTF-8, and that is what authors are.
    if (header >= 0x80 || header % 2 === 1 || this.start > this.end) this.#inGeneral();
    return this;
  }

  get path(): Path {
    return toPath(this.#path);
  }

  get revision(): Revision {
    const revision = this.view.getFloat64(this.#at, true);
    // A small integer takes no room of its own in what is made of this.
    const small = revision | 0;
    return small === revision ? small : revision;
  }

  get time(): number {
    return this.view.getFloat64(this.#at + 8, true);
  }

  get author(): string {
    if (this.#author !== undefined) return this.#author;
    const at = this.#at + AUTHOR_AT + 1;
    return this.start === at ? "" : authorAt(this.bytes, at, this.start);
  }

  #inGeneral(): void {
    const reader = new Reader(this.bytes.slice(this.#at, this.end));
    reader.view(AUTHOR_AT);
    this.#author = reader.string();
    this.start = this.end - reader.left;
  }
}

const AUTHOR_AT = 16;
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

/** The row, behind what was written before. */
export function writeEntry(target: Writer, { revision, time, author, value }: EngineEntry): void {
  target.f64(revision);
  target.f64(time);
  target.string(author);
  target.bytes(value);
}

/** What is left is the row of the entry with this key. */
export function readEntry(key: Uint8Array, reader: Reader): EngineEntry {
  return readRow(decodePath(key), reader);
}

function readRow(path: Path, reader: Reader): EngineEntry {
  const revision = reader.f64();
  const time = reader.f64();
  const author = reader.string();
  return { path, value: reader.view(reader.left), revision, author, time };
}

export function readerOf(row: Uint8Array): Reader {
  // A Buffer's views are Buffers; readers of entries get plain bytes.
  return new Reader(new Uint8Array(row.buffer, row.byteOffset, row.length));
}

/** What may be kept of it. */
export function copyOf(entry: EntryInPlace): EngineEntry {
  const { path, revision, author, time, bytes, start, end } = entry;
  return { path, value: bytes.slice(start, end), revision, author, time };
}

/** The same the other way round; nothing of it is copied. */
export function inPlace({ path, value, revision, author, time }: EngineEntry): EntryInPlace {
  return { path, revision, author, time, bytes: value, start: 0, end: value.length };
}
