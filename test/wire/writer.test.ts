import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import { DEFAULT_VALUE_LIMITS } from "../../src/wire/limits.ts";
import { Reader } from "../../src/wire/reader.ts";
import { Writer } from "../../src/wire/writer.ts";

const LIMITS = { ...DEFAULT_VALUE_LIMITS, maxBytes: 100_000, maxStringBytes: 50_000 };

function written(write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer();
  write(writer);
  return writer.take();
}

function failure(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}

describe("Writer", () => {
  it("varint() is undone by Reader.varint() up to 2^53-1", () => {
    const edges = [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER];
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...edges), fc.maxSafeNat()), (number) => {
        const reader = new Reader(written((writer) => writer.varint(number)));
        expect(reader.varint()).toBe(number);
        expect(reader.left).toBe(0);
      }),
    );
  });

  it("svarint() is undone by Reader.svarint()", () => {
    const edges = [0, -1, 63, -63, 64, -64, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...edges), fc.maxSafeInteger()), (number) => {
        const reader = new Reader(written((writer) => writer.svarint(number)));
        expect(reader.svarint()).toBe(number);
        expect(reader.left).toBe(0);
      }),
    );
  });

  it.each([-1, 1.5, 2 ** 53, Number.NaN, Infinity])("varint() refuses %s", (number) => {
    expect(() => new Writer().varint(number)).toThrow(RangeError);
    expect(() => new Writer().svarint(number === -1 ? -0.5 : number)).toThrow(RangeError);
  });

  it.each([
    ["ASCII", "a"],
    ["two bytes", "é"],
    ["three bytes", "€"],
    ["a pair", "😀"],
    ["half a pair", "\udc00"],
  ])("string() is undone at every length: %s", (_, char) => {
    for (const length of [0, 1, 30, 31, 32, 62, 63, 64, 65, 8_191, 8_192, 16_384, 65_536, 65_537]) {
      const text = char.repeat(length);
      const reader = new Reader(written((writer) => writer.string(text)));
      expect(reader.string() === text).toBe(true);
      expect(reader.left).toBe(0);
    }
  });

  it("take() gives bytes which later writing leaves alone", () => {
    const writer = new Writer();
    const taken: Uint8Array[] = [];
    for (let i = 0; i < 3_000; i++) {
      for (let j = 0; j <= i % 40; j++) writer.u8(i & 255);
      taken.push(writer.take());
    }
    for (const [i, message] of taken.entries()) {
      expect(message).toHaveLength((i % 40) + 1);
      expect(message.every((byte) => byte === (i & 255))).toBe(true);
    }
  });

  it("take() shares small blocks and lets go of large ones", () => {
    const writer = new Writer();
    writer.bytes(new Uint8Array(1_000_000));
    const large = writer.take();
    writer.u8(1);
    expect(writer.take().buffer).not.toBe(large.buffer);
    expect(large.buffer.byteLength).toBeLessThan(1_010_000);
  });

  it("string() is undone by Reader.string() whatever its length, also where it is no ASCII", () => {
    const writer = new Writer();
    const texts = Array.from({ length: 400 }, (_, length) => "x".repeat(length));
    texts.push(...texts.slice(1).map((text) => `${text.slice(1)}\u20ac`));
    texts.push(...texts.slice(1, 200).map((text) => `${text.slice(1)}\ud800`));
    for (const text of texts) writer.string(text);
    const reader = new Reader(writer.take());
    for (const text of texts) expect(reader.string()).toBe(text);
    reader.expectEnd();
  });

  it("patch() and last() are about what was written since take()", () => {
    const writer = new Writer();
    writer.bytes(Uint8Array.of(1, 2, 3));
    const before = writer.take();
    writer.u8(9);
    writer.i32(0);
    writer.bytes(Uint8Array.of(4, 5));
    writer.patch(0, 8);
    const last = writer.last(2);
    for (const beyond of [() => writer.last(8), () => writer.patch(7, 1)])
      expect(beyond).toThrow(RangeError);
    const message = writer.take();
    expect([...message]).toEqual([8, 0, 0, 0, 0, 4, 5]);
    writer.bytes(new Uint8Array(20_000).fill(7));
    expect([[...before], [...last]]).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
  });

  it("takeCopy() gives a buffer of exactly the size", () => {
    const writer = new Writer();
    writer.u8(1);
    const first = writer.takeCopy();
    writer.u8(2);
    expect(writer.takeCopy()).toStrictEqual(Uint8Array.of(2));
    expect(first).toStrictEqual(Uint8Array.of(1));
    expect(first.buffer.byteLength).toBe(1);
  });

  it("restore() forgets what was written since save(), also in a new block", () => {
    const writer = new Writer();
    writer.u8(1);
    const state = writer.save();
    writer.bytes(new Uint8Array(50_000));
    writer.enter([], 0);
    writer.restore(state);
    expect(writer.take()).toStrictEqual(Uint8Array.of(1));
  });

  it("stops growing soon behind maxBytes", () => {
    const writer = new Writer(LIMITS);
    const error = failure(() => writer.bytes(new Uint8Array(200_000)));
    expect(BanyanError.has(error, "WIRE_LIMIT")).toBe(true);
    expect(writer.length).toBe(0);
  });

  it("string() refuses more than maxStringBytes", () => {
    for (const text of ["a".repeat(50_001), "é".repeat(25_001), "\ud800".repeat(25_001)]) {
      const error = failure(() => new Writer(LIMITS).string(text));
      expect(BanyanError.has(error, "WIRE_LIMIT")).toBe(true);
    }
    new Writer(LIMITS).string("é".repeat(25_000));
  });
});
