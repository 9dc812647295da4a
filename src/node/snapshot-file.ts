/**
 * The file of a snapshot. Eight bytes that say what it is and which format; then records, each behind
 * its size in four bytes: one that says what was saved, the changes that make up the state, one that
 * ends it; and the SHA-256 of all before it. It is written and read piece by piece.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

import { NodeError } from "../base/errors.ts";
import type { RestoredChange } from "../engine/lmdb-restore.ts";
import { decodePath, encodePath } from "../wire/path-key.ts";
import { Reader } from "../wire/reader.ts";
import { decodeValue, encodeValue } from "../wire/value.ts";
import { Writer } from "../wire/writer.ts";

/** What a snapshot says of itself at its beginning. */
export interface SnapshotHead {
  /** When it was begun: seconds since 1970. */
  readonly time: number;
  /** Which store it is of. */
  readonly store: string;
  /** The version of the package that wrote it. */
  readonly version: string;
}

/** What it says at its end. */
export interface SnapshotEnd {
  /** The state is that of this revision. */
  readonly revision: number;
  /** How many changes it is made of. */
  readonly changes: number;
  /** Rules on history, as `historyRules` gives them; `maxAgeMs` may be Infinity. */
  readonly rules: readonly unknown[];
}

const SNAPSHOT_FORMAT = 1;
const MAGIC = Buffer.from("banyans");
const DIGEST_BYTES = 32;
const MAX_RECORD_BYTES = 64 * 1024 * 1024;
const FLUSH_BYTES = 256 * 1024;
const KIND = { head: 1, put: 2, delete: 3, end: 4 } as const;

/** Writes a new file; what was there under the name is gone. */
export class SnapshotWriter implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #hash = createHash("sha256");
  readonly #writer = new Writer();
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  changes = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async create(path: string, head: SnapshotHead): Promise<SnapshotWriter> {
    const writer = new SnapshotWriter(await open(path, "w", 0o600));
    writer.#add(Buffer.concat([MAGIC, Buffer.from([SNAPSHOT_FORMAT])]));
    writer.#record(KIND.head, encodeValue(head));
    return writer;
  }

  async add(changes: readonly RestoredChange[]): Promise<void> {
    for (const { type, entry } of changes) {
      const key = encodePath(entry.path);
      const writer = this.#writer;
      writer.f64(entry.revision);
      writer.f64(entry.time);
      writer.string(entry.author);
      writer.varint(key.length);
      writer.bytes(key);
      if (type === "put") writer.bytes((entry as { value: Uint8Array }).value);
      this.#record(type === "put" ? KIND.put : KIND.delete, writer.takeCopy());
    }
    this.changes += changes.length;
    if (this.#bytes >= FLUSH_BYTES) await this.#flush();
  }

  /** The file is whole, and on the disk, when this resolves. */
  async finish(end: SnapshotEnd): Promise<void> {
    this.#record(KIND.end, encodeValue(end));
    await this.#flush();
    await this.#file.appendFile(this.#hash.digest());
    await this.#file.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  #record(kind: number, bytes: Uint8Array): void {
    const size = Buffer.alloc(5);
    size.writeUInt32LE(bytes.length + 1, 0);
    size[4] = kind;
    this.#add(size);
    this.#add(bytes);
  }

  #add(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#bytes = 0;
    this.#hash.update(bytes);
    // All of it: a disk that is nearly full takes a part, and says no more than how much.
    await this.#file.appendFile(bytes);
  }
}

/** Reads a file to its end, and checks it on the way: believe what it gave when it has come there. */
export class SnapshotReader {
  readonly #path: string;
  head: SnapshotHead | undefined;
  end: SnapshotEnd | undefined;
  #begun = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws NodeError `NODE_BAD_SNAPSHOT`; what the file system throws */
  async *changes(): AsyncGenerator<RestoredChange[], void> {
    const hash = createHash("sha256");
    let rest: Buffer = Buffer.alloc(0);
    let changes = 0;
    for await (const chunk of createReadStream(this.#path, { highWaterMark: FLUSH_BYTES })) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      const { page, used } = this.#takeAll(rest);
      hash.update(rest.subarray(0, used));
      rest = rest.subarray(used);
      changes += page.length;
      if (page.length > 0) yield page;
    }
    if (this.end === undefined)
      throw this.#bad(this.#begun ? "it is cut off" : "it is no snapshot");
    if (rest.length !== DIGEST_BYTES || Buffer.compare(rest, hash.digest()) !== 0) {
      throw this.#bad("its checksum is another");
    }
    if (changes !== this.end.changes) throw this.#bad("it does not hold what it says");
  }

  /** The records that are there as a whole. */
  #takeAll(bytes: Buffer): { page: RestoredChange[]; used: number } {
    const page: RestoredChange[] = [];
    let at = 0;
    if (!this.#begun) {
      if (bytes.length <= MAGIC.length) return { page, used: 0 };
      this.#checkMagic(bytes);
      this.#begun = true;
      at = MAGIC.length + 1;
    }
    for (let size = this.#sizeAt(bytes, at); size !== undefined; size = this.#sizeAt(bytes, at)) {
      this.#take(bytes[at + 4] as number, bytes.subarray(at + 5, at + 4 + size), page);
      at += 4 + size;
    }
    return { page, used: at };
  }

  /** How long the record is that begins there; undefined where not all of it is there, or none. */
  #sizeAt(bytes: Buffer, at: number): number | undefined {
    if (this.end !== undefined || bytes.length - at < 4) return undefined;
    const size = bytes.readUInt32LE(at);
    if (size === 0 || size > MAX_RECORD_BYTES) throw this.#bad("a record has no sound size");
    return bytes.length - at - 4 < size ? undefined : size;
  }

  #checkMagic(bytes: Buffer): void {
    if (Buffer.compare(bytes.subarray(0, MAGIC.length), MAGIC) !== 0) {
      throw this.#bad("it is no snapshot");
    }
    const format = bytes[MAGIC.length];
    if (format === SNAPSHOT_FORMAT) return;
    throw this.#bad(`it has format ${format}, this version knows ${SNAPSHOT_FORMAT}`);
  }

  #take(kind: number, bytes: Buffer, page: RestoredChange[]): void {
    try {
      const copy = new Uint8Array(bytes);
      if (kind === KIND.head) this.head = decodeValue(copy) as SnapshotHead;
      else if (kind === KIND.end) this.end = decodeValue(copy) as SnapshotEnd;
      else if (kind === KIND.put || kind === KIND.delete) page.push(changeOf(kind, copy));
      else throw new Error(`there is no record of kind ${kind}`);
    } catch (error) {
      throw this.#bad((error as Error).message, error);
    }
  }

  #bad(why: string, cause?: unknown): NodeError {
    return new NodeError("NODE_BAD_SNAPSHOT", `${this.#path} can't be read: ${why}`, { cause });
  }
}

function changeOf(kind: number, bytes: Uint8Array): RestoredChange {
  const reader = new Reader(bytes);
  const revision = reader.f64();
  const time = reader.f64();
  const author = reader.string();
  const path = decodePath(reader.view(reader.varint()));
  const entry = { path, revision, time, author };
  if (kind === KIND.delete) return { type: "delete", entry };
  return { type: "put", entry: { ...entry, value: reader.copy(reader.left) } };
}
