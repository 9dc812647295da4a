import { describe, expect, it } from "vitest";

import { byRef, keys, set, snapshot } from "../../src/remote.ts";
import { Operation } from "../../src/remote/protocol.ts";
import { Reflection } from "../../src/remote/reflect.ts";
import { stubOf } from "../../src/remote/stub-handle.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

class Account {
  readonly secret = "own";
  readonly #balance = 5;
  get balance(): number {
    return this.#balance;
  }
  show(): string {
    return `${this.secret} ${this.#balance}`;
  }
  toString(): string {
    return "Account";
  }
}

type Anything = Record<string, (...args: unknown[]) => Promise<unknown>> & Promise<unknown>;

/** Everything is tried by path: `at("a.b")` is what `remote.a.b` is. */
async function setUp(policy: "capability" | "trusted" = "capability") {
  const api = {
    account: new Account(),
    data: { list: [1, 2, 3], nested: { a: 1 } },
    call: () => 1,
    Account,
    text: "abc",
    expression: byRef(/a/),
    bare: Object.assign(Object.create(null) as object, { a: 1 }),
    compile: Function,
  };
  const pair = await sessionPair({ far: { exports: { api, account: api.account }, policy } });
  const at = (path: string): Anything =>
    path
      .split(".")
      .reduce<unknown>(
        (stub, key) => (stub as Record<string, unknown>)[key],
        pair.near.remote("api"),
      ) as Anything;
  return Object.assign(pair, { api, at });
}

describe("capability policy", () => {
  it("reaches methods and getters of class instances, and plain data", async () => {
    await using pair = await setUp();
    expect(await (pair.at("account.show") as unknown as () => Promise<unknown>)()).toBe("own 5");
    expect(await pair.at("account.balance")).toBe(5);
    expect(await (pair.at("account.toString") as unknown as () => Promise<unknown>)()).toBe(
      "Account",
    );
    expect(await pair.at("data.nested.a")).toBe(1);
    expect(await pair.at("data.list.length")).toBe(3);
    expect(await pair.at("data.list.1")).toBe(2);
    expect(await pair.at("text.length")).toBe(3);
    expect(await pair.at("nothing")).toBe(undefined);
  });

  it("refuses the own fields of class instances, and says what to do", async () => {
    await using pair = await setUp();
    await expect(pair.at("account.secret")).rejects.toMatchObject({
      code: "REMOTE_DENIED",
      message: expect.stringMatching(/own field.*method or a getter/) as string,
    });
    await expect(snapshot(pair.at("account"))).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    expect(await keys(pair.at("account"))).toEqual([]);
    await expect(set(pair.at("account"), "secret", 1)).rejects.toMatchObject({
      code: "REMOTE_DENIED",
    });
  });

  it.each([
    "constructor",
    "__proto__",
    "call.constructor",
    "call.prototype",
    "call.call",
    "call.bind",
    "call.apply",
    "data.hasOwnProperty",
    "data.__defineGetter__",
    "data.valueOf",
    "data.list.constructor",
    "data.list.constructor.constructor",
    "data.nested.__proto__.polluted",
    "account.constructor",
    "Account.prototype",
    "Account.prototype.show",
    "text.constructor",
  ])("refuses %s, read or called", async (path) => {
    await using pair = await setUp();
    await expect(pair.at(path)).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    const call = pair.at(path) as unknown as () => Promise<unknown>;
    await expect(call()).rejects.toMatchObject({ code: "REMOTE_DENIED" });
  });

  it("sets by setters only: no method of an instance is replaced", async () => {
    const account = new Account();
    await using pair = await sessionPair({ far: { exports: { get: () => account } } });
    const remote = await pair.near.remote<() => Account>("get")();
    for (const name of ["show", "balance", "fresh"]) {
      await expect(set(remote, name, () => 0)).rejects.toMatchObject({ code: "REMOTE_DENIED" });
      const define = [Reflection.define, "value", 0];
      const defining = stubOf(remote)?.request(Operation.reflect, define, [name]);
      await expect(defining).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    }
    expect(Object.keys(account)).toEqual(["secret"]);
  });

  it("reaches nothing of Object.prototype on a function either", async () => {
    const f = Object.assign(() => 1, { own: 2 });
    await using pair = await sessionPair({ far: { exports: { f } } });
    const remote = pair.near.remote<Record<string, (...args: unknown[]) => unknown>>("f");
    for (const name of Object.getOwnPropertyNames(Object.prototype)) {
      await expect(remote[name]?.("own", () => 3)).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    }
    expect(f.own).toBe(2);
  });

  it("never calls or constructs a compiler, even one that is offered", async () => {
    await using pair = await setUp();
    const compile = pair.at("compile") as unknown as new (text: string) => Promise<unknown>;
    await expect(new compile("return 1")).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    const call = pair.at("compile") as unknown as (text: string) => Promise<unknown>;
    await expect(call("return 1")).rejects.toMatchObject({ code: "REMOTE_DENIED" });
  });

  it("refuses to write what would change a prototype or a function", async () => {
    await using pair = await setUp();
    const denied = { code: "REMOTE_DENIED" };
    await expect(set(pair.at("data"), "__proto__", {})).rejects.toMatchObject(denied);
    await expect(set(pair.at("data"), "hasOwnProperty", 1)).rejects.toMatchObject(denied);
    await expect(set(pair.at("call"), "extra", 1)).rejects.toMatchObject(denied);
    await expect(set(pair.at("text"), "extra", 1)).rejects.toMatchObject(denied);
    const push = await pair.at("data.list.push");
    await expect(set(push, "polluted", 1)).rejects.toMatchObject(denied);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it.each([
    ["text", "repeat", 1e9],
    ["text", "match", /(a+)+$/],
    ["expression", "test", "aaaa"],
    ["expression", "compile", "(a+)+$"],
  ])("calls nothing on what crosses as a copy: %s.%s", async (name, method, argument) => {
    await using pair = await setUp();
    const call = pair.at(`${name}.${method}`) as unknown as (x: unknown) => Promise<unknown>;
    await expect(call(argument)).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    await expect(pair.at(`${name}.${method}`)).rejects.toMatchObject({ code: "REMOTE_DENIED" });
  });

  it("lets arrays grow by one element at a time, so that their own methods stay quick", async () => {
    await using pair = await setUp();
    const denied = { code: "REMOTE_DENIED" };
    await set(pair.at("data.list"), "3", 4);
    await expect(set(pair.at("data.list"), "5", 1)).rejects.toMatchObject(denied);
    await expect(set(pair.at("data.list"), "4294967294", 1)).rejects.toMatchObject(denied);
    await expect(set(pair.at("data.list"), "length", 2 ** 32 - 1)).rejects.toMatchObject(denied);
    await set(pair.at("data.list"), "length", 2);
    expect(pair.api.data.list).toEqual([1, 2]);
  });

  it("refuses to name anything as Object.prototype does, also where it is not inherited", async () => {
    await using pair = await setUp();
    for (const key of ["isPrototypeOf", "toString", "hasOwnProperty"]) {
      await expect(set(pair.at("bare"), key, 1)).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    }
    expect(await pair.at("bare.a")).toBe(1);
  });

  it("offers only what is exported, and can't be extended from outside", async () => {
    await using pair = await setUp();
    const root = pair.near.remote("toString");
    await expect(root).rejects.toMatchObject({ code: "REMOTE_NOT_FOUND" });
    await expect(pair.near.remote("__proto__")).rejects.toMatchObject({ code: "REMOTE_NOT_FOUND" });
  });
});

describe("trusted policy", () => {
  it("reaches own fields as well, but never a prototype", async () => {
    await using pair = await setUp("trusted");
    expect(await pair.at("account.secret")).toBe("own");
    expect(await keys(pair.at("account"))).toEqual(["secret"]);
    await set(pair.at("account"), "note", 7);
    expect(await pair.at("account.note")).toBe(7);
    await expect(pair.at("account.constructor")).rejects.toMatchObject({ code: "REMOTE_DENIED" });
  });
});
