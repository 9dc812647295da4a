import { NodeError } from "../base/errors.ts";
import type { Engine } from "../engine/engine.ts";
import { type LmdbOptions, openLmdb } from "../engine/lmdb.ts";
import { makeDirectory } from "../engine/make-directory.ts";
import { isCertainlyGone } from "../runner/process-identity.ts";
import { readHubRecord } from "./hub-record.ts";
import { refuseJoined } from "./joined.ts";
import { LockFile } from "./lock-file.ts";
import { placesOf } from "./tree-folder.ts";

/**
 * The store of a tree in this process, for a program that is alone. It holds the lock that a hub
 * needs to start, until it is closed.
 *
 * @throws NodeError `NODE_TREE_IN_USE` while a hub or another program has it
 */
export async function openExclusive(
  directory: string,
  options: Pick<LmdbOptions, "durability">,
): Promise<Engine> {
  const places = placesOf(directory);
  refuseJoined(places);
  await makeDirectory(places.store);
  const lock = await LockFile.take(places.hubLock, "exclusive");
  if (!(lock instanceof LockFile)) {
    throw inUse(`process ${lock.pid} has the tree in ${directory}`, lock.pid);
  }
  try {
    const hub = await readHubRecord(places.hubRecord);
    if (hub !== undefined && !isCertainlyGone(hub)) {
      throw inUse(`the hub of ${directory} runs as process ${hub.pid}; end it first`, hub.pid);
    }
    return releasing(await openLmdb(places.store, options), lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The engine, with a `close()` that also gives the lock up. */
function releasing(engine: Engine, lock: LockFile): Engine {
  const close = engine.close.bind(engine);
  let closing: Promise<void> | undefined;
  const closeBoth = (): Promise<void> => {
    closing ??= closeThenRelease();
    return closing;
  };
  const closeThenRelease = async (): Promise<void> => {
    try {
      await close();
    } finally {
      await lock.release();
    }
  };
  Object.defineProperties(engine, {
    close: { value: closeBoth },
    [Symbol.asyncDispose]: { value: closeBoth },
  });
  return engine;
}

function inUse(says: string, pid: number): NodeError {
  return new NodeError("NODE_TREE_IN_USE", says, { details: { pid } });
}
