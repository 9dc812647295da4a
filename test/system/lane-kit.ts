import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

import { expect } from "vitest";

import { cleanStack } from "../../src/code/source-url.ts";
import { portChannel } from "../../src/channel/port.ts";
import { Lane, type LaneOptions } from "../../src/executor/lane.ts";
import { type ExecutorKit, openExecutorKit, type Sources } from "./executor-kit.ts";
import { ROOT } from "./kit.ts";

export interface LaneKit extends ExecutorKit {
  readonly lane: Lane;
  /** What the lane told its log. */
  readonly warnings: readonly string[];
}

/** A lane with its thread from the built package, over a tree in memory. */
export function openLane(sources: Sources, options: Partial<LaneOptions> = {}): LaneKit {
  const warnings: string[] = [];
  const lane = new Lane({
    entry: pathToFileURL(join(ROOT, "dist/entry/lane.js")),
    channel: (worker) => portChannel(worker),
    showFrame: cleanStack,
    stallMs: 500,
    log: {
      debug: () => {},
      info: () => {},
      warn: (message, fields) => warnings.push(format(message, fields?.["error"])),
      error: (message) => warnings.push(message),
    },
    ...options,
  });
  const kit = openExecutorKit(lane, sources, true);
  return {
    ...kit,
    lane,
    warnings,
    [Symbol.asyncDispose]: async () => {
      await kit[Symbol.asyncDispose]();
      expect((await lane.stats()).runs).toBe(0);
    },
  };
}
