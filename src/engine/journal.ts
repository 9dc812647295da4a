/**
 * The journal: changes that are on the disk in the order in which they were made, before the pages are
 * into which they went. Who waits for the disk waits for one write at the end of a file, however many
 * pages the commit has touched. After a power failure, what is behind the last safe point is made again.
 *
 * Each owner of the store has two files, `journal.BOOT.ID.0` and `.1`. A safe point that is begun turns to
 * the other one; when it is on the disk, the file before is not needed any more, and is overwritten from
 * its start after the next turn. What is left of earlier times in a file is of revisions that are safe,
 * and so never the next one.
 *
 * Who watches may be told of a change before LMDB has committed it: then it is in the journal before that, with the
 * number of its transaction. Where the process ends in between, the next owner finds it there: its own first transaction
 * has the same number, because no other was committed since.
 */
import { createHash } from "node:crypto";
import { fdatasyncSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { type FileHandle, open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";

import { randomId } from "../base/ids.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import type { Revision } from "./engine.ts";

const PREFIX = "journal.";
/** Before a batch: how long it is, and its checksum. */
const HEADER_BYTES = 8;
/** Up to format 5 of the store the checksum was a SHA-256. */
const OLD_HEADER_BYTES = 36;
/** Of one file, and of what waits to be written: what is more is left to a safe point. */
const MAX_BYTES = 8 * 1024 * 1024;
/** What may wait to be written with a change that is not committed yet: who watches waits for it. */
const MAX_AHEAD_BYTES = 256 * 1024;
/** Of a batch that is written behind the commits of what is in it. */
const COMMITTED = 0;
/** A file is made longer ahead: to overwrite costs a disk half of what it costs to append. */
const GROWTH = Buffer.alloc(256 * 1024);

/** One change as it lies in the log, and the operation that asked for it. */
export interface JournalRow {
  readonly revision: Revision;
  readonly change: Uint8Array;
  readonly operation: string | undefined;
}

interface JournalFile {
  readonly handle: FileHandle;
  /** Where the next batch goes, and how long the file is. */
  at: number;
  size: number;
  /** Something is in it that the disk need not have. */
  isUnsynced: boolean;
}

/** What is to be written, and where. */
interface Batch {
  readonly file: JournalFile;
  readonly batch: Uint8Array;
  readonly at: number;
  readonly end: number;
}

/** The journal of one owner, which remembers what is to be written next. */
export class Journal {
  readonly #directory: string;
  readonly #files: readonly [JournalFile, JournalFile];
  /** The files of former owners. */
  readonly #others: readonly string[];
  readonly #writer = new Writer();
  #current: 0 | 1 = 0;
  #waiting: JournalRow[] = [];
  #waitingBytes = 0;
  /** Up to here something is in neither file, and does not wait either. */
  #gap: Revision = Infinity;
  /** The last revision that was added. */
  #last: Revision = Infinity;

  private constructor(
    directory: string,
    { files, others }: { files: readonly [JournalFile, JournalFile]; others: readonly string[] },
  ) {
    this.#directory = directory;
    this.#files = files;
    this.#others = others;
  }

  /**
   * Two empty files, whose names are on the disk.
   *
   * @param boot the time since the machine was started; "" where that can't be told
   */
  static async create(directory: string, boot: string): Promise<Journal> {
    const prefix = `${prefixOf(boot)}${randomId()}.`;
    const others = await namesIn(directory);
    const files: JournalFile[] = [];
    try {
      for (const part of [0, 1]) {
        const handle = await open(join(directory, `${prefix}${part}`), "wx", 0o600);
        files.push({ handle, at: 0, size: 0, isUnsynced: false });
      }
      await syncNames(directory);
    } catch (error) {
      for (const { handle } of files) await handle.close();
      throw error;
    }
    return new Journal(directory, { files: files as [JournalFile, JournalFile], others });
  }

  /** Whether what waits can be written, so that all is on the disk that was added. */
  get isWhole(): boolean {
    return this.#gap === -1 && this.#file.at + this.#waitingBytes <= MAX_BYTES;
  }

  /** The store is ours, at this revision: what is committed comes here from now on. */
  begin(revision: Revision): void {
    this.#last = revision;
  }

  /** What a commit has changed, in the order of revisions. Without `begin` it is not kept. */
  add(rows: readonly JournalRow[]): void {
    if (this.#last === Infinity) return;
    for (const row of rows) {
      this.#waiting.push(row);
      this.#waitingBytes += bytesOf(row);
      this.#last = row.revision;
    }
    if (this.#waitingBytes <= MAX_BYTES) return;
    this.#gap = this.#last;
    this.#setWaiting([]);
  }

  /**
   * Leaves rows with the system that the transaction of that number is about to commit, behind what waits.
   *
   * @returns whether they are there; if so they are not to be added
   */
  writeAhead(rows: readonly JournalRow[], transaction: number): boolean {
    const bytes = rows.reduce((sum, row) => sum + bytesOf(row), this.#waitingBytes);
    if (!this.isWhole || bytes > MAX_AHEAD_BYTES || this.#file.at + bytes > MAX_BYTES) return false;
    this.add(rows);
    try {
      this.#writeBatch(transaction);
      return true;
    } catch {
      // As for any that could not be written, a safe point has to be waited for.
      return false;
    }
  }

  /**
   * Writes what waits; all that was added is on the disk when this returns. Not while `write` is under way. Where it
   * throws, only a safe point can bring that to the disk.
   */
  writeSync(): void {
    this.#writeBatch();
    for (const file of this.#files) {
      if (!file.isUnsynced) continue;
      try {
        fdatasyncSync(file.handle.fd);
      } catch (error) {
        this.#gap = this.#last;
        throw error;
      }
      file.isUnsynced = false;
    }
  }

  /** The same, and another thread waits for the disk. */
  async write(): Promise<void> {
    this.#writeBatch();
    for (const file of this.#files) {
      if (!file.isUnsynced) continue;
      file.isUnsynced = false;
      try {
        await file.handle.datasync();
      } catch (error) {
        this.#gap = this.#last;
        throw error;
      }
    }
  }

  /** Leaves what waits to the system. */
  #writeBatch(transaction = COMMITTED): void {
    const taken = this.#take(transaction);
    if (taken === undefined) return;
    const { file, batch, at, end } = taken;
    const { fd } = file.handle;
    file.isUnsynced = true;
    try {
      for (; file.size < end; file.size += GROWTH.length) writeWhole(fd, GROWTH, file.size);
      writeWhole(fd, batch, at);
    } catch (error) {
      this.#gap = this.#last;
      throw error;
    }
  }

  /**
   * A safe point of all that was added up to now is begun, and the one before it is on the disk.
   *
   * @returns what is to be called when it is on the disk as well
   */
  turn(): () => void {
    const through = this.#last;
    this.#current = this.#current === 0 ? 1 : 0;
    this.#file.at = 0;
    this.#file.isUnsynced = false;
    return () => {
      if (through === Infinity) return;
      if (this.#gap === Infinity || this.#gap <= through) this.#gap = -1;
      this.#setWaiting(this.#waiting.filter(({ revision }) => revision > through));
    };
  }

  /**
   * Takes the files of former owners away: there is a safe point behind all that is in them. What came later stays: it
   * is of an owner behind us.
   */
  async removeOthers(): Promise<void> {
    for (const name of this.#others) await rm(join(this.#directory, name), { force: true });
  }

  async close(): Promise<void> {
    for (const { handle } of this.#files) await handle.close();
  }

  get #file(): JournalFile {
    return this.#files[this.#current];
  }

  #setWaiting(rows: JournalRow[]): void {
    this.#waiting = rows;
    this.#waitingBytes = rows.reduce((sum, row) => sum + bytesOf(row), 0);
  }

  /** What waits as one batch, which counts as a whole or not at all. */
  #take(transaction: number): Batch | undefined {
    const rows = this.#waiting;
    if (rows.length === 0) return undefined;
    this.#setWaiting([]);
    const batch = encodeBatch(this.#writer, { rows, transaction });
    const file = this.#file;
    const { at } = file;
    file.at += batch.length;
    return { file, batch, at, end: file.at };
  }
}

/**
 * What the journals in a directory hold, also what is in the store long since; but for those of this
 * `boot`: nothing that was committed can have been lost.
 */
export async function readJournals(
  directory: string,
  boot: string,
): Promise<Map<Revision, JournalRow>> {
  const rows = new Map<Revision, JournalRow>();
  for (const name of await namesIn(directory)) {
    if (boot !== "" && name.startsWith(prefixOf(boot))) continue;
    const content = await readFile(join(directory, name)).catch(noneIfGone);
    for (const batch of batchesIn(content)) {
      for (const row of batch.rows) rows.set(row.revision, row);
    }
  }
  return rows;
}

/**
 * What the journals of this `boot` hold for the transaction of that number, and what went with it. For who is within
 * that one: what another process was about to commit in it is in nothing else.
 */
export function readAhead(
  directory: string,
  { boot, transaction }: { boot: string; transaction: number },
): Map<Revision, JournalRow> {
  const rows = new Map<Revision, JournalRow>();
  if (boot === "") return rows;
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(prefixOf(boot))) continue;
    for (const batch of batchesIn(readIfThere(join(directory, name)))) {
      if (batch.transaction !== transaction) continue;
      for (const row of batch.rows) rows.set(row.revision, row);
    }
  }
  return rows;
}

interface JournalBatch {
  readonly rows: readonly JournalRow[];
  /** The one that was about to commit the last of them; `COMMITTED` where they were there already. */
  readonly transaction: number;
}

/** Up to the first that is not whole: it was not acknowledged, nor was anything behind it. */
function* batchesIn(content: Buffer): Generator<JournalBatch, void> {
  for (let at = 0; ;) {
    const body = bodyAt(content, at) ?? oldBodyAt(content, at);
    if (body === undefined) return;
    yield decodeBatch(body);
    at = body.byteOffset - content.byteOffset + body.length;
  }
}

/** The batch that begins there, if it is whole. */
function bodyAt(content: Buffer, at: number): Buffer | undefined {
  const body = partAt(content, at, HEADER_BYTES);
  return body !== undefined && crc32(body) === content.readUInt32LE(at + 4) ? body : undefined;
}

function oldBodyAt(content: Buffer, at: number): Buffer | undefined {
  const body = partAt(content, at, OLD_HEADER_BYTES);
  if (body === undefined) return undefined;
  const sum = createHash("sha256").update(body).digest();
  return sum.equals(content.subarray(at + 4, at + OLD_HEADER_BYTES)) ? body : undefined;
}

function partAt(content: Buffer, at: number, headerBytes: number): Buffer | undefined {
  const start = at + headerBytes;
  if (start > content.length) return undefined;
  const length = content.readUInt32LE(at);
  return length === 0 || start + length > content.length
    ? undefined
    : content.subarray(start, start + length);
}

/** With its header; valid until the next is encoded. */
function encodeBatch(writer: Writer, { rows, transaction }: JournalBatch): Uint8Array {
  writer.f64(0);
  writer.varint(rows.length);
  for (const { revision, change, operation } of rows) {
    writer.f64(revision);
    writer.u8(operation === undefined ? 0 : 1);
    if (operation !== undefined) writer.string(operation);
    writer.varint(change.length);
    writer.bytes(change);
  }
  writer.f64(transaction);
  const batch = writer.take();
  const body = batch.subarray(HEADER_BYTES);
  const header = new DataView(batch.buffer, batch.byteOffset, HEADER_BYTES);
  header.setUint32(0, body.length, true);
  header.setUint32(4, crc32(body), true);
  return batch;
}

function decodeBatch(body: Uint8Array): JournalBatch {
  const reader = new Reader(new Uint8Array(body));
  const rows = Array.from({ length: reader.varint() }, () => {
    const revision = reader.f64();
    const operation = reader.u8() === 0 ? undefined : reader.string();
    return { revision, operation, change: reader.view(reader.varint()) };
  });
  // Up to format 4 there was no number.
  return { rows, transaction: reader.left === 0 ? COMMITTED : reader.f64() };
}

/** Roughly, and not less than it takes in a file. */
function bytesOf({ change, operation = "" }: JournalRow): number {
  return 64 + change.length + 3 * operation.length;
}

function prefixOf(boot: string): string {
  return `${PREFIX}${createHash("sha256").update(boot).digest("hex").slice(0, 16)}.`;
}

async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith(PREFIX));
}

/** An owner before us, who is about to end, may take away meanwhile what it has a safe point behind. */
function noneIfGone(error: NodeJS.ErrnoException): Buffer {
  if (error.code !== "ENOENT") throw error;
  return Buffer.alloc(0);
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    return noneIfGone(error as NodeJS.ErrnoException);
  }
}

function writeWhole(fd: number, bytes: Uint8Array, at: number): void {
  for (let written = 0; written < bytes.length;) {
    written += writeSync(fd, bytes, written, bytes.length - written, at + written);
  }
}

/** A file that is on the disk under no name is as good as none. */
async function syncNames(directory: string): Promise<void> {
  // A directory can't be opened there.
  if (process.platform === "win32") return;
  await using handle = await open(directory, "r");
  await handle.sync();
}
