import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { systemClock, type Clock } from "../base/clock.ts";
import { NodeError } from "../base/errors.ts";
import { pause } from "../base/pause.ts";
import type { Session } from "../remote/session.ts";
import { isStopped } from "../runner/process-identity.ts";
import { dialHub } from "./hub-dial.ts";
import { readHubRecord, readHubRecordNow } from "./hub-record.ts";
import { LockFile } from "./lock-file.ts";
import { StartedHubs } from "./started-hubs.ts";
import { placesOf, privateFolder, type TreePlaces } from "./tree-folder.ts";

export interface ConnectHubOptions {
  readonly signal: AbortSignal;
  /** What became of the hubs that this client started. Default: nothing is known of others. */
  readonly started?: StartedHubs | undefined;
  /** How long a hub that is started here stays without a session. */
  readonly idleMs?: number | undefined;
  readonly clock?: Clock;
}

/** How long all of it may take before it counts as failed. */
const START_MS = 15_000;
const POLL_MS = 5;
/** After so long who waits for another to start a hub looks whether that one is still there. */
const LOOK_MS = 50;
const DEFAULT_IDLE_MS = 10_000;
const MAX_LOG_BYTES = 1024 * 1024;

/** What a hub's process says of an end that trying again does not change. */
export const HUB_REFUSED = 4;

/**
 * A session with the hub of the tree in `directory`, which is started if there is none that answers.
 * Of several clients that find none, one starts it and the others wait.
 *
 * @throws NodeError `NODE_HUB_FAILED` with the end of the hub's log, `NODE_TREE_IN_USE`; the signal's
 *   reason
 */
export async function connectHub(directory: string, options: ConnectHubOptions): Promise<Session> {
  const { signal, clock = systemClock } = options;
  const places = placesOf(directory);
  const until = clock.now() + START_MS;
  // Waiting for a process that nothing ties to us leaves nothing that keeps this one alive.
  const alive = setInterval(() => {}, 1_000);
  try {
    let failed: string | undefined;
    for (;;) {
      signal.throwIfAborted();
      if (!existsSync(dirname(places.hubRecord))) {
        throw new NodeError("NODE_NO_TREE", `the tree in ${directory} was removed`);
      }
      const record = await readHubRecord(places.hubRecord);
      // A stopped hub accepts and says nothing: there is no need to wait for its hello.
      if (record !== undefined && isStopped(record)) failed = record.epoch;
      if (record !== undefined && record.epoch !== failed) {
        try {
          return await dialHub(record, signal);
        } catch {
          signal.throwIfAborted();
          failed = record.epoch;
        }
      }
      await startOrWait(places, failed, { ...options, clock });
      if (clock.now() > until) throw failure(places, "no hub could be reached");
    }
  } finally {
    clearInterval(alive);
  }
}

/** Resolves when there is another hub than `failed`, or it is this client's turn to try. */
async function startOrWait(
  places: TreePlaces,
  failed: string | undefined,
  options: ConnectHubOptions & { readonly clock: Clock },
): Promise<void> {
  const lock = await LockFile.take(places.startLock, "start");
  if (!(lock instanceof LockFile)) {
    const until = options.clock.now() + LOOK_MS;
    while (!isAnother(readHubRecordNow(places.hubRecord), failed) && options.clock.now() < until) {
      await pause(POLL_MS, options);
    }
    return;
  }
  try {
    // Whoever had the lock before may have started one.
    if (isAnother(await readHubRecord(places.hubRecord), failed)) return;
    await startHub(places, failed, options);
  } finally {
    await lock.release();
  }
}

async function startHub(
  places: TreePlaces,
  failed: string | undefined,
  {
    signal,
    clock,
    started = new StartedHubs(clock),
    idleMs = DEFAULT_IDLE_MS,
  }: ConnectHubOptions & { readonly clock: Clock },
): Promise<void> {
  started.check(places.hubLog);
  const script = fileURLToPath(new URL("../entry/hub.cjs", import.meta.url));
  const log = openLog(places.hubLog);
  const compiled = join(privateFolder(), "hub-code");
  const child = spawn(process.execPath, [script, places.directory, String(idleMs), compiled], {
    cwd: "/",
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  child.unref();
  const end: HubProcessEnd = {};
  const since = clock.now();
  child.once("error", (error) => (end.error = error));
  child.once("exit", (code, killer) => {
    Object.assign(end, { code, signal: killer });
    started.ended(since, killer);
  });
  const until = clock.now() + START_MS;
  while (!isAnother(readHubRecordNow(places.hubRecord), failed)) {
    // "present" is an end with 0: somebody else's hub is there, or is about to be.
    if (end.code === 0) return;
    refuseEnd(end, places, started);
    if (clock.now() > until) throw failure(places, "the hub did not come up");
    await pause(POLL_MS, { signal, clock });
  }
  started.came();
}

/** What a hub that was started has come to, once it has ended: a status, or what killed it. */
interface HubProcessEnd {
  error?: Error;
  readonly code?: number | null;
  readonly signal?: NodeJS.Signals | null;
}

/** @throws NodeError `NODE_HUB_FAILED`, `NODE_TREE_IN_USE` where it has ended */
function refuseEnd(
  { error, code, signal }: HubProcessEnd,
  places: TreePlaces,
  started: StartedHubs,
): void {
  if (error !== undefined) throw failure(places, error.message);
  if (code === undefined) return;
  if (code === HUB_REFUSED) {
    const says = lastLine(places.hubLog);
    throw new NodeError("NODE_TREE_IN_USE", says ?? "another process has the tree for itself");
  }
  const how = code === null ? `was ended by ${signal}` : `ended with status ${code}`;
  throw failure(places, `the hub ${how}`, started.failed(signal ?? null));
}

function isAnother(
  record: { readonly epoch: string } | undefined,
  failed: string | undefined,
): boolean {
  return record !== undefined && record.epoch !== failed;
}

/** Appends; what is too long makes room first, and one older log is kept. */
function openLog(path: string): number {
  try {
    if (statSync(path).size > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
  } catch {
    // There is none yet.
  }
  return openSync(path, "a", 0o600);
}

/** @param how `inRow`: so many hubs in a row could not start */
function failure(places: TreePlaces, reason: string, how: { inRow?: number } = {}): NodeError {
  const line = lastLine(places.hubLog);
  return new NodeError(
    "NODE_HUB_FAILED",
    `${reason}${line === undefined ? "" : `: ${line}`}; see ${places.hubLog}`,
    { details: { log: places.hubLog, ...how } },
  );
}

function lastLine(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").at(-1);
  } catch {
    return undefined;
  }
}
