import { expect, test } from "vitest";

import { PathKeys } from "../../src/engine/path-keys.ts";
import { encodePath } from "../../src/wire/path-key.ts";
import { Path } from "../../src/wire/path.ts";

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
