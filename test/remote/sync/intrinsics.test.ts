import { describe, expect, it } from "vitest";

import { byValue } from "../../../src/remote/by-value.ts";
import { intrinsicNamed } from "../../../src/remote/intrinsics.ts";
import { syncPair } from "./pair.ts";

type Call = (f: unknown, ...args: unknown[]) => unknown;

class Account {
  pin = 1234;
}
const account = new Account();
const exports = {
  call: (f: Call, ...args: unknown[]) => f(args[0], ...args.slice(1)),
  callInner: ({ f }: { f: Call }, ...args: unknown[]) => f(args[0], ...args.slice(1)),
  callLater: async (f: Promise<Call>, ...args: unknown[]) => (await f)(args[0], ...args.slice(1)),
  list: [3, 1, 2],
  f: () => 1,
  account,
};
const denied = expect.objectContaining({ code: "REMOTE_DENIED" }) as unknown;

describe("Z01 an intrinsic that a peer passes by its name", () => {
  it.each<[string, unknown, unknown[]]>([
    ["Function", Function, ["return process"]],
    ["AsyncFunction", (async () => {}).constructor, ["return process"]],
    ["Reflect.get", Reflect.get, [account, "pin"]],
    ["Object.assign", Object.assign, [account, { pin: 0 }]],
    ["Function.prototype.call", Function.prototype.call, []],
    ["Object.prototype.__defineGetter__", Reflect.get(Object.prototype, "__defineGetter__"), []],
  ])("is called by no code of this side: %s", async (_, intrinsic, args) => {
    await using pair = syncPair({ exports, policy: "capability" });
    const call = pair.near.remote<Call>("call");
    const callInner = pair.near.remote<Call>("callInner");
    const callLater = pair.near.remote<Call>("callLater");
    const home = pair.near.remote<Account>("account");
    const sent = args.map((arg) => (arg === account ? home : arg));
    expect(() => call(intrinsic, ...sent)).toThrow(denied);
    expect(() => callInner(byValue({ f: intrinsic }), ...sent)).toThrow(denied);
    await expect(callLater(Promise.resolve(intrinsic), ...sent)).rejects.toEqual(denied);
    expect(account.pin).toBe(1234);
  });

  it("works where it only computes, and in answers", async () => {
    await using pair = syncPair({ exports, policy: "capability" });
    const remote = pair.near.remote<typeof exports>("f") as unknown as () => number;
    expect(pair.near.remote<Call>("call")(Math.max, 1, 5)).toBe(5);
    expect(remote.constructor).toBe(Function);
    expect(Object.getPrototypeOf(remote)).toBe(Function.prototype);
  });

  it("is called by code of this side for whoever is trusted", async () => {
    await using pair = syncPair({ exports, policy: "trusted" });
    expect(pair.near.remote<Call>("call")(Reflect.get, { a: 7 }, "a")).toBe(7);
  });
});

const asking = {
  use: (math: typeof Math): number => math.max(1, 2),
  list: [1],
  f: (): void => {},
  made: (): typeof Map => Map,
};

describe("Z12 what a peer passes or answers by the name of an intrinsic", () => {
  interface Bag {
    polluted?: boolean;
    max?: unknown;
  }
  const NAMED = ["Object.prototype", "Array.prototype", "Map.prototype", "Math", "JSON"];

  it.each(NAMED)("is changed by no code of this side: %s", async (name) => {
    const found = intrinsicNamed(name) as Bag;
    const write = (bag: Bag): Bag => {
      bag.polluted = true;
      return bag;
    };
    await using serving = syncPair({ exports: { write }, policy: "capability" });
    serving.near.remote<typeof write>("write")(found);
    expect(found.polluted).toBe(undefined);
    const give = (): Bag => found;
    const box = { found, give, list: byValue([found]) };
    await using given = syncPair({ exports: { box } }, { policy: "capability" });
    const remote = given.near.remote<{ found: Bag; give: () => Bag; list: Bag[] }>("box");
    for (const bag of [remote.found, remote.give(), remote.list[0], { ...remote }.found]) {
      if (bag !== undefined) write(bag);
      expect(found.polluted).toBe(undefined);
    }
  });

  it("is what this side has where that was asked for, and computes as that does", async () => {
    await using pair = syncPair(
      { exports: asking, policy: "capability" },
      { policy: "capability" },
    );
    expect(pair.near.remote<typeof asking.use>("use")(Math)).toBe(2);
    const remote = pair.near.remote<typeof asking.f>("f");
    expect(remote.constructor).toBe(Function);
    expect(Object.getPrototypeOf(remote)).toBe(Function.prototype);
    expect(Object.getPrototypeOf(Object.getPrototypeOf(remote))).toBe(Object.prototype);
    expect(pair.near.remote<unknown[]>("list").constructor).toBe(Array);
    expect(Object.getPrototypeOf(pair.near.remote("list"))).toBe(Array.prototype);
    expect(pair.near.remote<typeof asking.made>("made")()).toBe(Map);
  });

  it("gives this side no function that makes code, or reaches past a policy, but by its own name", async () => {
    const tools = { make: () => Function, merge: Object.assign, call: Reflect.apply };
    await using pair = syncPair({ exports: { tools } }, { policy: "capability" });
    const remote = pair.near.remote<{ make: () => Call; merge: Call; call: Call }>("tools");
    for (const get of [() => remote.make(), () => remote.merge, () => remote.call]) {
      expect(() => get()({}, {})).toThrow(denied);
    }
  });
});
