import { describe, expect, it } from "vitest";

import { closest } from "../../src/base/closest.ts";

describe("closest()", () => {
  it.each([
    ["repat", "repeat"],
    ["Repeat", "repeat"],
    ["taget", "target"],
    ["maxdelay", "max_delay"],
    ["zebra", undefined],
    ["", undefined],
  ])("takes %j for %j", (word, meant) => {
    expect(closest(word, ["repeat", "target", "max_delay", "code"])).toBe(meant);
  });
});
