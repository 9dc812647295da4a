import assert from "node:assert/strict";

import { describe, expect, it } from "vitest";

import { silentLog } from "../../src/base/log.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import type { NodeEntry } from "../../src/runner/node-entry.ts";
import type { Incarnation } from "../../src/runner/held-lease.ts";
import { NodeLease } from "../../src/runner/node-lease.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Tree } from "../../src/tree/tree.ts";
import { FaultyEngine } from "./faulty-engine.ts";

const TIMES = { length: 2, renewal: 0.4, margin: 0.3 };
const FACTS = {
  groups: ["default"],
  types: ["any"],
  labels: {},
  hostname: "",
  load: 0,
  slots: 1,
  running: 0,
} as const;

/** A lease of n1 through a wire that a test can trouble. */
class Rig implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly engine = new MemoryEngine({ clock: this.clock });
  readonly wire = new FaultyEngine(this.engine, (ms, run) => void this.clock.after(ms, run));
  readonly tree = Tree.over(this.engine, { ownsEngine: false });
  readonly path = this.tree.system.node.append("n1");
  readonly leases: NodeLease[] = [];

  acquire(options: { pid?: number; isGone?: boolean } = {}): Promise<NodeLease> {
    const acquiring = NodeLease.acquire({
      tree: Tree.over(this.wire, { ownsEngine: false }),
      name: "n1",
      times: TIMES,
      clock: this.clock,
      log: silentLog,
      facts: () => FACTS,
      identity: { pid: options.pid ?? 1, start: 1, host: "here" },
      isGone: () => options.isGone ?? false,
    });
    return acquiring.then((lease) => {
      this.leases.push(lease);
      return lease;
    });
  }

  async held(lease: NodeLease): Promise<Incarnation> {
    const { held } = lease;
    if (held === undefined) throw new Error("it holds nothing");
    return held;
  }

  async entry(): Promise<NodeEntry> {
    return (await this.tree.get(this.path)) as NodeEntry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.wire.heal();
    this.wire.faults.latencyMs = () => 0;
    const closing = Promise.all(this.leases.map((lease) => lease.close()));
    await this.clock.advanceAsync(5_000);
    await closing;
    await this.wire.close();
    await this.engine.close();
    await this.clock.advanceAsync(2_000);
    assert.equal(this.clock.pending, 0, "timers that nobody took off");
  }
}

describe("NodeLease", () => {
  it("renews as long as it is open, and marks its end", async () => {
    await using rig = new Rig();
    const lease = await rig.acquire();
    const held = await rig.held(lease);
    await rig.clock.advanceAsync(10_000);
    expect(lease.held).toBe(held);
    expect(held.isValid()).toBe(true);
    expect((await rig.entry()).beat).toBeGreaterThan(20);
    await lease.close();
    expect(held.isValid()).toBe(false);
    expect((await rig.entry()).ended).toBeGreaterThan(0);
  });

  it("counts from before a renewal was sent, not from when its answer came", async () => {
    await using rig = new Rig();
    const lease = await rig.acquire();
    const held = await rig.held(lease);
    // The renewal at 400 is written at once; its answer takes until 1,200.
    let out = true;
    rig.wire.faults.latencyMs = () => {
      out = !out;
      return out ? 800 : 0;
    };
    await rig.clock.advanceAsync(1_250);
    rig.wire.cut();
    await rig.clock.advanceAsync(840);
    expect([rig.clock.now(), held.isValid()]).toEqual([2_090, true]);
    await rig.clock.advanceAsync(20);
    expect(held.isValid()).toBe(false);
  });

  it("is over at its deadline although a renewal is still on its way", async () => {
    await using rig = new Rig();
    const lease = await rig.acquire();
    const held = await rig.held(lease);
    const seen: boolean[] = [];
    lease.onChange((now) => seen.push(now !== undefined));
    rig.wire.cut();
    await rig.clock.advanceAsync(1_690);
    expect([held.isValid(), seen]).toEqual([true, []]);
    await rig.clock.advanceAsync(20);
    expect([held.isValid(), seen]).toEqual([false, [false]]);
    expect(lease.held).toBeUndefined();
  });

  it.each([
    { what: "under its id", ended: false },
    { what: "under a new one where it was ended meanwhile", ended: true },
  ])("begins a new incarnation when the store is back, $what", async ({ ended }) => {
    await using rig = new Rig();
    const lease = await rig.acquire();
    const held = await rig.held(lease);
    rig.wire.cut();
    await rig.clock.advanceAsync(5_000);
    if (ended) await rig.tree.set(rig.path, { ...(await rig.entry()), ended: 1 });
    rig.wire.heal();
    await rig.clock.advanceAsync(500);
    const next = await rig.held(lease);
    expect(next.id === held.id).toBe(!ended);
    expect([held.isValid(), next.isValid()]).toEqual([false, true]);
  });

  it("adopts a renewal whose answer was lost", async () => {
    await using rig = new Rig();
    const lease = await rig.acquire();
    const held = await rig.held(lease);
    rig.wire.faults.losesReply = () => true;
    await rig.clock.advanceAsync(20_000);
    expect(lease.held).toBe(held);
  });

  it("is over at once when another has ended it, and comes back under a new id", async () => {
    await using rig = new Rig();
    const lease = await rig.acquire();
    const held = await rig.held(lease);
    await rig.tree.set(rig.path, { ...(await rig.entry()), ended: 1 });
    await rig.clock.advanceAsync(450);
    expect(held.isValid()).toBe(false);
    await rig.clock.advanceAsync(500);
    expect((await rig.held(lease)).id).not.toBe(held.id);
  });

  it("takes a name over at once from a closed node, or from a process that is certainly gone", async () => {
    await using rig = new Rig();
    await (await rig.acquire()).close();
    const second = await rig.acquire({ pid: 2 });
    const old = second.held;
    const third = await rig.acquire({ pid: 3, isGone: true });
    expect(rig.clock.now()).toBe(0);
    expect(third.held?.isValid()).toBe(true);
    await rig.clock.advanceAsync(450);
    expect(old?.isValid()).toBe(false);
    await second.close();
  });

  it("refuses a name whose holder renews", async () => {
    await using rig = new Rig();
    await rig.acquire();
    const second = rig.acquire({ pid: 2 });
    second.catch(() => {});
    await rig.clock.advanceAsync(1_000);
    await expect(second).rejects.toMatchObject({ code: "RUNNER_NAME_TAKEN" });
  });

  it("waits the whole length of a lease that nobody renews", async () => {
    await using rig = new Rig();
    const entry = { ...FACTS, id: "old", pid: 9, start: 1, host: "there", lease: TIMES, beat: 5 };
    await rig.tree.set(rig.path, entry);
    let taken = false;
    const taking = rig.acquire().then(() => (taken = true));
    await rig.clock.advanceAsync(1_990);
    expect(taken).toBe(false);
    await rig.clock.advanceAsync(200);
    await taking;
  });

  it("does not let the wall clock decide anything", async () => {
    await using rig = new Rig();
    const lease = await rig.acquire();
    const held = await rig.held(lease);
    for (const wallMs of [0, 4e12, 1e12]) {
      rig.clock.setWall(wallMs);
      await rig.clock.advanceAsync(3_000);
    }
    expect(lease.held).toBe(held);
  });
});
