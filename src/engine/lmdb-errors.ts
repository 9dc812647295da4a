import { closeSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";

import { EngineError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";

/** What LMDB and the system call a lack of room: MDB_MAP_FULL, MDB_TXN_FULL, and the disk's errors. */
const FULL = /MDB_MAP_FULL|MDB_TXN_FULL|No space left|Disk quota|File too large/iu;
const NO_ROOM = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const PROBE_BYTES = 64 * 1024;
const CORRUPT =
  /MDB_CORRUPTED|MDB_PAGE_NOTFOUND|MDB_PANIC|MDB_INVALID|MDB_VERSION_MISMATCH|MDB_BAD|not an LMDB file/iu;

/** Gives one of LMDB's errors the code that a caller can decide on; others pass as they are. */
export function lmdbError(error: unknown, where: string): unknown {
  if (error instanceof EngineError || !(error instanceof Error)) return error;
  if (FULL.test(error.message) || isFull(where)) {
    return new EngineError("ENGINE_FULL", `${where} is full: ${error.message}`, { cause: error });
  }
  if (CORRUPT.test(error.message) || error.name === "WireError" || error instanceof SyntaxError) {
    return new EngineError("ENGINE_CORRUPT", `${where} is damaged: ${error.message}`, {
      cause: error,
    });
  }
  return new EngineError("ENGINE_UNAVAILABLE", `${where}: ${error.message}`, { cause: error });
}

/**
 * A disk, quota or file size that has no room for a few pages: where only some of them could be written,
 * LMDB says that input or output failed. So it is tried.
 */
function isFull(where: string): boolean {
  const directory = where.replace(/^lmdb:/, "");
  const probe = join(directory, `full.${randomId()}`);
  try {
    // Behind where the data file ends: some limits are on the size of one file.
    const { size } = statSync(join(directory, "data.mdb"));
    const file = openSync(probe, "wx", 0o600);
    try {
      return writeSync(file, Buffer.alloc(PROBE_BYTES), 0, PROBE_BYTES, size) < PROBE_BYTES;
    } finally {
      closeSync(file);
      rmSync(probe, { force: true });
    }
  } catch (error) {
    return NO_ROOM.has((error as NodeJS.ErrnoException).code ?? "");
  }
}
