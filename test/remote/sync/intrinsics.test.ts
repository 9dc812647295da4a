import { describe, expect, it } from "vitest";

import { byValue } from "../../../src/remote/by-value.ts";
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
