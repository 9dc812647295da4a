/**
 * The marked cases of groups EN, AN, SI and AL: stored code on nodes over one tree, on a clock that the
 * test moves.
 */
import { describe, expect, it } from "vitest";

import type { JobState } from "../../src/runner/job.ts";
import { Cluster, type TestNode } from "./cluster.ts";

const QUICK = { lease: { length: 2, renewal: 0.4, margin: 0.3 } };
const ENDLESS = "await _self.setupDone(); while (!_self.cancelled) await _self.timer(1)";

function now(cluster: Cluster): number {
  return cluster.clock.wall() / 1000;
}

async function stopped(cluster: Cluster, job: string): Promise<JobState | undefined> {
  const state = await cluster.jobs.state(job);
  return state === undefined || state.stopped === null ? undefined : state;
}

async function running(cluster: Cluster, job: string): Promise<JobState | undefined> {
  const state = await cluster.jobs.state(job);
  return state?.stopped === null ? state : undefined;
}

async function three(cluster: Cluster): Promise<TestNode[]> {
  const nodes: TestNode[] = [];
  for (const name of ["n1", "n2", "n3"]) nodes.push(await cluster.start(name, QUICK));
  return nodes;
}

function byName(cluster: Cluster, name: string): TestNode {
  const found = cluster.nodes.find((node) => node.name === name && node.alive);
  if (found === undefined) throw new Error(`no node ${name}`);
  return found;
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

  it("EN2: never starts without a target, and says why", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1");
    await cluster.proc("forty.two", "return 42");
    await cluster.jobs.set("my.job", { code: "forty.two", target: null });
    await cluster.clock.advanceAsync(100_000);
    expect(await cluster.jobs.states("my.job")).toEqual([]);
    expect(await cluster.jobs.why("my.job")).toEqual({ "-": "no target" });
  });

  it("EN4: does not run again what ran, also after the node's restart", async () => {
    await using cluster = await Cluster.open();
    const first = await cluster.start("n1");
    await cluster.proc("forty.two", "return 42");
    await cluster.jobs.set("my.job", { code: "forty.two" });
    const { token } = await cluster.until(() => stopped(cluster, "my.job"));
    await cluster.settle(first.runner.close());
    await cluster.start("n1");
    await cluster.clock.advanceAsync(10_000);
    expect(await cluster.jobs.state("my.job")).toMatchObject({ token });
  });

  it("EN6: waits delay * backoff ** n after the nth failure, and no longer than max_delay", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1");
    await cluster.proc("bad", "throw new Error('no')");
    const backoff = { delay: 1, backoff: 2, max_delay: 10, jitter: 0 };
    await cluster.jobs.set("my.job", { code: "bad", ...backoff });
    await cluster.clock.advanceAsync(40_000);
    const starts = (await cluster.jobs.runs("my.job")).map(({ started }) => started).toReversed();
    const gaps = starts.slice(1).map((start, i) => start - (starts[i] ?? 0));
    expect(gaps.map((gap) => Math.round(gap))).toEqual([2, 4, 8, 10, 10]);
    const record = await cluster.tree.errors.get({ subsystem: "run", path: "my.job" });
    expect(record).toMatchObject({ count: 6, message: "no" });
    expect(record?.resolved).toBeUndefined();
    expect(await cluster.jobs.state("my.job")).toMatchObject({ backoff: 6, comment: "error: no" });
  });

  it("EN8: counts an endless run as a success after ok_after", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1");
    await cluster.proc(
      "flaky",
      `const tries = (await _client.get("tries")) ?? 0;
       await _client.set("tries", tries + 1);
       if (tries === 0) throw new Error("first");
       while (!_self.cancelled) await _self.timer(1);`,
    );
    await cluster.jobs.set("my.job", { code: "flaky", delay: 1, ok_after: 2 });
    await cluster.until(async () => (await running(cluster, "my.job"))?.reason === "retry");
    await cluster.clock.advanceAsync(1_500);
    expect(await cluster.jobs.state("my.job")).toMatchObject({ backoff: 1 });
    await cluster.clock.advanceAsync(1_500);
    expect(await cluster.jobs.state("my.job")).toMatchObject({ backoff: 0, stopped: null });
    const record = await cluster.tree.errors.get({ subsystem: "run", path: "my.job" });
    expect(record?.resolved).toBeGreaterThan(0);
  });

  it("EN10: cancels a run and starts anew when the entry points at other code", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1");
    await cluster.proc("endless", ENDLESS);
    await cluster.proc("other", "return 'other'");
    await cluster.jobs.set("my.job", { code: "endless" });
    await cluster.until(() => running(cluster, "my.job"));
    await cluster.jobs.set("my.job", { code: "other" });
    const state = await cluster.until(() => stopped(cluster, "my.job"));
    await cluster.clock.advanceAsync(1_000);
    expect(await cluster.jobs.state("my.job")).toMatchObject({
      result: "other",
      stopped: state.stopped,
    });
    const runs = await cluster.jobs.runs("my.job");
    expect(runs.map(({ reason, outcome, cause }) => [reason, outcome, cause])).toEqual([
      ["code-change", "ok", undefined],
      ["first", "cancelled", "edit"],
    ]);
  });

  it("EN12: goes on when only the info, or the wait after failures, changed", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1");
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless", data: { a: [1] } });
    const { token } = await cluster.until(() => running(cluster, "my.job"));
    await cluster.jobs.set("my.job", { code: "endless", data: { a: [1] }, info: "new", delay: 3 });
    await cluster.clock.advanceAsync(2_000);
    expect(await cluster.jobs.state("my.job")).toMatchObject({ token, stopped: null });
    await cluster.jobs.set("my.job", { code: "endless", data: { a: [2] } });
    const next = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state !== undefined && state.token > token ? state : undefined;
    });
    expect(next.reason).toBe("code-change");
  });

  it("EN18: stops a run that takes too long, and counts that as a failure", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1");
    await cluster.proc("deaf", "await new Promise(() => {})");
    await cluster.jobs.set("my.job", { code: "deaf", timeout: 1 });
    const state = await cluster.until(() => stopped(cluster, "my.job"), 20_000);
    expect(state.backoff).toBe(1);
    const [run] = await cluster.jobs.runs("my.job");
    expect(run).toMatchObject({ outcome: "timeout", cause: "timeout" });
  });

  it("EN20: spreads the starts of jobs that are due together, those due first going first", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1", { startSpacingMs: 1_000 });
    await cluster.proc("forty.two", "return 42");
    const target = now(cluster) + 1;
    for (const i of [3, 0, 2, 1]) {
      await cluster.jobs.set(["job", `j${i}`], { code: "forty.two", target: target + i / 100 });
    }
    await cluster.clock.advanceAsync(10_000);
    const starts = await Promise.all(
      [0, 1, 2, 3].map(async (i) => (await cluster.jobs.state(["job", `j${i}`]))?.started ?? 0),
    );
    const gaps = starts.slice(1).map((start, i) => Math.round(start - (starts[i] ?? 0)));
    expect(gaps).toEqual([1, 1, 1]);
  });

  it("EN24: makes a result that can't be stored the run's error, and goes on", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1");
    await cluster.proc("odd", "return () => 1");
    await cluster.proc("forty.two", "return 42");
    await cluster.jobs.set("odd.job", { code: "odd" });
    const state = await cluster.until(() => stopped(cluster, "odd.job"));
    expect(state).toMatchObject({ backoff: 1, result: null });
    const [run] = await cluster.jobs.runs("odd.job");
    expect(run).toMatchObject({ outcome: "error", error: { code: "RUNNER_BAD_RESULT" } });
    await cluster.jobs.set("my.job", { code: "forty.two" });
    await cluster.until(() => stopped(cluster, "my.job"));
  });
});

describe("AN: any-node", () => {
  const WATCHES = `
    await _self.watch("test:4242");
    for await (const event of _info) {
      if (event.type !== "change" || event.value !== 42) continue;
      await _self.timer(10);
      return 42;
    }`;

  it("AN1: a job that watches a value ends when it should", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1");
    await cluster.proc("watcher", WATCHES);
    await cluster.jobs.set("my.job", { code: "watcher", target: now(cluster) });
    await cluster.until(() => running(cluster, "my.job"));
    await cluster.tree.set("test:4242", 13);
    await cluster.clock.advanceAsync(2_000);
    expect(await stopped(cluster, "my.job")).toBeUndefined();
    await cluster.tree.set("test:4242", 42);
    await cluster.clock.advanceAsync(2_000);
    expect(await stopped(cluster, "my.job")).toBeUndefined();
    await cluster.clock.advanceAsync(10_000);
    expect(await stopped(cluster, "my.job")).toMatchObject({ result: 42, backoff: 0 });
  });

  it("AN2: a job that hears messages ends when it should", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1");
    await cluster.proc(
      "listener",
      `await _self.monitor("test.abcd");
       for await (const event of _info) {
         if (event.type !== "message" || event.value !== 41) continue;
         await _self.timer(10);
         return 43;
       }`,
    );
    await cluster.jobs.set("my.job", { code: "listener", target: now(cluster) });
    await cluster.until(() => running(cluster, "my.job"));
    await cluster.clock.advanceAsync(100);
    await cluster.tree.publish("test.abcd", 13);
    await cluster.clock.advanceAsync(2_000);
    expect(await stopped(cluster, "my.job")).toBeUndefined();
    await cluster.tree.publish("test.abcd", 41);
    await cluster.clock.advanceAsync(12_000);
    expect(await stopped(cluster, "my.job")).toMatchObject({ result: 43, backoff: 0 });
  });

  it("AN3: runs each of 20 jobs on exactly one of 3 nodes", async () => {
    await using cluster = await Cluster.open();
    await three(cluster);
    await cluster.proc("endless", ENDLESS);
    for (let i = 0; i < 20; i++) await cluster.jobs.set(["job", i], { code: "endless" });
    await cluster.clock.advanceAsync(3_000);
    const active = cluster.nodes.map((node) => node.executor.active.size);
    expect(active.reduce((sum, count) => sum + count, 0)).toBe(20);
    expect(Math.max(...active)).toBeLessThan(20);
    for (const listing of await cluster.jobs.list("job")) expect(listing.state).toBe("running");
    for (let i = 0; i < 20; i++) expect(await cluster.jobs.runs(["job", i])).toHaveLength(1);
  });

  it("AN7: goes on elsewhere at once when its node closes", async () => {
    await using cluster = await Cluster.open();
    await three(cluster);
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless" });
    const first = await cluster.until(() => running(cluster, "my.job"));
    const before = cluster.clock.now();
    await cluster.settle(byName(cluster, first.node).runner.close());
    const next = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state !== undefined && state.node !== first.node ? state : undefined;
    });
    expect(next).toMatchObject({ reason: "takeover", backoff: 0 });
    // The code needs up to a second to notice.
    expect(cluster.clock.now() - before).toBeLessThan(1_500);
  });

  it.each([
    ["its lease ran out", false, 2_600],
    ["its process is seen to be gone", true, 500],
  ])("G3: goes on elsewhere when its node is killed and %s", async (_, certain, withinMs) => {
    await using cluster = await Cluster.open();
    const isGone = certain ? cluster.isGone : () => false;
    for (const name of ["n1", "n2", "n3"]) await cluster.start(name, { ...QUICK, isGone });
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless" });
    const first = await cluster.until(() => running(cluster, "my.job"));
    byName(cluster, first.node).kill();
    const next = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state !== undefined && state.node !== first.node ? state : undefined;
    }, withinMs);
    expect(next).toMatchObject({ reason: "failover", backoff: 0 });
    const runs = await cluster.until(async () => {
      const all = await cluster.jobs.runs("my.job");
      return all.length === 2 && all;
    });
    expect(runs.map(({ outcome }) => outcome)).toEqual([undefined, "lost"]);
    const record = await cluster.tree.errors.get({ subsystem: "run", path: "my.job" });
    expect(record?.message).toContain(`node ${first.node} went away`);
    // It has said that it is set up.
    await cluster.clock.advanceAsync(100);
    const later = await cluster.tree.errors.get({ subsystem: "run", path: "my.job" });
    expect(later?.resolved).toBeGreaterThan(0);
  });

  it("AN11, G4: is not disturbed when the store is away for less than the lease", async () => {
    await using cluster = await Cluster.open();
    await three(cluster);
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless" });
    const { token } = await cluster.until(() => running(cluster, "my.job"));
    for (const node of cluster.nodes) node.engine.cut();
    await cluster.clock.advanceAsync(1_000);
    for (const node of cluster.nodes) node.engine.heal();
    await cluster.clock.advanceAsync(5_000);
    expect(await cluster.jobs.state("my.job")).toMatchObject({ token, stopped: null });
    expect(await cluster.jobs.runs("my.job")).toHaveLength(1);
  });

  it("G5: stops when the store is away for longer, and runs once when it is back", async () => {
    await using cluster = await Cluster.open();
    await three(cluster);
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless" });
    const { token } = await cluster.until(() => running(cluster, "my.job"));
    for (const node of cluster.nodes) node.engine.cut();
    await cluster.clock.advanceAsync(1_950);
    expect(cluster.nodes.map((node) => node.executor.active.size)).toEqual([0, 0, 0]);
    await cluster.clock.advanceAsync(10_000);
    for (const node of cluster.nodes) node.engine.heal();
    const next = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state !== undefined && state.token > token ? state : undefined;
    }, 1_000);
    expect(next.backoff).toBeLessThanOrEqual(1);
    await cluster.clock.advanceAsync(3_000);
    const active = cluster.nodes.reduce((sum, node) => sum + node.executor.active.size, 0);
    expect(active).toBe(1);
  });

  it("AN15: counts the restart of its own node as a failure", async () => {
    await using cluster = await Cluster.open();
    const first = await cluster.start("n1", QUICK);
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless", delay: 3, backoff: 1, jitter: 0 });
    await cluster.until(() => running(cluster, "my.job"));
    first.kill();
    await cluster.start("n1", { ...QUICK, isGone: cluster.isGone });
    const lost = await cluster.until(() => stopped(cluster, "my.job"));
    expect(lost).toMatchObject({ backoff: 1, comment: "the node was restarted" });
    const record = await cluster.tree.errors.get({ subsystem: "run", path: "my.job" });
    expect(record?.message).toContain("runner was restarted");
    const again = await cluster.until(() => running(cluster, "my.job"));
    expect(again.started - (lost.stopped ?? 0)).toBeCloseTo(3, 0);
    expect(again.reason).toBe("retry");
  });

  it("AN17: runs only where the labels are, and says why not", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1", QUICK);
    const second = await cluster.start("n2", { ...QUICK, labels: { gpu: "big" } });
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless", labels: { gpu: "big" } });
    expect(await cluster.until(() => running(cluster, "my.job"))).toMatchObject({ node: "n2" });
    await cluster.settle(second.runner.close());
    await cluster.clock.advanceAsync(3_000);
    expect(await running(cluster, "my.job")).toBeUndefined();
    expect(await cluster.jobs.why("my.job")).toEqual({
      "-": "no eligible node (n1: lacks gpu=big)",
    });
  });

  it("AN21: gives a higher token after somebody deleted the owner record", async () => {
    await using cluster = await Cluster.open();
    await three(cluster);
    await cluster.proc(
      "writer",
      "while (!_self.cancelled) { await _client.set('x', _self.token); await _self.timer(1) }",
    );
    await cluster.jobs.set("my.job", { code: "writer" });
    const first = await cluster.until(() => running(cluster, "my.job"));
    await cluster.tree.delete(cluster.tree.system.owner.concat(["-", "my", "job"]));
    const next = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state !== undefined && state.token !== first.token ? state : undefined;
    });
    expect(next.token).toBeGreaterThan(first.token);
    await cluster.clock.advanceAsync(5_000);
    expect(cluster.nodes.reduce((sum, node) => sum + node.executor.active.size, 0)).toBe(1);
  });

  it("AN23: keeps a lease whose renewals are answered by nobody", async () => {
    await using cluster = await Cluster.open();
    const node = await cluster.start("n1", QUICK);
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless" });
    const { token } = await cluster.until(() => running(cluster, "my.job"));
    node.engine.faults.losesReply = () => true;
    await cluster.clock.advanceAsync(10_000);
    node.engine.faults.losesReply = () => false;
    await cluster.clock.advanceAsync(100);
    expect(await cluster.jobs.state("my.job")).toMatchObject({ token, stopped: null });
  });
});

describe("SI and AL: single-node and all-node", () => {
  const WAITS = "await _self.timer(10); return 42";

  it("SI1: runs a job on the node it names, and on no other", async () => {
    await using cluster = await Cluster.open();
    await three(cluster);
    await cluster.tree.set(":", 123);
    await cluster.proc("waits", WAITS);
    await cluster.jobs.set("my.job", {
      code: "waits",
      place: { node: "n2" },
      target: now(cluster),
    });
    const state = await cluster.until(() => stopped(cluster, "my.job"), 12_000);
    expect(state).toMatchObject({ node: "n2", result: 42, backoff: 0 });
    expect(await cluster.jobs.states("my.job")).toHaveLength(1);
    expect(await cluster.tree.get(":")).toBe(123);
  });

  it("AL1: runs a job on every node", async () => {
    await using cluster = await Cluster.open();
    await three(cluster);
    await cluster.proc("waits", WAITS);
    await cluster.jobs.set("my.job", {
      code: "waits",
      place: { all: "default" },
      target: now(cluster) + 1,
    });
    await cluster.clock.advanceAsync(12_000);
    const states = await cluster.jobs.states("my.job");
    expect(states.map(({ slot }) => slot)).toEqual(["n1", "n2", "n3"]);
    for (const { state } of states) expect(state).toMatchObject({ result: 42, backoff: 0 });
  });

  it("AL3: starts it on a node that joins", async () => {
    await using cluster = await Cluster.open();
    await three(cluster);
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless", place: { all: "default" } });
    await cluster.clock.advanceAsync(1_000);
    await cluster.start("n4", QUICK);
    await cluster.clock.advanceAsync(500);
    const states = await cluster.jobs.states("my.job");
    expect(states.map(({ slot, state }) => [slot, state.stopped])).toContainEqual(["n4", null]);
  });

  it("runs a job only in its group, and only where its kind of place is served", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1", { ...QUICK, groups: ["house"] });
    await cluster.start("n2", { ...QUICK, groups: ["garden"], types: ["single"] });
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("garden.any", { code: "endless", place: { any: "garden" } });
    await cluster.jobs.set("house.all", { code: "endless", place: { all: "house" } });
    await cluster.jobs.set("one", { code: "endless", place: { node: "n2", group: "garden" } });
    await cluster.jobs.set("other", { code: "endless", place: { node: "n2", group: "house" } });
    await cluster.clock.advanceAsync(3_000);
    const where = (await cluster.jobs.list()).map(({ path, nodes }) => [path.join("."), ...nodes]);
    expect(where).toEqual([["garden.any"], ["house.all", "n1"], ["one", "n2"], ["other"]]);
  });
});
