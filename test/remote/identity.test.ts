import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { describe, expect, it } from "vitest";

import { isRemote, release } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

describe("identity", () => {
  it("gives one stub for one object, and one for each of its properties", async () => {
    const object = { method: () => 1 };
    await using pair = await sessionPair({ far: { exports: { get: () => object } } });
    const get = pair.near.remote<() => typeof object>("get");
    const first = await get();
    expect((await get()) === first).toBe(true);
    expect(first.method === first.method).toBe(true);
    expect(pair.near.stats().imports).toBe(1);
    expect(pair.far.stats().exports).toBe(1);
  });

  it("gives the other side one stub for a function that is passed twice", async () => {
    const seen = new Set<unknown>();
    const api = {
      same: (a: unknown, b: unknown) => a === b,
      keep: (a: unknown) => seen.add(a).size,
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const f = (): number => seen.size;
    expect(await remote.same(f, f)).toBe(true);
    expect(await remote.keep(f)).toBe(1);
    expect(await remote.keep(f)).toBe(1);
    seen.clear();
  });

  it("brings an object home as itself, also through a side in between", async () => {
    const a = { name: "a's" };
    let kept: unknown;
    const c = {
      keep: (value: unknown) => {
        kept = value;
      },
      give: () => kept,
    };
    await using bc = await sessionPair({ far: { exports: { c } } });
    await using ab = await sessionPair({ far: { exports: { c: bc.near.remote("c") } } });
    const remote = ab.near.remote<typeof c>("c");
    await remote.keep(a);
    expect(isRemote(kept)).toBe(true);
    expect((await remote.give()) === (a as unknown)).toBe(true);
    kept = undefined;
  });

  it("calls through a side in between", async () => {
    const c = { deep: { add: (x: number, y: number) => x + y } };
    await using bc = await sessionPair({ far: { exports: { c } } });
    await using ab = await sessionPair({ far: { exports: { c: bc.near.remote("c") } } });
    expect(await ab.near.remote<typeof c>("c").deep.add(1, 2)).toBe(3);
    const deep = await ab.near.remote<typeof c>("c").deep;
    expect(await deep.add(3, 4)).toBe(7);
  });
});

describe("release()", () => {
  it("D14 empties both tables, and the stub is of no use afterwards", async () => {
    await using pair = await sessionPair({ far: { exports: { make: () => ({ n: 1 }) } } });
    const make = pair.near.remote<() => { n: number }>("make");
    const first = await make();
    release(first);
    await expect(first.n).rejects.toMatchObject({ code: "REMOTE_RELEASED" });
    await pair.fence();
    expect([pair.near.stats().imports, pair.far.stats().exports]).toEqual([0, 0]);
    {
      using second = await make();
      expect(await second.n).toBe(1);
    }
    await pair.fence();
    expect([pair.near.stats().imports, pair.far.stats().exports]).toEqual([0, 0]);
  });

  it("D02 does no harm while the same object is on its way again", async () => {
    const object = { n: 5 };
    await using pair = await sessionPair({ far: { exports: { get: () => object } } });
    const get = pair.near.remote<() => typeof object>("get");
    const first = await get();
    const second = get();
    release(first);
    const again = await second;
    expect(again === first).toBe(false);
    await pair.fence();
    expect(await again.n).toBe(5);
    expect(pair.far.stats().exports).toBe(1);
    release(again);
    await pair.fence();
    expect(pair.far.stats().exports).toBe(0);
  });

  it("D04 counts an object that is in one message many times as one entry", async () => {
    const thing = new Map();
    const things = { give: () => Array.from({ length: 50 }, () => thing) };
    await using copying = await sessionPair({ far: { exports: { things }, plain: "copy" } });
    const all = (await copying.near.remote<typeof things>("things").give()) as unknown as object[];
    expect(new Set(all).size).toBe(1);
    expect(copying.far.stats().exports).toBe(1);
    release(all[0]);
    await copying.fence();
    expect(copying.far.stats().exports).toBe(0);
  });

  it("D08 takes exports back when a call can't be encoded", async () => {
    await using pair = await sessionPair({ far: { exports: { f: () => 1 } } });
    const f = pair.near.remote<(...args: unknown[]) => number>("f");
    const signal = new AbortController().signal;
    await expect(
      f({}, () => {}, Promise.resolve(1), { signal }, signal, 2n ** 200_000n),
    ).rejects.toMatchObject({ code: "WIRE_LIMIT" });
    expect(pair.near.stats()).toMatchObject({ exports: 0, pending: 0, waiting: 0 });
    expect(await f()).toBe(1);
  });

  it("D01 happens by itself for what is collected", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    await using pair = await sessionPair({ far: { exports: { make: () => ({}) } } });
    const make = pair.near.remote<() => object>("make");
    for (let i = 0; i < 100; i++) await make();
    for (let i = 0; i < 50 && pair.far.stats().exports > 0; i++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
      await pair.fence();
    }
    expect(pair.far.stats().exports).toBe(0);
  });
});
