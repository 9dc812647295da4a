import { once } from "node:events";
import { Worker } from "node:worker_threads";

import { describe, expect, it } from "vitest";

import { Lifeline } from "../../src/channel/lifeline.ts";

const HOLDS = `
  const { parentPort, workerData } = require("node:worker_threads");
  globalThis.held = workerData;
  parentPort.postMessage("holds it");
  parentPort.once("message", () => { for (;;); });`;

/** Blocks until it is cut; false where that doesn't happen. */
function untilCut(lifeline: Lifeline): boolean {
  const words = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < 2_000; i++) {
    if (lifeline.isCut) return true;
    Atomics.wait(words, 0, 0, 5);
  }
  return false;
}

describe("Lifeline", () => {
  it.each(["idle", "busy"])(
    "is cut by the end of a thread that is %s, also for one that blocks",
    async (how) => {
      const lifeline = new Lifeline();
      const { otherEnd } = lifeline;
      const worker = new Worker(HOLDS, {
        eval: true,
        workerData: otherEnd,
        transferList: [otherEnd],
      });
      await once(worker, "message");
      if (how === "busy") worker.postMessage("be busy");
      expect([lifeline.isCut, lifeline.isCut]).toEqual([false, false]);
      const ended = worker.terminate();
      expect(untilCut(lifeline)).toBe(true);
      expect(lifeline.isCut).toBe(true);
      lifeline.close();
      await ended;
    },
  );

  it("is cut when the other end is closed, and never by asking", async () => {
    const lifeline = new Lifeline();
    for (let i = 0; i < 100; i++) expect(lifeline.isCut).toBe(false);
    const closed = once(lifeline.otherEnd, "close");
    lifeline.otherEnd.close();
    await closed;
    expect(untilCut(lifeline)).toBe(true);
  });
});
