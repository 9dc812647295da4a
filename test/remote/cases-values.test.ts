/** The acceptance cases V (values) and I (identity), for stubs and, where they hold for both, proxies. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { describe, expect, it } from "vitest";

import { byRef, byValue, isRemote, keys, release, type Remote } from "../../src/remote.ts";
import { expectRoundTrips } from "../../src/testing/expect-round-trips.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { syncPair } from "./sync/pair.ts";

const seen: unknown[] = [];
const kept = new Set<unknown>();
const noted = new WeakMap<object, string>();
const thing = { name: "thing", method: () => "m" };

class Dog {
  readonly #name: string;
  constructor(name: string) {
    this.#name = name;
  }
  speak(): string {
    return `${this.#name} says Woof`;
  }
  self(): unknown {
    return this === undefined ? "nobody" : this.#name;
  }
}

const api = {
  echo: (value: unknown) => value,
  take: (value: unknown) => void seen.push(value),
  same: (a: unknown, b: unknown) => a === b,
  keep: (value: unknown) => kept.add(value).size,
  note: (value: object) => noted.set(value, "noted").get(value),
  noted: (value: object) => noted.get(value),
  thing: () => thing,
  dog: () => new Dog("Rex"),
  strict(this: unknown) {
    return this === undefined;
  },
  poolBytes: () => Buffer.from("some bytes of a pool").subarray(5, 10),
};

interface Flavour extends AsyncDisposable {
  echo(value: unknown): unknown;
  readonly api: Remote<typeof api>;
}

async function stubs(): Promise<Flavour> {
  const pair = await sessionPair({ far: { exports: { api }, policy: "trusted" } });
  const remote = pair.near.remote<typeof api>("api");
  return {
    api: remote,
    echo: async (value) => await remote.echo(value),
    [Symbol.asyncDispose]: async () => await pair[Symbol.asyncDispose](),
  };
}

function proxies(): Flavour {
  const pair = syncPair({ exports: { api } });
  const remote = pair.near.remote<typeof api>("api");
  return {
    api: remote as unknown as Remote<typeof api>,
    echo: (value) => remote.echo(value),
    [Symbol.asyncDispose]: async () => await pair[Symbol.asyncDispose](),
  };
}

const flavours: [string, () => Flavour | Promise<Flavour>][] = [
  ["stubs", stubs],
  ["proxies", proxies],
];

describe.each(flavours)("values with %s", (_, open) => {
  it.each<[string, unknown[]]>([
    [
      "V01 text, numbers, booleans, null, undefined",
      ["", "a", 0, 1, -5, 1.5, true, false, null, undefined],
    ],
    [
      "V02 NaN, infinities, -0 and the ends of the whole numbers",
      [
        NaN,
        Infinity,
        -Infinity,
        -0,
        2 ** 53 - 1,
        -(2 ** 53) + 1,
        Number.MIN_VALUE,
        Number.MAX_VALUE,
      ],
    ],
    [
      "V03 bigints of any size",
      [0n, -1n, 2n ** 64n, -(2n ** 63n), (1n << 4096n) + 123456789n, -((1n << 4096n) + 123456789n)],
    ],
    ["V05 lone surrogates and emoji", ["\ud800", "a\udfffb", "😀", "\u0000", "é"]],
    [
      "V06 well-known and registered symbols",
      [Symbol.iterator, Symbol.asyncIterator, Symbol.for("banyan.test")],
    ],
  ])("%s come back Object.is-equal", async (__, values) => {
    await using flavour = await open();
    for (const value of values) {
      const back = await flavour.echo(value);
      expect([value, Object.is(back, value)]).toEqual([value, true]);
    }
  });

  it("V07 byValue() arrives as real local data, read without a round trip", async () => {
    await using flavour = await open();
    const back = (await flavour.echo(byValue({ a: [1, { b: 2 }] }))) as {
      a: [number, { b: number }];
    };
    // What comes home of a copy is a copy that lives over there; what is sent is a copy here.
    await flavour.api.take(byValue({ a: [1, { b: 2 }] }));
    const arrived = seen.pop() as { a: [number, { b: number }] };
    await expectRoundTrips(0, () => {
      expect(structuredClone(arrived)).toEqual({ a: [1, { b: 2 }] });
      return Promise.resolve();
    });
    expect(Object.getPrototypeOf(arrived)).toBe(Object.prototype);
    expect((back as unknown) === arrived).toBe(false);
  });

  it("V08 byValue() keeps cycles and what is there twice", async () => {
    await using flavour = await open();
    const shared = { n: 1 };
    const graph: Record<string, unknown> = { a: shared, b: shared, map: new Map([[1, shared]]) };
    graph["self"] = graph;
    await flavour.api.take(byValue(graph));
    const arrived = seen.pop() as typeof graph;
    expect(arrived["self"]).toBe(arrived);
    expect(arrived["a"]).toBe(arrived["b"]);
    expect((arrived["map"] as Map<number, unknown>).get(1)).toBe(arrived["a"]);
  });

  it("V09 bytes and typed arrays arrive as copies of their class, whatever their offset", async () => {
    await using flavour = await open();
    const bytes = Uint8Array.from({ length: 65 }, (__, i) => i * 7);
    const views = [
      bytes.subarray(3, 20), new Int8Array(bytes.buffer, 1, 7), new Uint8ClampedArray(bytes.buffer, 3, 5),
      new Int16Array(bytes.buffer, 2, 5), new Uint16Array(bytes.buffer, 6, 3), new Int32Array(bytes.buffer, 4, 3),
      new Uint32Array(bytes.buffer, 8, 3), new Float32Array(bytes.buffer, 12, 3), new Float64Array(bytes.buffer, 8, 3),
      new BigInt64Array(bytes.buffer, 16, 2), new BigUint64Array(bytes.buffer, 24, 1), new DataView(bytes.buffer, 5, 9),
    ]; // prettier-ignore
    for (const view of views) {
      await flavour.api.take(view);
      const arrived = seen.pop() as typeof view;
      expect(Object.prototype.toString.call(arrived)).toBe(Object.prototype.toString.call(view));
      expect(bytesOf(arrived)).toEqual(bytesOf(view));
      expect(arrived.buffer).not.toBe(view.buffer);
      expect(arrived.buffer.byteLength).toBe(view.byteLength);
    }
    await flavour.api.take(bytes.buffer);
    expect(seen.pop()).toEqual(bytes.buffer);
    const pooled = (await flavour.api.poolBytes()) as Uint8Array;
    expect(new TextDecoder().decode(pooled)).toBe("bytes");
    // Nothing of the pool around it came along.
    expect(pooled.buffer.byteLength).toBe(5);
  });

  it("V11 dates, also an invalid one, arrive as dates", async () => {
    await using flavour = await open();
    expect(((await flavour.echo(new Date(1_700_000_000_123))) as Date).getTime()).toBe(
      1_700_000_000_123,
    );
    expect(((await flavour.echo(new Date(NaN))) as Date).getTime()).toBeNaN();
  });

  it("V12 URLs arrive as URLs", async () => {
    await using flavour = await open();
    const back = (await flavour.echo(new URL("https://a.example/b?c=1#d"))) as URL;
    expect([back instanceof URL, back.searchParams.get("c"), back.hash]).toEqual([true, "1", "#d"]);
  });

  it("V13 regular expressions keep their flags and lastIndex, and work", async () => {
    await using flavour = await open();
    const sent = /b(.)/giy;
    sent.lastIndex = 2;
    const back = (await flavour.echo(sent)) as RegExp;
    expect([back.flags, back.lastIndex, back.test("xxbY"), "bxby".replace(/b(.)/g, "$1")]).toEqual([
      "giy", 2, true, "xy",
    ]); // prettier-ignore
  });

  it("V15 an instance of a class crosses by reference, with its class", async () => {
    await using flavour = await open();
    const dog = await flavour.api.dog();
    expect(isRemote(dog)).toBe(true);
    expect(dog.constructor.name).toBe("Dog");
    expect(await dog.speak()).toBe("Rex says Woof");
    await flavour.api.take(new Dog("Fido"));
    const arrived = seen.pop() as Dog;
    expect(isRemote(arrived)).toBe(true);
    expect(arrived.constructor.name).toBe("Dog");
  });

  it("I01 an object that is got twice is the same stub", async () => {
    await using flavour = await open();
    expect((await flavour.api.thing()) === (await flavour.api.thing())).toBe(true);
  });

  it("I02 an object that comes home is itself", async () => {
    await using flavour = await open();
    for (const own of [{ a: 1 }, [1], () => 1, new Dog("x"), new Map()]) {
      expect((await flavour.echo(own)) === own).toBe(true);
    }
  });

  it("I03 a function that is sent twice is one over there, also in a WeakMap and a Set", async () => {
    await using flavour = await open();
    const f = (): unknown => flavour.api;
    expect(await flavour.api.same(f, f)).toBe(true);
    kept.clear();
    expect([await flavour.api.keep(f), await flavour.api.keep(f)]).toEqual([1, 1]);
    expect(await flavour.api.note(f)).toBe("noted");
    expect(await flavour.api.noted(f)).toBe("noted");
    const local = new WeakMap([[await flavour.api.thing(), "here"]]);
    expect(local.get(await flavour.api.thing())).toBe("here");
    kept.clear();
  });
});

describe("values of stubs only", () => {
  it("V04 arrays with holes and undefined keep their length by value", async () => {
    await using flavour = await stubs();
    // oxlint-disable-next-line no-sparse-arrays -- what the test is about
    await flavour.api.take(byValue([1, , undefined, 2]));
    expect(seen.pop()).toEqual([1, undefined, undefined, 2]);
  });

  it("V10 Maps and Sets cross by reference, and by value where that is said", async () => {
    await using flavour = await stubs();
    const map = new Map<unknown, unknown>([["a", new Set([1])]]);
    await flavour.api.take(map);
    expect(isRemote(seen.pop())).toBe(true);
    await flavour.api.take(byValue(map));
    expect(seen.pop()).toEqual(map);
  });

  it("V14 byRef() sends a reference of what would be copied", async () => {
    await using flavour = await stubs();
    await flavour.api.take(byRef(new Date(3)));
    const date = seen.pop() as Remote<Date>;
    expect(isRemote(date)).toBe(true);
    expect(await date.getTime()).toBe(3);
  });

  it("V16 a session of its own keeps the copies of frozen data frozen", async () => {
    await using flavour = await stubs();
    await flavour.api.take(Object.freeze({ a: Object.freeze([1]) }));
    const arrived = seen.pop() as { a: number[] };
    expect([isRemote(arrived), Object.isFrozen(arrived), Object.isFrozen(arrived.a)]).toEqual([
      false, true, true,
    ]); // prettier-ignore
  });
});

describe("identity of stubs", () => {
  it("I05 an object that goes on from B to C comes back to A as itself", async () => {
    const cSide = {
      held: undefined as unknown,
      hold: (x: unknown) => void (cSide.held = x),
      give: () => cSide.held,
    };
    await using bc = await sessionPair({ far: { exports: { c: cSide } } });
    await using ab = await sessionPair({ far: { exports: { c: bc.near.remote("c") } } });
    const c = ab.near.remote<typeof cSide>("c");
    for (const own of [{ mine: true }, () => 1, new Dog("x")]) {
      await c.hold(own);
      expect((await c.give()) === own).toBe(true);
    }
    cSide.held = undefined;
  });

  it("I07 an object whose stub was collected is got again, and is the same over there", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    await remote.keep(await remote.thing());
    for (let i = 0; i < 50 && pair.far.stats().exports > 0; i++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
      await pair.fence();
    }
    expect(pair.far.stats().exports).toBe(0);
    const again = await remote.thing();
    expect(await again.name).toBe("thing");
    expect(await remote.same(again, remote.thing())).toBe(true);
    expect(await remote.keep(again)).toBe(1);
    kept.clear();
  });

  it("I09 a method by itself is the same each time, and is called without an object", async () => {
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    expect(remote.strict === remote.strict).toBe(true);
    expect((await remote.strict) === (await remote.strict)).toBe(true);
    const strict = await remote.strict;
    expect(await strict()).toBe(true);
    const dog = await remote.dog();
    const self = await dog.self;
    expect(await dog.self()).toBe("Rex");
    await expect((async () => await self())()).resolves.toBe("nobody");
    expect(await remote.strict()).toBe(false);
  });

  it("I10 a released stub is not the stub of the same object that comes later", async () => {
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const first = await remote.thing();
    release(first);
    const second = await remote.thing();
    expect(first === second).toBe(false);
    expect(await keys(second)).toEqual(["name", "method"]);
  });
});

function bytesOf(view: ArrayBufferView): number[] {
  return Array.from(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
}
