/**
 * The marked cases of groups EN, AN, SI and AL: stored code on nodes over one tree, on a clock that the
 * test moves. (The same cases run on real processes and the hub in test/system.)
 */
import { describe, expect, it } from "vitest";

import type { JobState } from "../../src/runner/job.ts";
import { Cluster } from "./cluster.ts";

function now(cluster: Cluster): number {
  return cluster.clock.wall() / 1000;
}

async function stopped(cluster: Cluster, job: string): Promise<JobState | undefined> {
  const state = await cluster.jobs.state(job);
  return state === undefined || state.stopped === null ? undefined : state;
}

describe("EN: entries and scheduling", () => {
  it("EN1: runs code at its target, and keeps the result", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1");
    await cluster.proc("forty.two", "return 42");
    const target = now(cluster) + 1;
    await cluster.jobs.set("my.job", { code: "forty.two", target });
    await cluster.clock.advanceAsync(900);
    expect(await cluster.jobs.state("my.job")).toBeUndefined();
    const state = await cluster.until(() => stopped(cluster, "my.job"));
    expect(state).toMatchObject({ result: 42, backoff: 0, reason: "first", node: "n1" });
    expect(state.started).toBeGreaterThanOrEqual(target);
    expect(state.stopped).toBeGreaterThan(state.started);
    const [run] = await cluster.jobs.runs("my.job");
    expect(run).toMatchObject({ outcome: "ok", result: 42, id: state.run, token: state.token });
  });
});
