/**
 * The marked cases of group EN: stored code on nodes over one tree, on a clock that the test moves.
 */
import { describe, expect, it } from "vitest";

import { Cluster } from "./cluster.ts";
import { ENDLESS, now, running, stopped } from "./steps.ts";

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

  it("KR8: an hour of schedules takes no hour, and time moves on only when nobody is busy", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1", { lease: { length: 300, renewal: 60, margin: 1 } });
    // As long as code waits for the tree, the clock stands.
    const code = "const n = await _client.get(at); await _client.set(at, (n ?? 0) + 1)";
    await cluster.proc("counts", code, { vars: ["at"] });
    for (const minutes of [1, 10]) {
      const data = { at: ["every", minutes] };
      await cluster.jobs.set(`m${minutes}`, { code: "counts", data, repeat: minutes * 60 });
    }
    const began = cluster.clock.now();
    await cluster.clock.advanceAsync(3_600_000);
    expect(cluster.clock.now()).toBe(began + 3_600_000);
    const runs = (await cluster.jobs.runs("m10")).toReversed();
    const starts = runs.map(({ started }) => started);
    expect(starts.slice(1).map((at, i) => Math.round((at - (starts[i] ?? 0)) * 1000))).toEqual(
      Array.from({ length: starts.length - 1 }, () => 600_000),
    );
    for (const { started, stopped: ended, outcome } of runs) {
      expect([outcome, Math.round((ended ?? 0) - started)]).toEqual(["ok", 0]);
    }
    const counts = [await cluster.tree.get("every:10"), await cluster.tree.get("every:1")];
    expect(counts).toEqual([7, 61]);
  });
});
