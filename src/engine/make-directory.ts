import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder, private to this user, and those above it that are missing. Node's own recursive `mkdir`
 * tries for ever where the system says of a folder that is there that nothing is, as Linux does in `/proc`.
 *
 * @returns the topmost folder that it made; undefined where all were there
 */
export async function makeDirectory(path: string): Promise<string | undefined> {
  const code = await tryToMake(path);
  if (code === undefined) return path;
  if (code === "EEXIST") return undefined;
  const made = await makeDirectory(dirname(path));
  await mkdir(path, { mode: PRIVATE }).catch((error: unknown) => refuse(path, error));
  return made ?? path;
}

const PRIVATE = 0o700;

/** @returns why there is none; undefined where it was made */
async function tryToMake(path: string): Promise<"EEXIST" | "ENOENT" | undefined> {
  try {
    await mkdir(path, { mode: PRIVATE });
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && dirname(path) !== path) return code;
    await refuse(path, error);
    return "EEXIST";
  }
}

/** Throws, unless somebody else was first. */
async function refuse(path: string, error: unknown): Promise<void> {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
  throw error;
}
