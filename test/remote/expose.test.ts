import { describe, expect, it } from "vitest";

import { entries, expose, keys, remove, set } from "../../src/remote.ts";
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

  it("takes objects and classes only", () => {
    expect(() => expose(() => 1, {})).toThrow(TypeError);
  });
});
