import { describe, expect, it } from "vitest";

import { simulate } from "./simulation.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 16, 17, 37, 53];

describe("three nodes under kills, freezes, cuts, slow and lost answers", () => {
  it.each(SEEDS)(
    "never have two that believe at once, and lose no job (seed %i)",
    async (seed) => {
      const verdict = await simulate({ seed, jobs: 4, ms: 40_000 });
      expect(verdict.violations).toEqual([]);
      expect(verdict.faults).toBeGreaterThan(5);
      expect(verdict.starts).toBeGreaterThan(8);
    },
    60_000,
  );

  it("is a world that notices code without a deadline check", async () => {
    expect(await violationsOf({ withoutDeadlineCheck: true })).toContain("believe at once");
  }, 60_000);

  it("is a world that notices writes without a fence", async () => {
    expect(await violationsOf({ withoutFence: true })).toContain("an effect of");
  }, 60_000);
});

async function violationsOf(mutation: object): Promise<string> {
  let text = "";
  for (const seed of SEEDS) {
    const verdict = await simulate({ seed, jobs: 4, ms: 40_000, ...mutation });
    text += verdict.violations.join("\n");
  }
  return text;
}
