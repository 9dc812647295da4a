/** How the LMDB engine's rows are laid out. A change here is a new format: see `lmdb-file.ts`. */
import { Reader } from "../wire/reader.ts";
import { decodePath } from "../wire/path-key.ts";
import { Writer } from "../wire/writer.ts";
import { decodeUtf8 } from "../wire/text.ts";
import { toPath } from "../wire/path-text.ts";
import { Path, type PathLike } from "../wire/path.ts";
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

/** Rows of `tree` where they lie, one after the other: what is not looked at is not decoded. */
export class RowInPlace implements EntryInPlace {
  bytes: Uint8Array = new Uint8Array();
  start = 0;
  end = 0;
  #path: PathLike = Path.root;
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Where it was decoded already. */
  #author: string | undefined;

  /** Becomes the row that is the first `size` of these bytes. */
  be(bytes: Uint8Array, size: number, path: PathLike): this {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    this.#path = path;
    this.#author = undefined;
    this.end = size;
    const header = size > AUTHOR_AT ? (bytes[AUTHOR_AT] as number) : 1;
    this.start = AUTHOR_AT + 1 + (header >> 1);
    // A header of one byte is that of short text in UTF-8, and that is what authors are.
    if (header >= 0x80 || header % 2 === 1 || this.start > size) this.#inGeneral();
    return this;
  }

  get path(): Path {
    return toPath(this.#path);
  }

  get revision(): Revision {
    const revision = this.#view.getFloat64(0, true);
    // A small integer takes no room of its own in what is made of this.
    const small = revision | 0;
    return small === revision ? small : revision;
  }

  get time(): number {
    return this.#view.getFloat64(8, true);
  }

  get author(): string {
    if (this.#author !== undefined) return this.#author;
    const at = AUTHOR_AT + 1;
    return this.start === at ? "" : authorAt(this.bytes, at, this.start);
  }

  #inGeneral(): void {
    const reader = new Reader(this.bytes.slice(0, this.end));
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

/** When the change of a row of `log` was made. */
export function changeTime(row: Uint8Array): number {
  return new DataView(row.buffer, row.byteOffset, row.length).getFloat64(1, true);
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
