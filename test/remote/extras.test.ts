import { describe, expect, it } from "vitest";

import {
  entries,
  evaluate,
  eventual,
  invoke,
  isRemote,
  type Remote,
  set,
  type TraceEvent,
  valueClass,
} from "../../src/remote.ts";
import { deferred } from "../../src/base/deferred.ts";
import { Operation } from "../../src/remote/protocol.ts";
import { expectRoundTrips } from "../../src/testing/expect-round-trips.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { hostile, request } from "./hostile-peer.ts";

describe("symbols", () => {
  it("that exist on one side only keep their identity, there and back", async () => {
    const far = Symbol("far");
    const seen: symbol[] = [];
    const api = {
      far: () => far,
      see: (symbol: symbol) => (seen.push(symbol), symbol),
      isFar: (symbol: symbol) => symbol === far,
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const own = Symbol("own");
    expect(await remote.see(own)).toBe(own);
    expect(await remote.see(own)).toBe(own);
    expect(seen[0]).toBe(seen[1]);
    expect(seen[0]).not.toBe(own);
    expect(seen[0]?.description).toBe("own");
    const copy = await remote.far();
    expect(copy).toBe(await remote.far());
    expect(await remote.isFar(copy)).toBe(true);
    expect(await remote.isFar(Symbol("far"))).toBe(false);
  });

  it("are limited", async () => {
    await using pair = await sessionPair({ far: { exports: { take: () => 1 } } });
    const take = pair.near.remote<(symbol: symbol) => number>("take");
    const attempts = Array.from({ length: 5_000 }, (_, i) => take(Symbol(i)));
    await expect(Promise.all(attempts)).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
    expect(await take(Symbol.iterator)).toBe(1);
  });
});

class Money {
  readonly amount: bigint;
  readonly currency: string;
  constructor(amount: bigint, currency: string) {
    this.amount = amount;
    this.currency = currency;
  }
  plus(other: Money): Money {
    return new Money(this.amount + other.amount, this.currency);
  }
}

const money = valueClass({
  name: "Money",
  class: Money,
  pack: ({ amount, currency }) => ({ amount, currency }),
  unpack: ({ amount, currency }) => {
    if (typeof amount !== "bigint") throw new TypeError("the amount is no bigint");
    return new Money(amount, currency);
  },
});

describe("value classes", () => {
  const exports = {
    double: (some: Money) => some.plus(some),
    is: (x: unknown) => x instanceof Money,
  };

  it("cross as copies where both sides name them", async () => {
    const valueClasses = [money];
    await using pair = await sessionPair({
      near: { valueClasses },
      far: { valueClasses, exports },
    });
    const double = pair.near.remote<(some: Money) => Money>("double");
    const back = (await double(new Money(21n, "EUR"))) as unknown as Money;
    expect(back).toStrictEqual(new Money(42n, "EUR"));
    expect(back).toBeInstanceOf(Money);
    expect(pair.far.stats().exports).toBe(0);
    class Gold extends Money {}
    expect(await pair.near.remote<(x: unknown) => boolean>("is")(new Gold(1n, "oz"))).toBe(false);
  });

  it("cross by reference where one side does not", async () => {
    await using pair = await sessionPair({ near: { valueClasses: [money] }, far: { exports } });
    const is = pair.near.remote<(x: unknown) => boolean>("is");
    expect(await is(new Money(1n, "EUR"))).toBe(false);
    expect(pair.near.stats().exports).toBe(1);
  });
});

describe("evaluate()", () => {
  const trusted = { policy: "trusted" } as const;

  it("runs source here and there, on variables of a scope here or there", async () => {
    const scope = { x: 20, log: [] as number[] };
    expect(await evaluate("x + 1", { scope })).toBe(21);
    expect(await evaluate("const y = await x; log.push(y); x = y + 2; return x", { scope })).toBe(
      22,
    );
    expect(scope).toEqual({ x: 22, log: [20] });
    const place = { name: "far", x: 5, list: [1, 2, 3] };
    await using pair = await sessionPair({
      near: trusted,
      far: { ...trusted, exports: { place } },
    });
    const there = pair.near.remote<typeof place>("place");
    expect(await pair.near.evaluate("x * 2", { scope: there })).toBe(10);
    expect(await pair.near.evaluate("typeof process === 'object'")).toBe(true);
    expect(await pair.near.evaluate("(await y) + 1", { scope: { y: 2 } })).toBe(3);
    expect(await evaluate("(await x) + (await list.at(-1))", { scope: there })).toBe(8);
    const counter = await pair.near.evaluate("let n = 0; return () => ++n");
    const count = counter as () => Promise<number>;
    expect([await count(), await count()]).toEqual([1, 2]);
  });

  it("E11 shows where in the source the mistake is", async () => {
    await using pair = await sessionPair({ far: trusted });
    const broken = pair.near.evaluate("const a = 1;\nconst b = ;\n");
    await expect(broken).rejects.toThrow(SyntaxError);
    const error = (await broken.catch((reason: unknown) => reason)) as Error;
    expect(error.stack).toMatch(/evaluate-\d+\.js:2/);
    const thrown = pair.near.evaluate("const a = 1;\nthrow new RangeError('late');\n");
    const late = (await thrown.catch((reason: unknown) => reason)) as Error;
    expect(late.stack).toMatch(/evaluate-\d+\.js:2/);
  });

  it("Z14 is for trusted peers only", async () => {
    await using pair = await sessionPair();
    await expect(pair.near.evaluate("1")).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    await using peer = await hostile();
    peer.send((writer) => {
      request(writer, { kind: Operation.evaluate });
      writer.u8(0xa1);
      writer.u8(0x31);
      writer.u8(0xc1);
    });
    expect(new TextDecoder().decode(await peer.answer)).toContain("REMOTE_DENIED");
  });
});

describe("O01 stats and trace", () => {
  it("tell of each step of a call, in both directions, and nothing of its values", async () => {
    const events: TraceEvent[] = [];
    const trace = (event: TraceEvent): void => {
      events.push(event);
      throw new Error("a hook that fails");
    };
    const api = {
      add: (a: number, b: number) => a + b,
      fail: () => Promise.reject(new Error("x")),
    };
    await using pair = await sessionPair({ near: { trace }, far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    expect(await remote.add(1, 2)).toBe(3);
    await expect(remote.fail()).rejects.toThrow("x");
    expect(events).toEqual([
      {
        direction: "sent",
        type: "request",
        request: 1,
        operation: "call",
        path: ["api", "add"],
        chain: 0,
      },
      { direction: "received", type: "answer", request: 1 },
      {
        direction: "sent",
        type: "request",
        request: 2,
        operation: "call",
        path: ["api", "fail"],
        chain: 0,
      },
      { direction: "received", type: "failure", request: 2 },
    ]);
    expect(pair.near.stats()).toMatchObject({ calls: 2, roundTrips: 2 });
  });

  it("expectRoundTrips() counts messages, not calls", async () => {
    const api = { make: (n: number) => ({ n, list: [n] }) };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const sums = await expectRoundTrips(1, () =>
      Promise.all(Array.from({ length: 100 }, (_, i) => remote.make(i).n)),
    );
    expect(sums).toHaveLength(100);
    const twice = expectRoundTrips(1, async () => [await remote.make(1).n, await remote.make(2).n]);
    await expect(twice).rejects.toThrow("at most 1 round trips, and it took 2");
    await expectRoundTrips(
      2,
      async () => [await remote.make(1).n, await remote.make(2).n],
      pair.near,
    );
  });
});

describe("helpers", () => {
  it("entries() brings names and values, or the pairs of a Map, by one request", async () => {
    const api = {
      data: { a: 1, b: [2] },
      map: new Map<unknown, unknown>([["k", { v: 1 }]]),
      list: ["x"],
      instance: new (class {
        field = 1;
      })(),
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const found = await expectRoundTrips(1, () => entries(remote.data), pair.near);
    expect(found.map(([name]) => name)).toEqual(["a", "b"]);
    expect(found[0]?.[1]).toBe(1);
    expect(isRemote(found[1]?.[1])).toBe(true);
    const [[key, value] = []] = await entries(remote.map);
    expect([key, isRemote(value)]).toEqual(["k", true]);
    expect(await entries(remote.list)).toEqual([["0", "x"]]);
    expect(await entries(remote.instance)).toEqual([]);
  });

  it("P06 invoke() calls a method named then", async () => {
    // oxlint-disable-next-line unicorn/no-thenable -- what the test is about
    const api = { query: { then: (n: number) => n * 2 } };
    await using pair = await sessionPair({ far: { exports: { query: () => byRefThen } } });
    const byRefThen = { inner: api.query };
    const query = pair.near.remote<() => typeof byRefThen>("query");
    expect(await invoke((await query()).inner, "then", 4)).toBe(8);
  });

  it("P12 eventual() keeps calls until there is a session, in their order", async () => {
    const order: number[] = [];
    const api = {
      note: (n: number) => order.push(n),
      deep: { note: (n: number) => order.push(n) },
    };
    const later = deferred<Remote<typeof api>>();
    const remote = eventual<typeof api>(later.promise);
    const calls = [remote.note(1), remote.deep.note(2), remote.note(3)];
    await using pair = await sessionPair({ far: { exports: { api } } });
    later.resolve(pair.near.remote<typeof api>("api"));
    calls.push(remote.note(4));
    expect(await Promise.all(calls)).toEqual([1, 2, 3, 4]);
    expect(order).toEqual([1, 2, 3, 4]);
    const never = eventual<typeof api>(Promise.reject(new Error("no session")));
    await expect(never.note(1)).rejects.toThrow("no session");
  });

  it("C06 accessors, inherited ones too, get and set; what a setter throws comes back", async () => {
    class Base {
      #value = 1;
      get value(): number {
        return this.#value;
      }
      set value(value: number) {
        if (value < 0) throw new RangeError("negative");
        this.#value = value;
      }
    }
    class Derived extends Base {}
    await using pair = await sessionPair({ far: { exports: { object: new Derived() } } });
    const object = pair.near.remote<Derived>("object");
    await set(object, "value", 5);
    expect(await object.value).toBe(5);
    await expect(set(object, "value", -1)).rejects.toThrow(new RangeError("negative"));
  });

  it("F10 a function's own properties can be read", async () => {
    const f = Object.assign(() => 1, { extra: 42, nested: { deep: "x" } });
    await using pair = await sessionPair({ far: { exports: { get: () => f } } });
    const get = pair.near.remote<() => typeof f>("get");
    const remote = await get();
    expect(await remote()).toBe(1);
    expect(await remote.extra).toBe(42);
    expect(await remote.nested.deep).toBe("x");
  });
});
