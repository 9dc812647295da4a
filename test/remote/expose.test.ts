import { describe, expect, it } from "vitest";

import { entries, expose, isRemote, keys, remove, set } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

class Account {
  id = 7;
  owner = "Ada";
  secret = "1234";
  #log: string[] = [];
  deposit(amount: number): number {
    this.#log.push("deposit");
    return amount;
  }
  audit(): string[] {
    return this.#log;
  }
  set limit(limit: number) {
    this.#log.push(String(limit));
  }
}

class Savings extends Account {}

expose(Account, { fields: ["id"], writable: ["owner"], members: ["deposit"] });

describe("expose()", () => {
  it.each([new Account(), new Savings()])(
    "says which fields and members there are",
    async (account) => {
      await using pair = await sessionPair({ far: { exports: { account } } });
      const remote = pair.near.remote<Account>("account");
      expect(await remote.id).toBe(7);
      expect(await remote.deposit(3)).toBe(3);
      await set(remote, "owner", "Grace");
      expect(account.owner).toBe("Grace");
      expect(await keys(remote)).toEqual(["id", "owner"]);
      expect(await entries(remote)).toEqual([
        ["id", 7],
        ["owner", "Grace"],
      ]);
      const attempts = [
        remote.secret,
        remote.audit(),
        set(remote, "id", 8),
        set(remote, "secret", ""),
        set(remote, "limit", 1),
        set(remote, "deposit", 1),
        remove(remote, "owner"),
      ];
      for (const attempt of attempts) {
        await expect(attempt).rejects.toMatchObject({ code: "REMOTE_DENIED" });
      }
    },
  );

  it("may be said of one object, and leaves others of its class alone", async () => {
    class Box {
      a = 1;
      b = 2;
    }
    const one = expose(new Box(), { fields: ["a"] });
    await using pair = await sessionPair({ far: { exports: { one, other: new Box() } } });
    expect(await pair.near.remote<Box>("one").a).toBe(1);
    await expect(pair.near.remote<Box>("one").b).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    await expect(pair.near.remote<Box>("other").a).rejects.toMatchObject({ code: "REMOTE_DENIED" });
  });

  it("says that plain data is copied that comes by an object, however it is got", async () => {
    const row = { id: 1, tags: ["a"], method: () => "called" };
    const api = {
      row,
      rows: () => [row, row],
      later: async () => await Promise.resolve({ row }),
      *each() {
        for (let i = 0; i < 300; i++) yield { i };
      },
      nested: { row },
      instance: () => new Map([["row", row]]),
    };
    const exports = { api: expose(api, { plain: "copy" }), other: { row } };
    await using pair = await sessionPair({ far: { exports } });
    const remote = pair.near.remote<typeof api, "copy">("api");
    const mine = await remote.row;
    expect([mine.id, mine.tags, isRemote(mine.method)]).toEqual([1, ["a"], true]);
    expect((await remote.rows()).map(({ id }) => id)).toEqual([1, 1]);
    expect((await remote.later()).row.tags).toEqual(["a"]);
    expect((await remote.nested).row.id).toBe(1);
    // Of a result that is not there yet, and of an iteration, all of it.
    expect((await (remote.rows() as unknown as { 1: Promise<typeof row> })[1]).id).toBe(1);
    const seen = [];
    for await (const item of remote.each()) seen.push(item.i);
    expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => i));
    expect(isRemote(await remote.instance())).toBe(true);
    expect(isRemote(await pair.near.remote<typeof exports.other>("other").row)).toBe(true);
    expect(isRemote(await pair.near.remote<typeof exports>("api"))).toBe(true);
  });

  it("says of iteration, too, whether it is offered", async () => {
    class Shelf {
      readonly #books = ["secret"];
      count(): number {
        return this.#books.length;
      }
      [Symbol.iterator](): Iterator<string> {
        return this.#books[Symbol.iterator]();
      }
    }
    class Catalogue extends Map<string, string> {}
    expose(Shelf, { members: ["count"] });
    expose(Catalogue, { members: ["get"] });
    const exports = { shelf: new Shelf(), catalogue: new Catalogue([["a", "secret"]]) };
    await using pair = await sessionPair({ far: { exports } });
    const shelf = pair.near.remote<Shelf>("shelf");
    const catalogue = pair.near.remote<Catalogue>("catalogue");
    const denied = { code: "REMOTE_DENIED" };
    expect(await shelf.count()).toBe(1);
    await expect(shelf[Symbol.asyncIterator]().next()).rejects.toMatchObject(denied);
    await expect(catalogue[Symbol.asyncIterator]().next()).rejects.toMatchObject(denied);
    await expect(entries(catalogue)).rejects.toMatchObject(denied);
    expect(await catalogue.get("a")).toBe("secret");
  });

  it("takes objects and classes only", () => {
    expect(() => expose(() => 1, {})).toThrow(TypeError);
  });
});
