import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { EngineError, NodeError } from "../base/errors.ts";
import { giveUpReserve } from "../engine/reserve.ts";
import { randomId } from "../base/ids.ts";
import { isCertainlyGone, ownProcess, type ProcessIdentity } from "../runner/process-identity.ts";

/** Who holds a lock file, and what for. */
export interface LockHolder extends ProcessIdentity {
  readonly role: string;
}

/** A file that one process at a time can make, and that outlives nobody: a dead holder's is broken. */
export class LockFile {
  readonly #path: string;
  readonly #content: string;

  private constructor(path: string, content: string) {
    this.#path = path;
    this.#content = content;
  }

  /** @returns the lock, or who has it */
  static async take(path: string, role: string): Promise<LockFile | LockHolder> {
    const content = JSON.stringify({ ...ownProcess(), role, id: randomId() });
    const draft = `${path}.${randomId()}`;
    // Linking makes the file appear whole: nobody reads a lock without its holder.
    await writeDraft(draft, content).catch((error: NodeJS.ErrnoException) => {
      throw cantWrite(path, error);
    });
    try {
      for (;;) {
        try {
          await link(draft, path);
          return new LockFile(path, content);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        }
        const holder = await readHolder(path);
        if (holder === undefined) continue;
        if (!isCertainlyGone(holder.identity)) return holder.identity;
        await breakLock(path, holder.content);
      }
    } finally {
      await rm(draft, { force: true });
    }
  }

  /** Who holds the lock at `path`; undefined where nobody does, or its holder is gone. */
  static async holder(path: string): Promise<LockHolder | undefined> {
    const holder = await readHolder(path);
    return holder === undefined || isCertainlyGone(holder.identity) ? undefined : holder.identity;
  }

  /** Gives it up, if it is still ours. */
  async release(): Promise<void> {
    const holder = await readHolder(this.#path);
    if (holder?.content === this.#content) await rm(this.#path, { force: true });
  }
}

/** On a full disk too, as long as something was kept for it: without a lock nobody could even read. */
async function writeDraft(draft: string, content: string): Promise<void> {
  try {
    await writeFile(draft, content, { mode: 0o600 });
  } catch (error) {
    await rm(draft, { force: true });
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    if (!giveUpReserve(join(dirname(draft), "store"))) throw error;
    await writeFile(draft, content, { mode: 0o600 });
  }
}

function cantWrite(path: string, error: NodeJS.ErrnoException): unknown {
  const folder = dirname(path);
  if (error.code === "ENOENT") {
    return new NodeError("NODE_NO_TREE", `${folder} is gone: somebody removed the tree`);
  }
  if (error.code === "ENOSPC") {
    return new EngineError("ENGINE_FULL", `there is no room left in ${folder}`, { cause: error });
  }
  if (error.code !== "EROFS" && error.code !== "EACCES" && error.code !== "EPERM") return error;
  const says = `can't write in ${folder} (${error.code}): opening a tree needs that, also for reading`;
  return new NodeError("NODE_DENIED", says, { cause: error });
}

async function readHolder(
  path: string,
): Promise<{ readonly identity: LockHolder; readonly content: string } | undefined> {
  const content = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (content === undefined) return undefined;
  try {
    return { identity: JSON.parse(content) as LockHolder, content };
  } catch {
    // Not ours and nobody's: no process writes such a file, so nobody waits for it.
    await breakLock(path, content);
    return undefined;
  }
}

/** Takes a dead holder's file away by way of another name: of two who try, one gets it. */
async function breakLock(path: string, content: string): Promise<void> {
  const aside = `${path}.${randomId()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if ((await readFile(aside, "utf8")) !== content) {
    // Somebody else broke it first and made a new one, and it is that one that was moved.
    await link(aside, path).catch(() => {});
  }
  await rm(aside, { force: true });
}
