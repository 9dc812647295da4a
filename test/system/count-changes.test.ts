/** A share of `node scripts/count-changes.mjs`, which counts a million. */
import { expect, test } from "vitest";

import { countChanges } from "../../scripts/count-changes.mjs";

test(
  "20,000 changes are told to every watcher once and in order, whatever hubs are killed meanwhile",
  { timeout: 120_000 },
  async () => {
    const { killed, resumed } = await countChanges({ changes: 20_000, kills: 3 });
    expect(killed).toBe(3);
    for (const times of resumed) expect(times).toBeGreaterThan(1);
  },
);
