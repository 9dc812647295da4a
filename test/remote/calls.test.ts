import { describe, expect, it } from "vitest";

import { byRef, byValue, has, instanceOf, keys, remove, set, snapshot } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

class Dog {
  static create(name: string): Dog {
    return new Dog(name);
  }
  readonly #name: string;
  own = 1;
  constructor(name: string) {
    this.#name = name;
  }
  speak(): string {
    return `${this.#name}: wuff`;
  }
  get name(): string {
    return this.#name;
  }
  set loud(value: number) {
    if (value > 10) throw new RangeError("too loud");
    this.own = value;
  }
}

describe("calls", () => {
  it("start in the order they were made", async () => {
    const order: number[] = [];
    const api = {
      note: (n: number) => void order.push(n),
      sub: { note: (n: number) => void order.push(n) },
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const calls = [];
    for (let i = 0; i < 100; i++) calls.push(i % 2 === 0 ? remote.note(i) : remote.sub.note(i));
    await Promise.all(calls);
    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(pair.near.stats().sentMessages).toBe(1);
  });

  it("pass the result of one to another at once, without waiting for it", async () => {
    const seen: unknown[] = [];
    const api = {
      make: (n: number) => ({ n }),
      later: async (n: number) => {
        await Promise.resolve();
        return { n };
      },
      take: (o: { n: number }, m?: number) => {
        seen.push(o);
        return o.n + (m ?? 0);
      },
      fails: (): { n: number } => {
        throw new RangeError("no such thing");
      },
      number: 7,
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const before = pair.near.stats().sentMessages;
    const sums = [remote.take(remote.make(3)), remote.take(remote.later(4), remote.number)];
    expect(await Promise.all(sums)).toEqual([3, 11]);
    expect(pair.near.stats().sentMessages - before).toBe(1);
    await expect(remote.take(remote.fails())).rejects.toThrow("no such thing");
    await expect(remote.fails().n).rejects.toThrow("no such thing");
    await pair.fence();
    expect(pair.far.stats().waiting).toBe(0);
  });

  it("can be made on a result that byValue() or byRef() marked", async () => {
    const list = [1, 2, 3];
    const api = {
      rows: () => byValue([{ n: 1 }, { n: 2 }]),
      later: async () => byValue(list),
      date: () => byRef(new Date(7)),
      marked: byRef(list),
      count: (items: number[]) => items.length,
      same: (items: number[]) => items === list,
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    expect(await remote.rows().length).toBe(2);
    expect(await remote.rows()[1]?.n).toBe(2);
    expect(await remote.marked.length).toBe(3);
    expect(await remote.count(remote.later())).toBe(3);
    expect(await remote.same(remote.marked)).toBe(true);
    const date = remote.date() as unknown as { getTime(): Promise<number> };
    expect(await date.getTime()).toBe(7);
  });

  it("can be made on a result at any time later", async () => {
    const api = { make: (n: number) => ({ get: () => n, inner: { n } }) };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const result = pair.near.remote<typeof api>("api").make(5);
    await Promise.resolve();
    await new Promise((resolve) => process.nextTick(resolve));
    const waiting = result.get();
    expect(await waiting).toBe(5);
    await result;
    expect(await result.inner.n).toBe(5);
  });

  it("construct, and know classes", async () => {
    await using pair = await sessionPair({ far: { exports: { Dog, Cat: Map, arrow: () => 1 } } });
    const Remote = pair.near.remote<typeof Dog>("Dog");
    const dog = await new Remote("Rex");
    expect(await dog.speak()).toBe("Rex: wuff");
    expect(await dog.name).toBe("Rex");
    expect(await Remote.create("Bello").speak()).toBe("Bello: wuff");
    expect(await instanceOf(dog, Remote)).toBe(true);
    expect(await instanceOf(dog, pair.near.remote("Cat"))).toBe(false);
    const arrow = (await pair.near.remote("arrow")) as new () => unknown;
    const before = pair.near.stats().calls;
    expect(() => new arrow()).toThrow(TypeError);
    expect(pair.near.stats().calls).toBe(before);
  });

  it("set(), has(), remove(), keys() and snapshot() work on data", async () => {
    const data: Record<string, unknown> = {
      a: 1,
      list: [1, 2],
      f: Object.assign(() => 1, { extra: 4 }),
    };
    await using pair = await sessionPair({ far: { exports: { data, dog: new Dog("Rex") } } });
    const remote = pair.near.remote<typeof data>("data");
    await set(remote, "b", 2);
    expect(data["b"]).toBe(2);
    expect([await has(remote, "b"), await has(remote, "c")]).toEqual([true, false]);
    await remove(remote, "b");
    expect(await keys(remote)).toEqual(["a", "list", "f"]);
    expect(await snapshot(remote["list"])).toEqual([1, 2]);
    expect(await pair.near.remote<{ f: { extra: number } }>("data").f.extra).toBe(4);
    const dog = pair.near.remote<Dog>("dog");
    await set(dog, "loud", 3);
    await expect(set(dog, "loud", 11)).rejects.toThrow(RangeError);
  });

  it("pass functions that may call back, to any depth", async () => {
    type Step = (n: number, next: unknown) => Promise<number> | number;
    const far: Step = async (n, next) => (n === 0 ? 0 : 1 + (await (next as Step)(n - 1, far)));
    const near: Step = async (n, next) => (n === 0 ? 0 : 1 + (await (next as Step)(n - 1, near)));
    await using pair = await sessionPair({ far: { exports: { far } } });
    const remote = pair.near.remote<Step>("far");
    expect(await remote(200, near)).toBe(200);
  });

  it("keep nothing of a callback that is used 10,000 times", async () => {
    const api = {
      run: async (n: number, f: (i: number) => unknown) => {
        for (let i = 0; i < n; i++) await f(i);
      },
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    let count = 0;
    await pair.near.remote<typeof api>("api").run(10_000, () => count++);
    expect(count).toBe(10_000);
    expect(pair.near.stats()).toMatchObject({ exports: 1, pending: 0, serving: 0, waiting: 0 });
  });

  it("pass an abort signal on, for as long as they last", async () => {
    const api = {
      wait: (options: { signal: AbortSignal }) =>
        new Promise((_, reject) =>
          options.signal.addEventListener("abort", () => reject(options.signal.reason as Error)),
        ),
      aborted: (signal: AbortSignal) => signal.aborted,
    };
    await using pair = await sessionPair({
      near: { plain: "copy" },
      far: { exports: { api }, plain: "copy" },
    });
    const remote = pair.near.remote<typeof api>("api");
    const controller = new AbortController();
    const waiting = remote.wait({ signal: controller.signal });
    await pair.fence();
    expect(pair.far.stats().waiting).toBe(1);
    const reason = new Error("enough");
    controller.abort(reason);
    expect(await waiting.catch((error: unknown) => error)).toBe(reason);
    expect(await remote.aborted(AbortSignal.abort())).toBe(true);
    await pair.fence();
    expect([pair.near.stats().waiting, pair.far.stats().waiting]).toEqual([0, 0]);
  });
});

describe("stubs", () => {
  it("say what to do instead of answering wrongly", async () => {
    await using pair = await sessionPair({ far: { exports: { dog: { a: 1 }, f: () => "x" } } });
    const dog = (await pair.near.remote("dog")) as Record<string, unknown>;
    const primitive = dog as unknown as number;
    const before = pair.near.stats().calls;
    expect(() => "a" in dog).toThrow(/await has\(ref, key\)/);
    expect(() => Object.keys(dog)).toThrow(/await keys\(ref\)/);
    expect(() => `${primitive}`).toThrow(/await it first/);
    expect(() => primitive + 1).toThrow(/await it first/);
    expect(() => String(pair.near.remote("f")())).toThrow(/await it first/);
    expect(() => {
      dog["a"] = 2;
    }).toThrow(/await set\(ref, key, value\)/);
    expect(() => JSON.stringify(dog)).toThrow(/snapshot/);
    expect((dog as { then?: unknown }).then).toBeUndefined();
    expect(pair.near.stats().calls).toBe(before + 1);
  });
});
