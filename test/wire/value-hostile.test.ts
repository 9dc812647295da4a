/** What a hostile peer may send, and what is over a limit. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import { DEFAULT_VALUE_LIMITS, type ValueLimits } from "../../src/wire/limits.ts";
import { Path } from "../../src/wire/path.ts";
import { decodeValue, encodeValue } from "../../src/wire/value.ts";
import { value } from "./arbitrary.ts";

const WIRE_CODES: readonly unknown[] = ["WIRE_MALFORMED", "WIRE_LIMIT", "WIRE_BAD_PATH"];

function codeOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return BanyanError.is(error) ? error.code : error;
  }
  return undefined;
}

const limits = (some: Partial<ValueLimits>): ValueLimits => ({ ...DEFAULT_VALUE_LIMITS, ...some });
const nested = (depth: number): unknown => {
  let one: unknown = 1;
  for (let i = 0; i < depth; i++) one = i % 2 === 0 ? [one] : { a: one };
  return one;
};

/** A value of every kind, so that cutting its bytes short meets every reader. */
const EVERY_KIND = [
  null,
  undefined,
  true,
  200,
  70_000,
  -5,
  1.5,
  "short",
  "é".repeat(50),
  "\ud800",
  1n,
  2n ** 100n,
  -(2n ** 100n),
  new Date(1),
  Path.fromElements(["a", 1]),
  new TypeError("x", { cause: new Error("y") }),
  Uint8Array.of(1, 2),
  Float64Array.of(1),
  { a: { b: 1 } },
  Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, i])),
];

describe("decodeValue()", () => {
  it("gives a value or a WireError for any bytes", () => {
    const tag = fc.integer({ min: 0x80, max: 0xff });
    const bytes = fc
      .array(fc.oneof(tag, fc.nat(255), fc.nat(4)), { maxLength: 200 })
      .map((all) => Uint8Array.from(all));
    fc.assert(
      fc.property(bytes, (all) => {
        const code = codeOf(() => decodeValue(all));
        expect(code === undefined || WIRE_CODES.includes(code)).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });

  it("gives a value or a WireError where one byte was changed", () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.nat(255), (one, place, byte) => {
        const bytes = encodeValue(one);
        bytes[place % bytes.length] = byte;
        const code = codeOf(() => decodeValue(bytes));
        expect(code === undefined || WIRE_CODES.includes(code)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("gives values that can be encoded again, but for errors", () => {
    const bytes = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(bytes, (all) => {
        let decoded: unknown;
        if (codeOf(() => (decoded = decodeValue(all))) !== undefined) return;
        expect(codeOf(() => encodeValue(decoded))).toBeUndefined();
      }),
      { numRuns: 5_000 },
    );
  });

  it("refuses bytes that are cut short, at every length", () => {
    const bytes = encodeValue(EVERY_KIND);
    for (let length = 0; length < bytes.length; length++) {
      expect(WIRE_CODES).toContain(codeOf(() => decodeValue(bytes.subarray(0, length))));
    }
  });

  it("refuses bytes that are left over", () => {
    expect(codeOf(() => decodeValue(Uint8Array.of(1, 1)))).toBe("WIRE_MALFORMED");
  });

  it.each([
    ["no bytes", []],
    ["a tag that means nothing", [0xd2]],
    ["a tag of an extension", [0x80]],
    ["more elements than bytes", [0xc8, 0xff, 0xff, 0xff, 0x7f]],
    ["more properties than bytes", [0xc9, 0xff, 0xff, 0xff, 0x7f]],
    ["more bytes than there are", [0xca, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ["a typed array larger than there are bytes", [0xcb, 9, 0x80, 0x80, 0x80, 0x08]],
    ["a typed array of no known class", [0xcb, 12, 0]],
    ["a typed array that ends inside an element", [0xcb, 9, 7, 1, 2, 3, 4, 5, 6, 7]],
    ["a path that is none", [0xd0, 1, 1]],
    ["text that is not UTF-8", [0xa1, 0xff]],
    ["a name that is not UTF-8", [0x99, 2, 0xff, 1]],
  ])("refuses %s", (_, bytes) => {
    expect(WIRE_CODES).toContain(codeOf(() => decodeValue(Uint8Array.from(bytes))));
  });

  it("never replaces a prototype, however __proto__ is written", () => {
    const name = [...new TextEncoder().encode("__proto__")];
    const utf8 = [0x99, name.length * 2, ...name, 0x99, 2, 97, 1];
    const utf16 = [0x99, name.length * 4 + 1, ...name.flatMap((unit) => [unit, 0]), 0x99, 2, 97, 1];
    for (const bytes of [utf8, utf16]) {
      const decoded = decodeValue(Uint8Array.from(bytes)) as object;
      expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
      expect(Object.keys(decoded)).toStrictEqual(["__proto__"]);
      expect("a" in decoded).toBe(false);
    }
  });

  it("decodes a name that comes twice to its last value", () => {
    expect(decodeValue(Uint8Array.of(0x9a, 2, 97, 1, 2, 97, 2))).toStrictEqual({ a: 2 });
  });

  it("makes an error of any record", () => {
    for (const record of [null, 5, "text", [], {}, { name: 5, message: {}, props: 7, cause: 1 }]) {
      const bytes = Uint8Array.of(0xd1, ...encodeValue(record));
      expect(decodeValue(bytes)).toBeInstanceOf(Error);
    }
  });
});

describe("limits", () => {
  /** A limit, what is just within it, and what is just over. */
  const cases: readonly (readonly [string, ValueLimits, unknown, unknown])[] = [
    ["maxBytes", limits({ maxBytes: 100 }), "a".repeat(97), "a".repeat(98)],
    ["maxBytes in many pieces", limits({ maxBytes: 50_000 }), list(49_996), list(49_997)],
    ["maxDepth", limits({ maxDepth: 5 }), nested(5), nested(6)],
    ["the default maxDepth", DEFAULT_VALUE_LIMITS, nested(128), nested(129)],
    ["maxDepth, far exceeded", limits({}), 1, nested(100_000)],
    ["maxItems in one array", limits({ maxItems: 10 }), list(10), list(11)],
    ["maxItems in all", limits({ maxItems: 10 }), [list(4), list(4)], [list(4), list(5)]],
    ["maxItems of objects", limits({ maxItems: 2 }), { a: 1, b: 1 }, { a: 1, b: 1, c: 1 }],
    ["maxStringBytes", limits({ maxStringBytes: 40 }), "é".repeat(20), "é".repeat(21)],
    ["maxStringBytes of a name", limits({ maxStringBytes: 40 }), named(40), named(41)],
    ["maxStringBytes of short text", limits({ maxStringBytes: 4 }), "abcd", "abcde"],
    ["maxStringBytes of UTF-16", limits({ maxStringBytes: 4 }), "\ud800a", "\ud800ab"],
    ["maxBigintBytes", limits({ maxBigintBytes: 20 }), 2n ** 160n - 1n, 2n ** 160n],
    ["maxBigintBytes below 0", limits({ maxBigintBytes: 20 }), -(2n ** 160n - 1n), -(2n ** 160n)],
    ["the default maxBigintBytes", DEFAULT_VALUE_LIMITS, 2n ** 131_071n, 2n ** 131_072n],
  ];

  it.each(cases)("%s: the encoder takes what is within and refuses what is over", (...one) => {
    const [, limit, within, over] = one;
    expect(codeOf(() => encodeValue(within, limit))).toBeUndefined();
    expect(codeOf(() => encodeValue(over, limit))).toBe("WIRE_LIMIT");
  });

  const wide = limits({ maxBigintBytes: 2 ** 20, maxDepth: 200 });
  const decoded = cases.filter(([title]) => !title.includes("far exceeded"));
  it.each(decoded)("%s: the decoder takes what is within and refuses what is over", (...one) => {
    const [, limit, within, over] = one;
    expect(codeOf(() => decodeValue(encodeValue(within, wide), limit))).toBeUndefined();
    expect(codeOf(() => decodeValue(encodeValue(over, wide), limit))).toBe("WIRE_LIMIT");
  });

  it("name the place of what is over", () => {
    const deep = { a: [nested(5)] };
    expect(() => encodeValue(deep, limits({ maxDepth: 4 }))).toThrow("at .a[0][0].a is nested");
    const long = { a: ["x".repeat(100)] };
    expect(() => encodeValue(long, limits({ maxStringBytes: 9 }))).toThrow("at .a[0] is a string");
    const large = { a: [2n ** 1_000n] };
    expect(() => encodeValue(large, limits({ maxBigintBytes: 9 }))).toThrow("at .a[0] is a bigint");
  });

  it("stop a value that unfolds without end", () => {
    let doubling: unknown = [1];
    for (let i = 0; i < 60; i++) doubling = [doubling, doubling];
    expect(codeOf(() => encodeValue(doubling, limits({ maxBytes: 100_000 })))).toBe("WIRE_LIMIT");
    expect(codeOf(() => encodeValue(doubling, limits({ maxItems: 100_000 })))).toBe("WIRE_LIMIT");
  });

  it("hold for deep nesting that is cheap to send", () => {
    for (const byte of [0x91, 0xd1]) {
      expect(codeOf(() => decodeValue(new Uint8Array(1_000_000).fill(byte)))).toBe("WIRE_LIMIT");
    }
  });
});

function list(length: number): number[] {
  return Array.from({ length }, () => 1);
}

function named(length: number): object {
  return { ["n".repeat(length)]: 1 };
}
