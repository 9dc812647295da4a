/**
 * What to do when the disk refused to keep what it was given. The system tells that once. It may take the
 * pages for written from then on, and say of the next flush that all is well. So nothing is believed that
 * comes after: the owner leaves a mark and ends, and whoever opens the store next writes all of it once
 * more, as the system still has it in memory, before anything counts as flushed.
 */
import { existsSync, writeFileSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";

import { EngineError } from "../base/errors.ts";

const MARK = "unflushed";
const PIECE_BYTES = 4 * 1024 * 1024;

/** After a failed flush. It need not be on the disk: a power failure takes the store back anyhow. */
export function markUnflushed(directory: string): void {
  writeFileSync(join(directory, MARK), "", { mode: 0o600 });
}

/**
 * Writes the data file anew, in place, where the last flush of it failed. Nobody may have it open to write.
 *
 * @throws EngineError `ENGINE_UNAVAILABLE` where the disk refuses again; the mark stays
 */
export async function rewriteUnflushed(directory: string, dataFile: string): Promise<void> {
  const mark = join(directory, MARK);
  if (!existsSync(mark)) return;
  try {
    await using file = await open(join(directory, dataFile), "r+");
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let at = 0, bytesRead = PIECE_BYTES; bytesRead > 0; at += bytesRead) {
      ({ bytesRead } = await file.read(piece, 0, PIECE_BYTES, at));
      for (let written = 0; written < bytesRead;) {
        const rest = bytesRead - written;
        written += (await file.write(piece, written, rest, at + written)).bytesWritten;
      }
    }
    await file.sync();
    await rm(mark);
  } catch (cause) {
    const says = `the disk does not keep what is written to ${directory}: ${String(cause)}`;
    throw new EngineError("ENGINE_UNAVAILABLE", says, { cause });
  }
}
