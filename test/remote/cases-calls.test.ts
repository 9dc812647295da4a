/** The acceptance cases F (functions), C (classes), R (reflection), T (iteration) and P (pipelining) of stubs. */
import { Session as Inspector } from "node:inspector/promises";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { byRef, instanceOf, isRemote, map, release, set } from "../../src/remote.ts";
import { expectRoundTrips } from "../../src/testing/expect-round-trips.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

class Animal {
  readonly #name: string;
  constructor(name: string) {
    this.#name = name;
  }
  get name(): string {
    return this.#name;
  }
  rename(): string {
    return `${this.#name}!`;
  }
}
class Dog extends Animal {
  static made = 0;
  static make(name: string): Dog {
    Dog.made++;
    return new Dog(name);
  }
  speak(): string {
    return `${this.name} says Woof`;
  }
}

const subscribers = new Set<(n: number) => unknown>();
const order: string[] = [];
const failure = new RangeError("mine");
let opened = 0;
let returned = 0;
const api = {
  Animal,
  Dog,
  arrow: () => 1,
  extra: Object.assign(() => 1, { extra: 42 }),
  plus2: async (f: () => number | Promise<number>) => (await f()) + 3,
  down: async (n: number, there: (n: number) => unknown): Promise<unknown> =>
    n === 0 ? "bottom" : await there(n - 1),
  catching: async (f: () => unknown) => {
    try {
      await f();
      return "nothing";
    } catch (error) {
      return (error as Error).message;
    }
  },
  passing: async (f: () => unknown) => await f(),
  nested: async (o: { list: (() => number)[] }) => {
    const list = o.list as unknown as AsyncIterable<() => Promise<number>>;
    let sum = 0;
    for await (const f of list) sum += await f();
    return sum;
  },
  subscribe: (f: (n: number) => unknown) => void subscribers.add(f),
  publish: async (times: number) => {
    for (let i = 0; i < times; i++) for (const f of subscribers) await f(i);
  },
  note: (text: string) => void order.push(text),
  noteLater: async (text: string) => {
    await Promise.resolve();
    order.push(text);
  },
  counter: (start: number) => {
    let n = start;
    return { next: () => ++n, add: (m: number) => (n += m) };
  },
  add: (a: number, b: number) => a + b,
  fail: (): { x: number } => {
    throw failure;
  },
  array: [1, 2, 3],
  many: Array.from({ length: 10_000 }, (_, i) => i),
  *generator() {
    try {
      yield* [1, 2, 3, 4];
    } finally {
      returned++;
    }
  },
  async *asyncGenerator() {
    try {
      for (let i = 1; i < 1e6; i++) {
        opened = i;
        yield await Promise.resolve(i);
      }
    } finally {
      returned++;
    }
  },
};

async function open() {
  const pair = await sessionPair({ far: { exports: { api } } });
  return Object.assign(pair, { api: pair.near.remote<typeof api>("api") });
}

describe("functions", () => {
  it("F01 a function is called with arguments, and gives what it returns", async () => {
    await using pair = await open();
    expect(await pair.api.add(1, 2)).toBe(3);
  });

  it("F03 a callback calls back, which calls back, to a depth of 50", async () => {
    await using pair = await open();
    const near = async (n: number): Promise<unknown> => await pair.api.down(n, near);
    expect(await near(50)).toBe("bottom");
  });

  it("F06 what a callback throws is caught over there, or comes back as the same error", async () => {
    await using pair = await open();
    const mine = new TypeError("of the callback");
    const fail = (): never => {
      throw mine;
    };
    expect(await pair.api.catching(fail)).toBe("of the callback");
    expect(await pair.api.passing(fail).catch((error: unknown) => error)).toBe(mine);
  });

  it("F07 a callback that is kept is called after the call that passed it", async () => {
    await using pair = await open();
    const seen: number[] = [];
    await pair.api.subscribe((n) => seen.push(n));
    await pair.api.publish(2);
    expect(seen).toEqual([0, 1]);
    for (const f of subscribers) release(f);
    subscribers.clear();
  });

  it("F08 an async function is awaited over there", async () => {
    await using pair = await open();
    expect(await pair.api.plus2(async () => await Promise.resolve(1))).toBe(4);
  });

  it("F09 functions in structures are called back", async () => {
    await using pair = await open();
    expect(await pair.api.nested({ list: [() => 1, () => 2] })).toBe(3);
  });

  it("F10 a function's own properties are read", async () => {
    await using pair = await open();
    expect(await (pair.api.extra as unknown as { extra: Promise<number> }).extra).toBe(42);
  });

  it("F12 new on a function that makes nothing is a TypeError, and sends nothing", async () => {
    await using pair = await open();
    const arrow = (await pair.api.arrow) as unknown as new () => object;
    await expectRoundTrips(0, () => {
      expect(() => new arrow()).toThrow(TypeError);
      return Promise.resolve();
    });
  });

  it("F16 100,000 callbacks of a subscription leave nothing behind on either side", async () => {
    await using pair = await open();
    let calls = 0;
    const listener = (n: number): void => void (calls += n >= 0 ? 1 : 0);
    await pair.api.subscribe(listener);
    await pair.api.publish(1_000);
    const before = [pair.near.stats(), pair.far.stats()];
    const used = process.memoryUsage().heapUsed;
    await pair.api.publish(100_000);
    expect(calls).toBe(101_000);
    for (const [i, session] of [pair.near, pair.far].entries()) {
      const { exports, imports, pending, waiting } = session.stats();
      const was = before[i]!;
      expect({ exports, imports, pending, waiting }).toEqual({
        exports: was.exports,
        imports: was.imports,
        pending: 0,
        waiting: 0,
      });
    }
    // What one call left behind would be a hundred bytes at least, on both sides.
    expect(process.memoryUsage().heapUsed - used).toBeLessThan(64 * 2 ** 20);
    for (const f of subscribers) release(f);
    subscribers.clear();
  }, 120_000);
});

describe("classes", () => {
  it("C01 are constructed over there, and so are what extends them", async () => {
    await using pair = await open();
    const dog = await new pair.api.Dog("Rex");
    expect(await dog.speak()).toBe("Rex says Woof");
    expect(await new pair.api.Animal("Tom").name).toBe("Tom");
  });

  it("C03 have methods and properties of their own", async () => {
    await using pair = await open();
    const made = await pair.api.Dog.made;
    expect(await pair.api.Dog.make("Ace").name).toBe("Ace");
    expect(await pair.api.Dog.made).toBe(made + 1);
  });

  it("C05 whose instance is passed home work on the object itself", async () => {
    await using pair = await sessionPair({
      far: { exports: { speak: (dog: Dog) => dog.speak(), make: () => new Dog("Rex") } },
    });
    const dog = await pair.near.remote<() => Dog>("make")();
    expect(await pair.near.remote<(dog: unknown) => string>("speak")(dog)).toBe("Rex says Woof");
  });

  it("C08 with private fields work by their methods, also where one is called on an instance", async () => {
    const dog = new Dog("Rex");
    const call = (method: () => unknown): unknown => method.call(dog);
    await using pair = await sessionPair({
      far: { exports: { dog, rename: () => Dog.prototype.rename.call(dog), call } },
    });
    expect(await pair.near.remote<Dog>("dog").rename()).toBe("Rex!");
    expect(await pair.near.remote<() => string>("rename")()).toBe("Rex!");
    const method = await pair.near.remote<Dog>("dog").rename;
    expect(await pair.near.remote<(f: unknown) => string>("call")(method)).toBe("Rex!");
  });

  it("C11 are the same thing each time, and known by reference", async () => {
    await using pair = await open();
    expect((await pair.api.Dog) === (await pair.api.Dog)).toBe(true);
    const dog = await new pair.api.Dog("Rex");
    expect(await instanceOf(dog, await pair.api.Animal)).toBe(true);
  });
});

describe("reflection on a stub", () => {
  it("R13 throws with a hint, and never answers wrongly", async () => {
    await using pair = await open();
    const ref = (await pair.api.counter(1)) as object;
    expect(() => "next" in ref).toThrow(/await has\(ref, key\)/);
    expect(() => Object.keys(ref)).toThrow(/await keys\(ref\)/);
    expect(() => Reflect.ownKeys(ref)).toThrow(TypeError);
    expect(() => JSON.stringify(ref)).toThrow(/snapshot/);
    expect(() => ({ ...ref })).toThrow(TypeError);
    expect(() => Object.hasOwn(ref, "next")).toThrow(TypeError);
    expect(() => delete (ref as { next?: unknown }).next).toThrow(/remove\(ref, key\)/);
    expect(() => Object.freeze(ref)).toThrow(TypeError);
  });

  it("R15 a debugger's preview, and a look without side effects, send nothing", async () => {
    await using pair = await open();
    const dog = await new pair.api.Dog("Rex");
    const inspector = new Inspector();
    inspector.connect();
    try {
      (globalThis as { banyanRef?: unknown }).banyanRef = dog;
      await expectRoundTrips(0, async () => {
        const looks = [
          "banyanRef",
          "({ a: banyanRef })",
          "banyanRef.speak",
          "`${typeof banyanRef}`",
        ];
        for (const expression of looks) {
          await inspector.post("Runtime.evaluate", { expression, generatePreview: true });
          await inspector.post("Runtime.evaluate", { expression, throwOnSideEffect: true });
        }
      });
    } finally {
      inspector.disconnect();
      delete (globalThis as { banyanRef?: unknown }).banyanRef;
    }
  });
});

describe("iteration", () => {
  it("T03 goes over arrays, generators and async generators, and ends them where it is left", async () => {
    await using pair = await open();
    const all: number[] = [];
    for await (const n of pair.api.array) all.push(n);
    for await (const n of pair.api.generator()) all.push(n);
    expect(all).toEqual([1, 2, 3, 1, 2, 3, 4]);
    returned = 0;
    for await (const n of pair.api.asyncGenerator()) if (n === 3) break;
    await pair.fence();
    expect(returned).toBe(1);
  });

  it("T05 never lets the producer run further ahead than a chunk", async () => {
    await using pair = await open();
    opened = 0;
    let taken = 0;
    for await (const n of pair.api.asyncGenerator()) {
      taken = n;
      await pair.fence();
      expect(opened - taken).toBeLessThanOrEqual(256);
      if (n === 600) break;
    }
  });

  it("T06 of 10,000 items takes 10,000 / 64 + 4 round trips at most", async () => {
    await using pair = await open();
    let sum = 0;
    await expectRoundTrips(10_000 / 64 + 4, async () => {
      for await (const n of pair.api.many) sum += n;
    });
    expect(sum).toBe((9_999 * 10_000) / 2);
  });
});

describe("pipelining", () => {
  it("P01 three calls that build on each other are one round trip", async () => {
    await using pair = await open();
    const counter = pair.api.counter(1);
    expect(await expectRoundTrips(1, () => counter.next())).toBe(2);
    const deep = await expectRoundTrips(1, () =>
      Promise.all([pair.api.counter(1).add(2), pair.api.Dog.make("x").speak()]),
    );
    expect(deep).toEqual([3, "x says Woof"]);
  });

  it("P02 a promise that is passed is resolved over there, in one round trip", async () => {
    await using pair = await open();
    const sum = await expectRoundTrips(1, () =>
      pair.api.add(pair.api.add(1, 2), pair.api.counter(5).next()),
    );
    expect(sum).toBe(9);
  });

  it("P03 what builds on a call that fails, fails with its error", async () => {
    await using pair = await open();
    const error = await pair.api.fail().x.then(undefined, (reason: unknown) => reason);
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).message).toBe("mine");
    await expect(pair.api.add(pair.api.fail() as never, 1)).rejects.toThrow("mine");
  });

  it("P04 calls begin in the order they were made, whatever they are made on", async () => {
    await using pair = await open();
    order.length = 0;
    const calls = [];
    for (let i = 0; i < 20; i++) {
      calls.push(pair.api.note(`a${i}`));
      calls.push(pair.api.noteLater(`b${i}`));
      calls.push(set(pair.api, "extras", i));
    }
    await Promise.all(calls);
    expect(order.filter((text) => text.startsWith("a"))).toEqual(
      Array.from({ length: 20 }, (_, i) => `a${i}`),
    );
    expect(order.filter((text) => text.startsWith("b"))).toEqual(
      Array.from({ length: 20 }, (_, i) => `b${i}`),
    );
    const counter = pair.api.counter(0);
    const seen = await Promise.all(Array.from({ length: 50 }, () => counter.next()));
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  it("P05 a call that waits for another session does not hold up those behind it", async () => {
    const late = deferred<number>();
    await using slow = await sessionPair({ far: { exports: { late: () => late.promise } } });
    await using pair = await open();
    const waiting = pair.api.add(slow.near.remote<() => Promise<number>>("late")(), 1);
    expect(await pair.api.add(1, 1)).toBe(2);
    late.resolve(41);
    expect(await waiting).toBe(42);
  });

  it("P08 calls of one turn leave in few messages", async () => {
    await using pair = await open();
    const before = pair.near.stats();
    const sums = await Promise.all(Array.from({ length: 1_000 }, (_, i) => pair.api.add(i, 1)));
    expect(sums[999]).toBe(1_000);
    expect(pair.near.stats().sentMessages - before.sentMessages).toBeLessThanOrEqual(2);
    expect(await map(pair.api.array, (n) => pair.api.add(n, 1))).toEqual([2, 3, 4]);
  });

  it("P10 text and arithmetic of what is not there yet is a TypeError that says so, and sends nothing", async () => {
    await using pair = await open();
    const ref = await pair.api.counter(1);
    await expectRoundTrips(0, () => {
      for (const unresolved of [ref, pair.api.array, pair.api]) {
        expect(() => `text ${unresolved as unknown as string}`).toThrow(/await it first/);
        expect(() => (unresolved as unknown as number) + 1).toThrow(/await it first/);
        expect(() => Number(unresolved)).toThrow(/await it first/);
      }
      return Promise.resolve();
    });
    const pending = pair.api.add(1, 2);
    expect(() => (pending as unknown as number) + 1).toThrow(/await it first/);
    await pending;
  });

  it("P11 a result of one session goes on to another while it is not there yet", async () => {
    await using one = await open();
    await using other = await open();
    expect(await other.api.add(one.api.add(1, 2), 1)).toBe(4);
  });

  it("P13 nothing of a call is thenable by accident", async () => {
    await using pair = await open();
    const dog = await new pair.api.Dog("Rex");
    expect((dog as unknown as { then: unknown }).then).toBeUndefined();
    const through = await (async () => await Promise.resolve(dog))();
    expect(through === dog).toBe(true);
    expect(isRemote(byRef(dog))).toBe(false);
  });
});
