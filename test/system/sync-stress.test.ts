import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, it } from "vitest";

import { ROOT } from "./kit.ts";

const run = promisify(execFile);

it.each([7, 8])(
  "sync proxies get through some thousand calls of all kinds, seed %i (S01 S03 S05 S07 S09 X02 X04)",
  async (seed) => {
    const script = join(ROOT, "scripts/stress-sync.mjs");
    const { stdout } = await run(process.execPath, [script, "3000", "--seed", String(seed)], {
      timeout: 110_000,
    });
    expect(stdout).toContain("done in");
  },
  120_000,
);
