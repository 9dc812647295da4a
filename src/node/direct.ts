import { readlinkSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { isMainThread } from "node:worker_threads";

import type { Alone, DirectOffer, StoreReader } from "../engine/hub-direct.ts";
import { identityOf } from "./file-identity.ts";

/**
 * File systems on which two processes see one file's pages in memory at once, by the numbers that
 * Linux gives them: ext, xfs, btrfs, tmpfs, overlay, zfs, f2fs, bcachefs. Not those over a network, nor
 * what a program of somebody's serves.
 */
const SHARED_MEMORY = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1, 0xf2f52010, 0xca451a4e,
]);

/**
 * What a hub whose store is in `directory` offers to clients of its own user; undefined where nobody
 * could make use of it.
 */
export function offerOf(directory: string): DirectOffer | undefined {
  const processes = processSpace();
  const file = identityOf(directory);
  if (processes === undefined || file === undefined) return undefined;
  return { directory, device: file.device, inode: file.inode, processes };
}

/**
 * Opens the store that a hub offers, if this process can read it as safely as the hub itself; undefined
 * where it had better ask the hub: on another thread than the first, which may be ended in the middle of
 * a read; where the hub is this process or can't see it; for another file of that name; on a file
 * system that does not share memory.
 */
export async function openOffered(
  offer: DirectOffer,
  hubPid: number,
  alone: Alone,
): Promise<StoreReader | undefined> {
  if (!isMainThread || hubPid === process.pid) return undefined;
  if (offer.processes !== processSpace()) return undefined;
  const file = identityOf(offer.directory);
  if (file?.device !== offer.device || file.inode !== offer.inode) return undefined;
  const { type } = await statfs(offer.directory);
  if (!sharesMemory(type)) return undefined;
  const { openReader } = await import("../engine/lmdb-reader.ts");
  return await alone(() => openReader(offer.directory));
}

/** Whether two processes see one file's pages at once, by the number of its file system. */
export function sharesMemory(type: number): boolean {
  return SHARED_MEMORY.has(type);
}

/** Which processes can see each other by their ids; undefined where the system does not say. */
function processSpace(): string | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return undefined;
  }
}
