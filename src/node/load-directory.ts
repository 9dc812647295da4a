import { watch as watchFiles } from "chokidar";

import type { Log } from "../base/log.ts";
import { JobRoot } from "../runner/job-root.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath } from "../wire/path-text.ts";
import type { Path } from "../wire/path.ts";
import {
  checkDirectory,
  listFiles,
  placeOf,
  readEntry,
  type DirectoryEntry,
  type DirectoryKind,
} from "./directory.ts";

export interface LoadOptions {
  readonly directory: string;
  readonly tree: Tree;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** The error records of files that can't be loaded; what is in a file heals its record. */
const SUBSYSTEM = "load";

/**
 * Writes every file of a directory into the tree, those that changed only. A file that can't be loaded
 * becomes an error record and a line in the log; the others go on.
 *
 * @returns how many files were loaded, and how many could not be
 * @throws NodeError `NODE_BAD_DIRECTORY` where the directory itself is none
 */
export async function loadDirectory(
  options: LoadOptions,
): Promise<{ readonly loaded: number; readonly failed: number }> {
  await checkDirectory(options.directory);
  let loaded = 0;
  let failed = 0;
  for (const file of await listFiles(options.directory)) {
    options.signal.throwIfAborted();
    if (await loadFile(file, options)) loaded += 1;
    else failed += 1;
  }
  return { loaded, failed };
}

/** Follows the files until the signal: a saved file is in the tree a moment later. */
export async function followDirectory(options: LoadOptions): Promise<void> {
  const { directory, signal, log } = options;
  const watcher = watchFiles(directory, {
    ignoreInitial: true,
    ignored: (path) =>
      path.includes("node_modules") || /[/\\]\.[^/\\.]/.test(path.slice(directory.length)),
    // An editor writes a file in several steps; half a file would be an error that is none.
    awaitWriteFinish: { stabilityThreshold: 40, pollInterval: 10 },
  });
  // One file after the other: two saves of one file must not overtake each other.
  let queue = Promise.resolve();
  const then = (work: () => Promise<unknown>): void => {
    queue = queue
      .then(work)
      .catch((error: unknown) =>
        log.error(`a change could not be loaded: ${(error as Error).message}`),
      )
      .then(() => undefined);
  };
  watcher.on("add", (file) => then(() => loadFile(file, options)));
  watcher.on("change", (file) => then(() => loadFile(file, options)));
  watcher.on("unlink", (file) => then(() => removeFile(file, options)));
  watcher.on("error", (error) => log.error(`watching failed: ${(error as Error).message}`));
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await watcher.close();
  await queue;
}

async function loadFile(file: string, options: LoadOptions): Promise<boolean> {
  const { directory, tree, log, signal } = options;
  const place = placeOf(directory, file);
  if (place === undefined) return true;
  const subject = { subsystem: SUBSYSTEM, path: [place.kind, ...place.path] };
  try {
    const entry = await readEntry(directory, file);
    if (entry !== undefined && (await write(entry, options))) {
      log.info(`${place.kind} ${formatPath(place.path)} loaded`);
    }
    await tree.errors.working(subject);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    log.error((error as Error).message);
    await tree.errors.record({ ...subject, error });
    return false;
  }
}

/** @returns whether it was news */
async function write(entry: DirectoryEntry, { tree, signal }: LoadOptions): Promise<boolean> {
  if (entry.kind === "job") {
    // The job's own door says what is wrong with an entry; the tree's would take it.
    const jobs = await JobRoot.open(tree);
    return (await jobs.set(entry.path, entry.value, { idem: true })).changed;
  }
  const at = target(tree, entry.kind, entry.path);
  return (await tree.set(at, entry.value, { idem: true, signal })).changed;
}

async function removeFile(file: string, options: LoadOptions): Promise<void> {
  const { directory, tree, log, signal } = options;
  const place = placeOf(directory, file);
  if (place === undefined) return;
  const { changed } = await tree.delete(target(tree, place.kind, place.path), { signal });
  await tree.errors.working({ subsystem: SUBSYSTEM, path: [place.kind, ...place.path] });
  if (changed) log.info(`${place.kind} ${formatPath(place.path)} removed`);
}

function target(tree: Tree, kind: DirectoryKind, path: Path): Path {
  return kind === "data" ? path : tree.system[kind].concat(path);
}
