import * as fc from "fast-check";
import { expect, test } from "vitest";

import { PathKeys } from "../../src/engine/path-keys.ts";
import { encodePath } from "../../src/wire/path-key.ts";
import { Path, type PathElement } from "../../src/wire/path.ts";
import { elements as anyElements } from "../wire/arbitrary.ts";

test("PathKeys.read() gives the paths of keys, and an error of the store for what is none", () => {
  const keys = new PathKeys();
  for (const elements of [["a", "b"], ["a", "c"], ["a", 2], []]) {
    const key = encodePath(Path.fromElements(elements));
    expect(keys.read(key, 0, key.length)).toEqual(Path.fromElements(elements));
  }
  const garbage = new Uint8Array([0xee, 1, 2, 3]);
  expect(() => keys.read(garbage, 0, 4)).toThrow(
    expect.objectContaining({ code: "ENGINE_CORRUPT" }),
  );
});

/** Text of every length at which something else is done, with what is no plain name in it now and then. */
const name = fc
  .tuple(
    fc.oneof(fc.nat(26), fc.integer({ min: 60, max: 68 })),
    fc.constantFrom("", "", "\0", "\u007f", "\u0080", "é", "\uffff", "\u{1f333}"),
    fc.nat(70),
  )
  .map(([length, odd, at]) => {
    const plain = "0123456789".repeat(7).slice(0, length);
    return plain.slice(0, at) + odd + plain.slice(at);
  });

test("PathKeys.read() gives what was encoded, whatever path came before", () => {
  const children = fc.tuple(
    anyElements,
    fc.array(fc.oneof(name, anyElements), { minLength: 1, maxLength: 20 }),
  );
  const property = fc.property(fc.array(children, { minLength: 1, maxLength: 5 }), (families) => {
    const keys = new PathKeys();
    for (const [parent, below] of families) {
      for (const one of below) {
        const more: readonly PathElement[] = typeof one === "string" ? [one] : one;
        const path = Path.fromElements([...parent, ...more]);
        const key = encodePath(path);
        const source = new Uint8Array(key.length + 7);
        source.set(key, 3);
        const read = keys.read(source, 3, 3 + key.length);
        expect(read).toEqual(path);
        expect(Object.isFrozen(read)).toBe(true);
      }
    }
  });
  fc.assert(property, { numRuns: 100 });
});
