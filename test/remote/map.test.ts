import { describe, expect, expectTypeOf, it } from "vitest";

import { has, isRemote, map } from "../../src/remote.ts";
import { FIRST_EXTENSION_TAG, writeValue } from "../../src/wire/value.ts";
import { Operation } from "../../src/remote/protocol.ts";
import { expectRoundTrips } from "../../src/testing/expect-round-trips.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { hostile, request } from "./hostile-peer.ts";

class User {
  readonly secret = "s";
  readonly #id: number;
  constructor(id: number) {
    this.#id = id;
  }
  get id(): number {
    return this.#id;
  }
  friend(): Promise<User> {
    return Promise.resolve(new User(this.#id + 1000));
  }
}

const users = Array.from({ length: 100 }, (_, i) => new User(i));
const api = {
  users: () => users,
  later: () => Promise.resolve(new Set(users.slice(0, 3))),
  greet: (id: number, how?: { word: string }) => `${how?.word ?? "hello"} ${id}`,
  pick: (one: { user: User; list: unknown[] }) => [one.user.id, one.list.length],
  async *numbers() {
    for (let i = 1; i <= 3; i++) yield await Promise.resolve(i);
  },
  endless: function* () {
    for (let i = 0; ; i++) yield i;
  },
  fail: (n: number) => {
    if (n === 2) throw new RangeError("two");
    return n;
  },
  tell: (n: number, note: (n: number) => number) => note(n),
  User,
};

async function open() {
  const pair = await sessionPair({ far: { exports: { api } } });
  return Object.assign(pair, { api: pair.near.remote<typeof api>("api") });
}

describe("P08 map()", () => {
  it("does something with each of 100 elements in one round trip", async () => {
    await using pair = await open();
    const greetings = await expectRoundTrips(1, () =>
      map(pair.api.users(), (user) => pair.api.greet(user.id)),
    );
    expect(greetings).toEqual(users.map(({ id }) => `hello ${id}`));
    expectTypeOf(greetings).toEqualTypeOf<string[]>();
  });

  it("takes steps that need each other, structures of results, and what is at hand here", async () => {
    await using pair = await open();
    const list = await pair.api.later();
    const word = { word: "hi" };
    const rows = await expectRoundTrips(2, () =>
      map(list, (user) => {
        const friend = user.friend();
        return { id: user.id, all: [friend.id, pair.api.greet(friend.id)], word, user, n: 1 };
      }),
    );
    expect(rows.map(({ id, all, n }) => [id, ...all, n])).toEqual(
      [0, 1, 2].map((id) => [id, id + 1000, `hello ${id + 1000}`, 1]),
    );
    expect(rows.map((row) => isRemote(row.user))).toEqual([true, true, true]);
    expect(rows[0]?.word).toEqual({ word: "hi" });
    const picked = await map(list, (user) =>
      pair.api.pick({ user: user as unknown as User, list: [user, 1] }),
    );
    expect(picked).toHaveLength(3);
    const made = await map(pair.api.numbers(), (n) => new pair.api.User(n).id);
    expect(made).toEqual([1, 2, 3]);
    expect(await map(pair.api.numbers(), (n) => n)).toEqual([1, 2, 3]);
  });

  it("uses what is at hand here, and what is not there yet", async () => {
    await using pair = await open();
    const word = pair.api.greet(7) as unknown as number;
    const all = await map(pair.api.numbers(), (n) => [pair.api.greet(word), n]);
    expect(all).toEqual([1, 2, 3].map((n) => ["hello hello 7", n]));
    const seen: number[] = [];
    const note = (n: number): number => seen.push(n);
    await map(pair.api.numbers(), (n) => pair.api.tell(n, note));
    expect(seen).toEqual([1, 2, 3]);
  });

  it("fails with what the first failing item throws, and by the policy", async () => {
    await using pair = await open();
    await expect(map(pair.api.numbers(), (n) => pair.api.fail(n))).rejects.toThrow(
      new RangeError("two"),
    );
    await expect(map(pair.api.users(), (user) => user.secret)).rejects.toMatchObject({
      code: "REMOTE_DENIED",
    });
    await expect(map(pair.api.endless(), (n) => n)).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
    expect(await pair.api.greet(1)).toBe("hello 1");
  });

  it("refuses a function that waits, decides, nests or uses another session", async () => {
    await using pair = await open();
    await using other = await open();
    const { near } = pair;
    const before = near.stats().calls;
    const list = pair.api.users() as unknown as AsyncIterable<never>;
    const wrong: ((item: never) => unknown)[] = [
      async (item) => [await Promise.resolve(item)],
      (item) => Number(item),
      (item) => has(item, "x"),
      (item) => map(item, () => 1),
      (item) => other.api.greet(item),
      () => {
        throw new TypeError("of its own");
      },
    ];
    for (const step of wrong) await expect(map(list, step)).rejects.toThrow(TypeError);
    expect(near.stats().calls - before).toBeLessThanOrEqual(1);
    await expect(map([1] as never, (n) => n)).rejects.toThrow(TypeError);
    expect(await pair.api.greet(1)).toBe("hello 1");
  });

  it("passes through a side in between", async () => {
    await using bc = await open();
    await using ab = await sessionPair({ far: { exports: { api: bc.api } } });
    const remote = ab.near.remote<typeof api>("api");
    expect(await map(remote.numbers(), (n) => n)).toEqual([1, 2, 3]);
  });
});

const list = (...parts: unknown[]): unknown => ({ list: parts });

describe("a peer that maps", () => {
  it.each<[string, unknown]>([
    ["no list", 5],
    ["no steps", list(5, list(1, 0, list()))],
    [
      "an operation that is not for steps",
      list(list(list(12, list(), list(0, 1))), list(1, 0, list())),
    ],
    ["a result that is not there", list(list(), list(1, 7, list()))],
    ["a name of a result", list(list(), list(1, "length", list()))],
    ["a template of no kind", list(list(), list(9))],
    [
      "an endless template",
      list(
        list(),
        Array.from({ length: 40 }).reduce((inner) => list(2, inner), list(0, 1)),
      ),
    ],
    [
      "a denied name",
      list(list(list(3, list("constructor"), list(1, 0, list()))), list(1, 1, list())),
    ],
    [
      "more steps than there may be",
      list(list(...Array.from({ length: 65 }, () => list(3, list(), list(0, 1)))), list(0, 1)),
    ],
  ])("%s is refused, and loses nothing but this request", async (_, program) => {
    await using peer = await hostile();
    peer.send((writer) => {
      request(writer, { kind: Operation.map, path: ["offered", "list"] });
      const write = (value: unknown): void => {
        if (typeof value !== "object" || value === null) {
          writeValue(writer, value);
          return;
        }
        const { list: parts } = value as { list: unknown[] };
        writer.u8(FIRST_EXTENSION_TAG + 12);
        writer.varint(parts.length);
        for (const part of parts) write(part);
      };
      write(program);
    });
    const text = new TextDecoder().decode(await peer.answer);
    expect(text).toMatch(/malformed|REMOTE_DENIED/);
  });

  it("can't have more done by one message than a message of maxItems values may", async () => {
    await using peer = await hostile({ limits: { maxItems: 100 } });
    peer.send((writer) => {
      for (let i = 0; i < 16; i++) {
        request(writer, { kind: Operation.map, path: ["offered", "list"] });
        for (const byte of [0x8c, 2, 0x8c, 0, 0x8c, 2, 0, 1]) writer.u8(byte);
      }
    });
    expect(new TextDecoder().decode(await peer.answer)).toContain("REMOTE_LIMIT");
  });
});
