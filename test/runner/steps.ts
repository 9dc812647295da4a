import type { JobState } from "../../src/runner/job.ts";
import type { Cluster, TestNode } from "./cluster.ts";

/** A short lease, so that little time has to pass. */
export const QUICK = { lease: { length: 2, renewal: 0.4, margin: 0.3 } };

/** Code that runs until it is cancelled. */
export const ENDLESS = "await _self.setupDone(); while (!_self.cancelled) await _self.timer(1)";

/** Seconds since 1970. */
export function now(cluster: Cluster): number {
  return cluster.clock.wall() / 1000;
}

/** The state of a job that has stopped. */
export async function stopped(cluster: Cluster, job: string): Promise<JobState | undefined> {
  const state = await cluster.jobs.state(job);
  return state === undefined || state.stopped === null ? undefined : state;
}

/** The state of a job that runs. */
export async function running(cluster: Cluster, job: string): Promise<JobState | undefined> {
  const state = await cluster.jobs.state(job);
  return state?.stopped === null ? state : undefined;
}

/** Nodes n1, n2 and n3. */
export async function three(cluster: Cluster): Promise<TestNode[]> {
  const nodes: TestNode[] = [];
  for (const name of ["n1", "n2", "n3"]) nodes.push(await cluster.start(name, QUICK));
  return nodes;
}

/** The living node of that name. */
export function byName(cluster: Cluster, name: string): TestNode {
  const found = cluster.nodes.find((node) => node.name === name && node.alive);
  if (found === undefined) throw new Error(`no node ${name}`);
  return found;
}
