import { fileURLToPath } from "node:url";

import { NodeError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { LockFile } from "./lock-file.ts";
import { placesOf } from "./tree-folder.ts";
import { supervise, type ChildSpec } from "./supervise.ts";

export interface DevOptions {
  /** The folder of procedures, modules, jobs and data. */
  readonly directory: string;
  /** The folder that holds the tree's `.banyan`. */
  readonly tree: string;
  /** Names of the nodes, a process each. */
  readonly nodes: readonly string[];
  readonly watch: boolean;
  readonly verbose: boolean;
  readonly log: Log;
  /** Ends everything, in order. */
  readonly signal: AbortSignal;
}

/** How long a killed node stays away: long enough to see its jobs move. */
const RESTART_MS = 3_000;

/**
 * Hub, nodes and loader as processes of their own, until the signal. This process only watches over
 * them: it never opens the tree, so nothing that happens to the tree can take it along.
 */
export async function dev(options: DevOptions): Promise<void> {
  const command = fileURLToPath(new URL("../entry/banyan.js", import.meta.url));
  const loader = fileURLToPath(new URL("../entry/load.js", import.meta.url));
  const verbose = options.verbose ? ["--verbose"] : [];
  const children: ChildSpec[] = [
    {
      name: "hub",
      args: [command, "--quiet", "--tree", options.tree, "up"],
      restartMs: 100,
      endsLast: true,
    },
    {
      name: "load",
      args: [loader, options.directory, options.tree, ...(options.watch ? ["--watch"] : [])],
      restartMs: 500,
      // Without watching it has nothing more to do once everything is in the tree.
      endsAlone: !options.watch,
    },
    ...options.nodes.map((name) => ({
      name,
      args: [command, "--tree", options.tree, "node", "run", "--name", name, ...verbose],
      restartMs: RESTART_MS,
    })),
  ];
  const lock = await LockFile.take(placesOf(options.tree).devLock, "dev");
  if (!(lock instanceof LockFile)) {
    throw new NodeError(
      "NODE_TREE_IN_USE",
      `\`banyan dev\` runs on the tree in ${options.tree} already, as process ${lock.pid}`,
      { details: { pid: lock.pid } },
    );
  }
  options.log.info(`tree in ${options.tree}, procedures from ${options.directory}`);
  try {
    await supervise(children, { log: options.log, signal: options.signal });
  } finally {
    await lock.release();
  }
}
