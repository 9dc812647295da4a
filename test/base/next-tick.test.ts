import { expect, it } from "vitest";

import { nextTick } from "../../src/base/next-tick.ts";

it("nextTick() runs after the microtasks that are under way, and before the event loop", async () => {
  const log: string[] = [];
  const end = new Promise<void>((resolve) => {
    setImmediate(() => {
      log.push("loop");
      resolve();
    });
  });
  // From within a callback of the loop, as when a chunk has come in.
  await new Promise<void>((resolve) => {
    setImmediate(() => {
      log.length = 0;
      nextTick(() => log.push("tick"));
      log.push("callback");
      resolve();
    });
  });
  await end;
  expect(log).toContain("callback");
  expect(log).toContain("tick");
  expect(log.indexOf("callback")).toBeLessThan(log.indexOf("tick"));
});
