/**
 * What is looked at before LMDB may touch a directory: whose it is, which format it has, and whether
 * the file can be mapped. LMDB maps it into memory, where a damaged or short file is no error but the
 * end of the process.
 */
import { constants } from "node:fs";
import {
  access,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";

import { EngineError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";

/** Raise it with every change to what lies in the rows. */
const LMDB_FORMAT = 1;

const FORMAT_FILE = "format";
const FORMAT_PATTERN = /^banyan store (\d+)\n$/u;
const DATA_FILE = "data.mdb";

/** LMDB's own layout: see `MDB_meta` in its mdb.c. */
const MAGIC = 0xbeefc0de;
const META = { magic: 24, pageSize: 48, lastPage: 144, transaction: 152, size: 160 } as const;

/**
 * Makes the directory a store where it is none and empty.
 *
 * @returns whether the file is shorter than it says, so that every page has to be looked at
 * @throws EngineError `ENGINE_FORMAT`, `ENGINE_CORRUPT`; the directory is then as it was
 */
export async function prepareDirectory(directory: string): Promise<{ suspicious: boolean }> {
  const names = await namesIn(directory);
  if (names.includes(FORMAT_FILE)) await checkFormat(directory);
  else if (names.every((name) => name.startsWith(`${FORMAT_FILE}.`))) await writeFormat(directory);
  else throw refused(directory, "it holds something else");
  try {
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    if (names.includes(DATA_FILE)) {
      await access(join(directory, DATA_FILE), constants.R_OK | constants.W_OK);
      return await checkData(join(directory, DATA_FILE));
    }
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw refused(directory, "it can't be read and written", error);
  }
  return { suspicious: false };
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return await readdir(directory);
  } catch (error) {
    throw refused(directory, "it can't be opened as a directory", error);
  }
}

async function checkFormat(directory: string): Promise<void> {
  let content: string;
  try {
    content = await readFile(join(directory, FORMAT_FILE), "utf8");
  } catch (error) {
    throw refused(directory, "its format file can't be read", error);
  }
  const format = Number(FORMAT_PATTERN.exec(content)?.[1] ?? Number.NaN);
  if (Number.isNaN(format)) throw refused(directory, "its format file says nothing known");
  if (format === LMDB_FORMAT) return;
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

async function checkData(path: string): Promise<{ suspicious: boolean }> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  // LMDB itself takes an empty file for a new one: another process may be about to write it.
  if (size === 0) return { suspicious: false };
  const first = await metaAt(0);
  const pageSize = first?.pageSize ?? 4096;
  const second = await metaAt(pageSize);
  const newest = [first, second]
    .filter((meta) => meta !== undefined)
    .toSorted((a, b) => b.transaction - a.transaction)[0];
  if (newest === undefined) {
    throw new EngineError("ENGINE_CORRUPT", `${path} is damaged: neither of its heads is whole`);
  }
  const expected = (newest.lastPage + 1) * pageSize;
  if (size >= expected) return { suspicious: false };
  // Pages that were taken and freed in one transaction are never written, so that a short file may
  // be whole. Zeros in the place of what is missing turn a crash into an error.
  await truncate(path, expected);
  return { suspicious: true };

  async function metaAt(
    offset: number,
  ): Promise<{ pageSize: number; lastPage: number; transaction: number } | undefined> {
    const page = Buffer.alloc(META.size);
    const { bytesRead } = await file.read(page, 0, META.size, offset);
    if (bytesRead < META.size || page.readUInt32LE(META.magic) !== MAGIC) return undefined;
    return {
      pageSize: page.readUInt32LE(META.pageSize),
      lastPage: Number(page.readBigUInt64LE(META.lastPage)),
      transaction: Number(page.readBigUInt64LE(META.transaction)),
    };
  }
}

function refused(directory: string, problem: string, cause?: unknown): EngineError {
  return new EngineError("ENGINE_FORMAT", `${directory} can't be opened as a store: ${problem}`, {
    cause,
    details: { directory },
  });
}
