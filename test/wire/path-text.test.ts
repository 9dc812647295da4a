import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { BanyanError, WireError } from "../../src/base/errors.ts";
import { formatPath, parsePath, toPath } from "../../src/wire/path-text.ts";
import { Path, type PathElement } from "../../src/wire/path.ts";
import { path } from "./arbitrary.ts";

const bytes = (...all: number[]): Uint8Array => Uint8Array.from(all);

/** Text, elements, and what is printed where it is not the text itself. */
const VALID: readonly (readonly [string, readonly PathElement[], string?])[] = [
  ["a.b.c", ["a", "b", "c"]],
  ["a:2.c", ["a", 2, "c"]],
  [":2.c", [2, "c"]],
  [":t.c", [true, "c"]],
  ["x:f", ["x", false]],
  [":1:.23.c", [1.23, "c"]],
  [":e:1:.23.c", ["", 1.23, "c"]],
  ["a:e.b", ["a", "", "b"]],
  ["a:e:e", ["a", "", ""]],
  ["x:n", ["x", null]],
  [":n:t:f", [null, true, false]],
  [":", []],
  ["a:vabc", ["a", bytes(0x61, 0x62, 0x63)]],
  ["a:y616299", ["a", bytes(0x61, 0x62, 0x99)]],
  ["a:va:_b", ["a", bytes(0x61, 0x20, 0x62)]],
  ["a:v.c", ["a", bytes(), "c"]],
  ["a:y", ["a", bytes()], "a:v"],
  ["a:y0a", ["a", bytes(10)]],
  ["a:y6162", ["a", bytes(0x61, 0x62)], "a:vab"],
  ["a.x y.b", ["a", "x y", "b"], "a.x:_y.b"],
  ["a:.b", ["a.b"]],
  ["a::b", ["a:b"]],
  ["::", [":"]],
  [":.", ["."]],
  [":_", [" "]],
  ["a.:_b", ["a", " b"]],
  [":1.:.", [1, "."]],
  ["1", ["1"]],
  [":x1f", [31], ":31"],
  ["a:x1F:2", ["a", 31, 2], "a:31:2"],
  [":-1:.5", [-1.5]],
  [":+7", [7], ":7"],
  [":-0", [0], ":0"],
  [":1:.0", [1], ":1"],
  [":1e+21", [1e21]],
  [":5e-324", [5e-324]],
  [":1152921504606847000", [2 ** 60]],
  [":1152921504606846976", [2 ** 60], ":1152921504606847000"],
  ["t.e.n", ["t", "e", "n"]],
  ["a\nb.ü.😀", ["a\nb", "ü", "😀"]],
];

/** Text, and the column of what is wrong with it. */
const INVALID: readonly (readonly [string, number])[] = [
  ["", 1],
  [":w", 1],
  [":t:", 3],
  ["a.b:", 4],
  [":2..c", 4],
  ["a..b", 3],
  ["a.:1", 3],
  ["a.:t", 3],
  ["a.:e", 3],
  ["a.:vx", 3],
  [":x1g", 1],
  [":x", 1],
  ["ab:x.c", 3],
  [".a.b", 1],
  [".", 1],
  ["a.b.", 5],
  ["a:h123", 2],
  [":list", 1],
  [":dict", 1],
  [":(1,2)", 1],
  ["a:tb", 4],
  ["a:t:_", 4],
  [":1:_", 1],
  [":1:.2:.3", 1],
  [":1a", 1],
  [":-", 1],
  [":1e999", 1],
  [":9007199254740993", 1],
  [":x20000000000001", 1],
  ["a:y616", 2],
  ["a:y6g", 2],
];

describe("parsePath()", () => {
  for (const [text, elements] of VALID) {
    it(`reads ${JSON.stringify(text)}`, () => {
      expect([...parsePath(text)]).toStrictEqual(elements);
    });
  }

  for (const [text, position] of INVALID) {
    it(`refuses ${JSON.stringify(text)} and names column ${position}`, () => {
      const error = failure(() => parsePath(text));
      expect(BanyanError.has(error, "WIRE_BAD_PATH")).toBe(true);
      expect((error as WireError).details).toMatchObject({ position });
      expect((error as WireError).message).toContain(`column ${position}`);
    });
  }

  it("says that tuples are not supported", () => {
    expect(() => parsePath("a:(1,2)")).toThrow("tuples are not supported");
  });

  it("refuses more than 32 elements", () => {
    expect(parsePath("a.".repeat(31) + "a")).toHaveLength(32);
    expect(() => parsePath("a.".repeat(32) + "a")).toThrow(WireError);
  });

  it("shows only the beginning of a long text", () => {
    const error = failure(() => parsePath(`${"a".repeat(100_000)}..`)) as WireError;
    expect(error.message.length).toBeLessThan(300);
    expect(error.details).toMatchObject({ position: 100_002 });
  });

  it("refuses half a surrogate pair", () => {
    expect(() => parsePath("a.\ud800b")).toThrow(WireError);
  });

  it("refuses any text it doesn't read with WIRE_BAD_PATH", () => {
    const unit = fc.constantFrom(".", ":", "_", "t", "e", "x", "v", "y", "1", "-", "a", " ");
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
        const error = failure(() => {
          const one = parsePath(text);
          expect([...parsePath(formatPath(one))]).toStrictEqual([...one]);
        });
        expect(error === undefined || BanyanError.has(error, "WIRE_BAD_PATH")).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("formatPath()", () => {
  for (const [text, elements, printed = text] of VALID) {
    it(`prints ${JSON.stringify(printed)}`, () => {
      expect(formatPath(Path.fromElements(elements))).toBe(printed);
    });
  }

  it("prints text which parses back to the same path", () => {
    fc.assert(
      fc.property(path, (one) => {
        expect([...parsePath(formatPath(one))]).toStrictEqual([...one]);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("toPath()", () => {
  it("parses a string, checks elements and returns a path as it is", () => {
    const one = parsePath("a:1");
    expect(toPath("a:1").equals(one)).toBe(true);
    expect(toPath(["a", 1]).equals(one)).toBe(true);
    expect(toPath(one)).toBe(one);
    expect(() => toPath(["a", Number.NaN])).toThrow(WireError);
  });
});

function failure(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}
