import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { BanyanError, EngineError } from "../../src/base/errors.ts";
import type { EngineEntry, WriteOptions } from "../../src/engine/engine.ts";
import {
  type AskedWrite,
  isLarge,
  packResult,
  packWrite,
  unpackResult,
  unpackWrite,
} from "../../src/engine/packed-write.ts";
import { bytes } from "../../src/testing/engine-suite-kit.ts";
import { Path } from "../../src/wire/path.ts";
import { Writer } from "../../src/wire/writer.ts";

const path = Path.fromElements(["ä", 2.5, true, null, new Uint8Array([0, 255])]);
const other = Path.fromElements(["other"]);

function packed(asked: AskedWrite): Uint8Array {
  const writer = new Writer();
  packWrite(writer, asked);
  return writer.take();
}

const revision = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const options: fc.Arbitrary<WriteOptions> = fc.record({
  operation: fc.option(fc.string({ unit: "grapheme" }), { nil: undefined }),
  repeats: fc.constantFrom(undefined, false as const, 0, 2 ** 40 + 1),
  author: fc.option(fc.string(), { nil: undefined }),
  ifRevision: fc.option(revision, { nil: undefined }),
  condition: fc.option(fc.record({ path: fc.constant(other), revision }), { nil: undefined }),
  durability: fc.constantFrom(undefined, "commit" as const, "flushed" as const),
});

describe("packWrite", () => {
  it("gives bytes that unpackWrite() makes the same write of, whatever it asks for", () => {
    const value = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined });
    fc.assert(
      fc.property(
        fc.constantFrom(path, other, Path.root),
        value,
        options,
        (place, given, asked) => {
          const write = { path: place, value: given, options: asked };
          expect(unpackWrite(packed(write))).toEqual(write);
        },
      ),
    );
  });

  it("refuses what is no write", () => {
    const long = Path.fromElements(["x".repeat(2_000)]);
    const refused: [Path, object, RegExp][] = [
      [long, {}, /1024/],
      [path, { operation: "o", condition: { path: long, revision: 1 } }, /1024/],
      [path, { author: 5 }, /must be text/],
      [path, { ifRevision: 5n }, /whole number/],
      [path, { ifRevision: null }, /whole number/],
      [path, { durability: "flush" }, /durability/],
    ];
    for (const [place, asked, says] of refused) {
      expect(() => packed({ path: place, value: bytes("1"), options: asked })).toThrow(says);
    }
  });

  it("is not for what is so large that it had better go beside a message", () => {
    const value = new Uint8Array(16_384);
    expect([isLarge(value), isLarge(new Uint8Array(16_385)), isLarge(undefined)]).toEqual([
      false,
      true,
      false,
    ]);
    expect(unpackWrite(packed({ path, value, options: {} })).value).toEqual(value);
  });
});

describe("unpackWrite", () => {
  it("refuses bytes that are cut off, changed or made up with an error, or makes another write of them", () => {
    const condition = { path: other, revision: 3 };
    const asked = { operation: "o", repeats: 4, author: "ann", ifRevision: 1, condition };
    const whole = packed({ path, value: bytes("x"), options: asked });
    const attempts = [...whole.keys()].flatMap((at) => {
      const changed = whole.slice();
      changed[at] = (whole[at] as number) ^ 0xff;
      return [whole.slice(0, at), changed];
    });
    for (const attempt of attempts) expect(strangeError(attempt)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (made) => strangeError(made) === undefined),
    );
    const deletion = packed({ path, value: undefined, options: {} });
    expect(() => unpackWrite(new Uint8Array([...deletion, 1]))).toThrow("longer than it says");
  });
});

/** What it fails with that is neither an error of ours nor of the kind that says what was wrong. */
function strangeError(given: Uint8Array): unknown {
  try {
    unpackWrite(given);
  } catch (error) {
    return BanyanError.is(error) || error instanceof TypeError ? undefined : error;
  }
  return undefined;
}

describe("packResult", () => {
  const previous: EngineEntry = { path, value: bytes("old"), revision: 7, author: "jörg", time: 9 };

  it("gives bytes that unpackResult() makes the same result of", () => {
    for (const result of [
      { revision: 2 ** 40 + 1, previous: undefined },
      { revision: 8, previous },
    ]) {
      const given = packResult(path, result);
      expect(given).toBeInstanceOf(Uint8Array);
      expect(unpackResult(path, given)).toEqual(result);
    }
  });

  it("gives the result itself where it is of another place, large, or of a value that can't be given", () => {
    const error = new EngineError("ENGINE_CORRUPT");
    const large = { ...previous, value: new Uint8Array(16_385) };
    for (const one of [{ ...previous, path: other }, large, { ...previous, error }]) {
      const result = { revision: 8, previous: one };
      expect(packResult(path, result)).toBe(result);
      expect(unpackResult(path, result)).toBe(result);
    }
  });

  it("is refused by who gets bytes that are none", () => {
    expect(() => unpackResult(path, new Uint8Array(3))).toThrow(BanyanError);
    expect(() => unpackResult(path, new Uint8Array(8).fill(0xff))).toThrow("a result that is none");
  });
});
