import { describe, expect, it } from "vitest";

import { ManualClock } from "../../src/testing/manual-clock.ts";

describe("ManualClock", () => {
  it("stands still until it is advanced", () => {
    const clock = new ManualClock({ wallMs: 1_000 });
    expect([clock.now(), clock.wall()]).toEqual([0, 1_000]);
    clock.advance(50);
    expect([clock.now(), clock.wall()]).toEqual([50, 1_050]);
  });

  it("setWall() moves the wall clock only", () => {
    const clock = new ManualClock();
    clock.advance(10);
    clock.setWall(5);
    clock.advance(10);
    expect([clock.now(), clock.wall()]).toEqual([20, 15]);
  });

  it("advance() runs what falls due, in order, at its time; also what that sets", () => {
    const clock = new ManualClock();
    const log: string[] = [];
    const at = (name: string) => () => void log.push(`${name}@${clock.now()}`);
    clock.after(30, at("c"));
    clock.after(10, at("a"));
    clock.after(10, () => {
      at("b")();
      clock.after(5, at("set"));
      clock.after(0, at("now"));
    });
    using called = clock.after(11, at("called off"));
    called[Symbol.dispose]();
    clock.after(31, at("later"));
    clock.advance(30);
    expect(log).toEqual(["a@10", "b@10", "now@10", "set@15", "c@30"]);
    expect(clock.pending).toBe(1);
  });

  it("advanceAsync() lets promises settle before, between and after timers", async () => {
    const clock = new ManualClock();
    const log: number[] = [];
    const wait = (ms: number): Promise<void> =>
      new Promise((resolve) => void clock.after(ms, resolve));
    void (async () => {
      await Promise.resolve();
      for (let i = 0; i < 3; i++) {
        await wait(10);
        log.push(clock.now());
      }
    })();
    await clock.advanceAsync(30);
    expect(log).toEqual([10, 20, 30]);
    expect(clock.pending).toBe(0);
  });
});
