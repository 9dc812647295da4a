import { lstat, mkdir, readFile, realpath, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";

import { NodeError } from "../../base/errors.ts";
import { DEFAULT_ENGINE_LIMITS } from "../../engine/engine.ts";
import {
  type DirectoryPlace,
  entryOf,
  findFiles,
  type FoundFile,
  placeKey,
  placeOf,
} from "../directory.ts";
import { DIRECTORY_KINDS, digestOf, splitName } from "../entry-file.ts";
import { fileNames } from "../file-name.ts";
import { importsOf } from "./imports.ts";
import { replaceFile } from "./state.ts";

/** One file of the directory that stands for an entry. */
export interface LocalFile extends DirectoryPlace {
  /** Relative to the directory, with slashes. */
  readonly file: string;
  /** As it was read; undefined where it could not be. */
  readonly bytes: Uint8Array | undefined;
  readonly value: unknown;
  /** Undefined where there is a problem. */
  readonly digest: string | undefined;
  /** Why its value is not known. */
  readonly problem: string | undefined;
}

/** The files of a directory, by the entries they stand for. */
export class SyncFolder {
  /** Without links in it. */
  readonly directory: string;
  readonly files: ReadonlyMap<string, LocalFile>;
  /** What has which name, in each folder; by names as a file system sees them that ignores case. */
  readonly #names = new Map<string, Map<string, string>>();

  private constructor(directory: string, files: ReadonlyMap<string, LocalFile>) {
    this.directory = directory;
    this.files = files;
    for (const { file } of files.values()) this.keepName(file);
  }

  /**
   * Reads all of it. What is wrong with one file is its `problem`.
   *
   * @throws NodeError `NODE_BAD_DIRECTORY` where one of its folders leads elsewhere
   */
  static async read(directory: string, signal: AbortSignal): Promise<SyncFolder> {
    const root = await realpath(directory);
    for (const kind of DIRECTORY_KINDS) {
      const top = await realpath(join(root, kind)).catch(() => undefined);
      if (top === undefined || isInside(root, top)) continue;
      throw new NodeError("NODE_BAD_DIRECTORY", `${join(directory, kind)} leads out of it, to ${top}`); // prettier-ignore
    }
    const files = new Map<string, LocalFile>();
    for (const found of await findFiles(root)) {
      signal.throwIfAborted();
      const read = await readLocal(root, found);
      const key = placeKey(read);
      const other = files.get(key);
      files.set(key, other === undefined ? read : ambiguous(other, read.file));
    }
    return new SyncFolder(root, files);
  }

  /** No other file gets this name. */
  keepName(file: string): void {
    const steps = file.split("/");
    for (let i = 1; i < steps.length; i++) {
      const name = steps[i] ?? "";
      const isLast = i === steps.length - 1;
      this.#namesIn(steps.slice(0, i).join("/")).set(fold(name), isLast ? name : `${name}/`);
    }
  }

  /**
   * A name for the file of an entry that has none yet, kept for it from now on: one that no other file
   * has, however the file system compares names.
   *
   * @throws NodeError `NODE_BAD_VALUE` where it can't have one
   */
  nameFor({ kind, path }: DirectoryPlace, ending: string): string {
    if (path.length === 0) throw new NodeError("NODE_BAD_VALUE", "the root has no name for a file");
    const steps: string[] = [kind];
    for (const [i, element] of path.entries()) {
      const isLast = i === path.length - 1;
      const names = this.#namesIn(steps.join("/"));
      const free = fileNames(element)
        .map((name) => (isLast ? `${name}${ending}` : name))
        .find((name) => {
          const taken = names.get(fold(name));
          return taken === undefined || (!isLast && taken === `${name}/`);
        });
      if (free === undefined) {
        throw new NodeError("NODE_BAD_VALUE", `every name for it in ${steps.join("/")} is taken`);
      }
      names.set(fold(free), isLast ? free : `${free}/`);
      steps.push(free);
    }
    return steps.join("/");
  }

  /**
   * Puts content in the place of what was read of a file.
   *
   * @throws NodeError `NODE_SYNC_CONFLICT` where somebody else has written it since
   */
  async write(
    file: string,
    before: LocalFile | undefined,
    content: string | Uint8Array,
  ): Promise<void> {
    const at = join(this.directory, file);
    await this.#makeFolder(dirname(at));
    await unchanged(at, file, before);
    await replaceFile(this.directory, at, content);
  }

  /** Takes a file away, and the folders that were there for it alone. */
  async remove(before: LocalFile): Promise<void> {
    const at = join(this.directory, before.file);
    await unchanged(at, before.file, before);
    await rm(at);
    let folder = dirname(at);
    while (relative(this.directory, folder).includes(sep)) {
      try {
        await rmdir(folder);
      } catch {
        return;
      }
      folder = dirname(folder);
    }
  }

  #namesIn(folder: string): Map<string, string> {
    const key = fold(folder);
    const names = this.#names.get(key) ?? new Map<string, string>();
    this.#names.set(key, names);
    return names;
  }

  /** A link on the way could lead anywhere. */
  async #makeFolder(folder: string): Promise<void> {
    let there = folder;
    for (;;) {
      const real = await realpath(there).catch(() => undefined);
      if (real !== undefined && !isInside(this.directory, real)) {
        throw new NodeError(
          "NODE_BAD_DIRECTORY",
          `${there} leads out of the directory, to ${real}`,
        );
      }
      if (real !== undefined) break;
      there = dirname(there);
    }
    await mkdir(folder, { recursive: true });
  }
}

/** Names that some file system takes for one. */
function fold(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

function isInside(directory: string, path: string): boolean {
  return path === directory || path.startsWith(`${directory}${sep}`);
}

/** An editor may have saved it while we were at work. */
async function unchanged(at: string, file: string, before: LocalFile | undefined): Promise<void> {
  const bytes = before?.bytes;
  if (bytes === undefined) {
    const found = await lstat(at).catch(() => undefined);
    if (found === undefined) return;
  } else {
    const now = await readFile(at).catch(() => undefined);
    if (now !== undefined && Buffer.from(now).equals(bytes)) return;
  }
  throw new NodeError("NODE_SYNC_CONFLICT", `${file} was written meanwhile; run it again`, {
    details: { files: [file] },
  });
}

async function readLocal(root: string, { file, isLink }: FoundFile): Promise<LocalFile> {
  const name = relative(root, file).split(sep).join("/");
  const place = placeOf(root, file);
  if (place === undefined) throw new TypeError(`${file} is no file that counts`);
  const of = { ...place, file: name };
  const wrong = (problem: string): LocalFile =>
    ({ ...of, bytes: undefined, value: undefined, digest: undefined, problem }); // prettier-ignore
  try {
    if (isLink && !isInside(root, await realpath(file)))
      return wrong("it links out of the directory");
    const found = await stat(file);
    if (!found.isFile()) return wrong("it is no file");
    const limit = DEFAULT_ENGINE_LIMITS.maxValueBytes;
    if (found.size > limit)
      return wrong(`it has ${found.size} bytes; an entry has ${limit} at most`);
    const bytes = await readFile(file);
    const value = entryOf(root, file, place.kind, bytes);
    const digest = digestOf(place.kind, value, await importsOf(place, value));
    return { ...of, bytes, value, digest, problem: undefined };
  } catch (error) {
    return wrong((error as Error).message.replace(`${name}: `, ""));
  }
}

function ambiguous(first: LocalFile, second: string): LocalFile {
  const problem = `${second} stands for the same ${first.kind}; one of them has to go`;
  return { ...first, bytes: undefined, value: undefined, digest: undefined, problem };
}

/** The ending of a file's name, as its kind has it. */
export function endingOf({ kind, file }: Pick<LocalFile, "kind" | "file">): string {
  return splitName(kind, file.split("/").at(-1) ?? "")?.ending ?? "";
}
