import { expect, it } from "vitest";

import { backoffMs } from "../../src/base/backoff.ts";

const plain = { delayMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0 };

it("backoffMs() grows by the factor with each failure, up to the most", () => {
  expect([1, 2, 3, 4, 50].map((failures) => backoffMs(failures, plain))).toEqual([
    2_000, 4_000, 8_000, 16_000, 60_000,
  ]);
  expect(backoffMs(0, plain)).toBe(2_000);
});

it("backoffMs() grows no more after 20 failures", () => {
  const slow = { ...plain, factor: 1.1, maxMs: Infinity };
  expect(backoffMs(21, slow)).toBe(backoffMs(20, slow));
  expect(backoffMs(20, slow)).toBeGreaterThan(backoffMs(19, slow));
});

it("backoffMs() spreads by its jitter, both ways, and never beyond the most", () => {
  const at = (random: number): number =>
    backoffMs(1, { ...plain, jitter: 0.1, random: () => random });
  expect([at(0), at(0.5), at(1)]).toEqual([1_800, 2_000, 2_200]);
  expect(backoffMs(30, { ...plain, jitter: 0.5, random: () => 0.99 })).toBe(60_000);
});
