import { describe, expect, it } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import { DEFAULT_VALUE_LIMITS } from "../../src/wire/limits.ts";
import { Reader } from "../../src/wire/reader.ts";
import { Writer } from "../../src/wire/writer.ts";

const LIMITS = {
  ...DEFAULT_VALUE_LIMITS,
  maxBytes: 100,
  maxStringBytes: 10,
  maxDepth: 2,
  maxItems: 5,
};

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return BanyanError.is(error) ? error.code : "another error";
  }
  return undefined;
}

const of = (...bytes: number[]): Reader => new Reader(Uint8Array.from(bytes), LIMITS);

describe("Reader", () => {
  it.each<[string, (reader: Reader) => unknown]>([
    ["u8", (reader) => reader.u8()],
    ["varint", (reader) => reader.varint()],
    ["svarint", (reader) => reader.svarint()],
    ["i32", (reader) => reader.i32()],
    ["i64", (reader) => reader.i64()],
    ["f64", (reader) => reader.f64()],
    ["string", (reader) => reader.string()],
    ["key", (reader) => reader.key()],
    ["view", (reader) => reader.view(1)],
    ["copy", (reader) => reader.copy(1)],
  ])("%s() refuses bytes that end too early", (_, read) => {
    expect(codeOf(() => read(of()))).toBe("WIRE_MALFORMED");
  });

  it("refuses numbers over 2^53-1 and endless ones", () => {
    expect(codeOf(() => of(255, 255, 255, 255, 255, 255, 255, 255).varint())).toBe(
      "WIRE_MALFORMED",
    );
    const zeros = [128, 128, 128, 128, 128, 128, 128];
    expect(codeOf(() => of(...zeros, 16).varint())).toBe("WIRE_MALFORMED");
    expect(of(...zeros, 15).varint()).toBe(15 * 2 ** 49);
    const endless = Array.from({ length: 90 }, () => 0x80);
    expect(codeOf(() => of(...endless).varint())).toBe("WIRE_MALFORMED");
    expect(codeOf(() => of(...endless).svarint())).toBe("WIRE_MALFORMED");
    expect(codeOf(() => of(255, 255, 255, 255, 255, 255, 255, 127).svarint())).toBe(
      "WIRE_MALFORMED",
    );
  });

  it("refuses a message over maxBytes before it reads", () => {
    expect(codeOf(() => new Reader(new Uint8Array(101), LIMITS))).toBe("WIRE_LIMIT");
  });

  it("refuses a string over maxStringBytes, and one that is not there", () => {
    expect(codeOf(() => of(22, ...Array.from({ length: 11 }, () => 97)).string())).toBe(
      "WIRE_LIMIT",
    );
    expect(codeOf(() => of(22, ...Array.from({ length: 11 }, () => 97)).key())).toBe("WIRE_LIMIT");
    expect(codeOf(() => of(20, 97).string())).toBe("WIRE_MALFORMED");
  });

  it("refuses text that is neither UTF-8 nor UTF-16", () => {
    expect(codeOf(() => of(2, 0xff).string())).toBe("WIRE_MALFORMED");
    expect(codeOf(() => of(2, 0xe9).key())).toBe("WIRE_MALFORMED");
    expect(codeOf(() => of(3, 0x61).string())).toBe("WIRE_MALFORMED");
  });

  it("enter() refuses too many items, deep nesting, and more than the bytes hold", () => {
    expect(codeOf(() => of(1, 2).enter(3, 1))).toBe("WIRE_MALFORMED");
    expect(codeOf(() => of(1, 2, 3).enter(2, 2))).toBe("WIRE_MALFORMED");
    expect(codeOf(() => of(1, 2, 3).enter(Number.MAX_SAFE_INTEGER, 2))).toBe("WIRE_MALFORMED");
    expect(codeOf(() => of(1, 2, 3, 4, 5, 6).enter(6, 1))).toBe("WIRE_LIMIT");
    const reader = of(1);
    reader.enter(0, 1);
    reader.enter(0, 1);
    expect(codeOf(() => reader.enter(0, 1))).toBe("WIRE_LIMIT");
  });

  it("expectEnd() refuses bytes that are left over", () => {
    const reader = of(1, 2);
    reader.u8();
    expect(codeOf(() => reader.expectEnd())).toBe("WIRE_MALFORMED");
    reader.u8();
    expect(codeOf(() => reader.expectEnd())).toBeUndefined();
  });

  it("key() gives the same name again, and different ones for different bytes", () => {
    const names = Array.from({ length: 10_000 }, (_, i) => `name${i % 5_000}`);
    const writer = new Writer();
    for (const name of names) writer.string(name);
    const reader = new Reader(writer.take());
    for (const name of names) expect(reader.key().text).toBe(name);
  });

  it("key() marks what Object.prototype has, in each way of writing it", () => {
    const writer = new Writer();
    writer.string("__proto__");
    expect(new Reader(writer.takeCopy()).key()).toStrictEqual({
      text: "__proto__",
      inherited: true,
    });
    // The same as UTF-16, which a peer may choose.
    writer.varint("__proto__".length * 4 + 1);
    for (const char of "__proto__") {
      writer.u8(char.charCodeAt(0));
      writer.u8(0);
    }
    expect(new Reader(writer.takeCopy()).key()).toStrictEqual({
      text: "__proto__",
      inherited: true,
    });
  });

  it("key() takes no bytes for a name they are not, whatever names came before", () => {
    // The units of these names, as bytes, are no UTF-8; some share a place in the cache with them.
    for (let i = 0; i < 128 * 128; i++) {
      const units = [0x80 + (i >> 7), 0x80 + (i & 127)];
      const writer = new Writer();
      writer.string(String.fromCharCode(...units));
      new Reader(writer.takeCopy()).key();
      const code = codeOf(() => of(4, ...units).key());
      // C2 80 up to DF BF are one character in two bytes.
      const valid = (units[0] ?? 0) >= 0xc2 && (units[0] ?? 0) < 0xe0 && (units[1] ?? 0) < 0xc0;
      expect(code === (valid ? undefined : "WIRE_MALFORMED")).toBe(true);
    }
  });

  it("copy() copies, from a Buffer too", () => {
    const source = Buffer.from([1, 2, 3]);
    const copy = new Reader(source).copy(3);
    source[0] = 9;
    expect(copy).toStrictEqual(Uint8Array.of(1, 2, 3));
    expect(copy.buffer.byteLength).toBe(3);
  });
});
