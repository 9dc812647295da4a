import { readdir, readFile, stat } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";

import { NodeError } from "../base/errors.ts";
import { Path } from "../wire/path.ts";
import { fromYaml } from "./yaml.ts";

/** The folders of a directory of code, and what their files become. */
const DIRECTORY_KINDS = ["data", "module", "proc", "job"] as const;
export type DirectoryKind = (typeof DIRECTORY_KINDS)[number];

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

const CODE = new Set([".ts", ".js", ".mts", ".mjs"]);
const STRUCTURED = new Set([".yaml", ".yml", ".json"]);

/** The first line of a procedure may say what its entry holds besides the source. */
const PRAGMA = /^\s*\/\/\s*banyan:\s*(\{.*\})\s*$/;
const PRAGMA_FIELDS = new Set(["is_async", "mode", "vars", "default", "requires", "doc"]);

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
  const files: string[] = [];
  for (const kind of DIRECTORY_KINDS) {
    const top = join(directory, kind);
    if (!(await isDirectory(top))) continue;
    const names = await readdir(top, { recursive: true, withFileTypes: true });
    const found = names
      .filter((item) => item.isFile())
      .map((item) => join(item.parentPath, item.name));
    files.push(...found.filter((file) => placeOf(directory, file) !== undefined).sort());
  }
  return files;
}

/** Where a file belongs, by its name alone; undefined for files that mean nothing here. */
export function placeOf(directory: string, file: string): DirectoryPlace | undefined {
  const steps = relative(directory, file).split(sep);
  const kind = DIRECTORY_KINDS.find((name) => name === steps[0]);
  const last = steps.at(-1) ?? "";
  if (kind === undefined || steps.length < 2 || steps.some((step) => step.startsWith("."))) {
    return undefined;
  }
  const ending = extname(last);
  const fits = kind === "data" || (kind === "job" ? STRUCTURED.has(ending) : CODE.has(ending));
  if (!fits || last.endsWith(".d.ts") || last.endsWith("~")) return undefined;
  const name = ending === "" ? last : last.slice(0, -ending.length);
  return { kind, path: Path.fromElements([...steps.slice(1, -1), name]) };
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
  const bytes = await readFile(file);
  try {
    return { ...place, value: valueOf(place.kind, extname(file), bytes) };
  } catch (error) {
    const text = `${relative(directory, file)}: ${(error as Error).message}`;
    throw new NodeError("NODE_BAD_DIRECTORY", text, { cause: error, details: { file } });
  }
}

function valueOf(kind: DirectoryKind, ending: string, bytes: Buffer): unknown {
  if (kind === "proc") return procedure(bytes.toString("utf8"));
  if (kind === "module") return { code: bytes.toString("utf8") };
  if (STRUCTURED.has(ending)) {
    const value = fromYaml(bytes.toString("utf8"));
    if (value === undefined) throw new Error("the file is empty");
    return value;
  }
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : new Uint8Array(bytes);
}

function procedure(code: string): Record<string, unknown> {
  const end = code.indexOf("\n");
  const pragma = PRAGMA.exec(end < 0 ? code : code.slice(0, end));
  if (pragma === null) return { code };
  const fields = fromYaml(pragma[1] ?? "");
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw new Error("line 1: what follows `banyan:` is a map, as { is_async: true, vars: [a, b] }");
  }
  for (const name of Object.keys(fields)) {
    if (!PRAGMA_FIELDS.has(name)) {
      const known = [...PRAGMA_FIELDS].join(", ");
      throw new Error(`line 1: there is no field ${name}; there are ${known}`);
    }
  }
  return { ...fields, code };
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
