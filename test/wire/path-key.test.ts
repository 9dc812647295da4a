import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { BanyanError, WireError } from "../../src/base/errors.ts";
import {
  comparePaths,
  decodePath,
  encodePath,
  encodePlainText,
  subtreeRange,
} from "../../src/wire/path-key.ts";
import { parsePath } from "../../src/wire/path-text.ts";
import { Path, type PathElement } from "../../src/wire/path.ts";
import { elements, MAX_PATH_BYTES, path, pathPair } from "./arbitrary.ts";

const RUNS = { numRuns: 3_000 };
const of = (...all: PathElement[]): Path => Path.fromElements(all);

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** Rising, as DESIGN has it: null, booleans, numbers, strings by UTF-8, bytes; a prefix comes first. */
const RISING: readonly Path[] = [
  of(),
  of(null),
  of(null, null),
  of(false),
  of(true),
  of(-Number.MAX_VALUE),
  of(-2),
  of(-1),
  of(-5e-324),
  of(0),
  of(0, "a"),
  of(5e-324),
  of(1),
  of(1.5),
  of(255),
  of(256),
  of(Number.MAX_VALUE),
  of(""),
  of("", null),
  of("", "a"),
  of("\0"),
  of("\0\0"),
  of("\0\u0001"),
  of("\u0001"),
  of("a"),
  of("a", null),
  of("a", Uint8Array.of(255)),
  of("a\0"),
  of("a\0", "b"),
  of("aa"),
  of("b"),
  of("é"),
  of("\ud7ff"),
  of("\ue000"),
  of("\uffff"),
  of("\u{10000}"),
  of("\u{10ffff}"),
  of(Uint8Array.of()),
  of(Uint8Array.of(), "a"),
  of(Uint8Array.of(0)),
  of(Uint8Array.of(0, 255)),
  of(Uint8Array.of(1)),
  of(Uint8Array.of(255)),
];

describe("encodePath()", () => {
  it("orders the types, and a path directly before what is below it", () => {
    for (const [i, a] of RISING.entries()) {
      for (const [j, b] of RISING.entries()) {
        const order = Math.sign(i - j);
        expect(compareBytes(encodePath(a), encodePath(b))).toBe(order);
        expect(Math.sign(comparePaths(a, b))).toBe(order);
      }
    }
  });

  it("is undone by decodePath()", () => {
    fc.assert(
      fc.property(path, (one) => {
        expect([...decodePath(encodePath(one))]).toStrictEqual([...one]);
      }),
      RUNS,
    );
  });

  it("gives keys that compare as comparePaths() compares the paths", () => {
    fc.assert(
      fc.property(pathPair, ([a, b]) => {
        const order = Math.sign(comparePaths(a, b));
        expect(compareBytes(encodePath(a), encodePath(b))).toBe(order);
        expect(order === 0).toBe(a.equals(b));
      }),
      RUNS,
    );
  });

  it("takes -0 as 0", () => {
    expect(encodePath([-0])).toStrictEqual(encodePath([0]));
    expect(comparePaths([-0], [0])).toBe(0);
  });

  it("gives each key a buffer of its own", () => {
    const key = encodePath(["a"]);
    encodePath(["b"]);
    expect(key).toStrictEqual(encodePath(["a"]));
    expect(key.buffer.byteLength).toBe(key.length);
  });

  it.each([
    ["ASCII", "a", 1],
    ["zero bytes", "\0", 2],
    ["two bytes each", "é", 2],
    ["three bytes each", "€", 3],
    ["four bytes each", "😀", 4],
  ])("takes 1,024 bytes and refuses more: %s", (_, char, size) => {
    const most = Math.floor((MAX_PATH_BYTES - 2) / size);
    expect(encodePath([char.repeat(most)]).length).toBeLessThanOrEqual(MAX_PATH_BYTES);
    expect(codeOf(() => encodePath([char.repeat(most + 1)]))).toBe("WIRE_BAD_PATH");
    expect(codeOf(() => encodePath([char.repeat(1_000_000)]))).toBe("WIRE_BAD_PATH");
  });

  it("refuses too many bytes and too many numbers", () => {
    expect(encodePath([new Uint8Array(511)])).toHaveLength(1024);
    expect(codeOf(() => encodePath([new Uint8Array(512)]))).toBe("WIRE_BAD_PATH");
    expect(codeOf(() => encodePath([new Uint8Array(100_000)]))).toBe("WIRE_BAD_PATH");
    expect(codeOf(() => encodePath(Array.from({ length: 200 }, () => 1)))).toBe("WIRE_BAD_PATH");
  });

  it("refuses half a surrogate pair", () => {
    expect(codeOf(() => encodePath(["a\ud800"]))).toBe("WIRE_BAD_PATH");
    expect(codeOf(() => encodePath(["\udc00a"]))).toBe("WIRE_BAD_PATH");
  });
});

describe("decodePath()", () => {
  it.each([
    ["an unknown tag", [0x01]],
    ["a string without an end", [0x30, 0x61]],
    ["an escaped zero at the end", [0x30, 0x00, 0xff]],
    ["bytes without an end", [0x40, 0x00, 0xff, 0x61]],
    ["a number that is cut off", [0x20, 0, 0, 0]],
    ["text that is not UTF-8", [0x30, 0xff, 0x00]],
    ["text with an encoded surrogate", [0x30, 0xed, 0xa0, 0x80, 0x00]],
    ["text in more bytes than needed", [0x30, 0xc1, 0x81, 0x00]],
    ["-0", [0x20, 0x7f, 255, 255, 255, 255, 255, 255, 255]],
    ["NaN", [0x20, 0xff, 0xf8, 0, 0, 0, 0, 0, 0]],
    ["Infinity", [0x20, 0xff, 0xf0, 0, 0, 0, 0, 0, 0]],
    ["33 elements", Array.from({ length: 33 }, () => 0x08)],
    ["1,025 bytes", Array.from({ length: 1025 }, () => 0x08)],
  ])("refuses %s", (_, bytes) => {
    expect(codeOf(() => decodePath(Uint8Array.from(bytes)))).toBe("WIRE_BAD_PATH");
  });

  it("accepts only what encodePath() writes", () => {
    const piece = fc.constantFrom(0x08, 0x10, 0x11, 0x20, 0x30, 0x40, 0, 0xff, 0x61, 0xc3, 0xa9);
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.nat(255)), { maxLength: 24 }), (all) => {
        const bytes = Uint8Array.from(all);
        const encoded = result(() => encodePath(decodePath(bytes)));
        const refused = BanyanError.has(encoded, "WIRE_BAD_PATH");
        expect(refused ? bytes : encoded).toStrictEqual(bytes);
      }),
      { numRuns: 5_000 },
    );
  });

  it("keeps a byte order mark", () => {
    expect([...decodePath(encodePath(["\ufeffa"]))]).toStrictEqual(["\ufeffa"]);
  });
});

describe("subtreeRange()", () => {
  it("holds the path and all that lies below it, and nothing else", () => {
    fc.assert(
      fc.property(pathPair, elements, ([a, b], more) => {
        const { start, end } = subtreeRange(a);
        for (const one of [a, b, Path.fromElements([...a, ...more])]) {
          const key = encodePath(one);
          const inside = compareBytes(start, key) <= 0 && compareBytes(key, end) < 0;
          expect(inside).toBe(a.contains(one));
        }
      }),
      RUNS,
    );
  });
});

function result(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}

function codeOf(action: () => unknown): string | undefined {
  const error = result(action);
  return error instanceof WireError ? error.code : undefined;
}

function keyOf(text: string): Uint8Array | undefined {
  const target = new Uint8Array(1_100);
  const end = encodePlainText(text, target, 3);
  return end < 0 ? undefined : target.slice(3, end);
}

describe("encodePlainText()", () => {
  it("gives the key of the path that plain text stands for", () => {
    const text = fc.oneof(
      fc.string({ unit: fc.constantFrom("a", "b", ".", "0", "_") }),
      fc.string({ unit: "binary" }),
      path.map(String),
    );
    const plain = /^[^.:\0\u0080-\u{10ffff}]+(\.[^.:\0\u0080-\u{10ffff}]+)*$/u;
    fc.assert(
      fc.property(text, (one) => {
        const key = keyOf(one);
        const isPlain = plain.test(one) && one.length < 100 && one.split(".").length < 30;
        expect(key !== undefined || !isPlain).toBe(true);
        expect(key).toEqual(key && encodePath(parsePath(one)));
      }),
      RUNS,
    );
    expect(keyOf("a.b.c")).toEqual(encodePath(of("a", "b", "c")));
  });

  it("leaves alone what is no plain text, or too much of it", () => {
    for (const text of ["", ".", "a.", ".a", "a..b", "a:2", ":", "\0", "é", "x".repeat(501)]) {
      expect(keyOf(text)).toBeUndefined();
    }
    expect(keyOf(Array.from({ length: 32 }, () => "a").join("."))).toBeDefined();
    expect(keyOf(Array.from({ length: 33 }, () => "a").join("."))).toBeUndefined();
    expect(encodePlainText("a.b", new Uint8Array(7), 0)).toBe(-1);
  });
});
