import { expect, it } from "vitest";

import { randomId } from "../../src/base/ids.ts";

it("randomId() is 16 characters that need no quoting, and never the same", () => {
  const ids = Array.from({ length: 1_000 }, () => randomId());
  for (const id of ids) expect(id).toMatch(/^[0-9a-hjkmnp-tv-z]{16}$/);
  expect(new Set(ids).size).toBe(ids.length);
});

it("randomId() uses its whole alphabet evenly", () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 2_000; i++) {
    for (const character of randomId()) counts.set(character, (counts.get(character) ?? 0) + 1);
  }
  expect(counts.size).toBe(32);
  for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(300);
});
