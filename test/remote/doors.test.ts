/** What the policy refuses where something else would not: each of these was noticed by nothing else. */
import { runInNewContext, runInThisContext } from "node:vm";

import { describe, expect, it } from "vitest";

import { entries, expose, keys, restricted } from "../../src/remote.ts";
import { List } from "../../src/remote/list.ts";
import { Operation } from "../../src/remote/protocol.ts";
import { Reflection } from "../../src/remote/reflect.ts";
import { stubOf } from "../../src/remote/stub-handle.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { syncPair } from "./sync/pair.ts";

const denied = { code: "REMOTE_DENIED" };

class Account {
  readonly secret = "own";
  show(): string {
    return this.secret;
  }
  hide(): string {
    return this.secret;
  }
}

const base = {
  get token(): unknown {
    return Reflect.get(this, "hidden");
  },
};
const heir = expose(Object.create(base, { hidden: { value: "s" } }) as object, { members: [] });
const account = expose(new Account(), { members: ["show"] });
const { hide } = Account.prototype;
const foreign = runInNewContext("({ a: 1 })") as object;
const loose = runInThisContext("(function loose() {})") as () => void;
const odd = { caller: 1, prototype: 2, a: 3 };
const big = new Map(Array.from({ length: 400 }, (_, i) => [i, i]));
const wide = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`k${i}`, i]));
const row = Array.from({ length: 1_000 }, () => 0).values();
const exports = { account, Account, base, big, foreign, heir, hide, loose, odd, row, wide };

async function setUp() {
  const pair = await sessionPair({ far: { exports, limits: { maxItems: 1_000 } } });
  const reflect = async (name: string, ...operands: unknown[]): Promise<unknown> => {
    const object = await pair.near.remote<Promise<object>>(name);
    return await stubOf(object)?.request(Operation.reflect, operands, []);
  };
  return Object.assign(pair, { reflect });
}

describe("capability policy", () => {
  it("gives nothing away of who calls a function, nor with what", async () => {
    await using pair = await setUp();
    const remote = pair.near.remote<Record<string, Promise<unknown>>>("loose");
    await expect(remote["caller"]).rejects.toMatchObject(denied);
    await expect(remote["arguments"]).rejects.toMatchObject(denied);
  });

  it("knows data of another realm, and what all objects inherit there", async () => {
    await using pair = await setUp();
    const remote = pair.near.remote<Record<string, Promise<unknown>>>("foreign");
    expect(await remote["a"]).toBe(1);
    await expect(remote["hasOwnProperty"]).rejects.toMatchObject(denied);
  });

  it("lists no names that can't be read", async () => {
    await using pair = await setUp();
    expect(await keys(pair.near.remote("odd"))).toEqual(["a"]);
  });

  it("lists to proxies neither a class's prototype, nor an instance's own fields", async () => {
    await using pair = await setUp();
    const listed = async (name: string): Promise<readonly unknown[]> => {
      const answer = await pair.reflect(name, Reflection.keys);
      return answer instanceof List ? answer.values.filter((_, i) => i % 2 === 1) : [];
    };
    expect(await listed("Account")).toEqual(["length", "name"]);
    expect(await listed("account")).toEqual([]);
    expect(await listed("odd")).toEqual(["a"]);
  });

  it("runs a getter, or a method, for no other object that doesn't offer it", async () => {
    await using pair = await setUp();
    const to = await pair.near.remote<Promise<object>>("heir");
    await expect(pair.reflect("base", Reflection.get, "token", to)).rejects.toMatchObject(denied);
    const on = await pair.near.remote<Promise<object>>("account");
    await expect(pair.reflect("hide", Reflection.apply, on)).rejects.toMatchObject(denied);
  });

  it("tells proxies of no method that is not theirs to call", async () => {
    let hidden = 0;
    class Shy {
      show(): string {
        return "shown";
      }
      hide(): number {
        return ++hidden;
      }
    }
    expose(Shy, { members: ["show"] });
    await using pair = syncPair({ exports: { shy: new Shy() }, policy: "capability" });
    const remote = pair.near.remote<Shy>("shy");
    const refused = expect.objectContaining(denied) as Error;
    expect(remote.show()).toBe("shown");
    expect(() => remote.hide).toThrow(refused);
    const prototype = Object.getPrototypeOf(remote) as Shy;
    expect(() => prototype.hide).toThrow(refused);
    expect(() => prototype.hide()).toThrow(refused);
    expect(() => Object.getOwnPropertyDescriptor(prototype, "hide")).toThrow(refused);
    expect(hidden).toBe(0);
  });

  it("gives 256 items of an iteration at once, however many are asked for", async () => {
    await using pair = await setUp();
    for (const wanted of [1e9, Number.POSITIVE_INFINITY]) {
      const answer = await pair.reflect("row", Reflection.next, wanted);
      const [done, , ...items] = answer instanceof List ? answer.values : [];
      expect([done, items.length]).toEqual([false, 256]);
    }
  });

  it.each(["big", "wide"])("counts what is listed in pairs: %s", async (name) => {
    await using pair = await setUp();
    const remote = pair.near.remote(name);
    const listed = Array.from({ length: 12 }, () => entries(remote));
    const results = await Promise.allSettled(listed);
    expect(results[0]?.status).toBe("fulfilled");
    expect(results.at(-1)).toMatchObject({ status: "rejected", reason: { code: "REMOTE_LIMIT" } });
  });
});

it("restricted() gives what nobody changes who holds it, nor what it inherits from", () => {
  const view = restricted(new Account(), ["show"]);
  expect(Object.isFrozen(view)).toBe(true);
  expect(Object.isFrozen(Object.getPrototypeOf(view))).toBe(true);
  const box = { width: 5 };
  const settable: { width?: number } = restricted(box, [], ["width"]);
  settable.width = 6;
  expect([settable.width, box.width]).toEqual([undefined, 6]);
});
