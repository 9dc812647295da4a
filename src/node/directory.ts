import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";

import { NodeError } from "../base/errors.ts";
import { formatPath } from "../wire/path-text.ts";
import { Path, PATH_LIMITS } from "../wire/path.ts";
import { DIRECTORY_KINDS, type DirectoryKind, readBytes, splitName } from "./entry-file.ts";
import { elementOf } from "./file-name.ts";

/** What a file stands for. */
export interface DirectoryPlace {
  readonly kind: DirectoryKind;
  /** `proc/forty/two.ts` is `forty.two`: each folder and the name without its ending is an element. */
  readonly path: Path;
}

/** One file as an entry of the tree. */
export interface DirectoryEntry extends DirectoryPlace {
  readonly value: unknown;
}

/** @throws NodeError `NODE_BAD_DIRECTORY` where it is none, or has none of the folders */
export async function checkDirectory(directory: string): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    throw new NodeError("NODE_BAD_DIRECTORY", `can't read ${directory}: ${error.message}`, {
      cause: error,
    });
  });
  if (DIRECTORY_KINDS.some((kind) => names.includes(kind))) return;
  throw new NodeError(
    "NODE_BAD_DIRECTORY",
    `${directory} has none of the folders ${DIRECTORY_KINDS.join(", ")}; make one and put files there`,
  );
}

/** The files that count, in the order in which they are to be loaded. */
export async function listFiles(directory: string): Promise<string[]> {
  const files = await findFiles(directory);
  return files.filter(({ isLink }) => !isLink).map(({ file }) => file);
}

/** What has the name of a file that counts; a link may lead anywhere. */
export interface FoundFile {
  readonly file: string;
  readonly isLink: boolean;
}

/** The files and links that count by their names, in the order in which they are to be loaded. */
export async function findFiles(directory: string): Promise<FoundFile[]> {
  const files: FoundFile[] = [];
  for (const kind of DIRECTORY_KINDS) {
    const top = join(directory, kind);
    if (!(await isDirectory(top))) continue;
    const names = await readdir(top, { recursive: true, withFileTypes: true });
    const found = names
      .filter((item) => item.isFile() || item.isSymbolicLink())
      .map((item) => ({ file: join(item.parentPath, item.name), isLink: item.isSymbolicLink() }))
      .filter(({ file }) => placeOf(directory, file) !== undefined);
    files.push(...found.sort((a, b) => (a.file < b.file ? -1 : 1)));
  }
  return files;
}

/** Where a file belongs, by its name alone; undefined for files that mean nothing here. */
export function placeOf(directory: string, file: string): DirectoryPlace | undefined {
  const steps = relative(directory, file).split(sep);
  const kind = DIRECTORY_KINDS.find((name) => name === steps[0]);
  const name = kind === undefined ? undefined : splitName(kind, steps.at(-1) ?? "");
  if (kind === undefined || name === undefined || steps.length < 2) return undefined;
  if (steps.length > PATH_LIMITS.maxElements) return undefined;
  if (steps.some((step) => step.startsWith(".") || step === "node_modules")) return undefined;
  const path = Path.fromElements([...steps.slice(1, -1), name.stem].map(elementOf));
  // Nothing of Banyan's own comes from files of data.
  return kind === "data" && path[0] === ".banyan" ? undefined : { kind, path };
}

/** Names a place, as no other is named. */
export function placeKey({ kind, path }: DirectoryPlace): string {
  return `${kind} ${formatPath(path)}`;
}

/**
 * Reads one file; undefined if it means nothing here.
 *
 * @throws NodeError `NODE_BAD_DIRECTORY` naming the file and the place in it
 */
export async function readEntry(
  directory: string,
  file: string,
): Promise<DirectoryEntry | undefined> {
  const place = placeOf(directory, file);
  if (place === undefined) return undefined;
  return { ...place, value: entryOf(directory, file, place.kind, await readFile(file)) };
}

/** The entry in what was read of a file. @throws NodeError `NODE_BAD_DIRECTORY` */
export function entryOf(
  directory: string,
  file: string,
  kind: DirectoryKind,
  bytes: Uint8Array,
): unknown {
  try {
    return readBytes(kind, splitName(kind, file.split(sep).at(-1) ?? "")?.ending ?? "", bytes);
  } catch (error) {
    const text = `${relative(directory, file)}: ${(error as Error).message}`;
    throw new NodeError("NODE_BAD_DIRECTORY", text, { cause: error, details: { file } });
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
