import type { BanyanNode, NodeOptions } from "./node.ts";

/**
 * Runs the jobs of a tree in this process, until the node is closed. Resolves when it holds its lease.
 * What a node needs is loaded with the first: most programs that use a tree run none.
 *
 * @throws RunnerError `RUNNER_NAME_TAKEN` if a node of that name is alive; TypeError and RangeError for
 *   options that no node can have
 */
export async function runNode(options: NodeOptions): Promise<BanyanNode> {
  const node = await import("./node.ts");
  return await node.runNode(options);
}
