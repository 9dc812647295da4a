import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import type { Engine, WriteResult } from "../../src/engine/engine.ts";
import { openLmdb } from "../../src/engine/lmdb.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { path } from "../../src/testing/engine-suite-kit.ts";

const HOUR_MS = 3_600_000;
/** So many writes go through all that is kept several times. */
const WRITES = 400;

const ENGINES: Record<string, (clock: ManualClock, folder: string) => Promise<Engine>> = {
  memory: async (clock) => new MemoryEngine({ clock }),
  LMDB: (clock, folder) => openLmdb(join(folder, "store"), { clock }),
};

function put(engine: Engine, at: string, value: number): Promise<WriteResult> {
  return engine.put(path(at), Uint8Array.of(value % 256));
}

describe.each(Object.entries(ENGINES))("a clock that is set by hours: %s", (_name, open) => {
  it("takes no history away that is kept for days, and no change that a watch may ask for", async () => {
    const folder = await mkdtemp(join(tmpdir(), "banyan-clock-"));
    const clock = new ManualClock();
    const engine = await open(clock, folder);
    try {
      await engine.keepHistory({ prefix: path("a"), versions: 10, maxAgeMs: 24 * HOUR_MS });
      for (let n = 0; n < 5; n++) await put(engine, "a", n);
      const { store } = engine;
      const { revision } = await put(engine, "mark", 0);
      for (const hours of [5, -15, 10]) {
        clock.setWall(clock.wall() + hours * HOUR_MS);
        await Promise.all(Array.from({ length: WRITES }, (_, n) => put(engine, `other.${n}`, n)));
        expect(await engine.history(path("a"))).toHaveLength(5);
      }
      await using watch = engine.watch(path("other"), { after: { store, revision } });
      const types: string[] = [];
      for await (const events of watch) {
        types.push(...events.map(({ type }) => type));
        if (types.filter((type) => type === "put").length >= 3 * WRITES) break;
      }
      expect(types).not.toContain("reset");
      // What is too old goes all the same.
      clock.setWall(clock.wall() + 25 * HOUR_MS);
      expect(await engine.history(path("a"))).toHaveLength(1);
    } finally {
      await engine.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
