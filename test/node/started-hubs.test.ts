import { describe, expect, it } from "vitest";

import { StartedHubs } from "../../src/node/started-hubs.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

describe("StartedHubs", () => {
  it("refuses another hub once three in a row crashed as soon as they were up, and then tries again", () => {
    const clock = new ManualClock();
    const started = new StartedHubs(clock);
    for (const signal of ["SIGSEGV", "SIGABRT", "SIGBUS"] as const) {
      expect(() => started.check("hub.log")).not.toThrow();
      const since = clock.now();
      clock.advance(400);
      started.ended(since, signal);
    }
    const refused = expect.objectContaining({
      code: "NODE_HUB_FAILED",
      message: expect.stringMatching(/3 hubs in a row were ended by SIGBUS .*banyan doctor/),
      details: { log: "hub.log", signal: "SIGBUS", inRow: 3 },
    }) as Error;
    expect(() => started.check("hub.log")).toThrow(refused);
    expect(() => started.check("hub.log")).not.toThrow();
  });

  it("does not count hubs that somebody killed or ended, that served for a while, or that crashed long ago", () => {
    const clock = new ManualClock();
    for (const [signal, livedMs, pauseMs] of [
      ["SIGKILL", 100, 0],
      [null, 100, 0],
      ["SIGSEGV", 6_000, 0],
      ["SIGSEGV", 100, 6_000],
    ] as const) {
      const started = new StartedHubs(clock);
      for (let i = 0; i < 10; i++) {
        const since = clock.now();
        clock.advance(livedMs);
        started.ended(since, signal);
        clock.advance(pauseMs);
      }
      expect(() => started.check("hub.log")).not.toThrow();
    }
  });

  it("counts hubs that can't start, until one can or is killed", () => {
    const started = new StartedHubs(new ManualClock());
    expect([null, "SIGABRT" as const, null].map((how) => started.failed(how).inRow)).toEqual([
      1, 2, 3,
    ]);
    expect(started.failed("SIGKILL")).toEqual({ inRow: 0 });
    started.failed(null);
    started.came();
    expect(started.failed(null)).toEqual({ inRow: 1 });
  });
});
