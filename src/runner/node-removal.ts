import { type AbortOptions } from "../base/abort.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { BanyanError, RunnerError } from "../base/errors.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath } from "../wire/path-text.ts";
import { Path } from "../wire/path.ts";
import { type NodeEntry, toNodeEntry } from "./node-entry.ts";
import { isCertainlyGone } from "./process-identity.ts";

export interface RemoveNodeOptions extends AbortOptions {
  /** Also where jobs are placed at the node: they wait for one of that name. */
  readonly force?: boolean | undefined;
  readonly clock?: Clock | undefined;
}

const REMOVE_OPTIONS: OptionNames<RemoveNodeOptions> = {
  ...ABORT_OPTIONS,
  force: true,
  clock: true,
};

/** An observer waits this much longer than the lease: clocks run unevenly. */
const SLACK = 1.05;

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
  options: RemoveNodeOptions = {},
): Promise<boolean> {
  checkOptions(options, REMOVE_OPTIONS, "removeNode");
  const at = tree.system.node.append(name);
  const stored = await tree.entry(at, { signal: options.signal });
  if (stored === undefined) return false;
  if (options.force !== true) await checkPlaced(tree, name);
  const entry = toNodeEntry(stored.value);
  const lives = entry !== undefined && entry.ended === undefined && !isCertainlyGone(entry);
  const ifRevision = lives
    ? await outlive(tree, at, { entry, revision: stored.revision, options })
    : stored.revision;
  if (ifRevision === 0) return true;
  try {
    await tree.delete(at, { ifRevision });
  } catch (cause) {
    if (BanyanError.has(cause, "ENGINE_CONFLICT")) throw alive(name, cause);
    throw cause;
  }
  for (const root of [tree.system.owner, tree.system.state, tree.system.run]) {
    await tree.delete(root.append(name), { recursive: true });
  }
  return true;
}

interface Suspect {
  readonly entry: NodeEntry;
  readonly revision: number;
  readonly options: RemoveNodeOptions;
}

/** Waits until the lease can't hold any more. @returns the entry's revision then, 0 where it is gone */
async function outlive(tree: Tree, at: Path, suspect: Suspect): Promise<number> {
  const { entry, options } = suspect;
  const { clock = systemClock, signal } = options;
  const waitMs = entry.lease.length * 1000 * SLACK;
  await using watch = tree.watch(at, { maxDepth: 0, signal });
  const enough = (): void => void watch.close();
  let over = clock.after(waitMs, enough);
  try {
    for await (const event of watch) {
      if (event.type === "delete") return 0;
      if (event.type === "put" && event.entry.revision !== suspect.revision) {
        if (toNodeEntry(event.entry.value)?.ended !== undefined) return event.entry.revision;
        throw alive(String(at.name));
      }
      if (event.type !== "live") continue;
      // While the store was away nobody could renew.
      over[Symbol.dispose]();
      over = clock.after(waitMs, enough);
    }
    return suspect.revision;
  } finally {
    over[Symbol.dispose]();
  }
}

async function checkPlaced(tree: Tree, name: string): Promise<void> {
  const { job } = tree.system;
  const placed: string[] = [];
  for await (const { path, value } of tree.walk(job)) {
    const place = Object(Object(value).place) as { readonly node?: unknown };
    if (place.node === name) placed.push(formatPath(Path.fromElements(path.slice(job.length))));
  }
  if (placed.length === 0) return;
  const message = `jobs are placed at node ${name}: ${placed.join(", ")}; move or delete them first`;
  throw new RunnerError("RUNNER_IN_USE", message, { details: { node: name, jobs: placed } });
}

function alive(name: string, cause?: unknown): RunnerError {
  return new RunnerError("RUNNER_NAME_TAKEN", `node ${name} is alive: stop it first`, {
    cause,
    details: { node: name },
  });
}
