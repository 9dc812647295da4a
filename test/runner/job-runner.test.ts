import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { ExecutorError } from "../../src/base/errors.ts";
import type { CodeSource, OpenRunObjects } from "../../src/runner/run-context.ts";
import { Cluster } from "./cluster.ts";
import { ENDLESS, QUICK, running, stopped } from "./steps.ts";
import type { TestExecution } from "./test-executor.ts";

async function open(): Promise<Cluster> {
  const cluster = await Cluster.open();
  await cluster.start("n1", QUICK);
  await cluster.proc("endless", ENDLESS);
  return cluster;
}

/** The one thing that runs on the first node. */
function execution(cluster: Cluster): TestExecution {
  const node = cluster.nodes[0];
  const lanes = [node?.executor, ...(node?.lanes ?? [])];
  const [found] = lanes.flatMap((lane) => [...(lane?.active.values() ?? [])]);
  if (found === undefined) throw new Error("nothing runs");
  return found;
}

describe("JobRunner, where the code changes", () => {
  it("restarts what runs when its code does", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless" });
    const first = await cluster.until(() => running(cluster, "my.job"));
    await cluster.proc("endless", `${ENDLESS} // new`);
    const next = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state !== undefined && state.token > first.token ? state : undefined;
    });
    expect(next.reason).toBe("code-change");
    expect(next.code).not.toBe(first.code);
    const [, old] = await cluster.jobs.runs("my.job");
    expect(old).toMatchObject({ outcome: "cancelled", cause: "code-change", code: first.code });
  });

  it("goes on with the old code when the new one is broken, says so, and heals", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless" });
    const { token } = await cluster.until(() => running(cluster, "my.job"));
    await cluster.proc("endless", "this is no code");
    await cluster.clock.advanceAsync(1_000);
    const during = await cluster.jobs.state("my.job");
    expect(during).toMatchObject({ token, stopped: null });
    expect(during?.comment).toMatch(/^running old version: /);
    const says =
      /^it runs on n1, .*; it goes on with the code it has: its code endless is broken: /;
    expect((await cluster.jobs.why("my.job"))["-"]).toMatch(says);
    await cluster.proc("endless", ENDLESS);
    await cluster.clock.advanceAsync(1_000);
    const healed = await cluster.jobs.state("my.job");
    expect([healed?.token, healed?.comment]).toEqual([token, undefined]);
  });

  it("does not start broken code, reports missing code, and starts it when it comes", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "late" });
    await cluster.clock.advanceAsync(3_000);
    expect(await cluster.jobs.states("my.job")).toEqual([]);
    const record = await cluster.tree.errors.get({ subsystem: "job", path: "my.job" });
    expect(record).toMatchObject({ code: "CODE_NOT_FOUND" });
    expect(await cluster.jobs.why("my.job")).toEqual({ "-": "there is no code late" });
    await cluster.proc("late", "return 1");
    expect(await cluster.until(() => stopped(cluster, "my.job"))).toMatchObject({ result: 1 });
    await cluster.clock.advanceAsync(100);
    const later = await cluster.tree.errors.get({ subsystem: "job", path: "my.job" });
    expect(later?.resolved).toBeGreaterThan(0);
  });

  it("tries at once, without the wait, when failing code was changed", async () => {
    await using cluster = await open();
    await cluster.proc("bad", "throw new Error('no')");
    await cluster.jobs.set("my.job", { code: "bad" });
    await cluster.until(() => stopped(cluster, "my.job"));
    await cluster.proc("bad", "return 'good'");
    const state = await cluster.until(async () => {
      const now = await stopped(cluster, "my.job");
      return now?.result === "good" ? now : undefined;
    }, 2_000);
    expect(state).toMatchObject({ backoff: 0, reason: "code-change" });
    await cluster.clock.advanceAsync(100);
    const record = await cluster.tree.errors.get({ subsystem: "run", path: "my.job" });
    expect(record?.resolved).toBeGreaterThan(0);
  });
});

describe("JobRunner, where people intervene", () => {
  it("tries at once, without the wait, when the data of a failing job was changed, not when its notes were", async () => {
    await using cluster = await open();
    await cluster.proc("picky", "if (n < 2) throw new Error('too few'); return n");
    const job = { code: "picky", data: { n: 1 } };
    await cluster.jobs.set("my.job", job);
    const { token } = await cluster.until(() => stopped(cluster, "my.job"));
    await cluster.jobs.set("my.job", { ...job, info: "needs more" });
    await cluster.clock.advanceAsync(2_000);
    expect(await stopped(cluster, "my.job")).toMatchObject({ token });
    await cluster.jobs.set("my.job", { ...job, data: { n: 2 } });
    const state = await cluster.until(async () => {
      const now = await stopped(cluster, "my.job");
      return now?.result === 2 ? now : undefined;
    }, 2_000);
    expect(state).toMatchObject({ backoff: 0, reason: "code-change" });
  });

  it.each([
    ["from any node to one", { any: "default" }, { node: "n2" }],
    ["from one node to another", { node: "n1" }, { node: "n2" }],
    ["from one node to any", { node: "n1" }, { any: "second" }],
    ["from any node to all", { any: "default" }, { all: "second" }],
  ])("starts a job moved %s when the old run has ended", async (_, from, to) => {
    await using cluster = await open();
    const deaf = "await _self.setupDone(); await new Promise(() => {})";
    await cluster.proc("deaf", deaf);
    await cluster.jobs.set("my.job", { code: "deaf", place: from });
    await cluster.until(() => running(cluster, "my.job"));
    const second = await cluster.start("n2", { ...QUICK, groups: ["second"] });
    const [first] = cluster.nodes;
    await cluster.jobs.set("my.job", { code: "deaf", place: to });
    // It has five seconds to end, and uses them all.
    for (let ms = 0; ms < 4_500; ms += 100) {
      await cluster.clock.advanceAsync(100);
      expect([first?.executor.active.size, second.executor.active.size]).toEqual([1, 0]);
    }
    await cluster.until(() => second.executor.active.size === 1, 2_000);
    expect(first?.executor.active.size).toBe(0);
  });

  it("cancels a run on request, and does not start it again by itself", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless" });
    await cluster.until(() => running(cluster, "my.job"));
    await cluster.jobs.cancel("my.job");
    await cluster.until(() => stopped(cluster, "my.job"));
    await cluster.clock.advanceAsync(10_000);
    const [run, ...more] = await cluster.jobs.runs("my.job");
    expect(run).toMatchObject({ outcome: "cancelled", cause: "request" });
    expect(more).toEqual([]);
  });

  it("forgets the wait for the next try on request", async () => {
    await using cluster = await open();
    await cluster.proc("bad", "throw new Error('no')");
    await cluster.jobs.set("my.job", { code: "bad", delay: 5 });
    await cluster.until(() => stopped(cluster, "my.job"));
    await cluster.jobs.cancel("my.job");
    await cluster.clock.advanceAsync(20_000);
    expect(await cluster.jobs.runs("my.job")).toHaveLength(1);
    expect(await cluster.jobs.state("my.job")).toMatchObject({ backoff: 0 });
  });

  it("starts on request what has no target, once per request", async () => {
    await using cluster = await open();
    await cluster.proc("forty.two", "return 42");
    await cluster.jobs.set("my.job", { code: "forty.two", target: null });
    await cluster.jobs.run("my.job");
    expect(await cluster.until(() => stopped(cluster, "my.job"))).toMatchObject({
      reason: "manual",
      result: 42,
    });
    await cluster.clock.advanceAsync(5_000);
    expect(await cluster.jobs.runs("my.job")).toHaveLength(1);
    await cluster.jobs.run("my.job");
    await cluster.until(async () => (await cluster.jobs.runs("my.job")).length === 2);
  });

  it("stops a job that is disabled or loses its target, and leaves nothing of one that is deleted", async () => {
    await using cluster = await open();
    for (const change of [{ enabled: false }, { target: null }]) {
      await cluster.jobs.set("my.job", { code: "endless" });
      await cluster.until(() => running(cluster, "my.job"));
      await cluster.jobs.set("my.job", { code: "endless", ...change });
      await cluster.until(() => stopped(cluster, "my.job"));
      await cluster.jobs.remove("my.job");
      await cluster.clock.advanceAsync(2_000);
    }
    await cluster.jobs.set("my.job", { code: "endless" });
    await cluster.until(() => running(cluster, "my.job"));
    await expect(cluster.jobs.remove("my.job")).rejects.toMatchObject({ code: "RUNNER_BUSY" });
    expect(await cluster.jobs.remove("my.job", { force: true })).toBe(true);
    await cluster.until(() => cluster.nodes[0]?.executor.active.size === 0);
    await cluster.clock.advanceAsync(2_000);
    const { system } = cluster.tree;
    for (const root of [system.job, system.state, system.owner, system.run]) {
      for await (const entry of cluster.tree.walk(root)) expect(entry).toBeUndefined();
    }
  });

  it("resolves the errors of a failing job that is deleted", async () => {
    await using cluster = await open();
    const place = { subsystem: "run", path: "my.job" };
    await cluster.proc("bad", "throw new Error('no')");
    await cluster.jobs.set("my.job", { code: "bad", place: { all: "default" } });
    await cluster.until(() => stopped(cluster, "my.job"));
    await cluster.until(() => cluster.tree.errors.get(place));
    await cluster.tree.delete(cluster.tree.system.job.concat(["my", "job"]));
    await cluster.clock.advanceAsync(1_000);
    expect((await cluster.tree.errors.get(place))?.resolved).toBeGreaterThan(0);
  });

  it("says of a job for a node that is not there that it waits for that", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless", place: { node: "nonode" } });
    expect(await cluster.jobs.why("my.job")).toEqual({
      "-": "it is for node nonode, which is not there",
    });
  });

  it("moves to the node that the entry names now", async () => {
    await using cluster = await open();
    await cluster.start("n2", QUICK);
    await cluster.jobs.set("my.job", { code: "endless", place: { node: "n1" } });
    await cluster.until(() => running(cluster, "my.job"));
    await cluster.jobs.set("my.job", { code: "endless", place: { node: "n2" } });
    await cluster.until(async () => (await running(cluster, "my.job"))?.node === "n2");
    const old = await cluster.jobs.state("my.job", "n1");
    expect(old).toMatchObject({ again: "takeover" });
    await cluster.jobs.set("my.job", { code: "endless", place: { node: "n1" } });
    await cluster.until(async () => (await cluster.jobs.state("my.job", "n1"))?.stopped === null);
  });

  it("harms nobody with an entry that is none, records it, and heals", async () => {
    await using cluster = await open();
    await cluster.jobs.set("good", { code: "endless" });
    await cluster.until(() => running(cluster, "good"));
    const at = cluster.tree.system.job.append("good");
    for (const bad of [17, "text", { code: 5 }, { code: "endless", place: {} }, [1]]) {
      await cluster.tree.set(at, bad);
    }
    await cluster.clock.advanceAsync(500);
    expect(await running(cluster, "good")).toBeDefined();
    const record = await cluster.tree.errors.get({ subsystem: "job", path: "good" });
    expect(record).toMatchObject({ code: "RUNNER_BAD_JOB" });
    await cluster.jobs.set("good", { code: "endless" });
    await cluster.clock.advanceAsync(500);
    const healed = await cluster.tree.errors.get({ subsystem: "job", path: "good" });
    expect(healed?.resolved).toBeGreaterThan(0);
    expect(await cluster.jobs.runs("good")).toHaveLength(1);
  });

  it("takes garbage where states, owners, nodes and requests are for none", async () => {
    await using cluster = await open();
    const { system, root } = { system: cluster.tree.system, root: cluster.tree.system.root };
    for (const at of [
      system.state.concat(["-", "my", "job"]),
      system.owner.concat(["-", "my", "job"]),
      system.node.append("ghost"),
      root.concat(["request", "my", "job"]),
    ]) {
      for (const garbage of [null, "x", [], { lease: 3, node: {} }])
        await cluster.tree.set(at, garbage);
    }
    await cluster.jobs.set("my.job", { code: "endless" });
    await cluster.until(() => running(cluster, "my.job"));
  });
});

describe("JobRunner, where a job is another than it was", () => {
  it("starts anew a job that was deleted and created again while it ran", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless" });
    const first = await cluster.until(() => running(cluster, "my.job"));
    const slow = execution(cluster);
    const asked = { yes: false };
    slow.cancel = () => void (asked.yes = true);
    await cluster.tree.delete(cluster.tree.system.job.concat(["my", "job"]));
    await cluster.until(() => asked.yes);
    await cluster.jobs.set("my.job", { code: "endless" });
    await cluster.clock.advanceAsync(100);
    slow.end({ type: "cancelled" });
    const next = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state !== undefined && state.token > first.token ? state : undefined;
    });
    expect(next.reason).toBe("first");
    await cluster.clock.advanceAsync(100);
    expect(await cluster.jobs.runs("my.job")).toHaveLength(1);
  });

  it("says that a run is over whose node died before the job moved to another place", async () => {
    await using cluster = await open();
    const second = await cluster.start("n2", QUICK);
    await cluster.jobs.set("my.job", { code: "endless", place: { any: "default" } });
    const { node } = await cluster.until(() => running(cluster, "my.job"));
    const [dead, other] = node === "n2" ? [second, "n1"] : [cluster.nodes[0], "n2"];
    dead?.kill();
    await cluster.jobs.set("my.job", { code: "endless", place: { node: other } });
    await cluster.until(async () => (await cluster.jobs.state("my.job", other))?.stopped === null);
    await cluster.clock.advanceAsync(5_000);
    const old = await cluster.jobs.state("my.job", "-");
    expect(old?.stopped).toBeGreaterThan(old?.started ?? Infinity);
  });

  it("stops in the old place and goes on in the new one", async () => {
    await using cluster = await open();
    await cluster.start("n2", QUICK);
    const active = (): number[] => cluster.nodes.map((node) => node.executor.active.size);
    await cluster.jobs.set("my.job", { code: "endless", place: { any: "default" } });
    await cluster.until(() => running(cluster, "my.job"));
    await cluster.jobs.set("my.job", { code: "endless", place: { all: "default" } });
    await cluster.clock.advanceAsync(3_000);
    expect(active()).toEqual([1, 1]);
    await cluster.jobs.set("my.job", { code: "endless", place: { node: "n2" } });
    await cluster.clock.advanceAsync(3_000);
    expect(active()).toEqual([0, 1]);
    const states = await cluster.jobs.states("my.job");
    const ends = states.map(({ slot, state }) => [slot, state.stopped === null]);
    expect(ends).toEqual([
      ["-", false],
      ["n1", false],
      ["n2", true],
    ]);
  });
});

describe("JobRunner, where clocks differ", () => {
  it("repeats after the time it is told although the wall clock was set back", async () => {
    await using cluster = await open();
    await cluster.proc("quick", "return 1");
    await cluster.jobs.set("my.job", { code: "quick", repeat: 5 });
    const first = await cluster.until(() => stopped(cluster, "my.job"));
    cluster.clock.setWall(cluster.clock.wall() - 3_600_000);
    await cluster.until(async () => {
      const state = await stopped(cluster, "my.job");
      return state !== undefined && state.token > first.token;
    }, 7_000);
  });

  it("starts what is due within a minute after the wall clock was set forward", async () => {
    await using cluster = await open();
    const target = cluster.clock.wall() / 1000 + 3_600;
    await cluster.jobs.set("my.job", { code: "endless", target });
    await cluster.clock.advanceAsync(1_000);
    cluster.clock.setWall(cluster.clock.wall() + 3_600_000);
    await cluster.until(() => running(cluster, "my.job"), 61_000);
  });

  it("cancels what runs for somebody whose clock is an hour behind", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless" });
    await cluster.until(() => running(cluster, "my.job"));
    const time = cluster.clock.wall() / 1000 - 3_600;
    const at = cluster.tree.system.root.concat(["request", "my", "job"]);
    await cluster.tree.set(at, { action: "cancel", time });
    const state = await cluster.until(() => stopped(cluster, "my.job"), 1_000);
    expect(state.comment).toContain("somebody cancelled it");
  });
});

describe("JobRunner, where code is missing", () => {
  it("does not report what a node misses that another has and runs", async () => {
    await using cluster = await Cluster.open();
    const blind: CodeSource = {
      keyOf: () => undefined,
      errorOf: () => undefined,
      modeOf: () => null,
      shipment: () => undefined,
      onSwitch: () => ({ [Symbol.dispose]: () => {} }),
    };
    await cluster.start("n1", { ...QUICK, code: blind });
    await cluster.start("n2", QUICK);
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless" });
    await cluster.until(() => running(cluster, "my.job"));
    await cluster.clock.advanceAsync(5_000);
    const record = await cluster.tree.errors.get({ subsystem: "job", path: "my.job" });
    expect(record).toBeUndefined();
  });

  it("does not report what has only not arrived here yet", async () => {
    await using cluster = await open();
    const arrived = deferred<void>();
    let key: string | undefined;
    const late: CodeSource = {
      keyOf: () => key,
      errorOf: () => undefined,
      modeOf: () => null,
      shipment: () => undefined,
      onSwitch: () => ({ [Symbol.dispose]: () => {} }),
      settled: () => arrived.promise,
    };
    await cluster.start("n2", { ...QUICK, code: late });
    await cluster.jobs.set("my.job", { code: "endless", place: { node: "n2" } });
    await cluster.clock.advanceAsync(5_000);
    key = "key";
    arrived.resolve();
    await cluster.clock.advanceAsync(1_000);
    const place = { subsystem: "job", path: "my.job" };
    expect(await cluster.tree.errors.get(place)).toBeUndefined();
  });

  it("heals what a node has reported when the code is there, also where nothing is started", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "late", place: { node: "n1" } });
    await cluster.clock.advanceAsync(3_000);
    const place = { subsystem: "job", path: "my.job" };
    expect((await cluster.tree.errors.get(place))?.resolved).toBeUndefined();
    cluster.nodes[0]?.kill();
    await cluster.start("n2", QUICK);
    await cluster.clock.advanceAsync(1_000);
    expect((await cluster.tree.errors.get(place))?.resolved).toBeUndefined();
    await cluster.proc("late", "return 1");
    await cluster.clock.advanceAsync(1_000);
    expect((await cluster.tree.errors.get(place))?.resolved).toBeGreaterThan(0);
  });

  it("heals what a node has reported that is gone since", async () => {
    await using cluster = await open();
    const path = "my.job";
    await cluster.proc("quick", "return 1");
    await cluster.tree.errors.record({ subsystem: "job", path, error: new Error("x"), node: "n9" });
    await cluster.jobs.set(path, { code: "quick" });
    await cluster.until(() => stopped(cluster, path));
    await cluster.tree.errors.record({ subsystem: "job", path, error: new Error("x"), node: "n9" });
    await cluster.jobs.run(path);
    await cluster.clock.advanceAsync(500);
    const record = await cluster.tree.errors.get({ subsystem: "job", path });
    expect(record?.resolved).toBeGreaterThan(0);
  });
});

describe("JobRunner, where threads are lost", () => {
  it("restarts at once under a new token what was lost with its thread", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless" });
    const first = await cluster.until(() => running(cluster, "my.job"));
    execution(cluster).end({ type: "lost", error: new Error("gone") });
    const next = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state !== undefined && state.token > first.token ? state : undefined;
    }, 200);
    expect(next).toMatchObject({ reason: "lane", backoff: 0 });
    await cluster.clock.advanceAsync(100);
    expect(await cluster.tree.errors.get({ subsystem: "run", path: "my.job" })).toBeUndefined();
  });

  it("takes a job that went away with its node for mended when it has run elsewhere for a while", async () => {
    await using cluster = await open();
    await cluster.start("n2", QUICK);
    await cluster.proc("quiet", "while (!_self.cancelled) await _self.timer(1)");
    await cluster.jobs.set("my.job", { code: "quiet" });
    const first = await cluster.until(() => running(cluster, "my.job"));
    cluster.nodes.find(({ name }) => name === first.node)?.kill();
    await cluster.until(async () => (await running(cluster, "my.job"))?.reason === "failover");
    const place = { subsystem: "run", path: "my.job" };
    const record = await cluster.until(() => cluster.tree.errors.get(place));
    expect(record.resolved).toBeUndefined();
    await cluster.clock.advanceAsync(5_500);
    expect((await cluster.tree.errors.get(place))?.resolved).toBeGreaterThan(0);
  });

  it("waits where a thread is lost again and again", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless" });
    for (let i = 0; i < 3; i++) {
      await cluster.until(() => running(cluster, "my.job"));
      execution(cluster).end({ type: "lost", error: new Error("gone") });
      await cluster.clock.advanceAsync(50);
    }
    expect(await stopped(cluster, "my.job")).toMatchObject({ backoff: 1 });
  });

  it("gives code that stalled a thread of its own, and does not start it a third time", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless", delay: 1, backoff: 1, jitter: 0 });
    const place = { runId: "x", frames: ["tree:endless:1:7"] } as const;
    await cluster.until(() => running(cluster, "my.job"));
    execution(cluster).end({ type: "stalled", place });
    expect(await cluster.until(() => stopped(cluster, "my.job"))).toMatchObject({
      stalls: 1,
      backoff: 1,
    });
    await cluster.until(() => running(cluster, "my.job"));
    const first = await cluster.tree.errors.get({ subsystem: "run", path: "my.job" });
    expect(first).toMatchObject({ code: "EXECUTOR_STALLED" });
    expect(cluster.nodes[0]?.lanes).toHaveLength(1);
    execution(cluster).end({ type: "stalled", place });
    await cluster.clock.advanceAsync(60_000);
    expect(await stopped(cluster, "my.job")).toMatchObject({ stalls: 2 });
    expect((await cluster.jobs.runs("my.job")).map(({ outcome }) => outcome)).toEqual([
      "stalled",
      "stalled",
    ]);
    const record = await cluster.tree.errors.get({ subsystem: "run", path: "my.job" });
    expect(record).toMatchObject({ code: "RUNNER_POISONED" });
    expect(record?.message).toContain("tree:endless:1:7");
    expect(await cluster.jobs.why("my.job")).toEqual({
      "-": "its code blocked the thread 2 times",
    });
    await cluster.proc("endless", `${ENDLESS} // repaired`);
    await cluster.until(() => running(cluster, "my.job"));
    expect(cluster.nodes[0]?.executor.active.size).toBe(1);
  });

  it("gives code that ended its thread one of its own, then none, and says what it did", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless", delay: 1, backoff: 1, jitter: 0 });
    const error = new ExecutorError("EXECUTOR_LOST", "it called process.exit(3)");
    for (const [index, stalls] of [1, 2].entries()) {
      await cluster.until(() => running(cluster, "my.job"));
      expect(cluster.nodes[0]?.lanes).toHaveLength(index);
      execution(cluster).end({ type: "crashed", error });
      await cluster.until(async () => (await stopped(cluster, "my.job"))?.stalls === stalls);
    }
    await cluster.clock.advanceAsync(60_000);
    expect(await stopped(cluster, "my.job")).toMatchObject({ stalls: 2, harm: "exit" });
    const record = await cluster.tree.errors.get({ subsystem: "run", path: "my.job" });
    expect(record).toMatchObject({ code: "RUNNER_POISONED" });
    expect(record?.message).toMatch(/called process\.exit\(3\), for the second time/);
    expect(await cluster.jobs.why("my.job")).toEqual({ "-": "its code ended the thread 2 times" });
  });

  it("counts no failure of a run whose thread another ended, however often", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless" });
    let token = 0;
    for (let i = 0; i < 6; i++) {
      const state = await cluster.until(() => running(cluster, "my.job"));
      expect(state.token).toBeGreaterThan(token);
      ({ token } = state);
      const error = new ExecutorError("EXECUTOR_LOST", "another did it");
      execution(cluster).end({ type: "lost", error, blame: "other" });
      await cluster.until(async () => ((await running(cluster, "my.job"))?.token ?? 0) > token);
    }
    expect(await running(cluster, "my.job")).toMatchObject({ reason: "lane", backoff: 0 });
    expect(cluster.nodes[0]?.lanes).toEqual([]);
    expect(await cluster.tree.errors.get({ subsystem: "run", path: "my.job" })).toBeUndefined();
  });

  it("starts apart from others what was lost with them through any of them, until it has ended", async () => {
    await using cluster = await open();
    const rounds: number[] = [];
    const [node] = cluster.nodes;
    await cluster.jobs.set("my.job", { code: "endless" });
    for (const round of [1, 2]) {
      const { token } = await cluster.until(() => running(cluster, "my.job"));
      const error = new ExecutorError("EXECUTOR_MEMORY", "one of them");
      execution(cluster).end({ type: "lost", error, blame: "any" });
      const next = await cluster.until(async () => {
        const state = await running(cluster, "my.job");
        return state !== undefined && state.token > token && state;
      });
      expect(next).toMatchObject({ reason: "lane", backoff: 0, suspected: round });
      rounds.push(node?.lanes.length ?? 0);
    }
    expect(rounds).toEqual([1, 2]);
    execution(cluster).end({ type: "returned", value: 1 });
    const { suspected } = await cluster.until(() => stopped(cluster, "my.job"));
    expect(suspected).toBeUndefined();
    await cluster.jobs.run("my.job");
    await cluster.until(() => running(cluster, "my.job"));
    expect(node?.executor.active.size).toBe(1);
  });

  it("settles a run whose end was written before its node died by that end", async () => {
    await using cluster = await open();
    const second = await cluster.start("n2", QUICK);
    await cluster.jobs.set("my.job", { code: "endless", place: { any: "default" } });
    const first = await cluster.until(() => running(cluster, "my.job"));
    const [run] = await cluster.until(async () => {
      const runs = await cluster.jobs.runs("my.job");
      return runs.length === 1 && runs;
    });
    cluster.nodes.find(({ name }) => name === first.node)?.kill();
    const at = cluster.tree.system.run.concat(["-", "my", "job", first.token]);
    await cluster.tree.set(at, { ...run, stopped: first.started + 1, outcome: "ok", result: 7 });
    const state = await cluster.until(() => stopped(cluster, "my.job"));
    expect(state).toMatchObject({ result: 7, backoff: 0 });
    expect(await cluster.jobs.runs("my.job")).toHaveLength(1);
    expect(second.alive || first.node === "n2").toBe(true);
  });

  it("ends a run whose write was refused, and leaves the job to its new owner", async () => {
    await using cluster = await open();
    await cluster.proc("writer", "for (;;) { await _client.set('x', 1); await _self.timer(1) }");
    await cluster.jobs.set("my.job", { code: "writer" });
    const first = await cluster.until(() => running(cluster, "my.job"));
    const owner = cluster.tree.system.owner.concat(["-", "my", "job"]);
    const record = { node: "stranger", lease: "live", claim: "" };
    await cluster.tree.set(cluster.tree.system.node.append("stranger"), {
      ...((await cluster.tree.get(cluster.tree.system.node.append("n1"))) as object),
      id: "live",
      lease: { length: 1_000, renewal: 1, margin: 0.5 },
    });
    await cluster.tree.set(owner, record);
    await cluster.until(() => cluster.nodes[0]?.executor.active.size === 0);
    await cluster.clock.advanceAsync(5_000);
    // Nothing was written in the name of a run that had lost its job.
    expect(await cluster.jobs.state("my.job")).toMatchObject({ token: first.token, stopped: null });
    expect(await cluster.tree.get(owner)).toEqual(record);
  });

  it("reports a run that is still there when others may begin", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless" });
    await cluster.until(() => running(cluster, "my.job"));
    const [node] = cluster.nodes;
    const stuck = execution(cluster);
    const kill = stuck.kill.bind(stuck);
    stuck.cancel = () => {};
    stuck.kill = () => {};
    node?.engine.cut();
    await cluster.clock.advanceAsync(2_500);
    expect(node?.stuck).toEqual(["my.job"]);
    kill();
  });

  it("ends a run in time that was asked to end before, with a longer grace", async () => {
    await using cluster = await open();
    await cluster.proc("deaf", "await new Promise(() => {})");
    await cluster.jobs.set("my.job", { code: "deaf" });
    await cluster.until(() => running(cluster, "my.job"));
    await cluster.jobs.cancel("my.job");
    await cluster.clock.advanceAsync(100);
    cluster.nodes[0]?.engine.cut();
    await cluster.clock.advanceAsync(2_500);
    expect(cluster.nodes[0]?.executor.active.size).toBe(0);
    expect(cluster.nodes[0]?.stuck).toEqual([]);
  });

  it("lets code end by itself whose write was refused, and kills it if it does not", async () => {
    await using cluster = await open();
    await cluster.proc("writer", "for (;;) { await _client.set('x', 1); await _self.timer(1) }");
    await cluster.jobs.set("my.job", { code: "writer" });
    await cluster.until(() => running(cluster, "my.job"));
    const run = execution(cluster);
    const kills: number[] = [];
    const kill = run.kill.bind(run);
    const ended = { yes: false };
    void run.ended.then(() => (ended.yes = true));
    run.kill = () => {
      if (!ended.yes) kills.push(cluster.clock.now());
      kill();
    };
    await cluster.tree.set(cluster.tree.system.owner.concat(["-", "my", "job"]), {
      node: "n1",
      lease: null,
      claim: "",
    });
    await cluster.until(() => ended.yes);
    expect(kills).toEqual([]);
  });

  it("does not take a run that has ended for stuck while it is tidied up", async () => {
    await using cluster = await Cluster.open();
    const tidied = deferred<void>();
    const openObjects: OpenRunObjects = () => ({
      host: {},
      values: {},
      close: () => tidied.promise,
      detach: () => {},
      tell: () => {},
    });
    const node = await cluster.start("n1", { ...QUICK, openObjects });
    await cluster.proc("quick", "return 1");
    await cluster.jobs.set("my.job", { code: "quick" });
    await cluster.until(() => running(cluster, "my.job"));
    await cluster.until(() => node.executor.active.size === 0);
    node.engine.cut();
    await cluster.clock.advanceAsync(2_500);
    expect(node.stuck).toEqual([]);
    tidied.resolve();
  });

  it("gives its jobs away when it can't follow the tree any more", async () => {
    await using cluster = await open();
    await cluster.start("n2", QUICK);
    await cluster.jobs.set("my.job", { code: "endless" });
    const first = await cluster.until(() => running(cluster, "my.job"));
    cluster.nodes.find(({ name }) => name === first.node)?.engine.failWatches();
    const next = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state !== undefined && state.token > first.token ? state : undefined;
    }, 1_000);
    expect(next.node).not.toBe(first.node);
  });

  it("starts at once, and counts no failure, when its only node had been cut off", async () => {
    await using cluster = await open();
    await cluster.jobs.set("my.job", { code: "endless" });
    const first = await cluster.until(() => running(cluster, "my.job"));
    cluster.nodes[0]?.engine.cut();
    await cluster.clock.advanceAsync(10_000);
    cluster.nodes[0]?.engine.heal();
    const next = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state !== undefined && state.token > first.token ? state : undefined;
    }, 1_500);
    expect(next).toMatchObject({ reason: "failover", backoff: 0 });
  });

  it("waits with a job that takes one node after the other with it", async () => {
    await using cluster = await Cluster.open();
    const options = { ...QUICK, isGone: cluster.isGone };
    for (const name of ["n1", "n2", "n3", "n4", "n5"]) await cluster.start(name, options);
    await cluster.proc("quiet", "while (!_self.cancelled) await _self.timer(1)");
    await cluster.jobs.set("my.job", { code: "quiet" });
    for (let i = 0; i < 4; i++) {
      const { node } = await cluster.until(() => running(cluster, "my.job"), 2_000);
      cluster.nodes.find(({ name }) => name === node)?.kill();
      await cluster.clock.advanceAsync(700);
    }
    const state = await cluster.until(() => stopped(cluster, "my.job"));
    expect(state).toMatchObject({ backoff: 1, losses: 4 });
    expect(state.comment).toBe("4 nodes in a row went away soon after its start");
    await cluster.clock.advanceAsync(50_000);
    expect(await running(cluster, "my.job")).toBeUndefined();
  });
});

describe("JobRoot.logs()", () => {
  it("keeps the lines of each run, in order, in batches", async () => {
    await using cluster = await open();
    await cluster.proc("wordy", "for (let i = 0; i < 250; i++) _log.info(`line ${i}`, { i })");
    await cluster.jobs.set("my.job", { code: "wordy" });
    await cluster.until(() => stopped(cluster, "my.job"));
    const lines = await cluster.jobs.logs("my.job");
    expect(lines.map(({ text }) => text)).toEqual(
      Array.from({ length: 250 }, (_, i) => `line ${i}`),
    );
    expect(lines[7]).toMatchObject({ level: "info", fields: { i: 7 } });
    await expect(cluster.jobs.logs("my.job", { run: "1" })).rejects.toMatchObject({
      code: "RUNNER_NOT_FOUND",
    });
  });

  it("keeps the last runs only", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1", { ...QUICK, keepRuns: 3 });
    await cluster.proc("quick", "_log.info('hello')");
    await cluster.jobs.set("my.job", { code: "quick", repeat: 1 });
    await cluster.clock.advanceAsync(10_000);
    expect((await cluster.jobs.runs("my.job")).length).toBeLessThanOrEqual(4);
  });
});
