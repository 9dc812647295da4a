import { Session } from "node:inspector";

import { describe, expect, it } from "vitest";

import { syncPair } from "./pair.ts";

describe("a proxy of a hostile side's", () => {
  it("takes as many items of an iteration without end as are asked for (Z12)", async () => {
    let made = 0;
    const endless = {
      *[Symbol.iterator]() {
        for (;;) yield ++made;
      },
    };
    await using pair = syncPair({ exports: { endless } });
    const [first, second] = pair.near.remote<Iterable<number>>("endless");
    expect([first, second, made]).toEqual([1, 2, 2]);
  });

  it("gives what its side says of properties no more than a proxy of the language may say (Z12)", async () => {
    let turn = 0;
    const lying = new Proxy(
      {},
      {
        ownKeys: () => (turn++ === 0 ? ["a"] : ["b", "b"]),
        getOwnPropertyDescriptor: () => undefined,
      },
    );
    await using pair = syncPair({ exports: { lying } });
    const remote = pair.near.remote<object>("lying");
    expect(Object.keys(remote)).toEqual([]);
    expect(() => Object.keys(remote)).toThrow(TypeError);
    expect(pair.near.names()).toEqual(["lying"]);
  });
});

describe("a proxy", () => {
  it("costs no round trip where a debugger previews it, or evaluates without side effects (R15)", async () => {
    await using pair = syncPair({ exports: { thing: { x: 1 } } });
    const thing = pair.near.remote<{ x: number }>("thing");
    const before = pair.near.stats().roundTrips;
    const inspector = new Session();
    inspector.connect();
    const results: object[] = [];
    const evaluate = (expression: string, options: object): void => {
      inspector.post("Runtime.evaluate", { expression, ...options }, (error, result) => {
        results.push(error ?? result);
      });
    };
    Object.assign(globalThis, { remoteThing: thing });
    evaluate("remoteThing", { generatePreview: true });
    evaluate("remoteThing.x", { throwOnSideEffect: true });
    Reflect.deleteProperty(globalThis, "remoteThing");
    inspector.disconnect();
    expect(results.length).toBe(2);
    expect(results[1]).toHaveProperty("exceptionDetails");
    expect(pair.near.stats().roundTrips).toBe(before);
    expect(thing.x).toBe(1);
  });
});

describe("a synchronous session", () => {
  it("lets in whom authenticate() accepts, and nobody else", async () => {
    const exports = { n: 1 };
    const asks = {
      exports: { exports },
      authenticate: ({ credentials }: { readonly credentials: unknown }) => credentials === "open",
    };
    await using admitted = syncPair(asks, { credentials: "open" });
    expect(admitted.near.remote<typeof exports>("exports").n).toBe(1);
    await using refused = syncPair(asks, { credentials: "wrong" });
    expect(() => refused.near.remote("exports")).toThrow(
      expect.objectContaining({ code: "REMOTE_DENIED" }),
    );
  });

  it("brings errors of the other side's classes, whose stack is read without asking (E09)", async () => {
    class OddError extends Error {
      override get name(): string {
        return "Odd";
      }
    }
    const tools = {
      fail: () => {
        throw new OddError("no");
      },
    };
    await using pair = syncPair({ exports: { tools } });
    let error: unknown;
    try {
      pair.near.remote<typeof tools>("tools").fail();
    } catch (thrown) {
      error = thrown;
    }
    const before = pair.near.stats().roundTrips;
    expect((error as Error).stack).toContain("no");
    expect(pair.near.stats().roundTrips).toBe(before);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toBe("no");
  });

  it("is used from a promise's job as from anywhere else (S13)", async () => {
    await using pair = syncPair({ exports: { thing: { x: 1 } } });
    const thing = pair.near.remote<{ x: number }>("thing");
    expect(await Promise.resolve().then(() => thing.x + 1)).toBe(2);
  });
});
