/** The acceptance cases T (iteration) and O (round trips) for proxies. */
import { describe, expect, it } from "vitest";

import { syncPair } from "./pair.ts";

const COUNT = 10_000;
const ROUND_TRIPS = COUNT / 64 + 4;

const notes: string[] = [];
const list = Array.from({ length: COUNT }, (_, i) => i);
const api = {
  list,
  short: list.slice(0, 200),
  map: new Map<unknown, unknown>([["a", 1], ["b", { n: 2 }]]), // prettier-ignore
  set: new Set(["x", "y"]),
  *count(to: number, each?: (n: number) => void): Generator<number, string, string | undefined> {
    let i = 0;
    try {
      for (; i < to; i++) {
        each?.(i);
        const got = yield i;
        if (got !== undefined) notes.push(got);
      }
      return "done";
    } finally {
      notes.push(`ended at ${i}`);
    }
  },
  *failing(after: number) {
    for (let i = 0; i < after; i++) yield i;
    throw new RangeError("no more");
  },
  async *later(to: number) {
    try {
      for (let i = 0; i < to; i++) yield await Promise.resolve(i);
      return "done later";
    } finally {
      notes.push("ended later");
    }
  },
};

function opened() {
  notes.length = 0;
  const pair = syncPair({ exports: { api } });
  const remote = pair.near.remote<typeof api>("api");
  const trips = (run: () => unknown): number => {
    const before = pair.near.stats().roundTrips;
    run();
    return pair.near.stats().roundTrips - before;
  };
  return { remote, trips, [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose]() };
}

describe("iterating proxies", () => {
  it("T01 O01 takes one round trip for a spread, and few for ten thousand items", async () => {
    await using near = opened();
    const { count, list: far, short, map, set } = near.remote;
    expect(near.trips(() => expect([...short]).toEqual(api.short))).toBe(1);
    expect(near.trips(() => expect([...set]).toEqual(["x", "y"]))).toBe(1);
    expect(near.trips(() => expect(Math.max(...short)).toBe(199))).toBe(1);
    expect(near.trips(() => expect([...far]).toEqual(list))).toBeLessThanOrEqual(ROUND_TRIPS);
    const seen: number[] = [];
    const taken = near.trips(() => {
      for (const n of count(COUNT)) seen.push(n);
    });
    expect(seen).toEqual(list);
    expect(taken).toBeLessThanOrEqual(ROUND_TRIPS);
    const names: unknown[] = [];
    expect(near.trips(() => { for (const [key] of map) names.push(key); })).toBe(1); // prettier-ignore
    expect(names).toEqual(["a", "b"]);
  });

  it("T01 pairs of a Map are arrays of this side, and what is in them is itself", async () => {
    await using near = opened();
    const pairs = [...near.remote.map];
    expect(pairs[0]).toEqual(["a", 1]);
    expect(pairs[1]?.[1]).toBe(near.remote.map.get("b"));
    expect([...near.remote.short.entries()][3]).toEqual([3, 3]);
    expect(Object.fromEntries(near.remote.set.entries())).toEqual({ x: "x", y: "y" });
    expect(new Map(near.remote.map).get("a")).toBe(1);
  });

  it("T01 a generator runs no further than it is used, and returns what it returns", async () => {
    await using near = opened();
    const counter = near.remote.count(3);
    expect(counter.next()).toEqual({ value: 0, done: false });
    expect(notes).toEqual([]);
    expect(counter.next("hello")).toMatchObject({ value: 1, done: false });
    expect(notes).toEqual(["hello"]);
    expect([counter.next(), counter.next(), counter.next()]).toEqual([
      { value: 2, done: false },
      { value: "done", done: true },
      { value: undefined, done: true },
    ]);
    function* around(): Generator<unknown, void, undefined> {
      yield `returned ${yield* near.remote.count(1)}`;
    }
    expect([...around()]).toEqual([0, "returned done"]);
    notes.length = 0;
    for (const n of near.remote.count(COUNT)) if (n === 5) break;
    expect(notes).toEqual(["ended at 5"]);
  });

  it("T01 a generator that calls back is asked for one item at a time, however long", async () => {
    await using near = opened();
    const order: string[] = [];
    for (const n of near.remote.count(100, (i) => order.push(`made ${i}`))) order.push(`got ${n}`);
    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => [`made ${i}`, `got ${i}`]).flat());
  });

  it("T01 what a generator throws comes behind the items before it, also of one asked ahead", async () => {
    await using near = opened();
    for (const after of [0, 1, 30, 100]) {
      const seen: number[] = [];
      const all = (): void => {
        for (const n of near.remote.failing(after)) seen.push(n);
      };
      expect(all).toThrow(new RangeError("no more"));
      expect(seen).toEqual(list.slice(0, after));
    }
  });

  it("T01 leaving a loop over a generator that was asked ahead ends it, and nothing comes any more", async () => {
    await using near = opened();
    const counter = near.remote.count(COUNT);
    for (const n of counter) if (n === 40) break;
    expect(notes).toHaveLength(1);
    expect(counter.next()).toEqual({ value: undefined, done: true });
  });

  it("T03 async generators give their items to for await, and are ended when it is left", async () => {
    await using near = opened();
    const seen: number[] = [];
    for await (const n of near.remote.later(3)) seen.push(n);
    expect(seen).toEqual([0, 1, 2]);
    expect(notes).toEqual(["ended later"]);
    for await (const n of near.remote.later(3)) if (n === 1) break;
    expect(notes).toEqual(["ended later", "ended later"]);
    const later = near.remote.later(0);
    expect(await later.next()).toMatchObject({ value: "done later", done: true });
  });
});
