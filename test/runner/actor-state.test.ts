import { describe, expect, it } from "vitest";

import { EngineError } from "../../src/base/errors.ts";
import type { Run } from "../../src/runner/job.ts";
import { Cluster } from "./cluster.ts";
import { ENDLESS, QUICK, running } from "./steps.ts";

/** Tells in its log what it is told of its group. */
const TELLS = `
  for await (const event of _info) {
    const { state, peers, missing, store } = event;
    const is = Object.entries(_cls).filter(([, kind]) => event.constructor === kind).map(([name]) => name);
    if (!(event instanceof _cls.ActorState)) continue;
    _log.info([is, state, store, "peers", peers, "missing", missing].map(String).join(" "));
  }`;

async function told(cluster: Cluster, run?: Run): Promise<string[]> {
  const lines = await cluster.jobs.logs("my.job", run === undefined ? {} : { run: run.id });
  return lines.map(({ text }) => text);
}

async function expectMembers(cluster: Cluster, ...names: string[]): Promise<void> {
  await cluster.tree.set(cluster.tree.system.group.append("default"), { expect: names });
}

describe("ActorState", () => {
  it("CX9 is told to every job of a group that is described, the present one first", async () => {
    await using cluster = await Cluster.open();
    await expectMembers(cluster, "n1", "n2");
    await cluster.start("n1", QUICK);
    await cluster.proc("tells", TELLS);
    await cluster.jobs.set("my.job", { code: "tells", place: { node: "n1" } });
    await cluster.until(async () => (await told(cluster)).length === 1);
    expect(await told(cluster)).toEqual(["PartialState partial ok peers  missing n2"]);
    const second = await cluster.start("n2", QUICK);
    await cluster.until(async () => (await told(cluster)).length === 2);
    await cluster.settle(second.runner.close());
    await cluster.until(async () => (await told(cluster)).length === 3);
    expect((await told(cluster)).slice(1)).toEqual([
      "CompleteState complete ok peers n2 missing ",
      "PartialState partial ok peers  missing n2",
    ]);
    // Other members are expected from now on.
    await expectMembers(cluster, "n1");
    await cluster.until(async () => (await told(cluster)).length === 4);
    expect((await told(cluster)).at(-1)).toBe("CompleteState complete ok peers  missing ");
    expect(await cluster.jobs.runs("my.job")).toHaveLength(1);
  });

  it("is not told of a group that nobody has described", async () => {
    await using cluster = await Cluster.open();
    await cluster.start("n1", QUICK);
    await cluster.proc("tells", TELLS);
    await cluster.jobs.set("my.job", { code: "tells", place: { node: "n1" } });
    await cluster.until(() => running(cluster, "my.job"));
    const second = await cluster.start("n2", QUICK);
    await cluster.clock.advanceAsync(5_000);
    await cluster.settle(second.runner.close());
    await cluster.clock.advanceAsync(5_000);
    expect(await told(cluster)).toEqual([]);
    await expectMembers(cluster, "n2");
    await cluster.until(async () => (await told(cluster)).length === 1);
    expect(await told(cluster)).toEqual(["PartialState partial ok peers  missing n2"]);
  });

  it("is broken while the tree refuses the node's lease, and says when that is over", async () => {
    await using cluster = await Cluster.open();
    const node = await cluster.start("n1", QUICK);
    await cluster.proc("tells", TELLS);
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("my.job", { code: "tells", partition: "continue" });
    await cluster.jobs.set("other", { code: "endless" });
    await cluster.until(async () => (await told(cluster)).length === 1);
    await cluster.until(() => running(cluster, "other"));
    const { token } = await cluster.until(() => running(cluster, "my.job"));
    node.engine.faults.refusal = new EngineError("ENGINE_FULL", "no room");
    await cluster.clock.advanceAsync(5_000);
    // One that must not go on has ended in time.
    expect([node.executor.active.size, node.continuing.active.size]).toEqual([0, 1]);
    node.engine.faults.refusal = undefined;
    await cluster.until(async () => (await told(cluster)).length >= 3);
    expect((await told(cluster)).slice(0, 3)).toEqual([
      "CompleteState complete ok peers  missing ",
      "BrokenState broken refuses peers  missing ",
      "CompleteState complete ok peers  missing ",
    ]);
    expect(await running(cluster, "my.job")).toMatchObject({ token });
    // Out of reach is another matter.
    node.engine.cut();
    await cluster.clock.advanceAsync(5_000);
    node.engine.heal();
    await cluster.until(async () => (await told(cluster)).length >= 5);
    expect((await told(cluster))[3]).toBe("DetachedState detached away peers  missing ");
  });
});
