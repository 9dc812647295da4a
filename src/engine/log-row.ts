/**
 * How changes lie in the log: several to a row, under the revision of the first, each with its name and what it
 * replaced. Up to format 3 a row was one change and nothing else, and such rows are still read. A change
 * here is a new format: see `lmdb-file.ts`.
 */
import { DEFAULT_VALUE_LIMITS, type ValueLimits } from "../wire/limits.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import type { Revision } from "./engine.ts";
import type { JournalRow } from "./journal.ts";

/** One change in the log. */
export interface LogRecord {
  readonly row: JournalRow;
  /** The row of the entry whose place it took, unless `isMade`. */
  readonly previous: Uint8Array | undefined;
  /** What it replaced has a row of its own already. */
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

function writeBytes(bytes: Uint8Array): void {
  writer.varint(bytes.length);
  writer.bytes(bytes);
}
