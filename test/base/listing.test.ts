import { describe, expect, it } from "vitest";

import { Listing } from "../../src/base/listing.ts";

/** Pages, and what happened to them. */
function listing(
  pages: readonly (readonly number[])[],
  { fails = false } = {},
): Listing<number> & { events: string[] } {
  const events: string[] = [];
  const made = new Listing<number>(async function* () {
    try {
      for (const page of pages) {
        events.push(`page of ${page.length}`);
        yield page;
      }
      if (fails) throw new Error("no more");
    } finally {
      events.push("ended");
    }
  });
  return Object.assign(made, { events });
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("Listing", () => {
  it("gives the items of all pages one by one, and anew each time it is read", async () => {
    const list = listing([[1, 2], [], [3]]);
    expect(await collect(list)).toEqual([1, 2, 3]);
    expect(await collect(list)).toEqual([1, 2, 3]);
    expect(await list.toArray()).toEqual([1, 2, 3]);
    expect(await collect(list.pages())).toEqual([[1, 2], [3]]);
    expect(await collect(list.map((item) => item * 2))).toEqual([2, 4, 6]);
    expect(await collect(listing([]))).toEqual([]);
  });

  it("reads a page when the one before is used up, and ends its source where the reader breaks off", async () => {
    const list = listing([[1, 2], [3]]);
    for await (const item of list) if (item === 2) break;
    expect(list.events).toEqual(["page of 2", "ended"]);
  });

  it("answers calls that do not wait for each other in their order", async () => {
    const items = listing([[1, 2], [3], [4, 5]])[Symbol.asyncIterator]();
    const results = await Promise.all(Array.from({ length: 7 }, () => items.next()));
    expect(results.map(({ value }) => value)).toEqual([1, 2, 3, 4, 5, undefined, undefined]);
    expect(results.map(({ done }) => done)).toEqual([
      false,
      false,
      false,
      false,
      false,
      true,
      true,
    ]);
    const ending = listing([[1], [2]])[Symbol.asyncIterator]();
    const [first, end, behind] = await Promise.all([
      ending.next(),
      ending.return?.(),
      ending.next(),
    ]);
    expect([first.value, end?.done, behind.done]).toEqual([1, true, true]);
  });

  it("throws what its source throws once, behind what there was", async () => {
    const items = listing([[1]], { fails: true })[Symbol.asyncIterator]();
    expect((await items.next()).value).toBe(1);
    await expect(items.next()).rejects.toThrow("no more");
    expect((await items.next()).done).toBe(true);
  });
});
