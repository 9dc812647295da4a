import { describe, expect, it } from "vitest";

import { open, openEngine } from "../../src/node/open.ts";

describe("open() and openEngine()", () => {
  it.each([5, {}, null, true, () => 1])("refuse %o, which is no address", async (url) => {
    const says = /takes the tree's address as a string, or undefined for the nearest tree, not /;
    await expect(open(url as string)).rejects.toThrow(says);
    await expect(openEngine(url as string)).rejects.toThrow(TypeError);
  });

  it.each([
    [{ autor: "me" }, /has no option "autor" \(did you mean author\?\)$/],
    [{ creat: true }, /has no option "creat" \(did you mean create\?\)$/],
    [null, /options of \w+ are an object, not null$/],
  ])("refuse %o", async (options, says) => {
    await expect(open("memory:", options as object)).rejects.toThrow(says);
    await expect(openEngine("memory:", options as object)).rejects.toThrow(says);
  });
});
