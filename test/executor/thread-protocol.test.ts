import { describe, expect, it } from "vitest";

import { SharedState } from "../../src/executor/thread-protocol.ts";

describe("SharedState", () => {
  it("shows the other side what was written", () => {
    const here = new SharedState();
    const there = new SharedState(here.buffer);
    expect([there.beat, there.exit, there.isCancelled(7)]).toEqual([0, undefined, false]);
    here.moveBeat();
    here.setHeldMb(9);
    here.setExit(7, 3);
    here.setCancelled(7);
    expect([there.beat, there.exit, there.isCancelled(7)]).toEqual([1, { run: 7, code: 3 }, true]);
    expect(there.heldMb).toBe(9);
  });

  it("never takes one run's cancellation for another's", () => {
    const state = new SharedState();
    state.setCancelled(5);
    const wrong = Array.from({ length: 5_000 }, (_, i) => i + 1).filter((run) =>
      state.isCancelled(run),
    );
    expect(wrong).toEqual([5]);
  });
});
