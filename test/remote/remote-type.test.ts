import { inspect } from "node:util";

import { describe, expect, it } from "vitest";

import { byRef, instanceOf, release, type Remote } from "../../src/remote.ts";
import { Frame } from "../../src/remote/protocol.ts";
import { Tag } from "../../src/remote/codec.ts";
import { expectRoundTrips } from "../../src/testing/expect-round-trips.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { hostile, request } from "./hostile-peer.ts";

class Animal {
  readonly #name: string;
  constructor(name: string) {
    this.#name = name;
  }
  get name(): string {
    return this.#name;
  }
}
class Dog extends Animal {
  speak(): string {
    return `${this.name} says Woof`;
  }
}
class Cat extends Animal {
  get [Symbol.toStringTag](): string {
    return "never asked";
  }
}
class Tagged {
  declare [Symbol.toStringTag]: string;
  static {
    Object.defineProperty(this.prototype, Symbol.toStringTag, { value: "Plate" });
  }
}
// oxlint-disable-next-line typescript/no-extraneous-class -- decides what its instances are
class Even {
  static [Symbol.hasInstance](value: unknown): boolean {
    return (value as { n: number }).n % 2 === 0;
  }
}
function Old(this: unknown): void {}
class Late extends (null as unknown as typeof Animal) {}

const api = {
  Animal,
  Dog,
  Cat,
  Even,
  Old,
  make: (name: string) => new Dog(name),
  cat: () => new Cat("Tom"),
  tagged: () => new Tagged(),
  map: () => new Map(),
  list: () => [1],
  data: (n: number) => ({ n }),
  old: () => new (Old as unknown as new () => object)(),
  bare: () => Object.create(null) as object,
  date: () => byRef(new Date(0)),
  late: () => Object.create(Late.prototype) as object,
  f: () => () => 1,
  dogs: () => [new Dog("a"), new Dog("b")],
};

async function open(policy: "capability" | "trusted" = "capability") {
  const pair = await sessionPair({ far: { exports: { api }, policy } });
  return Object.assign(pair, { api: pair.near.remote<typeof api>("api") });
}

describe("instanceOf()", () => {
  it("C04 has the truth table of instanceof, and sends nothing once the references are here", async () => {
    await using pair = await open();
    const [dog, cat] = await Promise.all([pair.api.make("Rex"), pair.api.cat()]);
    const classes = await Promise.all([pair.api.Animal, pair.api.Dog, pair.api.Cat]);
    const table = await expectRoundTrips(0, () =>
      Promise.all([dog, cat].map((ref) => Promise.all(classes.map((C) => instanceOf(ref, C))))),
    );
    expect(table).toEqual([
      [true, true, false],
      [true, false, true],
    ]);
    // A property and a result that is not there yet are asked about where they are.
    expect(await instanceOf(pair.api.make("x"), pair.api.Dog)).toBe(true);
  });

  it("knows the classes that every engine has", async () => {
    await using pair = await open();
    const refs = await Promise.all([
      pair.api.map(),
      pair.api.list(),
      pair.api.data(1),
      pair.api.make("Rex"),
      pair.api.date(),
      pair.api.f(),
      pair.api.Dog,
    ]);
    const table = await expectRoundTrips(0, () =>
      Promise.all(
        refs.map(async (ref) => {
          const known = [];
          for (const Class of [Object, Map, Array, Date, Function]) {
            if (await instanceOf(ref, Class)) known.push(Class.name);
          }
          return known.join(" ");
        }),
      ),
    );
    expect(table).toEqual([
      "Object Map",
      "Object Array",
      "Object",
      "Object",
      "Object Date",
      "Object Function",
      "Object Function",
    ]);
  });

  it("asks the other side where a class decides by itself, or may get another prototype", async () => {
    await using pair = await open();
    const [even, odd, old, bare] = await Promise.all([
      pair.api.data(2),
      pair.api.data(1),
      pair.api.old(),
      pair.api.bare(),
    ]);
    const [EvenRef, OldRef, DogRef] = await Promise.all([
      pair.api.Even,
      pair.api.Old,
      pair.api.Dog,
    ]);
    expect(await instanceOf(even, EvenRef)).toBe(true);
    expect(await instanceOf(odd, EvenRef)).toBe(false);
    expect(await instanceOf(old, OldRef)).toBe(true);
    expect(await instanceOf(old, DogRef)).toBe(false);
    expect(await instanceOf(bare, DogRef)).toBe(false);
    expect(await instanceOf(await pair.api.late(), DogRef)).toBe(false);
  });

  it("needs references of one session that were not released", async () => {
    await using pair = await open();
    await using other = await open();
    const dog = await pair.api.make("Rex");
    const OtherDog = await other.api.Dog;
    await expect(instanceOf(dog, OtherDog)).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    await expect(instanceOf(dog, Dog)).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    await expect(instanceOf({}, Dog)).rejects.toThrow(TypeError);
    const DogRef = await pair.api.Dog;
    release(dog);
    await expect(instanceOf(dog, DogRef)).rejects.toMatchObject({ code: "REMOTE_RELEASED" });
  });
});

describe("a reference", () => {
  it("C12 shows the name and the tag of its class, and asks nobody", async () => {
    await using pair = await open();
    const [dog, tagged, map, list, data, DogRef, f] = await Promise.all([
      pair.api.make("Rex"),
      pair.api.tagged(),
      pair.api.map(),
      pair.api.list(),
      pair.api.data(1),
      pair.api.Dog,
      pair.api.f(),
    ]);
    await expectRoundTrips(0, async () => {
      expect(dog.constructor.name).toBe("Dog");
      expect(dog.constructor).toBe(dog.constructor);
      expect(map.constructor).toBe(Map);
      expect(list.constructor).toBe(Array);
      expect(data.constructor).toBe(Object);
      expect(f.constructor).toBe(Function);
      expect(Object.prototype.toString.call(tagged)).toBe("[object Plate]");
      expect(Object.prototype.toString.call(map)).toBe("[object Map]");
      expect(Object.prototype.toString.call(dog)).toBe("[object Object]");
      expect(inspect(dog)).toMatch(/^Remote<Dog #\d+>$/);
      expect(inspect(DogRef)).toMatch(/^Remote<class Dog #\d+>$/);
      expect(inspect(data)).toMatch(/^Remote<object #\d+>$/);
      expect((dog as unknown) instanceof dog.constructor).toBe(true);
      expect((map as unknown) instanceof dog.constructor).toBe(false);
      await Promise.resolve();
    });
    expect(await (DogRef as unknown as Remote<{ name: string }>).name).toBe("Dog");
    const make = dog.constructor as unknown as new () => object;
    expect(() => new make()).toThrow("the class Dog lives on the other side");
  });

  it("has a method that is called by one round trip, with arguments and callbacks", async () => {
    await using pair = await open();
    const dog = await pair.api.make("Rex");
    expect(await expectRoundTrips(1, () => dog.speak())).toBe("Rex says Woof");
  });

  it("tells its class once in a session, and names classes only", async () => {
    await using pair = await open();
    await pair.api.make("a");
    const before = pair.far.stats().sentBytes;
    await pair.api.make("b");
    const bytes = pair.far.stats().sentBytes - before;
    expect(bytes).toBeLessThan(12);
  });

  it("forgets a class that was told in a frame that never left", async () => {
    class Fresh {
      method(): void {}
    }
    const far = {
      exports: { fail: () => [new Fresh(), Symbol("x"), 2n ** 200_000n], fresh: () => new Fresh() },
    };
    await using pair = await sessionPair({ far: { ...far, plain: "copy" } });
    const { near } = pair;
    await expect(near.remote<() => unknown>("fail")()).rejects.toMatchObject({
      code: "WIRE_LIMIT",
    });
    const fresh = await near.remote<() => Fresh>("fresh")();
    expect(fresh.constructor.name).toBe("Fresh");
  });

  it("C14 of a class that got a new method has it at once; what it extends is as it was told", async () => {
    class Base {
      method(): void {}
    }
    class Changing {
      method(): void {}
    }
    const change = (): void => {
      Object.assign(Changing.prototype, { fresh: () => "new" });
      Object.setPrototypeOf(Changing.prototype, Base.prototype);
    };
    const exports = { change, make: () => new Changing(), Base };
    await using pair = await sessionPair({ far: { exports } });
    const make = pair.near.remote<() => { fresh(): string }>("make");
    const one = await make();
    const BaseRef = await pair.near.remote<typeof Base>("Base");
    expect(await instanceOf(one, BaseRef)).toBe(false);
    await pair.near.remote<() => void>("change")();
    expect(await one.fresh()).toBe("new");
    expect(await instanceOf(one, BaseRef)).toBe(false);
    // Asked about by a property, it is looked at over there.
    expect(await instanceOf(make(), BaseRef)).toBe(true);
  });
});

describe("a peer that tells types", () => {
  it.each<[string, readonly number[]]>([
    ["of a function", [4 * 1 + 1, 0]],
    ["that it never told", [4 * 1, 3]],
    ["with an endless name", [4 * 1, 2, 2 * 300, ...Array.from({ length: 300 }, () => 0x61), 0, 0]],
    ["without end", [4 * 1, ...Array.from({ length: 5_000 }, () => [2, 0, 0]).flat(), 0]],
  ])("%s loses the session", async (_, bytes) => {
    await using peer = await hostile({}, { types: true });
    peer.send((writer) => {
      request(writer, { path: ["offered", "echo"], count: 1 });
      writer.u8(Tag.typed);
      for (const byte of bytes) {
        if (byte > 0xff) writer.varint(byte);
        else writer.u8(byte);
      }
    });
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("names an intrinsic that this engine does not have: then nothing is known", async () => {
    await using peer = await hostile({}, { types: true });
    peer.send((writer) => {
      request(writer, { path: ["offered", "echo"], count: 1 });
      writer.u8(Tag.typed);
      writer.varint(4);
      writer.u8(1);
      writer.u8(0);
      writer.string("Tuple.prototype");
    });
    const [kind] = await peer.answer;
    expect(kind).toBe(Frame.answer);
  });
});
