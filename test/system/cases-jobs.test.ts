/** DistKV's cases of jobs, on node processes over a hub. Timers of ten seconds last one here. */
import type { Run } from "banyan";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { Cluster } from "./cluster.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.open("n1", "n2", "n3");
  await cluster.proc("forty.two", "return 42");
  await cluster.proc("endless", ENDLESS);
});
afterAll(() => cluster[Symbol.asyncDispose]());

const ENDLESS = "await _self.setupDone(); for await (const _event of _info);";

/** Seconds since 1970. */
const now = (): number => Date.now() / 1000;

/** Waits until a job that was set after `path` has run: what was due before has had its chance. */
async function another(path: string, place: object = { any: "default" }): Promise<void> {
  await cluster.jobs.set(path, { code: "forty.two", place });
  await cluster.stopped(path);
}

/** The state of a job once it shows that progress. */
function until(job: string, progress: string): Promise<{ readonly stopped: number | null }> {
  return cluster.until(`${job} at ${progress}`, async () => {
    const state = await cluster.jobs.state(job);
    return state?.progress === progress && state;
  });
}

function gaps(runs: readonly Run[]): number[] {
  const starts = runs.map(({ started }) => started).toReversed();
  return starts.slice(1).map((start, i) => start - (starts[i] ?? 0));
}

describe("EN: entries and scheduling", () => {
  it("EN1: a job runs at its target, and its result is kept", async () => {
    const target = now() + 1;
    await cluster.jobs.set("en1", { code: "forty.two", target });
    const state = await cluster.stopped("en1");
    expect(state).toMatchObject({ result: 42, backoff: 0, reason: "first" });
    expect(state.started).toBeGreaterThanOrEqual(target);
    expect(state.stopped).toBeGreaterThan(state.started);
  });

  it("EN2: a job without a target never starts, and says why", async () => {
    await cluster.jobs.set("en2", { code: "forty.two", target: null });
    await another("en2.after");
    expect(await cluster.jobs.states("en2")).toEqual([]);
    expect(await cluster.jobs.why("en2")).toEqual({ "-": "no target" });
    await cluster.jobs.run("en2");
    expect(await cluster.stopped("en2")).toMatchObject({ reason: "manual", result: 42 });
  });

  it("EN4: what ran does not run again after its node's restart", async () => {
    const place = { node: "n4" };
    const first = await cluster.start("n4");
    await cluster.jobs.set("en4", { code: "forty.two", place });
    const { token } = await cluster.stopped("en4");
    first.kill("SIGTERM");
    expect(await first.exit).toBe(0);
    const second = await cluster.start("n4");
    await another("en4.after", place);
    expect(await cluster.jobs.state("en4")).toMatchObject({ token });
    second.kill("SIGTERM");
    expect(await second.exit).toBe(0);
  });

  it("EN6: failures are retried after delay * backoff ** n, and no later than max_delay", async () => {
    await cluster.proc("bad", "throw new RangeError('no')");
    const backoff = { delay: 0.2, backoff: 2, max_delay: 1, jitter: 0 };
    await cluster.jobs.set("en6", { code: "bad", ...backoff });
    await cluster.until("five runs", async () => (await cluster.jobs.runs("en6")).length >= 5);
    const waits = gaps(await cluster.jobs.runs("en6"));
    for (const [i, least] of [0.4, 0.8, 1, 1].entries()) {
      expect(waits[i]).toBeGreaterThanOrEqual(least - 0.01);
      expect(waits[i]).toBeLessThan(least + 2);
    }
    const record = await cluster.record("run", "en6");
    expect(record).toMatchObject({ message: "no", name: "RangeError" });
    expect(record.trace).toContain("tree:bad:1:");
    await cluster.jobs.remove("en6", { force: true });
  });

  it("EN8: an endless run counts as a success after ok_after", async () => {
    await cluster.proc(
      "flaky",
      `if (await _self.get("en8.tried")) { await _self.timer(60); return }
       await _self.set("en8.tried", true);
       throw new Error("the first time");`,
    );
    await cluster.jobs.set("en8", { code: "flaky", delay: 0.1, ok_after: 1 });
    const retry = await cluster.until("the retry", async () => {
      const state = await cluster.jobs.state("en8");
      return state?.stopped === null && state.reason === "retry" && state;
    });
    expect(retry.backoff).toBe(1);
    const fine = await cluster.until("success", async () => {
      const state = await cluster.jobs.state("en8");
      return state?.backoff === 0 && state;
    });
    expect(fine).toMatchObject({ stopped: null, token: retry.token });
    await cluster.record("run", "en8", ({ resolved }) => resolved !== undefined);
    await cluster.jobs.remove("en8", { force: true });
  });

  it("EN10: pointing the entry at other code cancels the run, and a new one starts", async () => {
    await cluster.proc("other", "return 'other'");
    await cluster.jobs.set("en10", { code: "endless" });
    const { token } = await cluster.running("en10");
    await cluster.jobs.set("en10", { code: "other" });
    expect(await cluster.stopped("en10", token)).toMatchObject({ result: "other" });
    const runs = await cluster.jobs.runs("en10");
    expect(runs.map(({ reason, outcome, cause }) => [reason, outcome, cause])).toEqual([
      ["code-change", "ok", undefined],
      ["first", "cancelled", "edit"],
    ]);
  });

  it("EN12: changing only the info disturbs no run; changing the data does", async () => {
    await cluster.jobs.set("en12", { code: "endless" });
    const { token } = await cluster.running("en12");
    await cluster.jobs.set("en12", { code: "endless", info: "a note" });
    await another("en12.after");
    expect(await cluster.jobs.state("en12")).toMatchObject({ token, stopped: null });
    await cluster.jobs.set("en12", { code: "endless", data: { a: 1 } });
    expect(await cluster.running("en12", token)).toMatchObject({ reason: "code-change" });
    await cluster.jobs.remove("en12", { force: true });
  });

  it("EN18: a run that takes too long is stopped, though its code ignores that", async () => {
    await cluster.proc("deaf", "await new Promise(() => {})");
    await cluster.jobs.set("en18", { code: "deaf", timeout: 1, delay: 60 });
    const state = await cluster.stopped("en18");
    expect(state.backoff).toBe(1);
    expect((state.stopped ?? 0) - state.started).toBeGreaterThan(0.99);
    const [run] = await cluster.jobs.runs("en18");
    expect(run).toMatchObject({ outcome: "timeout" });
    await cluster.jobs.remove("en18");
  });

  it("EN24: a result that can't be stored is the run's error, and the node goes on", async () => {
    const place = { node: "n1" };
    await cluster.proc("odd", "return () => 1");
    await cluster.jobs.set("en24", { code: "odd", place });
    expect(await cluster.stopped("en24")).toMatchObject({ backoff: 1, result: null });
    const [run] = await cluster.jobs.runs("en24");
    expect(run).toMatchObject({ outcome: "error", error: { code: "RUNNER_BAD_RESULT" } });
    await another("en24.after", place);
    await cluster.jobs.remove("en24");
  });
});

describe("AN, SI, AL: where jobs run", () => {
  it("AN1: a job that watches a value ends when it should, and not before", async () => {
    await cluster.proc(
      "watches",
      `await _self.watch("test:4242");
       for await (const event of _info) {
         await _self.progress(String(event.type) + String(event.value));
         if (event.type === "change" && event.value === 42) _self.timer(1);
         if (event.type === "timer") return 42;
       }`,
    );
    await cluster.tree.set("test:4242", 1);
    await cluster.jobs.set("an1", { code: "watches" });
    await until("an1", "readyundefined");
    await cluster.tree.set("test:4242", 13);
    await until("an1", "change13");
    expect(await cluster.jobs.state("an1")).toMatchObject({ stopped: null });
    const before = now();
    await cluster.tree.set("test:4242", 42);
    const at = await until("an1", "change42");
    expect(at.stopped).toBeNull();
    const state = await cluster.stopped("an1");
    expect(state).toMatchObject({ result: 42, backoff: 0 });
    expect((state.stopped ?? 0) - before).toBeGreaterThan(0.99);
  });

  it("AN2: a job that hears messages ends when it should, and not before", async () => {
    await cluster.proc(
      "hears",
      `await _self.monitor("test.abcd");
       await _self.progress("hears");
       for await (const event of _info) {
         if (event.type === "timer") return 43;
         await _self.progress("message" + String(event.value));
         if (event.value === 41) _self.timer(1);
       }`,
    );
    await cluster.jobs.set("an2", { code: "hears" });
    await until("an2", "hears");
    await cluster.tree.publish("test.abcd", 13);
    expect((await until("an2", "message13")).stopped).toBeNull();
    const before = now();
    await cluster.tree.publish("test.abcd", 41);
    const state = await cluster.stopped("an2");
    expect(state).toMatchObject({ result: 43, backoff: 0 });
    expect((state.stopped ?? 0) - before).toBeGreaterThan(0.99);
  });

  it("AN3: each of 20 jobs runs once, on one of three nodes", async () => {
    const names = Array.from({ length: 20 }, (_, i) => ["an3", i]);
    await Promise.all(names.map((name) => cluster.jobs.set(name, { code: "endless" })));
    const states = await Promise.all(names.map((name) => cluster.running(name)));
    expect(new Set(states.map(({ node }) => node)).size).toBe(3);
    await another("an3.after");
    for (const name of names) {
      expect(await cluster.jobs.runs(name)).toHaveLength(1);
      expect(await cluster.jobs.states(name)).toHaveLength(1);
    }
    await Promise.all(names.map((name) => cluster.jobs.remove(name, { force: true })));
  });

  it("AN17: a job with labels runs only where they are, and says why not elsewhere", async () => {
    await cluster.jobs.set("an17", { code: "endless", labels: { gpu: "yes" } });
    await another("an17.after");
    expect(Object.values(await cluster.jobs.why("an17"))[0]).toMatch(/no eligible node.*gpu/);
    const node = await cluster.start("gpu", "-l", "gpu=yes");
    expect(await cluster.running("an17")).toMatchObject({ node: "gpu" });
    node.kill("SIGTERM");
    expect(await node.exit).toBe(0);
    expect(await cluster.stopped("an17")).toMatchObject({ again: "takeover" });
    expect(Object.values(await cluster.jobs.why("an17"))[0]).toMatch(/no eligible node/);
    await cluster.jobs.remove("an17", { force: true });
  });

  it("AN21: the token after a deleted owner record is still higher", async () => {
    await cluster.jobs.set("an21", { code: "endless" });
    const { token } = await cluster.running("an21");
    await cluster.tree.delete(cluster.tree.system.owner.concat(["-", "an21"]));
    const next = await cluster.until("another run", async () => {
      const state = await cluster.jobs.state("an21");
      return state !== undefined && state.token !== token && state;
    });
    expect(next.token).toBeGreaterThan(token);
    await cluster.jobs.remove("an21", { force: true });
  });

  it("SI1: a job of one node runs there, and disturbs no data", async () => {
    await cluster.tree.set(":", 123);
    await cluster.proc("waits", "await _self.timer(1); return 42");
    const before = now();
    await cluster.jobs.set("si1", { code: "waits", place: { node: "n2" } });
    const state = await cluster.stopped("si1");
    expect(state).toMatchObject({ node: "n2", result: 42, backoff: 0 });
    expect((state.stopped ?? 0) - before).toBeGreaterThan(0.99);
    expect((await cluster.jobs.states("si1")).map(({ slot }) => slot)).toEqual(["n2"]);
    expect(await cluster.tree.get(":")).toBe(123);
  });

  it("AL1, AL3: a job for all runs on every node of its group, and on one that joins", async () => {
    const target = now() + 0.5;
    await cluster.jobs.set("al1", { code: "forty.two", place: { all: "default" }, target });
    const all = (count: number): Promise<string[]> =>
      cluster.until(`${count} results`, async () => {
        const states = await cluster.jobs.states("al1");
        const done = states.filter(({ state }) => state.stopped !== null);
        return done.length === count && done.map(({ slot }) => slot);
      });
    expect(await all(3)).toEqual(["n1", "n2", "n3"]);
    const joins = await cluster.start("n5");
    const other = await cluster.start("other", "-g", "elsewhere");
    expect(await all(4)).toEqual(["n1", "n2", "n3", "n5"]);
    for (const { state } of await cluster.jobs.states("al1")) {
      expect(state).toMatchObject({ result: 42, backoff: 0 });
      expect(state.started).toBeGreaterThanOrEqual(target);
    }
    await another("al1.after", { node: "other" });
    expect(await cluster.jobs.states("al1")).toHaveLength(4);
    for (const node of [joins, other]) node.kill("SIGTERM");
    expect([await joins.exit, await other.exit]).toEqual([0, 0]);
  });
});
