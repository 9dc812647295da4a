import { describe, expect, it } from "vitest";

import type { JobInput, Run } from "../../src/runner/job.ts";
import { parseJob } from "../../src/runner/parse-job.ts";
import { Cluster, type TestNode } from "./cluster.ts";
import { byName, ENDLESS, QUICK, running, stopped } from "./steps.ts";

/** Tells in its log what it is told, and what becomes of a write that it tries at each event. */
const TELLS = `
  for await (const event of _info) {
    const { type, state, peers, missing, store, by, token } = event;
    const wrote = await _self.set("wrote", event.type === "actor" ? state : type).then(
      () => "wrote",
      (error) => error.code,
    );
    _log.info([wrote, type, state ?? by, store ?? token, peers, missing].map((part) => String(part)).join(" "));
  }`;

const GOES_ON: JobInput = { code: "tells", partition: "continue" };

async function texts(cluster: Cluster, run?: Run): Promise<string[]> {
  const lines = await cluster.jobs.logs("my.job", run === undefined ? {} : { run: run.id });
  return lines.map(({ text }) => text);
}

/** Of two nodes that may run a job, the one that does and the other. */
async function pair(cluster: Cluster): Promise<{ holder: TestNode; other: TestNode }> {
  const nodes = [await cluster.start("n1", QUICK), await cluster.start("n2", QUICK)];
  const { node } = await cluster.until(() => running(cluster, "my.job"));
  const holder = byName(cluster, node);
  return { holder, other: nodes.find((one) => one !== holder) as TestNode };
}

describe("a job with the partition policy continue", () => {
  it("AN9 goes on while its node is cut off, another begins, and it is told and ends when healed", async () => {
    await using cluster = await Cluster.open();
    await cluster.tree.set(cluster.tree.system.group.append("default"), { expect: ["n1", "n2"] });
    await cluster.proc("tells", TELLS);
    await cluster.jobs.set("my.job", GOES_ON);
    const { holder, other } = await pair(cluster);
    const first = await cluster.until(() => running(cluster, "my.job"));
    await cluster.until(async () => (await texts(cluster)).length >= 1);

    holder.engine.cut();
    // Its lease is over, others may begin, and it is still there.
    await cluster.clock.advanceAsync(1_900);
    expect(holder.continuing.active.size).toBe(1);
    const second = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state?.node === other.name && state;
    });
    expect(second.token).toBeGreaterThan(first.token);
    expect(holder.continuing.active.size).toBe(1);
    expect((await cluster.jobs.runs("my.job")).map(({ outcome }) => outcome)).toEqual([
      undefined,
      "lost",
    ]);

    holder.engine.heal();
    await cluster.until(() => holder.continuing.active.size === 0, 6_000);
    const [winner, loser] = await cluster.until(async () => {
      const runs = await cluster.jobs.runs("my.job");
      return runs[1]?.superseded !== undefined && runs;
    });
    expect(winner).toMatchObject({ token: second.token, node: other.name });
    expect(winner?.outcome).toBeUndefined();
    expect(loser).toMatchObject({
      token: first.token,
      outcome: "cancelled",
      cause: "superseded",
      superseded: { by: other.name, token: second.token },
    });
    // It ended later than the other began.
    expect(loser?.stopped).toBeGreaterThan(second.started);
    const said = await texts(cluster, loser);
    expect(said[0]).toMatch(/^wrote actor (complete|partial) ok /);
    expect(said.slice(-2)).toEqual([
      `RUNNER_DETACHED actor detached away  ${other.name}`,
      `RUNNER_FENCED superseded ${other.name} ${second.token} undefined undefined`,
    ]);
    expect(await running(cluster, "my.job")).toMatchObject({ token: second.token });
    expect(holder.stuck).toEqual([]);
  });

  it("is itself again, under its token, where nobody else could begin", async () => {
    await using cluster = await Cluster.open();
    await cluster.proc("tells", TELLS);
    await cluster.jobs.set("my.job", GOES_ON);
    const { holder, other } = await pair(cluster);
    const before = await cluster.until(() => running(cluster, "my.job"));
    const told = await cluster.until(async () => {
      const lines = await texts(cluster);
      return lines.at(-1)?.endsWith(`${other.name} `) === true && lines.length;
    });
    // The hub is lost: to all of them.
    for (const node of [holder, other]) node.engine.cut();
    await cluster.clock.advanceAsync(10_000);
    for (const node of [holder, other]) node.engine.heal();
    await cluster.until(async () => (await texts(cluster)).length >= told + 2);
    await cluster.clock.advanceAsync(5_000);
    expect(await running(cluster, "my.job")).toMatchObject({ token: before.token });
    expect(await cluster.jobs.runs("my.job")).toHaveLength(1);
    const said = (await texts(cluster)).map((text) => text.split(" ").slice(0, 3).join(" "));
    expect(said.slice(-3)).toEqual([
      "wrote actor complete",
      "RUNNER_DETACHED actor detached",
      "wrote actor complete",
    ]);
  });

  it.each([
    [{ node: "n1" }, /it runs on n1, .* if that node is only cut off/],
    [{ all: "default" }, /it runs on n2/],
  ] as const)(
    "keeps a job that is its node's own, also under a new lease: %o",
    async (place, whyOf) => {
      await using cluster = await Cluster.open();
      const [node] = [await cluster.start("n1", QUICK), await cluster.start("n2", QUICK)];
      await cluster.proc("tells", TELLS);
      await cluster.jobs.set("my.job", { ...GOES_ON, place });
      const before = await cluster.until(() => cluster.jobs.state("my.job", "n1"));
      await cluster.until(async () => (await texts(cluster)).length >= 1);
      node.engine.cut();
      const entry = cluster.tree.system.node.append("n1");
      await cluster.until(async () => Object(await cluster.tree.get(entry)).ended !== undefined);
      const why = Object.values(await cluster.jobs.why("my.job"));
      expect(why).toContainEqual(expect.stringMatching(whyOf));
      node.engine.heal();
      const mine = async (): Promise<string[]> =>
        (await cluster.jobs.logs("my.job", { run: before.run })).map(({ text }) => text);
      await cluster.until(async () => (await mine()).length >= 3);
      expect((await mine()).at(-1)).toMatch(/^wrote actor complete ok/);
      expect(await cluster.jobs.state("my.job", "n1")).toMatchObject({ token: before.token });
      // What follows has a larger token, and nothing of this one is left.
      await cluster.jobs.cancel("my.job");
      await cluster.until(async () => (await cluster.jobs.state("my.job", "n1"))?.stopped);
      await cluster.jobs.run("my.job");
      const next = await cluster.until(async () => {
        const state = await cluster.jobs.state("my.job", "n1");
        return state?.token !== before.token && state;
      });
      expect(next.token).toBeGreaterThan(before.token);
    },
  );

  it("does not let a call to the tree wait for a node that is cut off", async () => {
    await using cluster = await Cluster.open();
    const code = `
      _self.progress("begun");
      const ends = [];
      // The first is under way when the lease ends, the others come later.
      for (const call of [
        () => _client.set("a", 1), () => _client.get("a"), () => _client.publish("a", 1),
        () => _client.list("a").next(), () => _client.request("a", 1), () => _self.watch("a"),
      ]) {
        while (ends.length === 0 && !cut()) await _self.timer(0.1);
        ends.push(await call().then(() => "done", (error) => error.code));
      }
      _self.progress(ends);
      await _self.setupDone();
      return ends`;
    let isCut = false;
    const at = Symbol.for("banyan test: cut");
    Object.assign(globalThis, { [at]: () => isCut });
    const find = `const cut = globalThis[Symbol.for("banyan test: cut")];`;
    await cluster.proc("calls", find + code);
    const node = await cluster.start("n1", QUICK);
    await cluster.jobs.set("my.job", { code: "calls", partition: "continue" });
    await cluster.until(async () => (await running(cluster, "my.job"))?.progress === "begun");
    node.engine.cut();
    isCut = true;
    await cluster.until(() => node.continuing.active.size === 0);
    expect((await cluster.jobs.state("my.job"))?.stopped).toBeNull();
    node.engine.heal();
    const state = await cluster.until(() => stopped(cluster, "my.job"));
    const refused = Array<string>(6).fill("RUNNER_DETACHED");
    expect(state).toMatchObject({ result: refused, progress: refused, setup_done: true });
    expect(await cluster.jobs.runs("my.job")).toMatchObject([{ outcome: "ok", result: refused }]);
  });

  it("says how it ended while cut off, and that another has begun", async () => {
    await using cluster = await Cluster.open();
    const code =
      "for await (const event of _info) if (event.state === 'detached') break; return 42";
    await cluster.proc("ends", code);
    await cluster.jobs.set("my.job", { code: "ends", partition: "continue" });
    const { holder, other } = await pair(cluster);
    holder.engine.cut();
    await cluster.until(() => holder.continuing.active.size === 0);
    const next = await cluster.until(async () => {
      const state = await running(cluster, "my.job");
      return state?.node === other.name && state;
    });
    holder.engine.heal();
    const loser = await cluster.until(async () => {
      const [, run] = await cluster.jobs.runs("my.job");
      return run?.superseded !== undefined && run;
    });
    const superseded = { by: other.name, token: next.token };
    expect(loser).toMatchObject({ outcome: "ok", result: 42, superseded });
    expect(await running(cluster, "my.job")).toMatchObject({ token: next.token });
  });

  it("ends with its node while that is cut off", async () => {
    await using cluster = await Cluster.open();
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless", partition: "continue" });
    const { holder, other } = await pair(cluster);
    holder.engine.cut();
    await cluster.clock.advanceAsync(3_000);
    const drained = holder.runner.drain();
    await cluster.settle(drained);
    expect(holder.continuing.active.size).toBe(0);
    expect(await running(cluster, "my.job")).toMatchObject({ node: other.name });
  });

  it("begins anew when its policy is another, and then obeys that", async () => {
    await using cluster = await Cluster.open();
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "endless", partition: "continue" });
    const { holder } = await pair(cluster);
    expect(holder.continuing.active.size).toBe(1);
    await cluster.jobs.set("my.job", { code: "endless", partition: "stop" });
    await cluster.until(() => holder.executor.active.size === 1);
    holder.engine.cut();
    await cluster.clock.advanceAsync(1_900);
    expect([holder.executor.active.size, holder.continuing.active.size]).toEqual([0, 0]);
  });
});

describe("parseJob()", () => {
  it("takes stop and continue for a partition policy, and says what per-side would need", () => {
    expect(parseJob({ code: "a" }).partition).toBe("stop");
    expect(parseJob({ code: "a", partition: "continue" }).partition).toBe("continue");
    expect(() => parseJob({ code: "a", partition: "per-side" })).toThrow(
      '`partition` must be "stop" or "continue": "per-side" needs links between nodes beside the hub',
    );
    expect(() => parseJob({ code: "a", partition: 1 })).toThrow(
      '`partition` must be "stop" or "continue", not number 1',
    );
  });
});
