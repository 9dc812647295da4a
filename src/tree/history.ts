import type { AbortOptions } from "../base/abort.ts";
import { TreeError } from "../base/errors.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import type { Engine, EngineVersion, HistoryRule, Revision } from "../engine/engine.ts";
import { formatPath } from "../wire/path-text.ts";
import type { Path, PathLike } from "../wire/path.ts";
import { type Difference, differences } from "./diff.ts";
import { toTreeEntry, type TreeEntry, valueOf } from "./entry.ts";

/** One version of an entry, present or past: who wrote it, when, and what. */
export interface TreeVersion extends TreeEntry {
  /** This version is that there was no entry: its author deleted it. `value` is undefined. */
  readonly deleted: boolean;
}

export interface KeepHistory {
  /** How many versions of each entry are kept besides the present one. */
  readonly versions: number;
  /** For how many days after another took its place. Default: for as long as `versions` allows. */
  readonly days?: number | undefined;
}

export interface DiffOptions extends AbortOptions {
  /** The version to begin with. Default: the one before `to`. */
  readonly from?: Revision | undefined;
  /** The version to end with. Default: the present one. */
  readonly to?: Revision | undefined;
}

export const DIFF_OPTIONS: OptionNames<DiffOptions> = { ...ABORT_OPTIONS, from: true, to: true };
const KEEP_OPTIONS: OptionNames<KeepHistory> = { versions: true, days: true };
const DAY_MS = 24 * 60 * 60 * 1_000;

/** Newest first. */
export async function readHistory(
  engine: Engine,
  path: Path,
  options: AbortOptions,
): Promise<TreeVersion[]> {
  return (await engine.history(path, options)).map(toVersion);
}

/** @throws TypeError, RangeError for numbers that are none */
export function ruleOf(prefix: Path, keep: KeepHistory): HistoryRule {
  checkOptions(keep, KEEP_OPTIONS, "tree.keepHistory");
  const { versions, days } = keep;
  return { prefix, versions, maxAgeMs: days === undefined ? Infinity : days * DAY_MS };
}

/** What became different between two versions of an entry. @throws TreeError `TREE_NO_VERSION` */
export async function diffVersions(
  engine: Engine,
  path: Path,
  { from, to, signal }: DiffOptions,
): Promise<Difference[]> {
  const history = await readHistory(engine, path, { signal });
  const after = to === undefined ? 0 : indexOf(history, to, path);
  const before = from === undefined ? after + 1 : indexOf(history, from, path);
  return differences(contentOf(history[before]), contentOf(history[after]));
}

/** The version of that revision. @throws TreeError `TREE_NO_VERSION` */
export async function versionAt(
  engine: Engine,
  path: Path,
  revision: Revision,
  options: AbortOptions,
): Promise<{ version: TreeVersion; present: TreeVersion | undefined }> {
  const history = await readHistory(engine, path, options);
  const version = history[indexOf(history, revision, path)] as TreeVersion;
  return { version, present: history[0] };
}

function indexOf(history: readonly TreeVersion[], revision: Revision, path: PathLike): number {
  const index = history.findIndex((version) => version.revision === revision);
  if (index >= 0) return index;
  const kept = history.map((version) => version.revision);
  const says = kept.length === 0 ? "none is kept" : `kept are ${kept.join(", ")}`;
  throw new TreeError(
    "TREE_NO_VERSION",
    `${formatPath(path as Path)} has no version of revision ${revision}: ${says}`,
    { details: { revision, kept } },
  );
}

function contentOf(version: TreeVersion | undefined): unknown {
  return version === undefined || version.deleted ? undefined : valueOf(version);
}

function toVersion(stored: EngineVersion): TreeVersion {
  const { value, ...rest } = stored;
  if (value === undefined) return { ...rest, value: undefined, deleted: true };
  return { ...toTreeEntry({ ...rest, value }), deleted: false };
}
