import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

async function collect(iterable: AsyncIterable<unknown>): Promise<unknown[]> {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

describe("for await over a remote object", () => {
  it("goes through arrays, generators, async generators and Maps, in chunks", async () => {
    const api = {
      array: Array.from({ length: 1_000 }, (_, i) => i),
      empty: [],
      *generate(n: number) {
        for (let i = 0; i < n; i++) yield i;
      },
      async *later(n: number) {
        for (let i = 0; i < n; i++) {
          await Promise.resolve();
          yield i;
        }
      },
      map: new Map([["a", 1]]),
      promises: [Promise.resolve(1), Promise.resolve(2)],
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const before = pair.near.stats().calls;
    expect(await collect(remote.array)).toEqual(api.array);
    expect(pair.near.stats().calls - before).toBeLessThan(12);
    expect(await collect(remote.empty)).toEqual([]);
    expect(await collect(remote.generate(20))).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(await collect(remote.later(300))).toEqual(Array.from({ length: 300 }, (_, i) => i));
    expect(await collect(await remote.later(3))).toEqual([0, 1, 2]);
    expect(await collect(remote.promises)).toEqual([1, 2]);
    await pair.fence();
    for await (const entry of remote.map) expect(entry).toEqual(["a", 1]);
  });

  it("gives the pairs of Maps as arrays of this side, and what is in them as it is", async () => {
    const inner = { n: 1 };
    const api = {
      map: new Map<string, unknown>([["a", 1], ["b", inner]]), // prettier-ignore
      list: ["x", "y"],
      same: (value: unknown) => value === inner,
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const seen: unknown[] = [];
    for await (const [key, value] of remote.map) seen.push(key, value);
    expect(seen.slice(0, 3)).toEqual(["a", 1, "b"]);
    expect(await remote.same(seen[3])).toBe(true);
    expect(await collect(remote.list.entries())).toEqual([[0, "x"], [1, "y"]]); // prettier-ignore
    expect(await collect(remote.map.entries())).toHaveLength(2);
  });

  it("calls return() over there when it is left, and gives everything back", async () => {
    let ended = 0;
    let taken = 0;
    const api = {
      *numbers() {
        try {
          for (let i = 0; ; i++) {
            taken = i;
            yield i;
          }
        } finally {
          ended++;
        }
      },
      async *later() {
        try {
          for (let i = 0; ; i++) yield i;
        } finally {
          ended++;
        }
      },
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const numbers = await remote.numbers();
    for await (const item of numbers) if (item === 2) break;
    expect(ended).toBe(1);
    expect(taken).toBeLessThan(10);
    for await (const item of await remote.later()) if (item === 2) break;
    expect(ended).toBe(2);
  });

  it("never runs further ahead than a chunk, and brings what is there at once", async () => {
    let produced = 0;
    const gate = deferred<void>();
    const api = {
      async *numbers() {
        for (;;) {
          if (produced === 5) await gate.promise;
          yield produced++;
        }
      },
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const iterator = pair.near.remote<typeof api>("api").numbers()[Symbol.asyncIterator]();
    for (let i = 0; i < 5; i++) expect((await iterator.next()).value).toBe(i);
    expect(produced).toBe(5);
    const next = iterator.next();
    gate.resolve();
    expect((await next).value).toBe(5);
    await pair.fence();
    expect(produced).toBeLessThan(60);
    await iterator.return?.();
  });

  it("throws what the iterator throws, after the items before it", async () => {
    const api = {
      *fails() {
        yield 1;
        throw new RangeError("over");
      },
      number: 1,
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const seen: unknown[] = [];
    const loop = async (): Promise<void> => {
      for await (const item of remote.fails()) seen.push(item);
    };
    await expect(loop()).rejects.toThrow(RangeError);
    expect(seen).toEqual([1]);
    await expect(collect(remote.number as never)).rejects.toThrow(/not iterable/);
  });

  it("ends over there where an item can't be sent", async () => {
    let ended = 0;
    const api = {
      *numbers() {
        try {
          yield 1;
          yield 2n ** 200_000n;
        } finally {
          ended++;
        }
      },
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const loop = async (): Promise<void> => {
      for await (const item of pair.near.remote<typeof api>("api").numbers()) void item;
    };
    await expect(loop()).rejects.toMatchObject({ code: "WIRE_LIMIT" });
    await pair.fence();
    expect(ended).toBe(1);
  });

  it("fails in order where this side closes the session meanwhile", async () => {
    const ended = deferred<void>();
    const api = {
      async *numbers() {
        try {
          for (let i = 0; ; i++) yield i;
        } finally {
          ended.resolve();
        }
      },
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const loop = async (): Promise<void> => {
      for await (const item of pair.near.remote<typeof api>("api").numbers()) {
        if (item === 10) void pair.near.close();
      }
    };
    await expect(loop()).rejects.toMatchObject({ code: "REMOTE_CLOSED" });
    await ended.promise;
    expect(await pair.near.closed).toBeUndefined();
  });

  it("ends when the session does, on both sides", async () => {
    const ended = deferred<void>();
    const api = {
      async *numbers() {
        try {
          for (let i = 0; ; i++) yield i;
        } finally {
          ended.resolve();
        }
      },
    };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const loop = async (): Promise<void> => {
      for await (const item of pair.near.remote<typeof api>("api").numbers()) {
        if (item === 10) pair.near.abort(new Error("cut"));
      }
    };
    await expect(loop()).rejects.toMatchObject({
      code: expect.stringMatching(/^REMOTE_/) as string,
    });
    await ended.promise;
  });

  it("brings large items in chunks of bounded size", async () => {
    const api = { rows: Array.from({ length: 64 }, (_, i) => new Uint8Array(100_000).fill(i)) };
    await using pair = await sessionPair({
      far: { exports: { api }, limits: { maxMessageBytes: 400_000 } },
    });
    const rows = (await collect(pair.near.remote<typeof api>("api").rows)) as Uint8Array[];
    expect(rows.map((row) => row[0])).toEqual(api.rows.map((row) => row[0]));
  });
});
