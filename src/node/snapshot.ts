import { existsSync } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

import { EngineError, NodeError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import type { Engine, HistoryRule } from "../engine/engine.ts";
import type { RestoredChange } from "../engine/lmdb-restore.ts";
import { makeDirectory } from "../engine/make-directory.ts";
import { Path } from "../wire/path.ts";
import { isCertainlyGone } from "../runner/process-identity.ts";
import { readHubRecord } from "./hub-record.ts";
import { refuseJoined } from "./joined.ts";
import { LockFile } from "./lock-file.ts";
import { type SnapshotHead, SnapshotReader, SnapshotWriter } from "./snapshot-file.ts";
import { placesOf } from "./tree-folder.ts";
import { VERSION } from "./version.ts";

/** What is in a snapshot. */
export interface SnapshotInfo extends SnapshotHead {
  /** It is the state of the store at this revision. */
  readonly revision: number;
  /** Its entries; one that was written while it was saved may be there twice. */
  readonly records: number;
  readonly bytes: number;
}

/** Changes that may wait while the file is written: writers do not wait for a slow disk. */
const MAX_BACKLOG = 1_000_000;
const TRIES = 3;

/**
 * Saves the present state of a store, as it is at one revision, while others go on writing. The file
 * appears when it is whole, private to this user. Not in it: past versions, and the log of changes.
 *
 * @throws EngineError `ENGINE_UNAVAILABLE` where so much is written meanwhile that it can't keep up
 */
export async function saveSnapshot(
  engine: Engine,
  file: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<SnapshotInfo> {
  const draft = `${file}.${randomId()}`;
  try {
    for (let attempt = 1; ; attempt++) {
      const revision = await writeDraft(engine, draft, signal);
      if (revision !== undefined) break;
      if (attempt === TRIES) {
        throw new EngineError("ENGINE_UNAVAILABLE", "more is written than a snapshot can follow");
      }
    }
    const info = await inspectSnapshot(draft);
    await rename(draft, file);
    return info;
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** @returns the revision; undefined where it fell behind, and has to begin anew */
async function writeDraft(
  engine: Engine,
  draft: string,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const head = { time: Date.now() / 1000, store: engine.store, version: VERSION };
  await using writer = await SnapshotWriter.create(draft, head);
  // A watch gives the entries and what becomes of them meanwhile, up to one revision.
  for await (const batch of engine.watch(Path.root, { maxBacklog: MAX_BACKLOG, signal })) {
    const changes: RestoredChange[] = [];
    for (const event of batch) {
      if (event.type === "put" || event.type === "delete") changes.push(event);
      if (event.type === "reset") return undefined;
      if (event.type !== "ready") continue;
      await writer.add(changes);
      const rules = await engine.historyRules();
      await writer.finish({ revision: event.revision, changes: writer.changes, rules });
      return event.revision;
    }
    await writer.add(changes);
  }
  signal?.throwIfAborted();
  return undefined;
}

/** Reads all of a snapshot, checks it, and says what it holds. @throws NodeError `NODE_BAD_SNAPSHOT` */
export async function inspectSnapshot(file: string): Promise<SnapshotInfo> {
  const reader = new SnapshotReader(file);
  const { size } = await stat(file).catch((cause: Error) => {
    throw new NodeError("NODE_BAD_SNAPSHOT", `${file} can't be read: ${cause.message}`, { cause });
  });
  let records = 0;
  for await (const page of reader.changes()) records += page.length;
  const { head, end } = reader;
  if (head === undefined || end === undefined) {
    throw new NodeError("NODE_BAD_SNAPSHOT", `${file} can't be read: it says nothing of itself`);
  }
  return { ...head, revision: end.revision, records, bytes: size };
}

/**
 * Makes the tree of a directory that has none, or an empty one, out of a snapshot: every entry with its
 * revision, author and time, and the next write goes on behind them. The tree appears when all is read
 * and found whole.
 *
 * @throws NodeError `NODE_BAD_SNAPSHOT`, `NODE_TREE_IN_USE` where there is a tree already
 */
export async function loadSnapshot(file: string, directory: string): Promise<SnapshotInfo> {
  const info = await inspectSnapshot(file);
  const places = placesOf(directory);
  refuseJoined(places);
  await makeDirectory(dirname(places.store));
  const lock = await LockFile.take(places.hubLock, "load");
  if (!(lock instanceof LockFile)) throw inUse(`process ${lock.pid} has the tree`, directory);
  const staged = `${places.store}.${randomId()}`;
  try {
    const hub = await readHubRecord(places.hubRecord);
    if (hub !== undefined && !isCertainlyGone(hub)) {
      throw inUse(`the hub runs as process ${hub.pid}`, directory);
    }
    if (existsSync(join(places.store, "data.mdb"))) {
      throw inUse("there is a tree already; a snapshot makes a new one", directory);
    }
    const reader = new SnapshotReader(file);
    const { restoreLmdb } = await import("../engine/lmdb-restore.ts");
    await restoreLmdb(staged, reader.changes(), () => ({
      revision: reader.end?.revision ?? info.revision,
      rules: ownRules(reader.end?.rules ?? []),
    }));
    await rm(places.store, { recursive: true, force: true });
    await rename(staged, places.store);
    return info;
  } catch (error) {
    await rm(staged, { recursive: true, force: true });
    throw error;
  } finally {
    await lock.release();
  }
}

function ownRules(rules: readonly unknown[]): HistoryRule[] {
  return rules.flatMap((rule) => {
    const { prefix, versions, maxAgeMs } = rule as Partial<HistoryRule>;
    if (!(prefix instanceof Path) || versions === undefined || maxAgeMs === undefined) return [];
    return [{ prefix, versions, maxAgeMs }];
  });
}

function inUse(why: string, directory: string): NodeError {
  return new NodeError("NODE_TREE_IN_USE", `nothing was loaded into ${directory}: ${why}`);
}
