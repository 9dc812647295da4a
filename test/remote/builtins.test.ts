import { createContext, runInContext } from "node:vm";

import { describe, expect, it } from "vitest";

import { byRef, map } from "../../src/remote.ts";
import { Operation } from "../../src/remote/protocol.ts";
import { Reflection } from "../../src/remote/reflect.ts";
import type { Policy } from "../../src/remote/policy.ts";
import { stubOf } from "../../src/remote/stub-handle.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

const denied = { code: "REMOTE_DENIED" };
type Anything = Record<string, (...args: unknown[]) => Promise<unknown>> &
  ((...args: unknown[]) => Promise<unknown>);

const makerOf = (value: object): unknown =>
  (Object.getPrototypeOf(value) as { constructor: unknown }).constructor;
const other = createContext({});
const elsewhere = (source: string): unknown => runInContext(source, other) as unknown;

const COMPILERS: [string, unknown][] = [
  ["Function", Function],
  ["eval", Reflect.get(globalThis, "eval")],
  ["AsyncFunction", makerOf(async () => {})],
  ["GeneratorFunction", makerOf(function* () {})],
  ["AsyncGeneratorFunction", makerOf(async function* () {})],
  ["Function of another realm", elsewhere("Function")],
  ["eval of another realm", elsewhere("eval")],
  ["AsyncFunction of another realm", elsewhere("(async () => {}).constructor")],
  ["a bound Function", Function.bind(undefined)],
  ["a bound bound AsyncFunction", (makerOf(async () => {}) as () => unknown).bind(0).bind(0)],
  ["a bound Function of another realm", elsewhere("Function.bind(0)")],
  ["a bound eval", (Reflect.get(globalThis, "eval") as () => unknown).bind(undefined)],
  ["a class that extends Function", class extends Function {}],
  ["a proxy of Function", new Proxy(Function, {})],
];

describe.each<Policy>(["capability", "trusted"])("a compiler, under %s,", (policy) => {
  it.each(COMPILERS)("is neither called, constructed nor given away: %s", async (_, compile) => {
    const exports = { api: { compile }, give: () => compile, see: (x: unknown) => typeof x };
    await using pair = await sessionPair({ far: { exports, policy } });
    const { compile: remote } = pair.near.remote<{ compile: Anything }>("api");
    await expect(remote("return 1")).rejects.toMatchObject(denied);
    await expect(new (remote as unknown as new (x: string) => Promise<unknown>)("0"))
      .rejects //
      .toMatchObject(denied);
    await expect(remote["apply"]?.(null, ["return 1"])).rejects.toMatchObject(denied);
    await expect(remote).rejects.toMatchObject(denied);
    await expect(pair.near.remote<Anything>("give")()).rejects.toMatchObject(denied);
  });
});

it("Z01 a compiler is no argument of what a peer has called, pipelined or mapped", async () => {
  let called = 0;
  const exports = {
    api: { list: [1], compile: Function, give: () => Function, later: async () => Function },
    use: () => called++,
  };
  await using pair = await sessionPair({ far: { exports } });
  const { list, compile, give, later } = pair.near.remote<{ list: number[] } & Anything>("api");
  const use = pair.near.remote<Anything>("use");
  for (const compiler of [compile, give?.(), later?.()]) {
    await expect(use(compiler)).rejects.toMatchObject(denied);
  }
  const mapped = map(list as unknown as AsyncIterable<number>, () => use(give?.()));
  await expect(mapped).rejects.toMatchObject(denied);
  expect(called).toBe(0);
});

describe("what looks past the policy", () => {
  class Account {
    pin = 1234;
    show(): string {
      return "shown";
    }
  }
  const account = new Account();

  it.each([
    ["get", [account, "pin"]],
    ["set", [account, "pin", 1]],
    ["ownKeys", [account]],
    ["getPrototypeOf", [account]],
    ["apply", [Account.prototype.show, account, []]],
    ["construct", [Account, []]],
  ])("is not served under capability: Reflect.%s", async (name, args) => {
    await using pair = await sessionPair({ far: { exports: { Reflect, account, Account } } });
    const remote = pair.near.remote<Anything>("Reflect");
    const home = await pair.near.remote("account");
    const sent = args.map((arg) => (arg === account ? home : arg));
    await expect(remote[name]?.(...sent)).rejects.toMatchObject(denied);
    expect(account.pin).toBe(1234);
  });

  it.each(["assign", "entries", "getOwnPropertyDescriptors", "setPrototypeOf", "defineProperty"])(
    "is not served under capability: Object.%s",
    async (name) => {
      await using pair = await sessionPair({ far: { exports: { Object, account } } });
      const home = await pair.near.remote("account");
      const call = pair.near.remote<Anything>("Object")[name]?.(home, { pin: 0 });
      await expect(call).rejects.toMatchObject(denied);
      expect(account.pin).toBe(1234);
    },
  );

  it("is served to whoever is trusted", async () => {
    await using pair = await sessionPair({
      far: { exports: { Reflect, account }, policy: "trusted" },
    });
    const home = await pair.near.remote("account");
    expect(await pair.near.remote<Anything>("Reflect")["get"]?.(home, "pin")).toBe(1234);
  });
});

/** What a peer that speaks the protocol can ask, whatever stubs offer. */
async function reflecting(exports: Record<string, unknown>) {
  const pair = await sessionPair({ far: { exports } });
  const ask = async (name: string, ...operands: unknown[]): Promise<unknown> =>
    await stubOf(await pair.near.remote(name))?.request(Operation.reflect, operands, []);
  return Object.assign(pair, { ask });
}

describe("a peer that reflects without using proxies", () => {
  it.each([
    ["Array.prototype", [1]],
    ["Object.prototype", { a: 1 }],
    ["Map.prototype", new Map()],
    ["%Generator.prototype%", (function* () {})()],
  ])("never gets %s of this side", async (_, value) => {
    await using pair = await reflecting({ value });
    await expect(pair.ask("value", Reflection.prototype)).rejects.toMatchObject(denied);
  });

  it("Z02 never writes to a prototype, not even of arrays that it holds by reference", async () => {
    await using pair = await sessionPair({
      far: { exports: { api: { roots: [byRef(Array.prototype)] } }, policy: "capability" },
    });
    const root = pair.near.remote<{ roots: Anything[] }>("api").roots[0];
    const setting = stubOf(root)?.request(Operation.set, [1], ["api", "roots", "0", "polluted"]);
    await expect(setting).rejects.toMatchObject(denied);
    await expect(Promise.resolve(root)).rejects.toMatchObject(denied);
    expect("polluted" in []).toBe(false);
  });

  it("gets Function by no constructor of a constructor", async () => {
    await using pair = await reflecting({ value: { f: () => 1 }, f: () => 1 });
    const Maker = await pair.ask("value", Reflection.get, "constructor");
    const more = stubOf(Maker)?.request(Operation.reflect, [Reflection.get, "constructor"], []);
    await expect(more).rejects.toMatchObject(denied);
    await expect(pair.ask("f", Reflection.get, "constructor")).rejects.toMatchObject(denied);
    const assign = (Maker as Anything)["assign"]?.(await pair.near.remote("value"), { a: 1 });
    await expect(assign).rejects.toMatchObject(denied);
  });
});

describe("a getter of one object", () => {
  class Guest {
    name = "guest";
    get shown(): string {
      return this.name;
    }
  }
  class Vault {
    name = "the secret";
  }
  class Member extends Guest {
    constructor(name = "member") {
      super();
      this.name = name;
    }
  }

  it("does not run for another that has nothing to do with it", async () => {
    await using pair = await reflecting({ guest: new Guest(), vault: new Vault() });
    const vault = await pair.near.remote("vault");
    await expect(pair.ask("guest", Reflection.get, "shown", vault)).rejects.toMatchObject(denied);
    const guest = await pair.near.remote("guest");
    expect(await pair.ask("guest", Reflection.get, "shown", guest)).toBe("guest");
  });

  it("runs for what inherits from it, as far as the policy lets it", async () => {
    const guest = new Guest();
    const heir = Object.assign(Object.create(guest) as Guest, { name: "heir" });
    await using pair = await reflecting({ guest, heir });
    const remote = await pair.near.remote("heir");
    expect(await pair.ask("guest", Reflection.get, "shown", remote)).toBe("heir");
    await expect(pair.ask("guest", Reflection.get, "name", remote)).rejects.toMatchObject(denied);
  });

  it("is what new.target has only where that extends the class", async () => {
    const value = { Guest, Vault, Member };
    await using pair = await sessionPair({ far: { exports: value } });
    const construct = async (name: string, target: string): Promise<unknown> =>
      await stubOf(await pair.near.remote(name))?.request(
        Operation.reflect,
        [Reflection.construct, await pair.near.remote(target), "x"],
        [],
      );
    await expect(construct("Vault", "Guest")).rejects.toMatchObject(denied);
    await expect(construct("Guest", "Vault")).rejects.toMatchObject(denied);
    expect(await construct("Guest", "Member")).toBeTruthy();
  });
});
