import { describe, expect, it } from "vitest";

import { sessionPair } from "../../src/testing/session-pair.ts";

describe("session", () => {
  it("calls a function that is offered by name", async () => {
    const offered = { add: (a: number, b: number) => a + b };
    await using pair = await sessionPair({ far: { exports: { calc: offered } } });
    expect(await pair.near.remote<typeof offered>("calc").add(1, 2)).toBe(3);
  });

  it("passes functions, which are called back", async () => {
    const offered = {
      twice: async (f: (n: number) => number | Promise<number>) => (await f(1)) + (await f(2)),
    };
    await using pair = await sessionPair({ far: { exports: { calc: offered } } });
    expect(await pair.near.remote<typeof offered>("calc").twice((n) => n * 10)).toBe(30);
  });

  it("pipelines on results", async () => {
    const root = { a: (i: number) => ({ b: (j: number) => ({ v: () => i * 1000 + j }) }) };
    await using pair = await sessionPair({ far: { exports: { root } } });
    const remote = pair.near.remote<typeof root>("root");
    const before = pair.near.stats().sentMessages;
    expect(await remote.a(1).b(2).v()).toBe(1002);
    expect(pair.near.stats().sentMessages - before).toBe(1);
  });
});
