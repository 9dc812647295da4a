import { describe, expect, it } from "vitest";

import { LoginGate } from "../../src/node/login-gate.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

const wrong = async (): Promise<undefined> => undefined;
const right = async (): Promise<string> => "in";

describe("LoginGate", () => {
  it("lets nobody wait who was wrong a few times only", async () => {
    const gate = new LoginGate(new ManualClock());
    for (let i = 0; i < 3; i++) expect(await gate.attempt("a", wrong)).toBeUndefined();
    expect(await gate.attempt("b", right)).toBe("in");
  });

  it("lets the next attempt of an address wait longer with each that was wrong", async () => {
    const clock = new ManualClock();
    const gate = new LoginGate(clock);
    const waited: number[] = [];
    for (let i = 0; i < 8; i++) {
      const since = clock.now();
      const began: number[] = [];
      const attempt = gate.attempt("a", async () => void began.push(clock.now()));
      for (; began.length === 0; clock.advance(50)) await Promise.resolve();
      await attempt;
      waited.push((began[0] ?? 0) - since);
    }
    expect(Math.max(...waited.slice(0, 3))).toBeLessThanOrEqual(50);
    expect(waited.slice(3)).toEqual(waited.slice(3).toSorted((a, b) => a - b));
    expect(waited.at(-1)).toBeGreaterThan(2_000);
    // The others don't wait for it.
    expect(await gate.attempt("b", right)).toBe("in");
  });

  it("makes attempts of one address one after the other, and turns away who sends too many", async () => {
    const gate = new LoginGate(new ManualClock());
    let running = 0;
    let most = 0;
    const attempts = Array.from({ length: 40 }, () =>
      gate.attempt("a", async () => {
        most = Math.max(most, ++running);
        await Promise.resolve();
        running--;
        return "in";
      }),
    );
    const results = await Promise.allSettled(attempts);
    expect(most).toBe(1);
    const turnedAway = results.filter(({ status }) => status === "rejected");
    expect(turnedAway).toHaveLength(8);
    expect(turnedAway[0]).toMatchObject({ reason: { code: "REMOTE_LIMIT", retryable: true } });
    expect(await gate.attempt("a", right)).toBe("in");
  });

  it("makes two at a time at the most, whoever they are of", async () => {
    const gate = new LoginGate(new ManualClock());
    let running = 0;
    let most = 0;
    const make = async (): Promise<string> => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return "in";
    };
    const attempts = Array.from({ length: 9 }, (_, i) => gate.attempt(`address ${i}`, make));
    expect(await Promise.all(attempts)).toEqual(Array.from({ length: 9 }, () => "in"));
    expect(most).toBe(2);
  });

  it("forgets what was long ago", async () => {
    const clock = new ManualClock();
    const gate = new LoginGate(clock);
    for (let i = 0; i < 6; i++) gate.failed("a");
    clock.advance(10 * 60_000);
    expect(await gate.attempt("a", right)).toBe("in");
  });
});
