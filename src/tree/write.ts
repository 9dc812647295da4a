import type { AbortOptions } from "../base/abort.ts";
import { BanyanError, TreeError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import type {
  Durability,
  Engine,
  EngineEntry,
  Revision,
  WriteOptions,
  WriteResult,
} from "../engine/engine.ts";
import { formatPath } from "../wire/path-text.ts";
import type { Path, PathLike } from "../wire/path.ts";
import { toPath } from "../wire/path-text.ts";
import { contend } from "./contend.ts";
import { toTreeEntry, type TreeEntry } from "./entry.ts";
import { sameBytes } from "./same-bytes.ts";

/** Conditions that any write may make. */
interface WriteConditions extends AbortOptions {
  /** Write only if this other entry is at that revision (0: absent) in the same instant. */
  readonly condition?: { readonly path: PathLike; readonly revision: Revision } | undefined;
  /** What the write outlives once it is acknowledged. Default: the tree's. */
  readonly durability?: Durability | undefined;
}

export interface SetOptions extends WriteConditions {
  /** Write only if the entry is at this revision; 0: only if there is none. */
  readonly ifRevision?: Revision | undefined;
  /** Write only if there is no entry; otherwise `TREE_EXISTS`. */
  readonly onlyNew?: boolean | undefined;
  /**
   * Write nothing if the entry has this very value already (keys of objects in the same order).
   * Then no other condition is looked at but `ifRevision`, and no flush waited for.
   */
  readonly idem?: boolean | undefined;
  /** Names the write, so that one that is tried again after a lost answer is applied once. */
  readonly operation?: string | undefined;
}

export interface DeleteOptions extends WriteConditions {
  /** Delete only if the entry is at this revision. Not together with `recursive`. */
  readonly ifRevision?: Revision | undefined;
  /** Delete also everything below. */
  readonly recursive?: boolean | undefined;
}

const WRITE_CONDITIONS: OptionNames<WriteConditions> = {
  ...ABORT_OPTIONS,
  condition: true,
  durability: true,
};

const SET_OPTIONS: OptionNames<SetOptions> = {
  ...WRITE_CONDITIONS,
  ifRevision: true,
  onlyNew: true,
  idem: true,
  operation: true,
};

const DELETE_OPTIONS: OptionNames<DeleteOptions> = {
  ...WRITE_CONDITIONS,
  ifRevision: true,
  recursive: true,
};

const CONDITION: OptionNames<NonNullable<WriteConditions["condition"]>> = {
  path: true,
  revision: true,
};

export interface SetResult {
  /** Of this write; of the entry as it is where nothing was written. */
  readonly revision: Revision;
  /** Whether anything was written. */
  readonly changed: boolean;
  /** What was there before, with who wrote it. */
  readonly previous: TreeEntry | undefined;
}

export interface DeleteResult extends SetResult {
  /** How many entries are gone by this call. */
  readonly deleted: number;
}

/** What is written to, and in whose name. */
export interface WriteTarget {
  readonly engine: Engine;
  readonly path: Path;
  readonly author: string | undefined;
  /** Of writes that don't say. */
  readonly durability: Durability | undefined;
}

/** Deletions under way at a time. */
const DELETE_BATCH = 64;

export async function setEntry(
  target: WriteTarget,
  bytes: Uint8Array,
  options: SetOptions,
): Promise<SetResult> {
  try {
    if (options.idem === true) return await setDifferent(target, bytes, options);
    const result = await put(target, bytes, options, options.onlyNew ? 0 : options.ifRevision);
    return setResult(result, true);
  } catch (error) {
    if (options.onlyNew !== true || !BanyanError.has(error, "ENGINE_CONFLICT")) throw error;
    throw new TreeError("TREE_EXISTS", `there is an entry at ${formatPath(target.path)} already`, {
      cause: error,
      details: error.details,
    });
  }
}

export async function deleteEntry(
  target: WriteTarget,
  options: DeleteOptions,
): Promise<DeleteResult> {
  const { engine, path } = target;
  const result = await engine.delete(path, writeOptions(target, options, options.ifRevision));
  const changed = result.previous !== undefined;
  return { ...setResult(result, changed), deleted: changed ? 1 : 0 };
}

export async function deleteSubtree(
  target: WriteTarget,
  options: DeleteOptions,
): Promise<DeleteResult> {
  const { engine, path } = target;
  const levels: Path[][] = [];
  for await (const entry of engine.list(path, { minDepth: 1, signal: options.signal })) {
    (levels[entry.path.length - path.length] ??= []).push(entry.path);
  }
  let deleted = 0;
  for (let depth = levels.length - 1; depth > 0; depth--) {
    const level = levels[depth] ?? [];
    for (let start = 0; start < level.length; start += DELETE_BATCH) {
      options.signal?.throwIfAborted();
      const batch = level.slice(start, start + DELETE_BATCH);
      const results = await Promise.all(
        batch.map((below) => deleteEntry({ ...target, path: below }, options)),
      );
      for (const result of results) deleted += result.deleted;
    }
  }
  const own = await deleteEntry(target, options);
  deleted += own.deleted;
  return { ...own, changed: deleted > 0, deleted };
}

/** Writes unless the value is there already: by compare-and-set, so that it decides on what it saw. */
async function setDifferent(
  target: WriteTarget,
  bytes: Uint8Array,
  options: SetOptions,
): Promise<SetResult> {
  const { ifRevision, signal } = options;
  const asked = options.onlyNew === true ? 0 : ifRevision;
  let seen: Revision = 0;
  const round = async (): Promise<SetResult> => {
    const present = await target.engine.get(target.path, { signal });
    seen = present?.revision ?? 0;
    if (present !== undefined && holds(present, bytes, ifRevision)) {
      return { revision: seen, changed: false, previous: toTreeEntry(present) };
    }
    return setResult(await put(target, bytes, options, asked ?? seen), true);
  };
  // Somebody was faster, if what was asked for had been there a moment ago.
  return contend(round, () => asked === undefined || asked === seen);
}

function holds(present: EngineEntry, bytes: Uint8Array, ifRevision: Revision | undefined): boolean {
  const asked = ifRevision === undefined || ifRevision === present.revision;
  return asked && sameBytes(present.value, bytes);
}

function put(
  target: WriteTarget,
  bytes: Uint8Array,
  options: SetOptions,
  ifRevision: Revision | undefined,
): Promise<WriteResult> {
  return target.engine.put(target.path, bytes, writeOptions(target, options, ifRevision));
}

function writeOptions(
  target: WriteTarget,
  options: WriteConditions & Pick<SetOptions, "operation">,
  ifRevision: Revision | undefined,
): WriteOptions {
  const { condition, signal, operation } = options;
  return {
    author: target.author,
    durability: options.durability ?? target.durability,
    condition: condition && { path: toPath(condition.path), revision: condition.revision },
    signal,
    ifRevision,
    operation,
  };
}

function setResult({ revision, previous }: WriteResult, changed: boolean): SetResult {
  return { revision, changed, previous: toPrevious(previous) };
}

function toPrevious(previous: EngineEntry | undefined): TreeEntry | undefined {
  return previous === undefined ? undefined : toTreeEntry(previous);
}

/** @throws TypeError, RangeError for what `tree.set` does not take */
export function checkSetOptions(options: SetOptions): void {
  checkOptions(options, SET_OPTIONS, "tree.set");
  const { condition, durability, ifRevision, onlyNew, operation } = options;
  checkDurability(durability);
  if (condition !== undefined) checkCondition(condition);
  if (ifRevision !== undefined) checkRevision(ifRevision);
  if (operation !== undefined && typeof operation !== "string") {
    throw new TypeError(`an operation is named by a string, not ${kindOf(operation)}`);
  }
  if (onlyNew === true && ifRevision !== undefined && ifRevision !== 0) {
    throw new TypeError("onlyNew and ifRevision contradict each other");
  }
}

/** @throws TypeError, RangeError for what `tree.delete` does not take */
export function checkDeleteOptions(options: DeleteOptions): void {
  checkOptions(options, DELETE_OPTIONS, "tree.delete");
  const { condition, durability, ifRevision, recursive } = options;
  checkDurability(durability);
  if (condition !== undefined) checkCondition(condition);
  if (ifRevision === undefined) return;
  checkRevision(ifRevision);
  if (recursive === true) {
    throw new TypeError("ifRevision is about one entry and can't be combined with recursive");
  }
}

/** @throws TypeError for what is no durability */
export function checkDurability(durability: unknown): void {
  if (durability === undefined || durability === "commit" || durability === "flushed") return;
  const given = typeof durability === "string" ? JSON.stringify(durability) : kindOf(durability);
  throw new TypeError(`a durability is "commit" or "flushed", not ${given}`);
}

function checkCondition(condition: NonNullable<WriteConditions["condition"]>): void {
  checkOptions(condition, CONDITION, "condition");
  checkRevision(condition.revision);
}

function checkRevision(revision: Revision): void {
  if (Number.isSafeInteger(revision) && revision >= 0) return;
  throw new RangeError(`a revision is a whole number from 0, not ${kindOf(revision)}`);
}
