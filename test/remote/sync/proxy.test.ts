import { inspect } from "node:util";

import { describe, expect, it } from "vitest";

import { byValue } from "../../../src/remote/by-value.ts";
import { syncPair } from "./pair.ts";

class Animal {
  name: string;
  #secret = 7;
  constructor(name: string) {
    this.name = name;
  }
  speak(): string {
    return `${this.name}!`;
  }
  secret(): number {
    return this.#secret;
  }
  get upper(): string {
    return this.name.toUpperCase();
  }
  set upper(name: string) {
    if (name === "") throw new RangeError("no name");
    this.name = name;
  }
}
class Dog extends Animal {
  static kind = "dog";
  override speak(): string {
    return `${super.speak()} Wuff`;
  }
}
class Cat extends Animal {}

function nothing(): void {}

function plain(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));
}

describe("a proxy's properties", () => {
  it("are read, set, found, listed and deleted at the other side (R01)", async () => {
    const counter: Record<string, unknown> = { value: 1, inner: { deep: [1, 2] } };
    await using pair = syncPair({ exports: { counter } });
    const remote = pair.near.remote<typeof counter>("counter");
    expect((remote["value"] as number) + 1).toBe(2);
    remote["value"] = 5;
    expect(counter["value"]).toBe(5);
    expect(remote["inner"]).toBe(remote["inner"]);
    expect("value" in remote).toBe(true);
    expect("missing" in remote).toBe(false);
    expect(Object.hasOwn(remote, "toString")).toBe(false);
    expect(delete remote["value"]).toBe(true);
    expect(Object.keys(remote)).toEqual(["inner"]);
    expect(counter["value"]).toBeUndefined();
    expect(remote["missing"]).toBeUndefined();
  });

  it("take every primitive exactly", async () => {
    const box: { value?: unknown } = {};
    await using pair = syncPair({ exports: { box } });
    const remote = pair.near.remote<typeof box>("box");
    const values = [-0, NaN, 2n ** 70n, "\ud800", "😀", true, null, undefined, Symbol.iterator, Symbol.for("x")]; // prettier-ignore
    for (const value of values) {
      remote.value = value;
      expect(Object.is(box.value, value)).toBe(true);
      expect(Object.is(remote.value, value)).toBe(true);
    }
  });

  it("are copied by spread, JSON and destructuring in one or two round trips (R03)", async () => {
    const data = plain(50);
    await using pair = syncPair({ exports: { data } });
    const remote = pair.near.remote<typeof data>("data");
    const trips = (run: () => void): number => {
      const before = pair.near.stats().calls;
      run();
      return pair.near.stats().calls - before;
    };
    expect(trips(() => expect({ ...remote }).toEqual(data))).toBeLessThanOrEqual(1);
    expect(trips(() => expect(JSON.stringify(remote)).toBe(JSON.stringify(data)))).toBeLessThanOrEqual(2); // prettier-ignore
    expect(trips(() => expect(Object.entries(remote)).toEqual(Object.entries(data)))).toBe(1);
    const { k1, ...rest } = remote;
    expect([k1, Object.keys(rest).length]).toEqual([1, 49]);
  });

  it("are read anew by whoever looks again", async () => {
    const data = { list: [1, 2], flag: 0 };
    let reads = 0;
    Object.defineProperty(data, "later", { get: () => ++reads, enumerable: true });
    await using pair = syncPair({ exports: { data } });
    const remote = pair.near.remote<typeof data & { later: number }>("data");
    expect(Object.keys(remote)).toContain("flag");
    expect(remote.flag).toBe(0);
    data.flag = 1;
    expect(remote.flag).toBe(1);
    expect(remote.list.length).toBe(2);
    data.list.push(3);
    expect(remote.list.length).toBe(3);
    expect([remote.later, remote.later]).toEqual([1, 2]);
  });

  it("may be frozen, sealed, hidden and defined as those of an object may (R05 R07)", async () => {
    "use strict";
    const frozen = Object.freeze({ a: { b: 1 }, run: () => 1 });
    const list = Object.freeze([{ x: 1 }]);
    const target: Record<string, unknown> = { a: 1 };
    await using pair = syncPair({ exports: { target, give: { frozen, list } } });
    const give = pair.near.remote<{ frozen: { a: unknown }; list: unknown[] }>("give");
    expect(Object.isFrozen(give.frozen)).toBe(true);
    expect(Object.keys(give.frozen)).toEqual(["a", "run"]);
    expect(() => (give.frozen.a = 1)).toThrow(TypeError);
    expect(Object.isFrozen(give.list)).toBe(true);
    expect(() => give.list.push(1)).toThrow(TypeError);
    const remote = pair.near.remote<Record<string, unknown>>("target");
    Object.defineProperty(remote, "fixed", { value: 3, configurable: false });
    expect(Object.getOwnPropertyDescriptor(target, "fixed")).toMatchObject({ value: 3, configurable: false, writable: false }); // prettier-ignore
    expect(() => (remote["fixed"] = 4)).toThrow(TypeError);
    let asked = 0;
    Object.defineProperty(remote, "computed", { get: () => ++asked, configurable: true });
    expect(target["computed"]).toBe(1);
    Object.freeze(remote);
    expect(Object.isFrozen(target)).toBe(true);
    expect(Object.isFrozen(remote)).toBe(true);
    expect({ ...remote }).toEqual({ a: 1 });
    expect(() => Object.assign(remote, { b: 1 })).toThrow(TypeError);
  });

  it("serve an object that inherits from it (R11)", async () => {
    const base = {
      first: "a",
      get both(): string {
        return `${this.first}+`;
      },
    };
    await using pair = syncPair({ exports: { base } });
    const child = Object.create(pair.near.remote<object>("base")) as {
      first: string;
      both: string;
    };
    expect(child.first).toBe("a");
    child.first = "mine";
    expect(child.both).toBe("mine+");
    expect(base.first).toBe("a");
    expect(Object.keys(child)).toEqual(["first"]);
  });
});

describe("a proxy's class", () => {
  it("is known: methods, accessors, private fields, instanceof, name (C02 C06 C08 C12)", async () => {
    await using pair = syncPair({ exports: { Dog, Animal, Cat, rex: new Dog("Rex") } });
    const rex = pair.near.remote<Dog>("rex");
    const RemoteDog = pair.near.remote<typeof Dog>("Dog");
    const RemoteAnimal = pair.near.remote<typeof Animal>("Animal");
    expect(rex.speak()).toBe("Rex! Wuff");
    expect(rex.secret()).toBe(7);
    expect(RemoteDog.prototype.secret.call(rex)).toBe(7);
    expect(rex.upper).toBe("REX");
    rex.upper = "Bo";
    expect(rex.name).toBe("Bo");
    expect(() => (rex.upper = "")).toThrow(RangeError);
    const RemoteCat = pair.near.remote<typeof Cat>("Cat");
    const before = pair.near.stats().calls;
    expect([rex instanceof RemoteDog, rex instanceof RemoteAnimal, rex instanceof RemoteCat]).toEqual([true, true, false]); // prettier-ignore
    expect(rex instanceof Object).toBe(true);
    expect(Object.getPrototypeOf(rex)).toBe(RemoteDog.prototype);
    expect(pair.near.stats().calls - before).toBe(0);
    expect(rex.speak === rex.speak).toBe(true);
    expect(pair.near.stats().calls - before).toBe(0);
    rex.speak();
    expect(pair.near.stats().calls - before).toBe(1);
    expect(rex.constructor.name).toBe("Dog");
    expect(RemoteDog.kind).toBe("dog");
    expect(Object.getPrototypeOf(RemoteDog)).toBe(RemoteAnimal);
  });

  it("makes instances, and not where the function is no constructor", async () => {
    await using pair = syncPair({ exports: { Dog, arrow: () => 1 } });
    const RemoteDog = pair.near.remote<typeof Dog>("Dog");
    const made = new RemoteDog("New");
    expect(made instanceof RemoteDog).toBe(true);
    expect(made.name).toBe("New");
    const arrow = pair.near.remote<new () => object>("arrow");
    const before = pair.near.stats().calls;
    expect(() => new arrow()).toThrow("not a constructor");
    expect(pair.near.stats().calls).toBe(before);
  });

  it("is extended by a local class, and by a remote one of a local (C10)", async () => {
    const extend = (Base: new (name: string) => Animal): unknown =>
      class Loud extends Base {
        override speak(): string {
          return super.speak().toUpperCase();
        }
      };
    await using pair = syncPair({ exports: { Dog, extend } });
    const RemoteDog = pair.near.remote<typeof Dog>("Dog");
    class Puppy extends RemoteDog {
      #age = 1;
      age(): number {
        return this.#age;
      }
      override speak(): string {
        return `${super.speak()} (small)`;
      }
    }
    const puppy = new Puppy("Pup");
    expect([puppy.speak(), puppy.age(), puppy.name]).toEqual(["Pup! Wuff (small)", 1, "Pup"]);
    expect([puppy instanceof Puppy, puppy instanceof RemoteDog]).toEqual([true, true]);
    const Loud = pair.near.remote<(Base: unknown) => typeof Animal>("extend")(Animal);
    const loud = new Loud("tom");
    expect(loud.speak()).toBe("TOM!");
    expect(loud instanceof Animal).toBe(true);
  });

  it("shows new methods, and calls what a method is by then", async () => {
    class Changing {
      run(): string {
        return "old";
      }
    }
    const thing = new Changing();
    await using pair = syncPair({ exports: { thing } });
    const remote = pair.near.remote<Changing & { added(): string }>("thing");
    expect(remote.run()).toBe("old");
    Object.assign(Changing.prototype, { run: () => "new", added: () => "added" });
    expect([remote.run(), remote.added()]).toEqual(["new", "added"]);
  });

  it("decides what its instances are where it wants to", async () => {
    const Even = class {
      kind = "even";
      static [Symbol.hasInstance](value: unknown): boolean {
        return typeof value === "number" && value % 2 === 0;
      }
    };
    await using pair = syncPair({ exports: { Even } });
    const Remote = pair.near.remote<typeof Even>("Even");
    expect([(2 as unknown) instanceof Remote, (3 as unknown) instanceof Remote]).toEqual([
      true,
      false,
    ]);
  });
});

describe("a proxy of the engine's own things", () => {
  it("is an array like others (R09)", async () => {
    const list = [3, 1, 2];
    await using pair = syncPair({ exports: { list, count: Object.assign(() => 0, { list }) } });
    const remote = pair.near.remote<number[]>("list");
    expect(Array.isArray(remote)).toBe(true);
    expect(remote).toBeInstanceOf(Array);
    expect([remote.length, remote[1]]).toEqual([3, 1]);
    expect(remote.push(9)).toBe(4);
    expect(remote.map((n) => n * 2)).toEqual([6, 2, 4, 18]);
    remote.sort((a, b) => a - b);
    expect(list).toEqual([1, 2, 3, 9]);
    expect(Array.from(remote.splice(1, 2))).toEqual([2, 3]);
    remote.length = 1;
    remote[1] = 5;
    expect(list).toEqual([1, 5]);
    expect([...remote]).toEqual([1, 5]);
    expect(Math.max(...remote)).toBe(5);
    const [first, second, third] = remote;
    expect([first, second, third]).toEqual([1, 5, undefined]);
    expect(JSON.stringify(remote)).toBe("[1,5]");
    expect(remote.includes(5) && remote.indexOf(5) === 1 && remote.join("-") === "1-5").toBe(true);
    expect(remote.concat([7])).toEqual([1, 5, 7]);
  });

  it("iterates in chunks over containers, and item by item over generators (T01)", async () => {
    let produced = 0;
    function* generate(): Generator<number, string> {
      for (let i = 0; i < 5; i++) {
        produced++;
        yield i;
      }
      return "end";
    }
    const list = Array.from({ length: 10_000 }, (_, i) => i);
    const map = new Map([["a", 1], ["b", 2]]); // prettier-ignore
    await using pair = syncPair({ exports: { list, map, generate, set: new Set([1, 2]) } });
    const before = pair.near.stats().calls;
    let sum = 0;
    for (const item of pair.near.remote<number[]>("list")) sum += item;
    expect(sum).toBe(49_995_000);
    expect(pair.near.stats().calls - before).toBeLessThanOrEqual(10_000 / 64 + 4);
    for (const item of pair.near.remote<typeof generate>("generate")()) if (item === 1) break;
    expect(produced).toBe(2);
    const remote = pair.near.remote<typeof map>("map");
    expect([...remote.keys()]).toEqual(["a", "b"]);
    expect([remote.get("b"), remote.size, remote.has("x")]).toEqual([2, 2, false]);
    expect(remote.set("c", 3)).toBe(remote);
    expect(map.get("c")).toBe(3);
    expect(remote instanceof Map).toBe(true);
    const seen: unknown[] = [];
    remote.forEach((value, key) => seen.push([key, value]));
    expect(seen).toEqual([["a", 1], ["b", 2], ["c", 3]]); // prettier-ignore
    expect([...pair.near.remote<Set<number>>("set")]).toEqual([1, 2]);
  });

  it("knows promises, bytes, dates, regular expressions and errors as its own", async () => {
    const things = {
      later: () => Promise.resolve(5),
      bytes: new Uint8Array([1, 2]),
      date: new Date(5),
      expression: /a(b)/g,
      error: new RangeError("r"),
      Map,
    };
    await using pair = syncPair({ exports: { things } });
    const remote = pair.near.remote<typeof things>("things");
    const later = remote.later();
    expect(later).toBeInstanceOf(Promise);
    expect(await later).toBe(5);
    expect(remote.bytes).toEqual(new Uint8Array([1, 2]));
    expect(remote.date.getTime()).toBe(5);
    expect("xab".replace(remote.expression, "$1")).toBe("xb");
    expect(remote.error).toBeInstanceOf(RangeError);
    expect(remote.Map).toBe(Map);
  });

  it("keeps this side's Function and Object.prototype to itself", async () => {
    const thing = { a: 1 };
    await using pair = syncPair({ exports: { thing } }, {});
    const remote = pair.near.remote<typeof thing>("thing");
    expect(remote.constructor).toBe(Object);
    expect(remote.constructor.constructor).toBe(Function);
    expect(Object.getPrototypeOf(remote)).toBe(Object.prototype);
    expect(remote.toString).toBe(Object.prototype.toString);
    expect(Object.prototype.hasOwnProperty.call(remote, "a")).toBe(true);
  });
});

describe("a proxy", () => {
  it("shows what is in it to util.inspect, also once it is frozen", async () => {
    const things = {
      rex: new Dog("Rex"),
      list: [1, 2],
      run: nothing,
      fixed: Object.freeze({ a: () => 1 }),
    };
    await using pair = syncPair({ exports: { things } });
    const remote = pair.near.remote<typeof things>("things");
    expect(inspect(remote.rex)).toBe("Remote<Dog> { name: 'Rex' }");
    expect(inspect(remote.list)).toBe("Remote<Array> [ 1, 2 ]");
    expect(inspect(remote.run)).toBe("[Remote function nothing]");
    expect(inspect(remote)).toContain("rex: Remote<Dog> { name: 'Rex' }");
    expect(Object.isFrozen(remote.fixed)).toBe(true);
    expect(inspect(remote.fixed)).toContain("a:");
  });

  it("is itself again each time it comes, and the object where it comes home", async () => {
    const kept: unknown[] = [];
    const store = {
      keep: (value: unknown) => void kept.push(value),
      same: (a: unknown, b: unknown) => a === b,
      first: () => kept[0],
      inner: {},
    };
    await using pair = syncPair({ exports: { store } });
    const remote = pair.near.remote<typeof store>("store");
    const mine = { own: 1 };
    remote.keep(mine);
    expect(remote.first()).toBe(mine);
    expect(remote.same(remote.first(), mine)).toBe(true);
    expect(remote.same(nothing, nothing)).toBe(true);
    expect(remote.same(remote.inner, remote.inner)).toBe(true);
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    remote.keep(cycle);
    expect((kept[1] as typeof cycle).self).toBe(kept[1]);
    expect(remote.first).toBe(remote.first);
  });

  it("gives functions their own properties, and copies by value on demand", async () => {
    const tool = Object.assign((n: number) => n + 1, { extra: { deep: 1 } });
    await using pair = syncPair({ exports: { tool, copy: () => byValue({ a: [1, { b: 2 }] }) } });
    const remote = pair.near.remote<typeof tool>("tool");
    expect([remote(1), remote.extra.deep, remote.length]).toEqual([2, 1, 1]);
    const copy = pair.near.remote<() => { a: unknown[] }>("copy")();
    expect(structuredClone(copy)).toEqual({ a: [1, { b: 2 }] });
    expect(remote.call(null, 5)).toBe(6);
    expect(remote.bind(null, 6)()).toBe(7);
  });
});
