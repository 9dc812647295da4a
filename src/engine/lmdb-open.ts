import { closeSync, constants, existsSync, openSync } from "node:fs";
import { join } from "node:path";

import { open, type RootDatabase, type RootDatabaseOptionsWithPath } from "lmdb";

import { EngineError } from "../base/errors.ts";

/** Where Linux has what this process holds open, by numbers. */
const OPEN_FILES = "/proc/self/fd";

/** What all of our databases have: keys and values are bytes of our own making. */
export const OF_BYTES = { encoding: "binary", keyEncoding: "binary", cache: false } as const;

/**
 * Opens LMDB in a directory that is there. `lmdb` itself makes one that is missing, with all above it: who looks for
 * a tree while it is removed would bring it back. So it is told of the directory that we hold, not of its name.
 *
 * @throws EngineError `ENGINE_UNAVAILABLE` where there is no such directory; what LMDB throws
 */
export function openFolder(
  directory: string,
  options: Omit<RootDatabaseOptionsWithPath, "path" | "noSubdir">,
): RootDatabase<Uint8Array, Uint8Array> {
  using folder = holdFolder(directory);
  // Else LMDB takes a name with a dot for a file's.
  return open<Uint8Array, Uint8Array>({ ...options, path: folder.path, noSubdir: false });
}

/** Where nothing can be held, what was looked at a moment ago has to do. */
function holdFolder(directory: string): Disposable & { readonly path: string } {
  if (!existsSync(directory)) {
    throw new EngineError("ENGINE_UNAVAILABLE", `${directory} is not there`);
  }
  if (!existsSync(OPEN_FILES)) return { path: directory, [Symbol.dispose]: () => {} };
  const folder = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  return { path: join(OPEN_FILES, String(folder)), [Symbol.dispose]: () => closeSync(folder) };
}
