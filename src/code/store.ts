import type { AbortOptions } from "../base/abort.ts";
import { CodeError } from "../base/errors.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import type { Revision } from "../engine/engine.ts";
import { formatPath, toPath } from "../wire/path-text.ts";
import type { Path, PathLike } from "../wire/path.ts";
import { checkEntry, checkFields, type CodeEntry } from "./entry.ts";
import type { CodeLibrary } from "./library.ts";
import { modulesOf } from "./stage.ts";
import type { CodeKind } from "./unit.ts";

export interface AddOptions extends AbortOptions {
  /** Store it also where modules that it imports do not exist (yet). Nothing else is let through. */
  readonly force?: boolean | undefined;
  /** Store it only if the entry is at this revision; 0: only if there is none. */
  readonly ifRevision?: Revision | undefined;
}

const ADD_OPTIONS: OptionNames<AddOptions> = { ...ABORT_OPTIONS, force: true, ifRevision: true };

export interface AddResult {
  readonly revision: Revision;
  /** The version that is live now; `undefined` where it can't be run. */
  readonly key: string | undefined;
  /** What is wrong although it was stored: something it imports is broken, or it threw at load. */
  readonly error: CodeError | undefined;
}

export interface RemoveOptions extends AbortOptions {
  /** Remove it also where other code imports it. */
  readonly force?: boolean | undefined;
}

const REMOVE_OPTIONS: OptionNames<RemoveOptions> = { ...ABORT_OPTIONS, force: true };

/**
 * Compiles and links an entry against what is stored, and only then writes it. Resolves when it is
 * live here.
 *
 * @throws CodeError `CODE_INVALID`, `CODE_SYNTAX`, `CODE_UNSUPPORTED`, `CODE_CYCLE`,
 *   `CODE_MISSING_MODULE`, `CODE_MISSING_EXPORT`; then nothing is written
 */
export async function addCode(
  library: CodeLibrary,
  at: CodePlace,
  entry: CodeEntry,
  options: AddOptions,
): Promise<AddResult> {
  checkOptions(options, ADD_OPTIONS, `${at.kind === "proc" ? "code" : "modules"}.add`);
  const { force = false, ifRevision, signal } = options;
  const { kind, path } = at;
  const value = await storedCode(library, at, entry, { force, signal });
  const { tree } = library;
  const { revision } = await tree.set(tree.system[kind].concat(path), value, {
    ifRevision,
    signal,
  });
  await library.settled(revision, { signal });
  return { revision, key: library.keyOf(path, kind), error: library.errorOf(path, kind) };
}

/** Which procedure or module. */
export interface CodePlace {
  readonly kind: CodeKind;
  readonly path: Path;
}

/**
 * What is to be stored for an entry: with what is derived of its code, which is compiled and linked against
 * what the library has.
 *
 * @throws as `addCode` does
 */
export async function storedCode(
  library: CodeLibrary,
  { kind, path }: CodePlace,
  entry: CodeEntry,
  { force = false, signal }: Pick<AddOptions, "force" | "signal">,
): Promise<object> {
  const name = formatPath(path);
  // First: a required field may have been misspelt.
  if (typeof entry === "object" && entry !== null) checkFields(kind, name, entry);
  const checked = checkEntry(kind, name, entry);
  await library.settled(undefined, { signal });
  const { unit, error } = library.check({ ...checked, requires: [] });
  const isForced = force && error?.code === "CODE_MISSING_MODULE";
  if (error !== undefined && error.code !== "CODE_BLOCKED" && !isForced) throw error;
  const derived = modulesOf(unit);
  checkRequires(checked.name, entry, checked.requires, derived);
  const requires = [...new Set([...derived, ...checked.requires])].sort();
  const { mode: _, ...rest } = entry;
  return kind === "module"
    ? { ...rest, requires }
    : { ...rest, is_async: checked.isAsync, vars: checked.vars, requires };
}

/** @throws CodeError `CODE_INVALID`, where a list was given by hand */
function checkRequires(
  name: string,
  { requires }: CodeEntry,
  given: readonly string[],
  derived: readonly string[],
): void {
  if (requires === undefined || requires === null) return;
  const missing = derived.filter((module) => !given.includes(module));
  if (missing.length === 0) return;
  const list = missing.map((module) => `"${module}"`).join(", ");
  throw new CodeError("CODE_INVALID", `${name}: "requires" lacks ${list}, which it imports`, {
    details: { path: name, missing },
  });
}

/**
 * Deletes an entry; gives whether there was one.
 *
 * @throws CodeError `CODE_IN_USE`, naming the users
 */
export async function removeCode(
  library: CodeLibrary,
  at: CodePlace,
  options: RemoveOptions,
): Promise<boolean> {
  checkOptions(options, REMOVE_OPTIONS, `${at.kind === "proc" ? "code" : "modules"}.remove`);
  const { force = false, signal } = options;
  const { kind, path } = at;
  await library.settled(undefined, { signal });
  const users = kind === "module" ? library.usersOf(path) : [];
  if (users.length > 0 && !force) {
    const name = formatPath(path);
    throw new CodeError("CODE_IN_USE", `module "${name}" is imported by ${users.join(", ")}`, {
      details: { kind, path: name, users },
    });
  }
  const { tree } = library;
  const { changed, revision } = await tree.delete(tree.system[kind].concat(path), { signal });
  if (changed) await library.settled(revision, { signal });
  return changed;
}

/** What callers write for the name of code. @throws RangeError for the empty one */
export function codePath(like: PathLike): Path {
  // The text form of the root is not the empty text.
  if (like === "") throw new RangeError("Empty code names don't make sense");
  const path = toPath(like);
  if (path.length === 0) throw new RangeError("Empty code names don't make sense");
  return path;
}
