/** Values that throw at whoever looks at them, and keys that are none, for stubs and proxies. */
import { describe, expect, it } from "vitest";

import { byRef, byValue, has, instanceOf, invoke, remove, set } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { syncPair } from "./sync/pair.ts";

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function mine(): never {
  throw new RangeError("boom");
}

/** Throws at each trap that there is. */
function mined(): object {
  const traps = { get: (_: object, name: string) => (name === "then" ? undefined : mine) };
  return new Proxy({}, new Proxy({}, traps));
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(8);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

const odd: Readonly<Record<string, () => unknown>> = {
  revoked,
  mined,
  detached,
  copied: () => byValue({ inner: revoked() }),
  getter: () => byValue(Object.defineProperty({}, "bad", { get: mine, enumerable: true })),
};
const says = [
  ["revoked", /revoked/],
  ["mined", /boom/],
  ["detached", /detached/],
  ["copied", /revoked/],
  ["getter", /boom/],
] as const;
const api = {
  echo: (value: unknown) => value,
  give: (name: string) => odd[name]?.(),
  throwIt: (name: string): never => {
    throw odd[name]?.();
  },
  reject: async (name: string) => await Promise.reject(odd[name]?.()),
};

describe("what throws at whoever looks at it", () => {
  it.each(says)("fails the call it is in, and no more, with stubs: %s", async (name, message) => {
    await using pair = await sessionPair({ far: { exports: { api }, policy: "trusted" } });
    const remote = pair.near.remote<typeof api>("api");
    const uses = [
      () => remote.give(name),
      () => remote.echo(odd[name]?.()),
      () => remote.throwIt(name),
      () => remote.reject(name),
    ];
    for (const use of uses) {
      await expect((async () => await use())()).rejects.toThrow(message);
      expect(await remote.echo(1)).toBe(1);
    }
  });

  it.each(says)("fails the call it is in, and no more, with proxies: %s", async (name, message) => {
    await using pair = syncPair({ exports: { api } });
    const remote = pair.near.remote<typeof api>("api");
    expect(() => remote.give(name)).toThrow(message);
    expect(() => remote.echo(odd[name]?.())).toThrow(message);
    expect(() => remote.throwIt(name)).toThrow(message);
    await expect(remote.reject(name)).rejects.toThrow(message);
    expect(remote.echo(1)).toBe(1);
  });
});

describe("keys of remote references", () => {
  it("may be numbers, and are no symbols", async () => {
    const list = ["a", "b"];
    await using pair = await sessionPair({ far: { exports: { list } } });
    const remote = pair.near.remote<string[]>("list");
    await set(remote, 2, "c");
    expect(list).toEqual(["a", "b", "c"]);
    expect([await has(remote, 2), await has(remote, 3)]).toEqual([true, false]);
    await remove(remote, 0);
    expect(0 in list).toBe(false);
    const key = Symbol.for("key") as never;
    const uses = [
      () => has(remote, key),
      () => set(remote, key, 1),
      () => remove(remote, key),
      () => invoke(remote, key),
    ];
    for (const use of uses)
      await expect((async () => await use())()).rejects.toThrow("Symbol(key)");
  });
});

describe("instanceof", () => {
  class Animal {
    readonly legs: number = 4;
  }
  class Dog extends Animal {
    readonly tail: number = 1;
  }
  class Picky extends Animal {
    static override [Symbol.hasInstance](value: unknown): boolean {
      return value !== null;
    }
  }

  it("R13 C04 answers for two references whose classes are known, and else says what to use", async () => {
    const exports = { Animal, Dog, Picky, make: () => new Dog(), other: new Map() };
    await using pair = await sessionPair({ far: { exports } });
    const { near } = pair;
    const [dog, FarAnimal, FarDog, FarPicky, other] = await Promise.all([
      near.remote<typeof exports.make>("make")(),
      near.remote<typeof Animal>("Animal"),
      near.remote<typeof Dog>("Dog"),
      near.remote<typeof Picky>("Picky"),
      near.remote<typeof exports.other>("other"),
    ]);
    const before = near.stats().calls;
    expect([dog instanceof FarAnimal, dog instanceof FarDog]).toEqual([true, true]);
    expect([other instanceof FarAnimal, new Dog() instanceof FarDog]).toEqual([false, false]);
    expect(near.stats().calls).toBe(before);
    const hint = /use "await instanceOf\(ref, Class\)"/;
    expect(() => dog instanceof FarPicky).toThrow(hint);
    expect(() => dog instanceof (near.remote<typeof Animal>("Animal") as never)).toThrow(hint);
    expect(() => near.remote("other") instanceof FarAnimal).toThrow(hint);
    expect(await instanceOf(dog, FarPicky)).toBe(true);
  });
});

function sum(...numbers: number[]): number {
  return numbers.length;
}

function fail(): never {
  throw new RangeError("no");
}

describe("mistakes of this side", () => {
  const many = Array.from({ length: 70_000 }, (_, i) => i);

  it("cost the call, and not the session: too many arguments, a name that is none", async () => {
    await using pair = await sessionPair({ far: { exports: { sum } } });
    const remote = pair.near.remote<typeof sum>("sum");
    await expect(remote(...many)).rejects.toThrow(/70000 arguments is over the limit/);
    expect(() => pair.near.remote(5 as never)).toThrow("a name is a string, not number 5");
    expect(await remote(1, 2)).toBe(2);
    await using other = syncPair({ exports: { sum } });
    expect(() => other.near.remote<typeof sum>("sum")(...many)).toThrow(/arguments is over/);
    expect(() => other.near.remote(undefined as never)).toThrow("not nothing");
    expect(other.near.remote<typeof sum>("sum")(1)).toBe(1);
  });
});

describe("a listener of the other side's", () => {
  it("ends nothing here by what it throws, and hears of the event", async () => {
    const heard: unknown[] = [];
    const failing = (event: unknown): never => {
      heard.push(event);
      return fail();
    };
    const target = new EventTarget();
    const listen = (where: EventTarget): void => {
      where.addEventListener("x", failing);
    };
    // What the far side is given to listen to is the near one's.
    await using pair = await sessionPair({ far: { exports: { listen } } });
    await using other = syncPair({ exports: { listen } });
    await pair.near.remote<typeof listen>("listen")(target);
    other.near.remote<typeof listen>("listen")(target);
    target.dispatchEvent(new Event("x"));
    await pair.fence();
    expect(heard).toHaveLength(2);
  });
});

describe("bytes that are none, or not here", () => {
  it("are lent where only their prototype says that they are bytes", async () => {
    const taken: object[] = [];
    const exports = { take: (value: object) => void taken.push(value) };
    await using pair = await sessionPair({ far: { exports } });
    const take = pair.near.remote<(value: object) => void>("take");
    await take(Object.create(Uint8Array.prototype) as object);
    await take(new Proxy(new Uint8Array(2), {}));
    await take(new Uint8Array(2));
    expect(taken.map((value) => value instanceof Uint8Array)).toEqual([false, false, true]);
    for (const value of taken.slice(0, 2)) (value as Disposable)[Symbol.dispose]();
    await pair.fence();
  });

  it("go home by a proxy as what they are, which nobody is asked about on the way", async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const got: unknown[] = [];
    const thing = { give: () => byRef(bytes), take: (value: unknown) => void got.push(value) };
    await using pair = syncPair({ exports: { thing } });
    const remote = pair.near.remote<typeof thing>("thing");
    remote.take(remote.give());
    expect(got[0]).toBe(bytes);
  });
});
