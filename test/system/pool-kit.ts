import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { expect } from "vitest";

import { threadChannel } from "../../src/channel/thread.ts";
import { Pool, type PoolOptions } from "../../src/executor/pool.ts";
import { type ExecutorKit, openExecutorKit, type Sources } from "./executor-kit.ts";
import { ROOT } from "./kit.ts";

export interface PoolKit extends ExecutorKit {
  readonly pool: Pool;
}

/** A pool with its threads from the built package, over a tree in memory. */
export function openPool(sources: Sources, options: Partial<PoolOptions> = {}): PoolKit {
  const pool = new Pool({
    entry: pathToFileURL(join(ROOT, "dist/entry/pool.js")),
    channel: (port) => threadChannel(port, { ringBytes: 65_536 }),
    maxThreads: 8,
    ...options,
  });
  const kit = openExecutorKit(pool, sources, false);
  return {
    ...kit,
    pool,
    [Symbol.asyncDispose]: async () => {
      await kit[Symbol.asyncDispose]();
      expect(pool.stats()).toEqual({ threads: 0, runs: 0 });
    },
  };
}
