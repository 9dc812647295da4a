/**
 * What most programs that use a tree do without, for all of them: it is loaded with its first use. It would take
 * more memory than all the rest of a process that waits for a change.
 *
 * @module
 */
import type { AbortOptions } from "../base/abort.ts";
import type { CodeRoot as TreeCode, CodeRootOptions } from "../code/code-root.ts";
import type { CodeLibrary as Library, CodeLibraryOptions } from "../code/library.ts";
import type { ModuleRoot as Modules } from "../code/module-root.ts";
import type { GroupListing } from "../runner/group.ts";
import type { JobRoot as Jobs, JobRootOptions } from "../runner/job-root.ts";
import type { RemoveNodeOptions } from "../runner/node-removal.ts";
import type { NodeListing } from "../runner/roster.ts";
import type { Tree } from "../tree/tree.ts";
import type { BanyanNode, NodeOptions } from "./node.ts";
import type { UserJob } from "./user-jobs.ts";

export type CodeLibrary = Library;
export type CodeRoot = TreeCode;
export type ModuleRoot = Modules;
export type JobRoot = Jobs;

export const CodeLibrary = {
  /** Resolves when the code that is there is compiled and linked. The tree stays its caller's. */
  open: async (tree: Tree, options?: CodeLibraryOptions): Promise<CodeLibrary> =>
    (await import("../code/library.ts")).CodeLibrary.open(tree, options),
};

export const CodeRoot = {
  /** Follows the code of a tree, or uses a library that does. Resolves when all is ready to be called. */
  open: async (source: Tree | CodeLibrary, options?: CodeRootOptions): Promise<CodeRoot> =>
    (await import("./code-root.ts")).CodeRoot.open(source, options),
};

export const ModuleRoot = {
  /** Follows the code of a tree, or uses a library that does. Evaluates nothing by itself. */
  open: async (source: Tree | CodeLibrary, options?: CodeLibraryOptions): Promise<ModuleRoot> =>
    (await import("../code/module-root.ts")).ModuleRoot.open(source, options),
};

export const JobRoot = {
  /** Uses `tree`, does not own it. */
  open: async (tree: Tree, options?: JobRootOptions): Promise<JobRoot> =>
    (await import("../runner/job-root.ts")).JobRoot.open(tree, options),
};

/**
 * Runs the jobs of a tree in this process, until the node is closed. Resolves when it holds its lease.
 *
 * @throws RunnerError `RUNNER_NAME_TAKEN` if a node of that name is alive; TypeError and RangeError for
 *   options that no node can have
 */
export async function runNode(options: NodeOptions): Promise<BanyanNode> {
  return (await import("./node.ts")).runNode(options);
}

/** Every node that there was, by name. */
export async function listNodes(tree: Tree): Promise<NodeListing[]> {
  return (await import("../runner/roster.ts")).listNodes(tree);
}

/** Every group that is expected, or has a live member. */
export async function listGroups(tree: Tree): Promise<GroupListing[]> {
  return (await import("../runner/group.ts")).listGroups(tree);
}

/**
 * Says whom a group expects: how many nodes, or which; `undefined`: nobody. Code that runs in it is told who is
 * missing.
 *
 * @returns whether anything is different now
 * @throws TypeError, RangeError for what can't be the name of a group or of a node, or their number
 */
export async function expectMembers(
  tree: Tree,
  group: string,
  expect: number | readonly string[] | undefined,
): Promise<boolean> {
  return (await import("../runner/group.ts")).expectMembers(tree, group, expect);
}

/**
 * Takes a node that does not run any more out of the tree: its entry, and its states, owner records and
 * runs of jobs that were its own. What its runs wrote stays. One that may be alive is looked at for as
 * long as its lease; a process that is gone from this very machine needs no wait.
 *
 * @returns false where there is no such node
 * @throws RunnerError `RUNNER_NAME_TAKEN` where it is alive, `RUNNER_IN_USE` where jobs are placed at it
 */
export async function removeNode(
  tree: Tree,
  name: string,
  options?: RemoveNodeOptions,
): Promise<boolean> {
  return (await import("../runner/node-removal.ts")).removeNode(tree, name, options);
}

/**
 * The jobs whose entries a user of the network wrote last, also one who is removed by now. It reads users
 * and roles, so it is for admins, and for who opens the tree's folder.
 */
export async function listUserJobs(
  tree: Tree,
  name: string,
  options?: AbortOptions,
): Promise<UserJob[]> {
  return (await import("./user-jobs.ts")).listUserJobs(tree, name, options);
}
