import { isDeepStrictEqual } from "node:util";
import { runInNewContext } from "node:vm";

import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";

import { WireError } from "../../src/base/errors.ts";
import { Path } from "../../src/wire/path.ts";
import { Reader } from "../../src/wire/reader.ts";
import {
  decodeValue,
  decodeValueAt,
  encodeForNow,
  encodeValue,
  FIRST_EXTENSION_TAG,
  readValue,
  writeValue,
  type ValueExtension,
} from "../../src/wire/value.ts";
import { Writer } from "../../src/wire/writer.ts";
import { objectOf, value } from "./arbitrary.ts";

const round = (one: unknown): unknown => decodeValue(encodeValue(one));

/** Sends functions by number, objects that are marked as a value within, and refuses the rest. */
function table(): ValueExtension & { readonly sent: unknown[] } {
  const sent: unknown[] = [];
  const extension: ValueExtension = {
    claims: (object) => Object.hasOwn(object, "claimed"),
    write(writer, one) {
      if (typeof one === "function") {
        writer.u8(FIRST_EXTENSION_TAG);
        writer.varint(sent.push(one) - 1);
        return true;
      }
      if (typeof one !== "object" || one === null || !Object.hasOwn(one, "claimed")) return false;
      writer.u8(FIRST_EXTENSION_TAG + 15);
      writeValue(writer, (one as { claimed: unknown }).claimed, extension);
      return true;
    },
    read(tag, reader) {
      return tag === FIRST_EXTENSION_TAG
        ? sent[reader.varint()]
        : { read: readValue(reader, extension) };
    },
  };
  return Object.assign(extension, { sent });
}

function through(one: unknown, extension: ValueExtension): unknown {
  const writer = new Writer();
  writeValue(writer, one, extension);
  const reader = new Reader(writer.take());
  const arrived = readValue(reader, extension);
  reader.expectEnd();
  return arrived;
}

function failure(action: () => unknown): WireError {
  try {
    action();
  } catch (error) {
    return error as WireError;
  }
  throw new Error("nothing was thrown");
}

describe("encodeValue() and decodeValue()", () => {
  it("give back an equal value", () => {
    fc.assert(
      fc.property(value, (one) => {
        // Vitest's own comparison is misled by a property named "constructor".
        expect(isDeepStrictEqual(round(one), one)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("give back every number exactly", () => {
    const edges = [0, -0, 1, 127, 128, 255, 256, 65_535, 65_536, -1, -32, -33, -128, -129, 1.5];
    const large = [2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 53, 1e308, 5e-324];
    for (const number of [...edges, ...large, Number.NaN, Infinity, -Infinity]) {
      expect(Object.is(round(number), number)).toBe(true);
    }
  });

  it("give back bigints of any size", () => {
    for (const bits of [0n, 1n, 62n, 63n, 64n, 65n, 127n, 128n, 4096n, 100_000n]) {
      for (const one of [2n ** bits, 2n ** bits - 1n, -(2n ** bits), -(2n ** bits) - 1n]) {
        expect(round(one)).toBe(one);
      }
    }
  });

  it.each([
    "",
    "a",
    "\0",
    "é",
    "😀",
    "\ud800",
    "\udc00a",
    "a\ud83d",
    "\ufeffa",
    "a".repeat(100_000),
  ])("give back the string %j", (text) => {
    expect(round(text)).toBe(text);
    expect(round({ [text]: 1 })).toStrictEqual({ [text]: 1 });
  });

  it.each([
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  ])("give back a %o which begins in the middle of its buffer", (Class) => {
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => i * 3);
    const one = new Class(bytes.buffer, 16, 3);
    const copy = round(one) as typeof one;
    expect(copy).toStrictEqual(one);
    expect(copy.constructor).toBe(Class);
    expect(copy.buffer.byteLength).toBe(one.byteLength);
    expect(round(new Class(0))).toStrictEqual(new Class(0));
  });

  it("give back DataView and ArrayBuffer, and a Buffer as a Uint8Array", () => {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    const view = round(new DataView(bytes.buffer, 1, 2)) as DataView;
    expect(view).toBeInstanceOf(DataView);
    expect([view.byteLength, view.getUint8(0), view.getUint8(1)]).toStrictEqual([2, 2, 3]);
    expect(round(bytes.buffer)).toStrictEqual(bytes.buffer);
    const arrived = round(Buffer.from("abc"));
    expect(Object.getPrototypeOf(arrived)).toBe(Uint8Array.prototype);
    expect(arrived).toStrictEqual(Uint8Array.of(97, 98, 99));
  });

  it("copy bytes on both sides", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const encoded = encodeValue(bytes);
    bytes[0] = 9;
    const decoded = decodeValue(encoded);
    encoded.fill(7);
    expect(decoded).toStrictEqual(Uint8Array.of(1, 2, 3));
  });

  it("give back dates, also invalid ones", () => {
    expect(round(new Date(1.7e12))).toStrictEqual(new Date(1.7e12));
    expect((round(new Date(Number.NaN)) as Date).getTime()).toBeNaN();
  });

  it("keep a path a path and a list a list", () => {
    const path = Path.fromElements(["a", 2, Uint8Array.of(1), null, true]);
    const arrived = round({ path, list: [...path] }) as { path: unknown; list: unknown };
    expect(arrived.path).toBeInstanceOf(Path);
    expect(path.equals(arrived.path as Path)).toBe(true);
    expect(arrived.list).not.toBeInstanceOf(Path);
    expect(round(Path.root)).toBeInstanceOf(Path);
  });

  it("make holes undefined and leave out what is not an own enumerable property", () => {
    expect(round(Object.assign([1], { length: 3 }))).toStrictEqual([1, undefined, undefined]);
    const object = Object.defineProperty({ a: 1, [Symbol("s")]: 2 }, "hidden", { value: 3 });
    expect(round(object)).toStrictEqual({ a: 1 });
    expect(round(Object.assign(Object.create(null) as object, { a: 1 }))).toStrictEqual({ a: 1 });
  });

  it.each(["__proto__", "then", "toJSON", "constructor", "toString", "hasOwnProperty"])(
    "keep the name %s inert",
    (name) => {
      const arrived = round(objectOf([[name, { polluted: true }]])) as object;
      expect(Object.getPrototypeOf(arrived)).toBe(Object.prototype);
      expect(Object.getOwnPropertyDescriptor(arrived, name)).toStrictEqual({
        value: { polluted: true },
        writable: true,
        enumerable: true,
        configurable: true,
      });
      expect("polluted" in {}).toBe(false);
    },
  );

  it("take plain objects, arrays, dates and errors of another realm", () => {
    const foreign: unknown = runInNewContext(
      "({ a: [1, [2]], d: new Date(5), e: new TypeError('x'), b: new ArrayBuffer(2), o: Object.create(null) })",
    );
    const arrived = round(foreign) as Record<string, unknown>;
    expect(arrived["a"]).toStrictEqual([1, [2]]);
    expect(arrived["d"]).toStrictEqual(new Date(5));
    expect(arrived["e"]).toBeInstanceOf(TypeError);
    expect(arrived["b"]).toStrictEqual(new ArrayBuffer(2));
    expect(arrived["o"]).toStrictEqual({});
  });

  it("make two of an object that is there twice", () => {
    const shared = { a: 1 };
    const arrived = round([shared, shared]) as object[];
    expect(arrived).toStrictEqual([{ a: 1 }, { a: 1 }]);
    expect(arrived[0]).not.toBe(arrived[1]);
  });
});

describe("a view of a class that this version does not know", () => {
  it("is refused, also where it could leave beside a message", () => {
    // As Float16Array is to Node 20, which has none.
    const { get } = Reflect;
    vi.spyOn(Reflect, "get").mockImplementation((target, key, ...receiver: unknown[]): unknown =>
      key === Symbol.toStringTag ? "Float16Array" : get(target, key, ...receiver),
    );
    try {
      for (const size of [2, 100_000]) {
        const writer = new Writer(undefined, true);
        expect(() => writeValue(writer, new Uint16Array(size))).toThrow("it is a Float16Array");
      }
    } finally {
      vi.restoreAllMocks();
    }
  });
});

describe("encodeForNow()", () => {
  it("gives the bytes of encodeValue(), which what comes next leaves alone", () => {
    const values = ["a", "ä".repeat(100), [1, { b: null }], new Uint8Array(20_000).fill(3)];
    const first = values.map((one) => encodeForNow(one));
    expect(first).toEqual(values.map((one) => encodeValue(one)));
    for (const one of values) encodeForNow(one);
    expect(first.map((bytes) => decodeValue(bytes))).toEqual(values);
    const getter = {
      get a() {
        return encodeForNow(1).length;
      },
    };
    expect(decodeValue(encodeForNow(getter))).toEqual({ a: 1 });
    expect(() => encodeForNow({ a: () => 1 })).toThrow("a");
    expect(decodeValue(encodeForNow("next"))).toBe("next");
  });
});

describe("encodeValue()", () => {
  class Custom {
    readonly a = 1;
  }
  class Dates extends Date {}
  class List extends Array<number> {}
  class FakeDate {
    readonly [Symbol.toStringTag] = "Date";
  }
  class FakeBuffer {
    readonly [Symbol.toStringTag] = "ArrayBuffer";
  }

  it.each<[string, unknown]>([
    ["a function", () => 1],
    ["a function", Custom],
    ["a symbol", Symbol("s")],
    ["an instance of Custom", new Custom()],
    ["an instance of Dates", new Dates()],
    ["an instance of List", new List()],
    ["an instance of FakeDate", new FakeDate()],
    ["an instance of FakeBuffer", new FakeBuffer()],
    ["an instance of Map", new Map()],
    ["an instance of Set", new Set()],
    ["an instance of WeakMap", new WeakMap()],
    ["an instance of RegExp", /a/],
    ["an instance of Promise", Promise.resolve()],
    ["an instance of Number", Object(1)],
    ["an instance of SharedArrayBuffer", new SharedArrayBuffer(1)],
    ["an instance of Date", Object.create(Date.prototype)],
    ["an instance of ArrayBuffer", Object.create(ArrayBuffer.prototype)],
    ["an instance of a class", Object.create(Object.create(null) as object)],
  ])("refuses %s and says where it is", (kind, one) => {
    const error = failure(() => encodeValue({ a: { "b c": [0, 1, 2, one] } }));
    expect(error.code).toBe("WIRE_UNSUPPORTED");
    expect(error.details).toStrictEqual({ place: '.a["b c"][3]' });
    expect(error.message).toBe(`the value at .a["b c"][3] can't cross by value: it is ${kind}`);
  });

  it("refuses a cycle and says where it is", () => {
    const list: unknown[] = [0];
    const object = { a: { list } };
    list.push({ object });
    const error = failure(() => encodeValue(object));
    expect(error.code).toBe("WIRE_UNSUPPORTED");
    expect(error.details).toStrictEqual({ place: ".a.list[1].object" });
    expect(error.message).toContain("contains itself");
  });

  it("throws what a getter throws, and encodes what comes next", () => {
    const own = new Error("mine");
    const object = {
      a: 1,
      get b(): number {
        throw own;
      },
    };
    expect(failure(() => encodeValue([object]))).toBe(own);
    expect(round([1])).toStrictEqual([1]);
  });

  it("may be called by a getter of the value that is being encoded", () => {
    const object = {
      a: 1,
      get b(): Uint8Array {
        return encodeValue({ inner: [1, 2, 3] });
      },
      c: 2,
    };
    const arrived = round(object) as { a: number; b: Uint8Array; c: number };
    expect(arrived).toMatchObject({ a: 1, c: 2 });
    expect(decodeValue(arrived.b)).toStrictEqual({ inner: [1, 2, 3] });
  });

  it("writes what a value had at the start when a getter changes it", () => {
    const list: unknown[] = [
      {
        get grow(): number {
          list.push(1, 2, 3);
          return 1;
        },
      },
    ];
    expect(round(list)).toStrictEqual([{ grow: 1 }]);
  });

  it("refuses a proxy that throws with the proxy's error", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(failure(() => encodeValue(proxy))).toBeInstanceOf(TypeError);
  });
});

describe("writeValue()", () => {
  it("leaves the writer as it was where it throws", () => {
    const writer = new Writer();
    writeValue(writer, "before");
    expect(() => writeValue(writer, [1, "a".repeat(100_000), [() => 1]])).toThrow(WireError);
    writeValue(writer, ["after"]);
    const reader = new Reader(writer.take());
    expect(readValue(reader)).toBe("before");
    expect(readValue(reader)).toStrictEqual(["after"]);
    expect(reader.left).toBe(0);
  });

  it("counts items for one message, not for all that the writer ever wrote", () => {
    const writer = new Writer({ ...new Writer().limits, maxItems: 4 });
    for (let i = 0; i < 10; i++) {
      writeValue(writer, [1, 2, 3]);
      writer.take();
    }
    writeValue(writer, [1, 2, 3]);
    expect(failure(() => writeValue(writer, [1, 2])).code).toBe("WIRE_LIMIT");
    // What failed is not counted.
    writeValue(writer, [1]);
  });
});

describe("ValueExtension", () => {
  it("takes functions and what it claims, nested in each other", () => {
    const one = Math.max;
    const sent = { a: [one, { claimed: [{ claimed: one }, 5] }], b: new Date(1) };
    expect(through(sent, table())).toStrictEqual({
      a: [one, { read: [{ read: one }, 5] }],
      b: new Date(1),
    });
  });

  it("is asked before anything looks at an object", () => {
    const proxy: object = new Proxy(
      {},
      {
        getPrototypeOf: () => {
          throw new Error("looked at");
        },
      },
    );
    const extension: ValueExtension = {
      claims: (object) => object === proxy,
      write(writer) {
        writer.u8(FIRST_EXTENSION_TAG);
        return true;
      },
      read: () => "proxy",
    };
    expect(through([proxy], extension)).toStrictEqual(["proxy"]);
  });

  it("leaves to refusal what it doesn't take, with the whole place", () => {
    const one = { a: [{ claimed: { b: [new Map()] } }] };
    const writer = new Writer();
    const error = failure(() => writeValue(writer, one, table()));
    expect(error.code).toBe("WIRE_UNSUPPORTED");
    expect(error.details).toStrictEqual({ place: ".a[0].b[0]" });
    expect(writer.length).toBe(0);
  });

  it("can't be made to overflow the stack by nesting, in either direction", () => {
    const nested = new Uint8Array(1_000_000).fill(FIRST_EXTENSION_TAG + 15);
    const error = failure(() => readValue(new Reader(nested), table()));
    expect(error.code).toBe("WIRE_LIMIT");
    const endless: { claimed: unknown } = { claimed: undefined };
    endless.claimed = endless;
    expect(failure(() => through(endless, table())).code).toBe("WIRE_LIMIT");
    let deep: { claimed: unknown } = { claimed: 1 };
    for (let i = 0; i < 100_000; i++) deep = { claimed: deep };
    expect(failure(() => through(deep, table())).code).toBe("WIRE_LIMIT");
  });

  it("is missed by a decoder that has none", () => {
    expect(failure(() => decodeValue(Uint8Array.of(FIRST_EXTENSION_TAG))).code).toBe(
      "WIRE_MALFORMED",
    );
  });
});

describe("decodeValueAt()", () => {
  /** ASCII of any length up to where nothing is done in a special way, mostly with something else in it. */
  const nearlyAscii = fc
    .tuple(
      fc.oneof(fc.nat(70), fc.integer({ min: 240, max: 270 }), fc.integer({ max: 8_100, min: 0 })),
      fc.constantFrom(
        "",
        "",
        "\0",
        "\u007f",
        "\u0080",
        "ÿ",
        "\ufffd",
        "\u{1f333}",
        "\ud800",
        "\udc00",
      ),
      fc.nat(),
    )
    .map(([length, odd, at]) => {
      const plain = "abcdefghij".repeat(811).slice(0, length);
      const place = at % (length + 1);
      return plain.slice(0, place) + odd + plain.slice(place);
    });

  it("gives what was encoded, wherever it lies, with a view and without", () => {
    const property = fc.property(fc.oneof(nearlyAscii, value), fc.nat(9), (one, before) => {
      const encoded = encodeValue(one);
      const end = before + encoded.length;
      // What lies around it is no ASCII.
      const bytes = new Uint8Array(end + 20).fill(0xff);
      bytes.set(encoded, before);
      const view = new DataView(bytes.buffer);
      const expected = typeof one === "string" ? one : decodeValue(encoded);
      for (const found of [
        decodeValueAt(bytes, before, end),
        decodeValueAt(bytes, before, end, view),
      ]) {
        expect(isDeepStrictEqual(found, expected)).toBe(true);
      }
    });
    fc.assert(property, { numRuns: 300 });
  });

  it("refuses what is not UTF-8, with a view and without", () => {
    for (const size of [10, 25, 200, 300]) {
      const encoded = encodeValue("a".repeat(size));
      encoded[encoded.length - 1] = 0xff;
      for (const view of [undefined, new DataView(encoded.buffer, encoded.byteOffset)]) {
        expect(() => decodeValueAt(encoded, 0, encoded.length, view)).toThrow(
          expect.objectContaining({ code: "WIRE_MALFORMED" }),
        );
      }
    }
  });
});
