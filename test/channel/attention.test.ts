import { describe, expect, it } from "vitest";

import { Attention } from "../../src/channel/attention.ts";

/** A thread whose time goes by as it is told, and whose loop turns when it is told. */
function thread(canLook = true) {
  let now = 1_000;
  let next: (() => void) | undefined;
  const attention = new Attention({ canLook, now: () => now, soon: (look) => (next = look) });
  /** Turns until it would sleep, `us` each; so many times. */
  const turns = (us: number, each: () => void = () => {}): number => {
    for (let count = 0; ; count++) {
      const look = next;
      if (look === undefined || count === 1_000) return count;
      next = undefined;
      now += us / 1_000;
      each();
      look();
    }
  };
  return { attention, turns, pass: (ms: number) => void (now += ms) };
}

describe("Attention", () => {
  it("keeps the loop awake for as long as requests come, and a moment longer", () => {
    const { attention, turns } = thread();
    attention.expectMore();
    let left = 100;
    const looked = turns(5, () => {
      if (left-- > 0) attention.expectMore();
    });
    expect(looked).toBeGreaterThan(100);
    expect(looked).toBeLessThan(150);
  });

  it("looks in vain some times, then only now and then, until it pays again", () => {
    const { attention, turns } = thread();
    /** How many of 320 requests, each too late, it kept awake for. */
    const kept = (): number => {
      let count = 0;
      for (let i = 0; i < 320; i++) {
        attention.expectMore();
        if (turns(5) > 0) count++;
      }
      return count;
    };
    expect(kept()).toBeLessThan(20);
    expect(kept()).toBe(10);
    // Until one is tried again, and then all come in time.
    for (let i = 0; i < 32; i++) {
      attention.expectMore();
      let left = 100;
      turns(5, () => {
        if (left-- > 0) attention.expectMore();
      });
    }
    attention.expectMore();
    expect(turns(5)).toBeGreaterThan(0);
  });

  it("leaves off where others have the processor, for longer each time", () => {
    const { attention, turns, pass } = thread();
    const rests: number[] = [];
    for (let i = 0; i < 4; i++) {
      attention.expectMore();
      // Three milliseconds between two looks.
      expect(turns(3_000, () => attention.expectMore())).toBe(1);
      let rested = 0;
      for (;;) {
        attention.expectMore();
        if (turns(0.001, () => attention.expectMore()) > 1) break;
        pass(1);
        rested++;
      }
      rests.push(rested);
    }
    for (const [i, rest] of rests.entries())
      expect(rest).toBeGreaterThan(i === 0 ? 20 : (rests[i - 1] as number) * 1.5);
  });

  it("never looks on one processor", () => {
    const { attention, turns } = thread(false);
    attention.expectMore();
    expect(turns(5)).toBe(0);
  });
});
