/**
 * How changes lie in the log: several to a row, under the revision of the first, each with all that is made
 * of it later. Up to format 3 a row was one change and nothing else, and such rows are still read. A change
 * here is a new format: see `lmdb-file.ts`.
 */
import { DEFAULT_VALUE_LIMITS, type ValueLimits } from "../wire/limits.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import type { Revision } from "./engine.ts";
import type { JournalRow } from "./journal.ts";
import { AUTHOR_AT } from "./lmdb-records.ts";
import { hashOf } from "./recent-names.ts";

/** One change in the log. */
export interface LogRecord {
  readonly row: JournalRow;
  /** The row of the entry whose place it took, unless `isMade`. */
  readonly previous: Uint8Array | undefined;
  /** Nothing is to be made of it any more. */
  readonly isMade: boolean;
}

/** What a row begins with that holds several; those of one change begin with their kind, 0 or 1. */
const SEVERAL = 2;
/** A large value may be twice in a row. */
const LIMITS: ValueLimits = { ...DEFAULT_VALUE_LIMITS, maxBytes: Infinity };
const OPERATION = 1;
const PREVIOUS = 2;
const MADE = 4;
/** Two of these to a page of LMDB; what is larger gets pages of its own. */
const ROW_BYTES = 1_900;
/** What a record takes beside its parts, at the most. */
const RECORD_BYTES = 24;

const writer = new Writer(LIMITS);

/** Where the records have to be parted, so that rows are of the size that costs LMDB least. */
export function* rowsOf(records: readonly LogRecord[]): Generator<readonly LogRecord[], void> {
  let from = 0;
  let bytes = 0;
  for (let at = 0; at < records.length; at++) {
    const { row, previous } = records[at] as LogRecord;
    const { change, operation = "" } = row;
    const size = RECORD_BYTES + change.length + 3 * operation.length + (previous?.length ?? 0);
    if (at > from && bytes + size > ROW_BYTES) {
      yield records.slice(from, at);
      from = at;
      bytes = 0;
    }
    bytes += size;
  }
  if (from < records.length) yield records.slice(from);
}

/** Valid until the next is encoded. */
export function encodeLogRow(records: readonly LogRecord[]): Uint8Array {
  writer.u8(SEVERAL);
  for (const { row, previous, isMade } of records) {
    const { operation, change } = row;
    const flags = (operation === undefined ? 0 : OPERATION) | (isMade ? MADE : 0);
    writer.u8(flags | (previous === undefined ? 0 : PREVIOUS));
    if (operation !== undefined) writer.string(operation);
    if (previous !== undefined) writeBytes(previous);
    writeBytes(change);
  }
  return writer.take();
}

/** @param first the row's key */
export function decodeLogRow(first: Revision, bytes: Uint8Array): LogRecord[] {
  // A Buffer's views are Buffers; readers of entries get plain bytes.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  if (plain[0] !== SEVERAL) {
    const row = { revision: first, operation: undefined, change: plain };
    return [{ row, previous: undefined, isMade: true }];
  }
  const reader = new Reader(plain, LIMITS);
  reader.u8();
  const records: LogRecord[] = [];
  while (reader.left > 0) {
    const flags = reader.u8();
    const operation = (flags & OPERATION) === 0 ? undefined : reader.string();
    const previous = (flags & PREVIOUS) === 0 ? undefined : reader.view(reader.varint());
    const change = reader.view(reader.varint());
    const row = { revision: first + records.length, operation, change };
    records.push({ row, previous, isMade: (flags & MADE) !== 0 });
  }
  return records;
}

/** What a record is looked up by, as hashes; see `hashOf`. */
export interface RecordNames {
  readonly revision: Revision;
  readonly operation: number | undefined;
  readonly key: number;
  readonly isMade: boolean;
  /** Of its change, and of what that took the place of. */
  readonly bytes: number;
}

/** The names in a row, without what else is in it: whoever takes a store over reads those of many at once. */
export function namesIn(first: Revision, row: Uint8Array): RecordNames[] {
  if (row[0] !== SEVERAL) return [];
  const names: RecordNames[] = [];
  for (at = 1; at < row.length;) {
    const flags = row[at++] as number;
    const operation = (flags & OPERATION) === 0 ? undefined : hashOfText(row);
    const previous = (flags & PREVIOUS) === 0 ? 0 : varint(row);
    at += previous;
    const change = varint(row);
    const end = at + change;
    at += AUTHOR_AT;
    const author = varint(row) >>> 1;
    at += author;
    const key = varint(row);
    const isMade = (flags & MADE) !== 0;
    const revision = first + names.length;
    names.push({
      revision,
      operation,
      key: hashOf(row.subarray(at, at + key)),
      isMade,
      bytes: change + previous,
    });
    at = end;
  }
  return names;
}

/** Where `namesIn` is in its row. */
let at = 0;

/** As a `Writer` writes it; no longer than a row. */
function varint(row: Uint8Array): number {
  let number = 0;
  for (let unit = 1; ; unit *= 0x80) {
    const byte = row[at++] as number;
    number += (byte & 0x7f) * unit;
    if (byte < 0x80) return number;
  }
}

function hashOfText(row: Uint8Array): number {
  const from = at;
  const header = varint(row);
  const text = row.subarray(at, at + (header >>> 1));
  at += header >>> 1;
  // Where each byte is a character, that has the hash of the text.
  if (header % 2 === 0 && text.every((byte) => byte < 0x80)) return hashOf(text);
  return hashOf(new Reader(row.subarray(from, at)).string());
}

function writeBytes(bytes: Uint8Array): void {
  writer.varint(bytes.length);
  writer.bytes(bytes);
}
