/** What is kept on the disk for the next hub, without which nobody could even read. */
import {
  closeSync,
  existsSync,
  openSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import { randomId } from "../base/ids.ts";

/** What it takes to start a hub: locks, its record, the pages with which it takes the store over. */
export const RESERVE_BYTES: number = 1024 * 1024;
/** It is for those who have room. */
const PLENTY_BYTES = 16 * RESERVE_BYTES;
const RESERVE = "reserve";
/** What `crypto` gives at once. */
const MOST_RANDOM = 65_536;
const NO_ROOM = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Bytes that the file system has for us. */
export function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

export function hasReserve(directory: string): boolean {
  return existsSync(join(directory, RESERVE));
}

/** Makes it where there is none and plenty of room. @returns whether it is there */
export function makeReserve(directory: string): boolean {
  try {
    if (freeBytes(directory) < PLENTY_BYTES) return false;
    const options = { flag: "wx", mode: 0o600 } as const;
    writeFileSync(join(directory, RESERVE), randomBytes(RESERVE_BYTES), options);
    return true;
  } catch (error) {
    // There it is: of the owner before. Otherwise there is nothing that could be done.
    return (error as NodeJS.ErrnoException).code === "EEXIST";
  }
}

/** Gives up what is kept in the directory of a store for when there is no other room. @returns whether that made some */
export function giveUpReserve(directory: string): boolean {
  try {
    rmSync(join(directory, RESERVE));
    return true;
  } catch {
    return false;
  }
}

/** Gives up half of what is kept, once: the rest is enough for a hub, and some deletions. @returns whether that made room */
export function shareReserve(directory: string): boolean {
  const path = join(directory, RESERVE);
  try {
    if (statSync(path).size <= RESERVE_BYTES / 2) return false;
    truncateSync(path, RESERVE_BYTES / 2);
    return true;
  } catch {
    return false;
  }
}

/** Whether that is how the system says that there is no room. */
export function saysFull(error: unknown): boolean {
  return NO_ROOM.has((error as NodeJS.ErrnoException).code ?? "");
}

/**
 * Whether a disk, a quota or the largest size of a file has room for so much more behind the data file. Where only
 * a part could be written, LMDB says that input or output failed. So it is tried.
 */
export function hasRoom(directory: string, bytes: number): boolean {
  const probe = join(directory, `full.${randomId()}`);
  try {
    // Behind where the data file ends: some limits are on the size of one file.
    const { size } = statSync(join(directory, "data.mdb"));
    const file = openSync(probe, "wx", 0o600);
    try {
      return writeSync(file, Buffer.alloc(bytes), 0, bytes, size) === bytes;
    } finally {
      closeSync(file);
      rmSync(probe, { force: true });
    }
  } catch (error) {
    return !saysFull(error);
  }
}

/** What a file system can't make smaller. */
function randomBytes(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += MOST_RANDOM) {
    crypto.getRandomValues(bytes.subarray(at, at + MOST_RANDOM));
  }
  return bytes;
}
