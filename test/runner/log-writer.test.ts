import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import type { LogLine } from "../../src/runner/job.ts";
import { LogWriter } from "../../src/runner/log-writer.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

function lines(count: number, from = 0): LogLine[] {
  return Array.from({ length: count }, (_, i) => ({ time: 0, level: "info", text: `${from + i}` }));
}

function open(write?: () => Promise<void>): {
  readonly log: LogWriter;
  readonly clock: ManualClock;
  readonly batches: Map<number, readonly LogLine[]>;
  readonly errors: unknown[];
} {
  const clock = new ManualClock();
  const batches = new Map<number, readonly LogLine[]>();
  const errors: unknown[] = [];
  const log = new LogWriter({
    clock,
    write: async (index, batch) => {
      await write?.();
      batches.set(index, batch);
    },
    drop: async (index) => void batches.delete(index),
    onError: (error) => errors.push(error),
  });
  return { log, clock, batches, errors };
}

describe("LogWriter", () => {
  it("stores lines together after a moment", async () => {
    const { log, clock, batches } = open();
    log.add(lines(2));
    log.add(lines(1, 2));
    await clock.advanceAsync(190);
    expect(batches.size).toBe(0);
    await clock.advanceAsync(20);
    expect([...batches.values()].map((batch) => batch.map(({ text }) => text))).toEqual([
      ["0", "1", "2"],
    ]);
    await log.close();
    expect(clock.pending).toBe(0);
  });

  it("stores all that waits when it is closed, and takes no more", async () => {
    const { log, batches, clock } = open();
    log.add(lines(250));
    await log.close();
    log.add(lines(1));
    await log.close();
    expect([...batches.values()].map((batch) => batch.length)).toEqual([100, 100, 50]);
    expect(clock.pending).toBe(0);
  });

  it("keeps the last 500 lines of a run that logs one now and then", async () => {
    const { log, batches, clock } = open();
    for (let i = 0; i < 600; i++) {
      log.add(lines(1, i));
      await clock.advanceAsync(300);
    }
    await log.close();
    expect(batches.size).toBe(500);
    expect([...batches.keys()][0]).toBe(100);
  });

  it("keeps the last 2,000 lines of one that logs a lot", async () => {
    const { log, batches } = open();
    for (let i = 0; i < 30; i++) {
      log.add(lines(100, i * 100));
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
    await log.close();
    expect(batches.size).toBe(20);
    expect([...batches.values()].at(-1)?.at(-1)?.text).toBe("2999");
  });

  it("loses lines rather than memory where the store is slow, and says how many", async () => {
    const slow = deferred<void>();
    const { log, batches } = open(() => slow.promise);
    for (let i = 0; i < 3; i++) log.add(lines(1_000));
    slow.resolve();
    await log.close();
    const all = [...batches.values()].flat();
    expect(all.length).toBeLessThan(1_200);
    expect(all.at(-1)?.text).toMatch(/^\d+ lines were lost/);
  });

  it("goes on after a batch that could not be stored", async () => {
    const { log, batches, errors } = open(
      (() => {
        let first = true;
        return async () => {
          if (first) {
            first = false;
            throw new Error("no");
          }
        };
      })(),
    );
    log.add(lines(150));
    await log.close();
    expect([errors.length, batches.size]).toEqual([1, 1]);
  });

  it("writes nothing more once it is abandoned", async () => {
    const { log, batches, clock } = open();
    log.add(lines(5));
    log.abandon();
    await clock.advanceAsync(1_000);
    await log.close();
    expect(batches.size).toBe(0);
  });
});
