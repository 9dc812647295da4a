import { describe, expect, it } from "vitest";

import { MemoryEngine } from "../../src/engine/memory.ts";
import { expectMembers, listGroups } from "../../src/runner/group.ts";
import { JobRoot } from "../../src/runner/job-root.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Tree } from "../../src/tree/tree.ts";

async function open(): Promise<{ tree: Tree; jobs: JobRoot } & AsyncDisposable> {
  const clock = new ManualClock();
  const tree = Tree.over(new MemoryEngine(), { author: "test", clock });
  const jobs = await JobRoot.open(tree, { clock });
  return { tree, jobs, [Symbol.asyncDispose]: () => tree.close() };
}

const STATE = {
  started: 5,
  stopped: null,
  node: "n1",
  token: 3,
  run: "3",
  backoff: 0,
  result: null,
  code: "key",
  reason: "first",
};

/** Of a node that is alive. */
const NODE = {
  id: "x",
  pid: 1,
  start: 1,
  host: "here",
  hostname: "here",
  lease: { length: 5, renewal: 1, margin: 0.5 },
  groups: ["g"],
  types: ["all"],
  labels: {},
  load: 0,
  slots: 1,
  running: 1,
  beat: 1,
};

describe("JobRoot", () => {
  it.each([5, undefined, null, {}, "memory:"])(
    "open() refuses %o, which is no tree",
    async (no) => {
      const opening = JobRoot.open(no as Tree);
      await expect(opening).rejects.toThrow(
        /^JobRoot.open takes a Tree, as open\(\) gives it, not /,
      );
    },
  );

  it("refuses options that it does not have, and what is no path", async () => {
    await using rig = await open();
    const { tree, jobs } = rig;
    const odd = { onlynew: true } as object;
    await expect(jobs.set("a", { code: "b" }, odd)).rejects.toThrow(/did you mean onlyNew\?/);
    await expect(JobRoot.open(tree, { clok: 1 } as object)).rejects.toThrow(/clock\?/);
    await expect(jobs.runs("a", { limt: 1 } as object)).rejects.toThrow(/limit\?/);
    await expect(jobs.logs("a", { rum: "1" } as object)).rejects.toThrow(/run\?/);
    await expect(jobs.remove("a", { forse: true } as object)).rejects.toThrow(/force\?/);
    for (const path of [5, {}, null] as unknown[] as string[]) {
      for (const run of [
        () => jobs.set(path, { code: "b" }),
        () => jobs.get(path),
        () => jobs.run(path),
        () => jobs.remove(path),
        () => jobs.states(path),
        () => jobs.why(path),
      ]) {
        await expect(run()).rejects.toMatchObject({ code: "WIRE_BAD_PATH" });
      }
    }
    for await (const entry of tree.walk(":")) expect(entry).toBeUndefined();
  });

  it("refuses what is no job, and writes nothing", async () => {
    await using rig = await open();
    const bad = rig.jobs.set("a", { code: "b", reapeat: 5 } as unknown);
    await expect(bad).rejects.toMatchObject({ code: "RUNNER_BAD_JOB" });
    expect(await rig.jobs.raw("a")).toBeUndefined();
    expect(await rig.jobs.get("a")).toBeUndefined();
  });

  it("writes nothing where the entry is the same, and refuses a second new one", async () => {
    await using rig = await open();
    expect((await rig.jobs.set("a", { code: "b" }, { idem: true })).changed).toBe(true);
    expect((await rig.jobs.set("a", { code: "b" }, { idem: true })).changed).toBe(false);
    const again = rig.jobs.set("a", { code: "b" }, { onlyNew: true });
    await expect(again).rejects.toMatchObject({ code: "TREE_EXISTS" });
  });

  it("lists jobs with what they do, bad entries included", async () => {
    await using rig = await open();
    const { tree, jobs } = rig;
    await jobs.set("all.of.them", { code: "b", place: { all: "g" } });
    await tree.set(tree.system.node.append("n1"), NODE);
    await tree.set(tree.system.state.concat(["n1", "all", "of", "them"]), STATE);
    await tree.set(tree.system.state.concat(["n2", "all", "of", "them"]), { ...STATE, node: "n2" });
    await jobs.set("dead", { code: "b" });
    await tree.set(tree.system.state.concat(["-", "dead"]), { ...STATE, node: "n2" });
    await jobs.set("off", { code: "b", enabled: false });
    await tree.set(tree.system.job.append("odd"), 5);
    const rows = (await jobs.list()).map(({ place, state, nodes }) => [place, state, ...nodes]);
    expect(rows).toEqual([
      ["all g", "running", "n1"],
      ["any default", "interrupted", "n2"],
      ["", "bad entry"],
      ["any default", "disabled"],
    ]);
    expect(await jobs.list("all")).toHaveLength(1);
  });

  it("has no request for a job that is not there", async () => {
    await using rig = await open();
    for (const asking of [rig.jobs.run("x"), rig.jobs.cancel("x"), rig.jobs.why("x")]) {
      await expect(asking).rejects.toMatchObject({ code: "RUNNER_NOT_FOUND" });
    }
    expect(await rig.jobs.remove("x")).toBe(false);
    expect(await rig.jobs.logs("x")).toEqual([]);
  });

  it("removes a job with all that is kept of it, where no node runs it", async () => {
    await using rig = await open();
    const { tree, jobs } = rig;
    await jobs.set("a", { code: "b" });
    await tree.set(tree.system.state.concat(["-", "a"]), STATE);
    await tree.set(tree.system.owner.concat(["-", "a"]), { node: "n1", lease: "x", claim: "" });
    expect((await jobs.why("a"))["-"]).toMatch(/^it ran on n1, .* and that node is gone$/);
    expect(await jobs.remove("a")).toBe(true);
    for (const root of [tree.system.job, tree.system.state, tree.system.owner]) {
      for await (const entry of tree.walk(root)) expect(entry).toBeUndefined();
    }
  });

  it("tells the states there are and every change", async () => {
    await using rig = await open();
    const { tree, jobs } = rig;
    const at = tree.system.state.concat(["-", "a", "b"]);
    await tree.set(at, STATE);
    const seen: unknown[] = [];
    for await (const { path, slot, state } of jobs.watch("a")) {
      seen.push([path.join("."), slot, state?.token]);
      if (seen.length === 1) await tree.set(tree.system.state.concat(["-", "other"]), STATE);
      if (seen.length === 1) await tree.delete(at);
      else break;
    }
    expect(seen).toEqual([
      ["a.b", "-", 3],
      ["a.b", "-", undefined],
    ]);
  });
});

describe("listGroups()", () => {
  it("tells who is there and who is missing", async () => {
    await using rig = await open();
    const { tree } = rig;
    expect(await expectMembers(tree, "house", ["n1", "n2"])).toBe(true);
    expect(await expectMembers(tree, "house", ["n1", "n2"])).toBe(false);
    await expectMembers(tree, "many", 3);
    await expectMembers(tree, "none", 3);
    expect(await expectMembers(tree, "none", undefined)).toBe(true);
    await expect(expectMembers(tree, "many", -1)).rejects.toThrow(RangeError);
    await expect(expectMembers(tree, "", 1)).rejects.toThrow(RangeError);
    await tree.set(tree.system.node.append("n1"), {
      id: "x",
      pid: 1,
      start: 1,
      host: "",
      hostname: "",
      beat: 0,
      load: 0,
      slots: 1,
      running: 0,
      lease: { length: 1, renewal: 1, margin: 0 },
      groups: ["house", "many"],
      types: ["any"],
      labels: {},
    });
    const groups = await listGroups(tree);
    expect(
      groups.map(({ name, live, missing, complete }) => [name, live, missing, complete]),
    ).toEqual([
      ["default", [], [], true],
      ["house", ["n1"], ["n2"], false],
      ["many", ["n1"], [], false],
    ]);
  });
});
