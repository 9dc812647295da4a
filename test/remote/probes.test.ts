import { expect, it } from "vitest";

import { fuzzProbes } from "../../src/testing/fuzz-probes.ts";
import { probeSession } from "../../src/testing/remote-fuzz.ts";

it.each(fuzzProbes().map((probe) => ({ ...probe, outcome: String(probe.expects) })))(
  "a peer is refused, or loses its session: $name ($outcome)",
  async (probe) => {
    await expect(probeSession(probe)).resolves.toBeUndefined();
  },
);
