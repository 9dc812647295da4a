import { describe, expect, it } from "vitest";

import { isRemote } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

class Box {
  readonly #n: number;
  constructor(n: number) {
    this.#n = n;
  }
  get n(): number {
    return this.#n;
  }
  next(): Box {
    return new Box(this.#n + 1);
  }
}

const kept = new Box(0);
const api = { box: (n: number) => new Box(n), kept: () => kept };
const open = () => sessionPair({ far: { exports: { api } } });

describe("D06 session.scope()", () => {
  it("gives back what its calls brought, but not what it returns or what was there", async () => {
    await using pair = await open();
    const remote = pair.near.remote<typeof api>("api");
    const before = await remote.kept();
    const { result, list } = await pair.near.scope(async () => {
      for (let i = 0; i < 1000; i++) {
        const box = await remote.box(i);
        expect(await (await box.next()).n).toBe(i + 1);
      }
      expect(await remote.kept()).toBe(before);
      return { result: await remote.box(7), list: [await remote.box(8)] };
    });
    await pair.fence();
    expect(pair.near.stats().imports).toBe(3);
    expect(pair.far.stats().exports).toBe(3);
    expect(await result.n).toBe(7);
    expect(await list[0]!.n).toBe(8);
    expect(await before.n).toBe(0);
  });

  it("leaves alone what others get meanwhile", async () => {
    await using pair = await open();
    const remote = pair.near.remote<typeof api>("api");
    let inside: unknown;
    const outside = (async () => {
      const box = await remote.box(1);
      await pair.fence();
      return box;
    })();
    await pair.near.scope(async () => {
      inside = await remote.box(2);
      await pair.fence();
    });
    expect(await (await outside).n).toBe(1);
    await expect((inside as { n: Promise<number> }).n).rejects.toMatchObject({
      code: "REMOTE_RELEASED",
    });
  });

  it("nests, and gives everything back when it throws", async () => {
    await using pair = await open();
    const remote = pair.near.remote<typeof api>("api");
    const failing = pair.near.scope(async () => {
      const inner = await pair.near.scope(async () => [await remote.box(1), await remote.box(2)]);
      expect(isRemote(inner[0])).toBe(true);
      throw new RangeError("on purpose");
    });
    await expect(failing).rejects.toThrow(new RangeError("on purpose"));
    await pair.fence();
    expect(pair.near.stats().imports).toBe(0);
    expect(pair.far.stats().exports).toBe(0);
  });

  it("keeps 100,000 references bounded in one piece of work", async () => {
    await using pair = await open();
    const remote = pair.near.remote<typeof api>("api");
    let most = 0;
    for (let round = 0; round < 100; round++) {
      await pair.near.scope(async () => {
        await Promise.all(Array.from({ length: 1000 }, (_, i) => remote.box(i)));
      });
      most = Math.max(most, pair.far.stats().exports);
    }
    expect(most).toBeLessThanOrEqual(2000);
  });
});
