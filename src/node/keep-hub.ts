import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

import type { Clock } from "../base/clock.ts";
import { BanyanError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { pause } from "../base/pause.ts";
import { isProbablyGone, isStopped } from "../runner/process-identity.ts";
import { type HubRecord, readHubRecordNow } from "./hub-record.ts";
import { LockFile } from "./lock-file.ts";
import { placesOf, type TreePlaces } from "./tree-folder.ts";

export interface KeepHubOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const LOOK_MS = 500;
/** A hub that is stopped for so long is taken for dead, as its clients on this machine take it. */
const STOPPED_MS = 2_500;

/**
 * Brings the hub of a tree back when it dies, as long as hubs of that tree are to listen on the network: who
 * comes from there can't start another, and on this machine there may be nobody. Ends with a hub that ends
 * in order, and at once where somebody else does this for the tree.
 */
export async function keepHub({ directory, clock, log, signal }: KeepHubOptions): Promise<void> {
  const places = placesOf(directory);
  const lock = await LockFile.take(places.keepLock, "keep");
  if (!(lock instanceof LockFile)) return;
  // Waiting alone keeps no process.
  const alive = setInterval(() => {}, LOOK_MS);
  try {
    let stoppedMs = 0;
    for (;;) {
      await pause(LOOK_MS, { clock, signal });
      const record = readHubRecordNow(places.hubRecord);
      // One that ends in order takes its record along.
      if (record === undefined || !existsSync(places.listening)) return;
      stoppedMs = isStopped(record) ? stoppedMs + LOOK_MS : 0;
      if (!isProbablyGone(record) && stoppedMs < STOPPED_MS) continue;
      stoppedMs = 0;
      if (!(await startAnother(record, { directory, clock, log, signal }))) return;
    }
  } finally {
    clearInterval(alive);
    await lock.release();
  }
}

/** Starts the process that does this, unless there is one. */
export async function startKeeper(places: TreePlaces): Promise<void> {
  if ((await LockFile.holder(places.keepLock)) !== undefined) return;
  const script = fileURLToPath(new URL("../entry/keep.js", import.meta.url));
  const child = spawn(process.execPath, [script, places.directory], {
    cwd: "/",
    detached: true,
    // What it has to say is for the hub's log, which a hub in the foreground does not have.
    stdio: ["ignore", "ignore", "inherit"],
  });
  child.unref();
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
}

/** @returns whether there is anything left to be kept */
async function startAnother(record: HubRecord, options: KeepHubOptions): Promise<boolean> {
  const { directory, log, signal } = options;
  log.warn("the hub is gone; another is started for the network", { pid: record.pid });
  try {
    // Most of the time nothing of this is needed.
    const { connectHub } = await import("./hub-connect.ts");
    const session = await connectHub(directory, { signal });
    await session.close();
  } catch (error) {
    if (signal.aborted || BanyanError.has(error, "NODE_NO_TREE")) return false;
    log.error("no hub could be started; it is tried again", { error: String(error) });
  }
  return true;
}
