import { lstat, readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { accepts } from "../channel/socket-path.ts";

/** What `hubAddress` gives out; and the folders in which sockets are made before they get their name. */
const SOCKET = /^[0-9a-f]{12}-[0-9a-z]{8}$/u;
const DRAFT = /^\.[A-Za-z0-9]{6}$/u;
/** So old are those of other trees at least: their own hubs look after the younger. */
const OLD_MS = 60 * 60 * 1_000;

/**
 * Takes away the sockets of hubs that were killed: those of this hub's tree, and old ones of others. A socket
 * has its name only when it is listened at, so that one that nobody accepts on has no owner any more.
 *
 * @param address where the hub itself listens
 * @returns how many there were
 */
export async function removeDeadSockets(address: string): Promise<number> {
  if (process.platform === "win32") return 0;
  const own = address.replace(/^unix:/u, "");
  const folder = dirname(own);
  const [tree = ""] = basename(own).split("-");
  let removed = 0;
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (path === own || !(SOCKET.test(name) || DRAFT.test(name))) continue;
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) continue;
    const isOld = Date.now() - found.mtimeMs > OLD_MS;
    if (!isOld && !name.startsWith(`${tree}-`)) continue;
    const isLive = found.isSocket() ? await mayAccept(path) : !DRAFT.test(name);
    if (isLive) continue;
    await rm(path, { recursive: found.isDirectory(), force: true });
    removed++;
  }
  return removed;
}

/** Where it can't be told, as of one that has no room for another connection, somebody is there. */
async function mayAccept(path: string): Promise<boolean> {
  return await accepts(path).catch(() => true);
}
