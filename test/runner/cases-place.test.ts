/**
 * The marked cases of groups AN, SI and AL: stored code on nodes over one tree, on a clock that the test moves.
 */
import { describe, expect, it } from "vitest";

import { Cluster } from "./cluster.ts";
import { byName, ENDLESS, now, QUICK, running, stopped, three } from "./steps.ts";

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
