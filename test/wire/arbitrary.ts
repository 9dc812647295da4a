import * as fc from "fast-check";

import { Path, PATH_LIMITS, type PathElement } from "../../src/wire/path.ts";

/** Strings with everything in them that has a UTF-8 form; the marks of the text form often. */
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({
    unit: fc.constantFrom(".", ":", " ", "_", "a", "e", "1", "\0", "\u0001"),
    maxLength: 8,
  }),
  fc.string({
    unit: fc.constantFrom("\uffff", "\ue000", "\u{10000}", "\ud7ff", "a"),
    maxLength: 4,
  }),
);

const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(1e21, 2 ** 60, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 0.1, -0.1),
);

const pathElement: fc.Arbitrary<PathElement> = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 8 }),
  fc.constantFrom(0, 255, 1).map((byte) => Uint8Array.of(byte)),
);

export const elements: fc.Arbitrary<PathElement[]> = fc.array(pathElement, { maxLength: 8 });
export const path: fc.Arbitrary<Path> = elements.map((some) => Path.fromElements(some));

/** A path that begins like `base` now and then, so that order is decided late. */
export const pathPair: fc.Arbitrary<[Path, Path]> = fc
  .tuple(elements, elements, elements)
  .map(([base, a, b]) => [Path.fromElements([...base, ...a]), Path.fromElements([...base, ...b])]);

/** A string as JavaScript has it: any sequence of 16-bit units. */
const anyString = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7f0, max: 0xe00f })), {
    maxLength: 40,
  })
  .map((units) => String.fromCharCode(...units));

const key = fc.oneof(
  fc.string(),
  anyString,
  fc.constantFrom("__proto__", "then", "toJSON", "constructor", "toString", "", "0", "é"),
);

/** Buffers which begin in the middle of a larger one. */
const shifted = fc.uint8Array({ maxLength: 40 }).map((bytes) => {
  const larger = new Uint8Array(bytes.length + 3);
  larger.set(bytes, 3);
  return larger.subarray(3);
});

const leaf = fc.oneof(
  fc.constantFrom(null, undefined, true, false, -0, 0, Number.NaN, Infinity, -Infinity),
  fc.integer(),
  fc.integer({ min: -300, max: 70_000 }),
  fc.maxSafeInteger(),
  fc.double(),
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.string({ maxLength: 80 }),
  anyString,
  shifted,
  fc.float32Array(),
  fc.float64Array(),
  fc.int16Array(),
  fc.bigInt64Array(),
  fc.date({ noInvalidDate: true }),
  path,
);

/** Any value that crosses by value, errors left out; objects have every kind of name. */
export const value: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.array(tie("value"), { maxLength: 12 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 12 }).map(objectOf),
  ),
})).value;

/** As JSON.parse would: each name an own property, `__proto__` too. */
export function objectOf(entries: readonly (readonly [string, unknown])[]): object {
  return Object.fromEntries(entries);
}

export const MAX_PATH_BYTES = PATH_LIMITS.maxEncodedBytes;
