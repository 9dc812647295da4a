/**
 * Safe points: states of the store that are on the disk as a whole.
 *
 * A commit goes to the system, which writes its pages to the disk when it likes and in any order. While
 * the machine runs that makes no difference, whatever is killed. After a power failure LMDB's own heads
 * may name pages that were never written; so the head of the last state that was flushed is kept in a
 * file beside, and the store goes back to it where the machine has been started anew since. (The `lmdb`
 * package's `overlappingSync` keeps such a head as well, but makes each commit wait for the disk.)
 *
 * Each owner of the store has a file of its own, `safe.ID`, with two slots that are written in turn; the
 * one with the highest transaction counts. Whoever writes one must keep LMDB from using that state's
 * pages again until the next is written: see `LmdbFlusher`.
 */
import { createHash } from "node:crypto";
import { fdatasyncSync, writeSync } from "node:fs";
import { open, readdir, readFile, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

import { randomId } from "../base/ids.ts";
import { type LmdbMeta, metaOf, newestMeta, writeMetas } from "./lmdb-meta.ts";

const SAFE_PREFIX = "safe.";
const SLOT_BYTES = 1024;
const LAST_MARK = " last";

interface SafePoint {
  readonly meta: LmdbMeta;
  /** Of the machine, when it was written. */
  readonly boot: string;
  /** Its owner has written nothing behind it. */
  readonly isLast: boolean;
}

/** The safe points of one owner of a store. */
export class SafePointFile {
  readonly #directory: string;
  /** The files of former owners. */
  readonly #others: readonly string[];
  readonly #file: FileHandle;
  readonly #boot: string;
  #slot = 0;

  private constructor(
    directory: string,
    { file, others, boot }: { file: FileHandle; others: readonly string[]; boot: string },
  ) {
    this.#directory = directory;
    this.#file = file;
    this.#others = others;
    this.#boot = boot;
  }

  /** @param boot the time since the machine was started; "" where that can't be told */
  static async create(directory: string, boot: string): Promise<SafePointFile> {
    const name = `${SAFE_PREFIX}${randomId()}`;
    const others = await namesIn(directory);
    const file = await open(join(directory, name), "wx", 0o600);
    try {
      await file.writeFile(Buffer.alloc(2 * SLOT_BYTES, " "));
    } catch (error) {
      await file.close();
      await rm(join(directory, name), { force: true });
      throw error;
    }
    return new SafePointFile(directory, { file, others, boot });
  }

  /**
   * Resolves when it is on the disk. The state it names must be there already.
   *
   * @param isLast nothing will be written behind it
   */
  async write(meta: LmdbMeta, isLast: boolean = false): Promise<void> {
    await this.#file.write(this.#content(meta, isLast), 0, SLOT_BYTES, this.#slot * SLOT_BYTES);
    await this.#file.datasync();
    this.#slot = 1 - this.#slot;
  }

  /** The same, and the thread waits for it. */
  writeSync(meta: LmdbMeta): void {
    const { fd } = this.#file;
    writeSync(fd, this.#content(meta, false), 0, SLOT_BYTES, this.#slot * SLOT_BYTES);
    fdatasyncSync(fd);
    this.#slot = 1 - this.#slot;
  }

  #content(meta: LmdbMeta, isLast: boolean): Uint8Array {
    const slot = Buffer.alloc(SLOT_BYTES, " ");
    slot.write(encode({ meta, boot: this.#boot, isLast }));
    return slot;
  }

  /** Takes the files of former owners away: ours has a later state. Those of owners behind us came later, and stay. */
  async removeOthers(): Promise<void> {
    for (const name of this.#others) await rm(join(this.#directory, name), { force: true });
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/**
 * Takes the data file back to the last safe point, if the machine was started anew since and there is
 * something behind it. Nobody may have the store open.
 *
 * @returns whether there was, or may have been: what the system had not begun to write left no trace
 */
export async function restoreSafePoint(
  directory: string,
  { dataFile, boot }: { dataFile: string; boot: string },
): Promise<boolean> {
  const points = await readPoints(directory);
  // What the system has not written yet, it still has.
  if (points.some((point) => point.boot === boot && boot !== "")) return false;
  const [newestPoint] = points.toSorted((a, b) => b.meta.transaction - a.meta.transaction);
  if (newestPoint === undefined) return false;
  const { meta: last } = newestPoint;
  await using file = await open(join(directory, dataFile), "r+");
  const heads = Buffer.alloc(2 * last.pageSize);
  await file.read(heads, 0, heads.length, 0);
  const newest = newestMeta((offset, length) => heads.subarray(offset, offset + length));
  if (newest !== undefined && Buffer.compare(newest.bytes, last.bytes) === 0) {
    const atLast = points.filter(({ meta }) => meta.transaction === last.transaction);
    // Where nobody can tell whether the machine was started anew, it mostly was not.
    return boot !== "" && !atLast.every(({ isLast }) => isLast);
  }
  await writeMetas(file, last);
  return true;
}

/** Whether the store was written and on the disk once. */
export async function hasSafePoint(directory: string): Promise<boolean> {
  return (await readPoints(directory)).length > 0;
}

/** The newest of each owner. */
async function readPoints(directory: string): Promise<SafePoint[]> {
  const points: SafePoint[] = [];
  for (const name of await namesIn(directory)) {
    const text = await readFile(join(directory, name), "latin1").catch(noneIfGone);
    const slots = [text.slice(0, SLOT_BYTES), text.slice(SLOT_BYTES)].map((slot) =>
      decode(slot.trim()),
    );
    const own = slots.filter((point) => point !== undefined).toSorted(oldestFirst);
    points.push(...own.slice(-1));
  }
  return points;
}

/** An owner before us, who is about to end, may take away meanwhile those before its own. */
function noneIfGone(error: NodeJS.ErrnoException): string {
  if (error.code !== "ENOENT") throw error;
  return "";
}

async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith(SAFE_PREFIX));
}

function oldestFirst(a: SafePoint, b: SafePoint): number {
  return a.meta.transaction - b.meta.transaction || Number(a.isLast) - Number(b.isLast);
}

function encode({ meta, boot, isLast }: SafePoint): string {
  const text = `${Buffer.from(meta.bytes).toString("base64")} ${boot}${isLast ? LAST_MARK : ""}`;
  return `${text} ${sumOf(text)}\n`;
}

/** Undefined for what was not written whole. */
function decode(slot: string): SafePoint | undefined {
  const end = slot.lastIndexOf(" ");
  const text = slot.slice(0, end);
  if (slot.slice(end + 1) !== sumOf(text)) return undefined;
  const isLast = text.endsWith(LAST_MARK);
  const [bytes = "", boot = ""] = text.split(" ");
  const meta = metaOf(Buffer.from(bytes, "base64"));
  return meta && { meta, boot, isLast };
}

function sumOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
