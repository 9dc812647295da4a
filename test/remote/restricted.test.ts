import { describe, expect, it } from "vitest";

import { has, isRemote, keys, type Policy, remove, restricted, set } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

class Account {
  balance = 10;
  owner = "Ada";
  secret = "1234";
  #log: string[] = [];
  deposit(amount: number): number {
    this.#log.push("deposit");
    return (this.balance += amount);
  }
  close(): void {
    this.balance = 0;
  }
  [Symbol.iterator](): Iterator<string> {
    return this.#log.values();
  }
}

function open(policy: Policy, plain: "reference" | "copy" = "reference") {
  const account = new Account();
  const facade = restricted(account, ["balance", "deposit"], ["owner"]);
  const exports = { account: facade, get: () => facade };
  return Object.assign(sessionPair({ far: { exports, policy, plain } }), { account });
}

describe.each(["capability", "trusted"] as const)("Z08 restricted() in a %s session", (policy) => {
  it("lets its members be read, called and set as they are offered", async () => {
    const opening = open(policy);
    await using pair = await opening;
    const remote = pair.near.remote<Account>("account");
    expect(await remote.deposit(5)).toBe(15);
    expect(await remote.balance).toBe(15);
    await set(remote, "owner", "Grace");
    expect(opening.account.owner).toBe("Grace");
    expect((await keys(remote)).toSorted()).toEqual(["balance", "deposit", "owner"]);
    const { deposit } = remote;
    expect(await (await deposit)(1)).toBe(16);
    expect(await remote.deposit).toBe(await remote.deposit);
  });

  it("refuses everything else", async () => {
    const opening = open(policy);
    await using pair = await opening;
    const remote = pair.near.remote<Account>("account");
    const attempts = [
      remote.secret,
      remote.close(),
      remote["constructor" as "secret"],
      remote["__proto__" as "secret"],
      has(remote, "secret"),
      set(remote, "secret", ""),
      set(remote, "balance", 1e6),
      set(remote, "deposit", () => 0),
      remove(remote, "balance"),
      remote["hasOwnProperty" as "secret"],
    ];
    for (const attempt of attempts) {
      await expect(attempt).rejects.toThrow(/may not|is not a function|doesn't allow/);
    }
    expect(opening.account).toMatchObject({ balance: 10, owner: "Ada", secret: "1234" });
    await expect(remote.secret).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    await expect(remote[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: "REMOTE_DENIED",
    });
  });
});

it("restricted() crosses by reference where plain data is copied", async () => {
  await using pair = await open("capability", "copy");
  const remote = pair.near.remote<() => Account>("get");
  const account = await remote();
  expect(isRemote(account)).toBe(true);
  expect(await account.deposit(1)).toBe(11);
});

it("restricted() offers no way to a prototype", () => {
  expect(() => restricted({ constructor: Object }, ["constructor"])).toThrow(TypeError);
});
