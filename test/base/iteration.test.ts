import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { Feed, handTo } from "../../src/base/iteration.ts";

class Numbers extends Feed<number> {
  readonly items: number[] = [];

  add(item: number): void {
    this.items.push(item);
    this.wake();
  }

  protected override take(): number | undefined {
    const item = this.items.shift();
    if (item === -1) throw new Error("seeded");
    return item;
  }

  protected override whenEnded(): void {
    this.items.length = 0;
  }
}

async function* oneAndTwo(): AsyncGenerator<number> {
  yield 1;
  yield 2;
}

describe("Feed.handTo", () => {
  it("hands over what was there, and each item in the very step in which it comes", async () => {
    const numbers = new Numbers();
    const got: number[] = [];
    numbers.add(1);
    const end = numbers.handTo((item) => void got.push(item));
    expect(got).toEqual([1]);
    numbers.add(2);
    expect(got).toEqual([1, 2]);
    numbers.add(3);
    expect(got).toEqual([1, 2, 3]);
    numbers.end();
    await end;
  });

  it("waits with the next item for what the taker gives", async () => {
    const numbers = new Numbers();
    const got: number[] = [];
    const room = deferred<void>();
    const end = numbers.handTo((item) => {
      got.push(item);
      return item === 1 ? room.promise : undefined;
    });
    numbers.add(1);
    numbers.add(2);
    expect(got).toEqual([1]);
    room.resolve();
    await room.promise;
    expect(got).toEqual([1, 2]);
    numbers.end();
    await end;
  });

  it("rejects with what ends the feed, with what taking throws, and with what the taker throws", async () => {
    const ended = new Numbers();
    const first = handTo(ended, () => undefined);
    ended.end({ reason: new Error("the end") });
    await expect(first).rejects.toThrow("the end");
    const broken = new Numbers();
    const second = handTo(broken, () => undefined);
    broken.add(-1);
    await expect(second).rejects.toThrow("seeded");
    const third = new Numbers();
    const refused = handTo(third, () => {
      throw new Error("refused");
    });
    third.add(1);
    await expect(refused).rejects.toThrow("refused");
  });
});

describe("handTo", () => {
  it("reads what is no feed, one item after the other", async () => {
    const got: number[] = [];
    await handTo(oneAndTwo(), async (item) => void got.push(item));
    expect(got).toEqual([1, 2]);
  });
});
