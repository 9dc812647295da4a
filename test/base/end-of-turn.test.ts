import { expect, it } from "vitest";

import { atEndOfTurn } from "../../src/base/end-of-turn.ts";

it("atEndOfTurn() runs behind all microtasks of an event, and before the next event", async () => {
  const log: string[] = [];
  await new Promise<void>((resolve) => {
    setImmediate(() => {
      atEndOfTurn(() => log.push("end"));
      void later(5, () => log.push("microtask"));
      log.push("callback");
    });
    setImmediate(() => {
      log.push("next event");
      resolve();
    });
  });
  expect(log).toEqual(["callback", "microtask", "end", "next event"]);
});

it("atEndOfTurn() also runs behind the microtasks when one of them calls it", async () => {
  const log: string[] = [];
  await new Promise<void>((resolve) => {
    queueMicrotask(() => {
      atEndOfTurn(() => {
        log.push("end");
        resolve();
      });
      void later(5, () => log.push("microtask"));
    });
  });
  expect(log).toEqual(["microtask", "end"]);
});

/** Calls `run` behind `count` microtasks, one queued by the other. */
async function later(count: number, run: () => void): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
  run();
}
