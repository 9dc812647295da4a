import type { Tree } from "../../tree/tree.ts";
import { NodeError } from "../../base/errors.ts";
import type { DirectoryPlace } from "../directory.ts";
import type { LocalFile, SyncFolder } from "./folder.ts";
import type { RemoteEntry } from "./remote.ts";
import { isConflict, type Standing } from "./standing.ts";
import type { SyncedEntry } from "./state.ts";

/** An entry on both sides. */
export interface SyncItem extends DirectoryPlace, Standing {
  readonly key: string;
  /** The file there is, or will be; relative to the directory, with slashes. */
  readonly file: string;
  readonly base: SyncedEntry | undefined;
  readonly local: LocalFile | undefined;
  readonly remote: RemoteEntry | undefined;
  /** Why it can't be compared. */
  readonly problem: string | undefined;
}

/** Something that was done, or would be. */
export interface SyncStep extends DirectoryPlace {
  readonly file: string;
  readonly action: "added" | "changed" | "removed";
}

export interface SyncResult {
  readonly done: readonly SyncStep[];
  /** What is gone on this side, and stays on the other: that needs `delete`. */
  readonly kept: readonly SyncStep[];
  /** What could not be done, and why. */
  readonly failed: readonly SyncFailure[];
}

export interface SyncFailure {
  readonly file: string;
  readonly problem: string;
}

export interface TransferOptions {
  /** This side wins where they differ. */
  readonly force: boolean;
  /** Removes what was removed on this side. */
  readonly delete: boolean;
  /** Only says what would be done. */
  readonly dryRun: boolean;
}

/** What a pull or a push works with. */
export interface Transfer {
  readonly tree: Tree;
  readonly folder: SyncFolder;
  readonly items: readonly SyncItem[];
  readonly signal: AbortSignal;
  /** Notes that an entry is in step now; undefined: that it is gone on both sides. */
  readonly settle: (item: SyncItem, now: SyncedEntry | undefined) => void;
}

/**
 * Nothing is done at all where somebody's work would be lost.
 *
 * @throws NodeError `NODE_SYNC_CONFLICT` (details: `files`)
 */
export function refuseConflicts(items: readonly SyncItem[], direction: "pull" | "push"): void {
  const conflicts = items.filter(isConflict);
  if (conflicts.length === 0) return;
  const files = conflicts.map(({ file }) => file);
  const lines = conflicts.map(describe).join("\n");
  const says =
    `changed on both sides, so nothing was ${direction}ed:\n${lines}\n` +
    "`banyan sync diff` shows how they differ. Then take the tree's with `banyan sync pull DIR FILE... --force`, " +
    "or yours with `banyan sync push DIR FILE... --force`, which may be a file in which you merged both";
  throw new NodeError("NODE_SYNC_CONFLICT", says, { details: { files } });
}

function describe({ file, here, there, remote, base }: SyncItem): string {
  const by = remote === undefined ? "" : ` (revision ${remote.revision} by ${remote.author})`;
  const never = base === undefined ? "; they were never in step" : "";
  return `  ${file}: ${here} here, ${there} in the tree${by}${never}`;
}

/** What becomes of one side when it is made as the other one is. */
export function actionFor(
  before: object | undefined,
  after: object | undefined,
): SyncStep["action"] {
  if (after === undefined) return "removed";
  return before === undefined ? "added" : "changed";
}
