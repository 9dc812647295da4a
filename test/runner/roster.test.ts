import assert from "node:assert/strict";

import { describe, expect, it } from "vitest";

import { silentLog } from "../../src/base/log.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import type { NodeEntry } from "../../src/runner/node-entry.ts";
import { listNodes, Roster } from "../../src/runner/roster.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Tree } from "../../src/tree/tree.ts";
import { FaultyEngine } from "./faulty-engine.ts";

const ENTRY: NodeEntry = {
  id: "first",
  pid: 9,
  start: 1,
  host: "here",
  lease: { length: 2, renewal: 0.4, margin: 0.3 },
  groups: ["default"],
  types: ["any"],
  labels: {},
  hostname: "box",
  load: 0,
  slots: 1,
  running: 0,
  beat: 0,
};

class Rig implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly engine = new MemoryEngine({ clock: this.clock });
  readonly wire = new FaultyEngine(this.engine, (ms, run) => void this.clock.after(ms, run));
  readonly tree = Tree.over(this.engine, { ownsEngine: false });
  readonly gone = new Set<number>();
  roster!: Roster;

  async open(): Promise<this> {
    this.roster = await Roster.open({
      tree: Tree.over(this.wire, { ownsEngine: false }),
      clock: this.clock,
      log: silentLog,
      self: "me",
      isGone: ({ pid }) => this.gone.has(pid),
      random: () => 0.5,
    });
    return this;
  }

  async write(name: string, more: Partial<NodeEntry> = {}): Promise<number> {
    const { revision } = await this.tree.set(this.tree.system.node.append(name), {
      ...ENTRY,
      ...more,
    });
    await this.clock.advanceAsync(0);
    return revision;
  }

  get live(): string[] {
    return this.roster.live().map(({ name }) => name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.roster.close();
    await this.wire.close();
    await this.engine.close();
    assert.equal(this.clock.pending, 0, "timers that nobody took off");
  }
}

describe("Roster", () => {
  it("ends a lease that was not renewed for its length, and not before", async () => {
    await using rig = await new Rig().open();
    await rig.write("n1");
    await rig.clock.advanceAsync(1_500);
    await rig.write("n1", { beat: 1 });
    await rig.clock.advanceAsync(2_000);
    expect(rig.live).toEqual(["n1"]);
    await rig.clock.advanceAsync(100);
    expect(rig.live).toEqual([]);
    expect(await rig.tree.get(rig.tree.system.node.append("n1"))).toMatchObject({
      id: "first",
      ended_by: "me",
    });
    expect(await listNodes(rig.tree)).toMatchObject([
      { name: "n1", state: "gone", hostname: "box" },
    ]);
  });

  it("ends at once the lease of a process that is certainly gone", async () => {
    await using rig = await new Rig().open();
    await rig.write("n1");
    rig.gone.add(9);
    await rig.clock.advanceAsync(260);
    expect(rig.live).toEqual([]);
  });

  it("does not judge itself", async () => {
    await using rig = await new Rig().open();
    await rig.write("me");
    rig.gone.add(9);
    await rig.clock.advanceAsync(10_000);
    expect(rig.live).toEqual(["me"]);
  });

  it("declares nobody dead while the store is away, and gives all the whole length when it is back", async () => {
    await using rig = await new Rig().open();
    await rig.write("n1");
    await rig.clock.advanceAsync(1_900);
    rig.wire.cut();
    await rig.clock.advanceAsync(60_000);
    expect(rig.live).toEqual(["n1"]);
    rig.wire.heal();
    await rig.clock.advanceAsync(1_900);
    expect(rig.live).toEqual(["n1"]);
    await rig.clock.advanceAsync(200);
    expect(rig.live).toEqual([]);
  });

  it("does not end a lease that was renewed behind its back", async () => {
    await using rig = await new Rig().open();
    await rig.write("n1");
    await rig.clock.advanceAsync(100);
    rig.wire.cut({ loud: false });
    await rig.write("n1", { beat: 1 });
    await rig.clock.advanceAsync(4_000);
    rig.wire.heal();
    await rig.clock.advanceAsync(10);
    const entry = (await rig.tree.get(rig.tree.system.node.append("n1"))) as NodeEntry;
    expect([entry.beat, entry.ended]).toEqual([1, undefined]);
  });

  it("tells how a lease stands, with the revision that proves its end", async () => {
    await using rig = await new Rig().open();
    const node = rig.tree.system.node.append("n1");
    expect(rig.roster.standing("n1", "first")).toEqual({ type: "ended", node, revision: 0 });
    await rig.write("n1");
    expect(rig.roster.standing("n1", "first")).toEqual({ type: "live" });
    const revision = await rig.write("n1", { id: "second" });
    expect(rig.roster.standing("n1", "first")).toEqual({ type: "ended", node, revision });
  });

  it("tells its listeners of what placement looks at, not of each renewal", async () => {
    await using rig = await new Rig().open();
    let told = 0;
    using _listener = rig.roster.onChange(() => void told++);
    await rig.write("n1");
    await rig.write("n1", { beat: 1, load: 0.5 });
    expect(told).toBe(1);
    await rig.write("n1", { beat: 2, running: 1 });
    expect(told).toBe(2);
  });

  it("takes what is no entry for no node", async () => {
    await using rig = await new Rig().open();
    for (const bad of [null, 5, {}, { ...ENTRY, lease: 5 }, { ...ENTRY, labels: { a: 1 } }]) {
      await rig.tree.set(rig.tree.system.node.append("bad"), bad);
      await rig.clock.advanceAsync(0);
      expect(rig.live).toEqual([]);
    }
    expect(await listNodes(rig.tree)).toEqual([]);
  });
});
