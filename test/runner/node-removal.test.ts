import { describe, expect, it, vi } from "vitest";

import { MemoryEngine } from "../../src/engine/memory.ts";
import { DEFAULT_LEASE, type NodeEntry } from "../../src/runner/node-entry.ts";
import { removeNode } from "../../src/runner/node-removal.ts";
import { ownProcess } from "../../src/runner/process-identity.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Tree } from "../../src/tree/tree.ts";

/** Of a machine of which nothing can be seen from here. */
const ENTRY: NodeEntry = {
  ...ownProcess(),
  host: "another",
  id: "lease1",
  lease: DEFAULT_LEASE,
  groups: ["default"],
  types: ["any"],
  labels: {},
  hostname: "another",
  load: 0,
  slots: 1,
  running: 0,
  beat: 1,
};

async function opened(entry: object = ENTRY): Promise<{ tree: Tree; clock: ManualClock }> {
  const tree = Tree.over(new MemoryEngine());
  const { node, run, state, owner } = tree.system;
  await tree.set(node.append("n1"), entry);
  for (const root of [run, state, owner]) {
    for (const name of ["n1", "n2"]) await tree.set(root.concat([name, "job"]), 1);
  }
  return { tree, clock: new ManualClock() };
}

async function left(tree: Tree): Promise<string[]> {
  const paths = await tree.walk(":").toArray();
  return paths.map(({ path }) => String(path).replace(":.banyan.", ""));
}

const OTHERS = ["owner.n2.job", "run.n2.job", "state.n2.job"];

describe("removeNode()", () => {
  it("forgets a node that was closed, or whose process is gone, at once", async () => {
    for (const gone of [{ ended: 5 }, { host: ownProcess().host, start: 1 }]) {
      const { tree, clock } = await opened({ ...ENTRY, ...gone });
      expect(await removeNode(tree, "n1", { clock })).toBe(true);
      expect(await left(tree)).toEqual(OTHERS);
      expect(await removeNode(tree, "n1", { clock })).toBe(false);
      await tree.close();
    }
  });

  it("waits for as long as the lease may hold, and refuses where it is renewed", async () => {
    const { tree, clock } = await opened();
    const at = tree.system.node.append("n1");
    const first = removeNode(tree, "n1", { clock });
    await vi.waitUntil(() => clock.pending > 0, { timeout: 30_000 });
    clock.advance(5_000);
    await tree.set(at, { ...ENTRY, beat: 2 });
    await expect(first).rejects.toMatchObject({ code: "RUNNER_NAME_TAKEN" });
    expect(await tree.get(at)).toMatchObject({ beat: 2 });

    const second = removeNode(tree, "n1", { clock });
    await vi.waitUntil(() => clock.pending > 0, { timeout: 30_000 });
    clock.advance(5_300);
    expect(await second).toBe(true);
    expect(await left(tree)).toEqual(OTHERS);
    await tree.close();
  });

  it("goes on at once where an observer ends the lease meanwhile", async () => {
    const { tree, clock } = await opened();
    const removed = removeNode(tree, "n1", { clock });
    await vi.waitUntil(() => clock.pending > 0, { timeout: 30_000 });
    await tree.set(tree.system.node.append("n1"), { ...ENTRY, ended: 7, ended_by: "n2" });
    expect(await removed).toBe(true);
    expect([await left(tree), clock.pending]).toEqual([OTHERS, 0]);
    await tree.close();
  });

  it("refuses where jobs are placed at it, and names them", async () => {
    const { tree, clock } = await opened({ ...ENTRY, ended: 5 });
    await tree.set(tree.system.job.append("mine"), { code: "x", place: { node: "n1" } });
    await tree.set(tree.system.job.append("bad"), 5);
    await expect(removeNode(tree, "n1", { clock })).rejects.toMatchObject({
      code: "RUNNER_IN_USE",
      message: expect.stringContaining("mine"),
    });
    expect(await removeNode(tree, "n1", { clock, force: true })).toBe(true);
    await tree.close();
  });
});
