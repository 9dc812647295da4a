import type { AbortOptions } from "../base/abort.ts";
import { ABORT_OPTIONS, checkOptions } from "../base/options.ts";
import type { Revision } from "../engine/engine.ts";
import { type JobEntry } from "../runner/job.ts";
import { parseJob } from "../runner/parse-job.ts";
import type { Tree } from "../tree/tree.ts";
import { networkUser } from "../tree/users/network-author.ts";
import { whyNotRun } from "../tree/users/run-right.ts";
import { Path } from "../wire/path.ts";

/** A job that somebody set, and whether they might do so now. */
export interface UserJob {
  readonly path: Path;
  /** The procedure that it runs. */
  readonly code: Path;
  /** Whether this user is let in, and has `x` on the procedure. */
  readonly mayRun: boolean;
  /** `false`: it is not started. */
  readonly enabled: boolean;
  readonly revision: Revision;
  /** When it was set: milliseconds since 1970. */
  readonly time: number;
}

/**
 * The jobs whose entries a user of the network wrote last, also one who is removed by now. It reads users
 * and roles, so it is for admins, and for who opens the tree's folder.
 */
export async function listUserJobs(
  tree: Tree,
  name: string,
  options: AbortOptions = {},
): Promise<UserJob[]> {
  checkOptions(options, ABORT_OPTIONS, "listUserJobs");
  const { job: jobRoot } = tree.system;
  // Refuses where nobody may know that.
  await tree.users.get(name, options);
  const jobs: UserJob[] = [];
  for await (const { path, value, author, revision, time } of tree.walk(jobRoot, options)) {
    const entry = networkUser(author) === name ? entryIn(value) : undefined;
    if (entry === undefined) continue;
    const { code, enabled } = entry;
    const mayRun = (await whyNotRun(tree, name, code, options)) === undefined;
    const below = Path.fromElements(path.slice(jobRoot.length));
    jobs.push({ path: below, code, mayRun, enabled, revision, time });
  }
  return jobs;
}

/** Undefined for what no node runs. */
function entryIn(value: unknown): JobEntry | undefined {
  try {
    return parseJob(value);
  } catch {
    return undefined;
  }
}
