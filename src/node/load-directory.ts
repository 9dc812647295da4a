import { once } from "node:events";
import { existsSync } from "node:fs";
import { relative } from "node:path";

import { watch as watchFiles, type FSWatcher } from "chokidar";

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
  placeKey,
  type DirectoryEntry,
  type DirectoryPlace,
} from "./directory.ts";
import type { DirectoryKind } from "./entry-file.ts";

export interface LoadOptions {
  readonly directory: string;
  readonly tree: Tree;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface LoadCounts {
  readonly loaded: number;
  readonly failed: number;
}

/** The error records of files that can't be loaded; what is in a file heals its record. */
export const LOAD_SUBSYSTEM = "load";

/** What the tree keeps of a loaded file: an entry whose file is gone when `dev` starts goes too. */
interface LoadedRecord {
  readonly directory: string;
  readonly file: string;
}

/**
 * Keeps the entries that a directory's files stand for in the tree: one that is saved is there a moment
 * later, one that is deleted or renamed goes with its last file. A file that can't be loaded becomes an
 * error record and a line in the log; the others go on.
 */
export class DirectoryLoader {
  readonly #options: LoadOptions;
  readonly #jobs: JobRoot;
  /** Which files stand for the same entry, by kind and path: more than one is a mistake. */
  readonly #files = new Map<string, Set<string>>();
  /** One file after the other: two saves of one file must not overtake each other. */
  #queue: Promise<void> = Promise.resolve();
  #failed = 0;
  #loaded = 0;

  private constructor(options: LoadOptions, jobs: JobRoot) {
    this.#options = options;
    this.#jobs = jobs;
  }

  /** @throws NodeError `NODE_BAD_DIRECTORY` where the directory is none */
  static async open(options: LoadOptions): Promise<DirectoryLoader> {
    await checkDirectory(options.directory);
    return new DirectoryLoader(options, await JobRoot.open(options.tree));
  }

  /** Brings the tree to what the files say now. */
  async load(): Promise<LoadCounts> {
    const { directory, signal } = this.#options;
    this.#loaded = 0;
    this.#failed = 0;
    for (const file of await listFiles(directory)) {
      signal.throwIfAborted();
      this.#found(file);
    }
    this.#later(() => this.#sweep());
    await this.#queue;
    signal.throwIfAborted();
    return { loaded: this.#loaded, failed: this.#failed };
  }

  /** Follows the files until the signal. `load()` is called in between, so that no save is missed. */
  async follow(onLoaded: (counts: LoadCounts) => void): Promise<void> {
    const { signal, log } = this.#options;
    const watcher = this.#watch();
    try {
      await once(watcher, "ready", { signal });
      onLoaded(await this.load());
      watcher.on("error", (error) => log.error(`watching failed: ${(error as Error).message}`));
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener("abort", () => resolve(), { once: true });
      });
    } finally {
      await watcher.close();
      await this.#queue;
    }
  }

  #watch(): FSWatcher {
    const { directory } = this.#options;
    const watcher = watchFiles(directory, {
      ignoreInitial: true,
      ignored: (path) =>
        path.includes("node_modules") || /[/\\]\.[^/\\.]/.test(path.slice(directory.length)),
      // An editor writes a file in several steps; half a file would be an error that is none.
      awaitWriteFinish: { stabilityThreshold: 40, pollInterval: 10 },
    });
    watcher.on("add", (file) => this.#found(file));
    watcher.on("change", (file) => this.#found(file));
    watcher.on("unlink", (file) => this.#gone(file));
    return watcher;
  }

  #found(file: string): void {
    const place = placeOf(this.#options.directory, file);
    if (place === undefined) return;
    const files = this.#filesOf(place);
    files.add(file);
    this.#later(() => this.#bring(place));
  }

  #gone(file: string): void {
    const place = placeOf(this.#options.directory, file);
    if (place === undefined) return;
    this.#filesOf(place).delete(file);
    this.#later(() => this.#bring(place));
  }

  #filesOf(place: DirectoryPlace): Set<string> {
    const key = placeKey(place);
    const files = this.#files.get(key) ?? new Set();
    this.#files.set(key, files);
    return files;
  }

  #later(work: () => Promise<void>): void {
    const { log, signal } = this.#options;
    const before = this.#queue;
    const run = async (): Promise<void> => {
      await before;
      if (signal.aborted) return;
      try {
        await work();
      } catch (error) {
        if (!signal.aborted) log.error(`a change could not be loaded: ${(error as Error).message}`);
      }
    };
    this.#queue = run();
  }

  /** Brings one entry to what its files say: the first of them by name counts. */
  async #bring(place: DirectoryPlace): Promise<void> {
    const { directory, log } = this.#options;
    const [file, ...others] = [...this.#filesOf(place)].sort();
    if (file === undefined) return this.#remove(place);
    if (others.length > 0) {
      const names = others.map((other) => relative(directory, other)).join(", ");
      log.warn(
        `${relative(directory, file)} counts, not ${names}: they name the same ${place.kind}`,
      );
    }
    await this.#loadFile(file, place);
  }

  async #loadFile(file: string, place: DirectoryPlace): Promise<void> {
    const { directory, tree, log, signal } = this.#options;
    const subject = { subsystem: LOAD_SUBSYSTEM, path: [place.kind, ...place.path] };
    const name = relative(directory, file);
    try {
      const entry = await readEntry(directory, file);
      if (entry !== undefined && (await this.#write(entry))) {
        log.info(`${place.kind} ${formatPath(place.path)} loaded`);
      }
      const record: LoadedRecord = { directory, file: name };
      await tree.set(this.#record(place), record, { idem: true, signal });
      await tree.errors.working(subject);
      this.#loaded += 1;
    } catch (error) {
      signal.throwIfAborted();
      const { message } = error as Error;
      const says = message.startsWith(name) ? message : `${name}: ${message}`;
      log.error(says);
      await tree.errors.record({ ...subject, error, message: says });
      this.#failed += 1;
    }
  }

  /** @returns whether it was news */
  async #write({ kind, path, value }: DirectoryEntry): Promise<boolean> {
    const { tree, signal } = this.#options;
    // The job's own door says what is wrong with an entry; the tree's would take it.
    if (kind === "job") return (await this.#jobs.set(path, value, { idem: true })).changed;
    const at = this.#target(kind, path);
    return (await tree.set(at, value, { idem: true, signal })).changed;
  }

  async #remove({ kind, path }: DirectoryPlace): Promise<void> {
    const { tree, log, signal } = this.#options;
    const { changed } = await tree.delete(this.#target(kind, path), { signal });
    await tree.delete(this.#record({ kind, path }), { signal });
    await tree.errors.working({ subsystem: LOAD_SUBSYSTEM, path: [kind, ...path] });
    if (changed) log.info(`${kind} ${formatPath(path)} removed`);
  }

  /** Removes what an earlier run has loaded from files that are gone by now. */
  async #sweep(): Promise<void> {
    const { directory, tree } = this.#options;
    const root = tree.system.root.append("load");
    for await (const { path, value } of tree.walk(root, { minDepth: 2 })) {
      const record = value as Partial<LoadedRecord> | null;
      if (record?.directory !== directory || typeof record.file !== "string") continue;
      const place = placeOf(directory, `${directory}/${record.file}`);
      if (place !== undefined && this.#filesOf(place).size > 0) continue;
      if (existsSync(`${directory}/${record.file}`)) continue;
      const [kind, ...rest] = path.slice(root.length);
      if (place !== undefined && kind === place.kind && place.path.equals(rest)) {
        await this.#remove(place);
      }
    }
  }

  #target(kind: DirectoryKind, path: Path): Path {
    return kind === "data" ? path : this.#options.tree.system[kind].concat(path);
  }

  #record({ kind, path }: DirectoryPlace): Path {
    return this.#options.tree.system.root.append("load").concat([kind, ...path]);
  }
}
