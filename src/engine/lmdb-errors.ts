import { EngineError } from "../base/errors.ts";
import { hasRoom } from "./reserve.ts";

/** What LMDB and the system call a lack of room: MDB_MAP_FULL, MDB_TXN_FULL, and the disk's errors. */
const FULL = /MDB_MAP_FULL|MDB_TXN_FULL|No space left|Disk quota|File too large/iu;
const PROBE_BYTES = 64 * 1024;
const CORRUPT =
  /MDB_CORRUPTED|MDB_PAGE_NOTFOUND|MDB_PANIC|MDB_INVALID|MDB_VERSION_MISMATCH|MDB_BAD|not an LMDB file/iu;

/** Gives one of LMDB's errors the code that a caller can decide on; others pass as they are. */
export function lmdbError(error: unknown, where: string): unknown {
  if (error instanceof EngineError || !(error instanceof Error)) return error;
  if (FULL.test(error.message) || !hasRoom(where.replace(/^lmdb:/, ""), PROBE_BYTES)) {
    const what = "make some on the disk, or delete entries; reads go on";
    const says = `there is no room for ${where}: ${what} (${error.message})`;
    return new EngineError("ENGINE_FULL", says, { cause: error });
  }
  if (CORRUPT.test(error.message) || error.name === "WireError" || error instanceof SyntaxError) {
    return new EngineError("ENGINE_CORRUPT", `${where} is damaged: ${error.message}`, {
      cause: error,
    });
  }
  return new EngineError("ENGINE_UNAVAILABLE", `${where}: ${error.message}`, { cause: error });
}

/** The disk refused to keep what it took: nothing it says after that can be trusted. */
export function unkept(cause: unknown, label: string): EngineError {
  const says = `${label}: the disk does not keep what is written: ${String(cause)}`;
  return new EngineError("ENGINE_UNAVAILABLE", says, { cause });
}
