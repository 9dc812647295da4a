import { describe, expect, it, vi } from "vitest";

import { AsyncQueue } from "../../src/base/queue.ts";

describe("AsyncQueue", () => {
  it("hands items over in order, those pushed before and those waited for", async () => {
    const queue = new AsyncQueue<number>({ limit: 10 });
    queue.push(1);
    queue.push(2);
    expect(await queue.next()).toEqual({ done: false, value: 1 });
    expect(await queue.next()).toEqual({ done: false, value: 2 });
    const next = queue.next();
    queue.push(3);
    expect(await next).toEqual({ done: false, value: 3 });
  });

  it("serves several waiting pulls, each with one item, and ends them all", async () => {
    const queue = new AsyncQueue<number>({ limit: 10 });
    const pulls = [queue.next(), queue.next(), queue.next(), queue.next()];
    queue.push(1);
    queue.push(2);
    queue.end();
    expect((await Promise.all(pulls)).map(({ value }) => value as unknown)).toEqual([
      1,
      2,
      undefined,
      undefined,
    ]);
  });

  it("push() says false at the limit and does not take the item", async () => {
    const queue = new AsyncQueue<number>({ limit: 2 });
    expect([queue.push(1), queue.push(2), queue.push(3)]).toEqual([true, true, false]);
    queue.end();
    expect(await drain(queue)).toEqual([1, 2]);
  });

  it("fail() throws once, after the items that are here", async () => {
    const queue = new AsyncQueue<number>({ limit: 2 });
    const reason = new Error("seeded");
    queue.push(1);
    queue.fail(reason);
    expect(await queue.next()).toEqual({ done: false, value: 1 });
    await expect(queue.next()).rejects.toBe(reason);
    expect(await queue.next()).toEqual({ done: true, value: undefined });
  });

  it("breaking out of a loop ends it, drops the rest and tells its owner once", async () => {
    const onEnd = vi.fn<() => void>();
    const queue = new AsyncQueue<number>({ limit: 5, onEnd });
    queue.push(1);
    queue.push(2);
    for await (const item of queue) if (item === 1) break;
    queue.end();
    expect(onEnd).toHaveBeenCalledOnce();
    expect(queue.push(3)).toBe(true);
    expect(await queue.next()).toEqual({ done: true, value: undefined });
  });
});

async function drain<T>(queue: AsyncQueue<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of queue) items.push(item);
  return items;
}
