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

it("atEndOfTurn() runs what is added at the end of a turn at that same end", async () => {
  const log: string[] = [];
  await new Promise<void>((resolve) => {
    setImmediate(() => {
      atEndOfTurn(() => {
        log.push("first");
        atEndOfTurn(() => log.push("added"));
        queueMicrotask(() => log.push("microtask"));
      });
      atEndOfTurn(() => log.push("second"));
    });
    setImmediate(() => {
      log.push("next event");
      resolve();
    });
  });
  expect(log).toEqual(["first", "second", "added", "microtask", "next event"]);
});

it("atEndOfTurn() runs the others where one throws", async () => {
  const log: string[] = [];
  const thrown = new Promise<unknown>((resolve) => {
    process.setUncaughtExceptionCaptureCallback(resolve);
  });
  try {
    const last = new Promise<void>((resolve) => {
      atEndOfTurn(() => log.push("first"));
      atEndOfTurn(() => {
        throw new Error("second");
      });
      atEndOfTurn(resolve);
    });
    expect(await thrown).toEqual(new Error("second"));
    await last;
  } finally {
    process.setUncaughtExceptionCaptureCallback(null);
  }
  expect(log).toEqual(["first"]);
});

/** Calls `run` behind `count` microtasks, one queued by the other. */
async function later(count: number, run: () => void): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
  run();
}
