import { describe, expect, it } from "vitest";

import { StallWatch } from "../../src/executor/stall.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

function setUp(limitMs = 2_000) {
  const clock = new ManualClock();
  const state = { beat: 0, stalls: 0 };
  const watch = new StallWatch({
    clock,
    limitMs,
    read: () => state.beat,
    onStall: () => state.stalls++,
  });
  return {
    clock,
    state,
    watch,
    [Symbol.dispose]: () => {
      watch.stop();
      expect(clock.pending).toBe(0);
    },
  };
}

describe("StallWatch", () => {
  it("tells a counter that stands still for longer than the limit, once", () => {
    using test = setUp();
    test.watch.start();
    test.clock.advance(1_900);
    expect(test.state.stalls).toBe(0);
    test.clock.advance(600);
    expect(test.state.stalls).toBe(1);
    test.clock.advance(10_000);
    expect(test.state.stalls).toBe(1);
  });

  it("starts over whenever the counter moves", () => {
    using test = setUp();
    test.watch.start();
    for (let i = 0; i < 10; i++) {
      test.clock.advance(1_500);
      test.state.beat++;
    }
    expect(test.state.stalls).toBe(0);
  });

  it("does not count time in which it was itself asleep", () => {
    let now = 0;
    let check: (() => void) | undefined;
    let stalls = 0;
    const watch = new StallWatch({
      clock: {
        now: () => now,
        wall: () => now,
        after: (_, run) => {
          check = run;
          return { [Symbol.dispose]: () => {} };
        },
      },
      read: () => 0,
      limitMs: 2_000,
      onStall: () => stalls++,
    });
    watch.start();
    now += 3_600_000;
    check?.();
    expect(stalls).toBe(0);
    watch.stop();
  });

  it("can be started again after a stall and after stop()", () => {
    using test = setUp();
    test.watch.start();
    test.clock.advance(1_900);
    test.watch.stop();
    test.watch.start();
    test.clock.advance(1_900);
    expect(test.state.stalls).toBe(0);
    test.clock.advance(600);
    test.watch.start();
    test.clock.advance(2_500);
    expect(test.state.stalls).toBe(2);
  });
});
