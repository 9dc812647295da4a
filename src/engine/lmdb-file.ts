/**
 * What is looked at before LMDB may touch a directory: whose it is, which format it has, and whether
 * the file can be mapped. LMDB maps it into memory, where a damaged or short file is no error but the
 * end of the process.
 */
import { constants } from "node:fs";
import {
  access,
  appendFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";

import { EngineError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import { hasBothMetas, newestMeta, type ReadAt } from "./lmdb-meta.ts";
import { hasSafePoint, restoreSafePoint } from "./safe-point.ts";
import { rewriteUnflushed } from "./unflushed.ts";

/** Raise it with every change to what lies in the rows or beside them. */
const LMDB_FORMAT = 6;
/** What was told of before LMDB had committed it was told to who watches; who reads the file in place did not look for it. */
const FORMAT_WITHOUT_TOLD_REVISION = 5;
/** Nobody was told of anything before LMDB had committed it: the journal had nothing that is not in the store. */
const FORMAT_WITHOUT_EARLY_NEWS = 4;
/** With a row for each change, and rows of operations and past versions at once: all of it is read. */
const FORMAT_OF_SINGLE_CHANGES = 3;
/** Without a journal: all that was on the disk was in safe points. */
const FORMAT_WITHOUT_JOURNAL = 2;
/** Without safe points: `lmdb` itself knew what was on the disk. */
const FORMAT_WITHOUT_SAFE_POINTS = 1;
/** What this version can open. */
export const STORE_FORMATS: readonly number[] = [
  LMDB_FORMAT,
  FORMAT_WITHOUT_TOLD_REVISION,
  FORMAT_WITHOUT_EARLY_NEWS,
  FORMAT_OF_SINGLE_CHANGES,
  FORMAT_WITHOUT_JOURNAL,
  FORMAT_WITHOUT_SAFE_POINTS,
];

const FORMAT_FILE = "format";
const FORMAT_PATTERN = /^banyan store (\d+)\n$/u;
export const DATA_FILE = "data.mdb";
export const LOCK_FILE = "lock.mdb";
/** LMDB's largest. */
const MAX_PAGE_BYTES = 64 * 1024;

/** What is known of a directory before LMDB opens it. */
export interface PreparedDirectory {
  /** The file is shorter than it says, so that every page has to be looked at. */
  readonly suspicious: boolean;
  /** The machine went down, and what was not on the disk was taken back. */
  readonly restored: boolean;
}

/**
 * Makes the directory a store where it is none and empty, and one of the present format where it has
 * an older one. `convert` opens it as the format before this one was opened, and closes it.
 *
 * @throws EngineError `ENGINE_FORMAT`, `ENGINE_CORRUPT`, `ENGINE_FULL`; the directory is then as it was
 */
export async function prepareDirectory(
  directory: string,
  { boot, convert }: { boot: string; convert: () => Promise<void> },
): Promise<PreparedDirectory> {
  const names = await namesIn(directory);
  let format = LMDB_FORMAT;
  if (names.includes(FORMAT_FILE)) format = await readFormat(directory);
  else if (names.every((name) => name.startsWith(`${FORMAT_FILE}.`))) await writeFormat(directory);
  else throw refused(directory, "it holds something else");
  try {
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    await requireData(directory);
    if (names.includes(DATA_FILE)) {
      await access(join(directory, DATA_FILE), constants.R_OK | constants.W_OK);
      const restored = await restoreSafePoint(directory, { dataFile: DATA_FILE, boot });
      await rewriteUnflushed(directory, DATA_FILE);
      const checked = await checkData(join(directory, DATA_FILE));
      if (format === FORMAT_WITHOUT_SAFE_POINTS) await convert();
      if (format !== LMDB_FORMAT) await writeFormat(directory);
      return { ...checked, restored };
    }
    if (format !== LMDB_FORMAT) await writeFormat(directory);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw refused(directory, "it can't be read and written", error);
  }
  return { suspicious: false, restored: false };
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    await mkdir(directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    return await readdir(directory);
  } catch (error) {
    throw refused(directory, "it can't be opened as a directory", error);
  }
}

async function readFormat(directory: string): Promise<number> {
  let content: string;
  try {
    content = await readFile(join(directory, FORMAT_FILE), "utf8");
  } catch (error) {
    throw refused(directory, "its format file can't be read", error);
  }
  const format = Number(FORMAT_PATTERN.exec(content)?.[1] ?? Number.NaN);
  if (Number.isNaN(format)) throw refused(directory, "its format file says nothing known");
  if (STORE_FORMATS.includes(format)) return format;
  throw refused(
    directory,
    format > LMDB_FORMAT
      ? `it has format ${format}, this version knows ${LMDB_FORMAT}: use a newer version`
      : `it has format ${format}, which is too old`,
  );
}

/** In one step: a second process that does the same at the same time writes the same. */
async function writeFormat(directory: string): Promise<void> {
  const scratch = join(directory, `${FORMAT_FILE}.${randomId()}`);
  try {
    await writeFile(scratch, `banyan store ${LMDB_FORMAT}\n`, { mode: 0o600 });
    await rename(scratch, join(directory, FORMAT_FILE));
  } catch (error) {
    throw refused(directory, "it can't be written", error);
  }
}

/** What was on the disk once is never nothing: LMDB would begin a new store in its place. */
async function requireData(directory: string): Promise<void> {
  const path = join(directory, DATA_FILE);
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && found.size > 0) return;
  if (!(await hasSafePoint(directory))) return;
  const says = found === undefined ? "is gone" : "is damaged: it is empty";
  throw new EngineError("ENGINE_CORRUPT", `${path} ${says}, and there was something in it`);
}

async function checkData(path: string): Promise<{ suspicious: boolean }> {
  await using file = await open(path, "r");
  const head = Buffer.alloc(2 * MAX_PAGE_BYTES);
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  // LMDB itself takes an empty file for a new one: another process may be about to write it.
  if (bytesRead === 0) return { suspicious: false };
  const read: ReadAt = (offset, length) =>
    head.subarray(offset, Math.min(offset + length, bytesRead));
  const newest = newestMeta(read);
  // Behind the heads: an owner that is still alive writes pages first, and then the head that names them.
  const { size } = await file.stat();
  if (newest === undefined || !hasBothMetas(read)) {
    const what =
      newest === undefined ? "neither of its heads is whole" : "one of its two heads is not whole";
    throw new EngineError("ENGINE_CORRUPT", `${path} is damaged: ${what}`);
  }
  const expected = (newest.lastPage + 1) * newest.pageSize;
  if (size >= expected) return { suspicious: false };
  // Pages that were taken and freed in one transaction are never written, so that a short file may
  // be whole. Zeros in the place of what is missing turn a crash into an error. They are appended, for
  // an owner that is still alive may have made the file longer meanwhile, and must not find it cut off.
  await appendFile(path, Buffer.alloc(expected - size));
  return { suspicious: true };
}

function refused(directory: string, problem: string, cause?: unknown): EngineError {
  return new EngineError("ENGINE_FORMAT", `${directory} can't be opened as a store: ${problem}`, {
    cause,
    details: { directory },
  });
}
