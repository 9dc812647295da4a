/** What becomes of leases and jobs where somebody sets the machine's clock by hours. */
import { describe, expect, it } from "vitest";

import { Cluster, type TestNode } from "./cluster.ts";
import { ENDLESS, now, QUICK, running, stopped } from "./steps.ts";

const HOUR_MS = 3_600_000;
const HOUR = 3_600;

function jump(cluster: Cluster, hours: number): void {
  cluster.clock.setWall(cluster.clock.wall() + hours * HOUR_MS);
}

/** Moves time by seconds; gives when new runs of the job were seen, on the steady clock, in seconds. */
async function startsWithin(cluster: Cluster, job: string, seconds: number): Promise<number[]> {
  const starts: number[] = [];
  let last = (await cluster.jobs.state(job))?.token;
  for (let second = 0; second < seconds; second++) {
    await cluster.clock.advanceAsync(1_000);
    const token = (await cluster.jobs.state(job))?.token;
    if (token !== last) starts.push(cluster.clock.now() / 1000);
    last = token;
  }
  return starts;
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, i) => time - (times[i] as number));
}

async function runs(cluster: Cluster, job: string): Promise<number> {
  return (await cluster.jobs.runs(job)).length;
}

/** Leases that are renewed so seldom that minutes take little time. */
const SLOW = { lease: { length: 60, renewal: 20, margin: 1 } };

async function two(cluster: Cluster, options: object = SLOW): Promise<TestNode[]> {
  return [await cluster.start("n1", options), await cluster.start("n2", options)];
}

describe("a clock that is set by hours", () => {
  it.each([5, -5, 24 * 365 * 30])("ends no lease and no run: by %i hours", async (hours) => {
    await using cluster = await Cluster.open();
    const nodes = await two(cluster, QUICK);
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless" });
    const { token } = await cluster.until(() => running(cluster, "my.job"));
    const ids = await Promise.all(
      nodes.map(({ name }) => cluster.tree.get(cluster.tree.system.node.append(name))),
    );
    for (const by of [hours, -hours]) {
      jump(cluster, by);
      await cluster.clock.advanceAsync(20_000);
      expect(await running(cluster, "my.job")).toMatchObject({ token });
      expect(nodes.map(({ runner }) => runner.holdsLease)).toEqual([true, true]);
    }
    for (const [i, { name }] of nodes.entries()) {
      const entry = await cluster.tree.get(cluster.tree.system.node.append(name));
      expect(entry).toMatchObject({ id: Object(ids[i]).id });
      expect(entry).not.toHaveProperty("ended");
    }
    const failed: unknown[] = [];
    for await (const record of cluster.tree.errors.list()) failed.push(record);
    expect(failed).toEqual([]);
  });

  it.each([5, -5])("holds up no take-over: by %i hours", async (hours) => {
    await using cluster = await Cluster.open();
    const nodes = await two(cluster, QUICK);
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless" });
    const { node, token } = await cluster.until(() => running(cluster, "my.job"));
    nodes.find(({ name }) => name === node)?.kill();
    jump(cluster, hours);
    await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state !== undefined && state.node !== node && state.token > token;
    }, 6_000);
  });

  it("leaves a job that repeats its time, and begins at most one run early", async () => {
    await using cluster = await Cluster.open();
    await two(cluster);
    await cluster.proc("quick", "return 1");
    await cluster.jobs.set("my.job", { code: "quick", repeat: 30 });
    const steady = await startsWithin(cluster, "my.job", 100);
    jump(cluster, -6);
    const back = await startsWithin(cluster, "my.job", 100);
    jump(cluster, 9);
    const forward = await startsWithin(cluster, "my.job", 100);
    jump(cluster, -3);
    const right = await startsWithin(cluster, "my.job", 100);
    const all = gaps([...steady, ...back, ...forward, ...right]);
    expect(Math.max(...all)).toBeLessThanOrEqual(32);
    // Where the clock was set forward, it is later than the run was due.
    expect(all.filter((gap) => gap < 29).length).toBeLessThanOrEqual(1);
  });

  it("lets a job that failed wait for what it is told, and no longer", async () => {
    await using cluster = await Cluster.open();
    await two(cluster);
    await cluster.proc("bad", "throw new Error('no')");
    await cluster.jobs.set("my.job", { code: "bad", delay: 30, backoff: 1, jitter: 0 });
    await startsWithin(cluster, "my.job", 40);
    jump(cluster, -6);
    const starts = await startsWithin(cluster, "my.job", 100);
    expect(starts.length).toBeGreaterThanOrEqual(3);
    expect(Math.max(...gaps(starts))).toBeLessThanOrEqual(32);
  });

  it("begins what is due by it once, and not again when that moment comes", async () => {
    await using cluster = await Cluster.open();
    await two(cluster);
    await cluster.proc("quick", "return 1");
    const target = now(cluster) + 2 * HOUR;
    await cluster.jobs.set("my.job", { code: "quick", target });
    await cluster.clock.advanceAsync(1_000);
    jump(cluster, 3);
    await cluster.until(() => stopped(cluster, "my.job"), 61_000);
    jump(cluster, -3);
    await cluster.clock.advanceAsync(70_000);
    // Two hours later.
    jump(cluster, 2);
    await cluster.clock.advanceAsync(130_000);
    expect(await runs(cluster, "my.job")).toBe(1);
    expect(await cluster.jobs.why("my.job")).toEqual({ "-": "it ran, and does not repeat" });
  });

  it("passes over no target that was set after it is right again", async () => {
    await using cluster = await Cluster.open();
    jump(cluster, 10);
    await two(cluster);
    await cluster.proc("quick", "return 1");
    await cluster.jobs.set("my.job", { code: "quick" });
    await cluster.until(() => stopped(cluster, "my.job"));
    jump(cluster, -10);
    await cluster.clock.advanceAsync(1_000);
    await cluster.jobs.set("my.job", { code: "quick", target: now(cluster) + 60 });
    expect(Object.values(await cluster.jobs.why("my.job"))[0]).toMatch(
      /^waiting for its target, in /,
    );
    await cluster.until(async () => (await runs(cluster, "my.job")) === 2, 62_000);
    jump(cluster, 11);
    await cluster.clock.advanceAsync(130_000);
    expect(await runs(cluster, "my.job")).toBe(2);
  });

  it.each([5, -5])("voids no request, and none is seen to twice: by %i hours", async (hours) => {
    await using cluster = await Cluster.open();
    await two(cluster);
    await cluster.proc("quick", "return 1");
    await cluster.jobs.set("my.job", { code: "quick", target: null });
    // Whoever asks has another clock than the nodes.
    const request = cluster.tree.system.root.concat(["request", "my", "job"]);
    await cluster.tree.set(request, { action: "run", time: now(cluster) + hours * HOUR });
    await cluster.until(() => stopped(cluster, "my.job"), 2_000);
    jump(cluster, hours);
    await cluster.clock.advanceAsync(12 * 60_000);
    expect(await runs(cluster, "my.job")).toBe(1);
    // One that nobody could see to for long is void, as ever.
    await cluster.jobs.set("my.job", { code: "missing", target: null });
    await cluster.jobs.run("my.job");
    jump(cluster, hours);
    await cluster.clock.advanceAsync(11 * 60_000);
    await cluster.proc("missing", "return 1");
    await cluster.clock.advanceAsync(60_000);
    expect(await runs(cluster, "my.job")).toBe(1);
  });
});
