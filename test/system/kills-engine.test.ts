/** A share of `node scripts/kills-engine.mjs`, which kills 200 times. */
import { expect, test } from "vitest";

import { killsOfEngine } from "../../scripts/kills-engine.mjs";

const KILLS = 8;

test(
  "64 clients lose no acknowledged write and no update, and watchers see all of it once, whoever is killed",
  { timeout: 240_000 },
  async () => {
    const seed = Number(process.env["BANYAN_SEED"] ?? Date.now() % 1_000_000);
    process.stdout.write(`engine kills: BANYAN_SEED=${seed}\n`);
    const { killed, acknowledged } = await killsOfEngine({ kills: KILLS, seed });
    expect(killed.hub + killed.contender + killed.witness).toBe(KILLS);
    expect(acknowledged).toBeGreaterThan(KILLS * 10);
  },
);
