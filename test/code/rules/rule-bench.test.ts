import { describe, expect, it } from "vitest";

import { deferred } from "../../../src/base/deferred.ts";
import { type BenchWorker, RuleBench } from "../../../src/code/rules/rule-bench.ts";
import type { RuleWork } from "../../../src/code/rules/rule-work.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import type { RuleOutcome, RuleTask } from "../../../src/tree/rules/rule-runner.ts";

/** Is lost with any batch that has the value 13 in it; answers at most three tasks in one go. */
class Worker implements BenchWorker {
  gone = false;
  readonly batches: number[][] = [];
  readonly units: string[] = [];
  gate: Promise<void> | undefined;

  async work(
    units: readonly { readonly id: string }[],
    tasks: readonly RuleWork[],
  ): Promise<readonly RuleOutcome[]> {
    const values = tasks.map(({ value }) => value[0] as number);
    this.batches.push(values);
    this.units.push(...units.map(({ id }) => id));
    await this.gate;
    if (values.includes(13)) {
      this.gone = true;
      throw new Error("it ended");
    }
    return values.slice(0, 3).map(() => ({ ok: true }));
  }

  end(): void {
    this.gone = true;
  }
}

function task(value: number): RuleTask {
  const units = [{ kind: "type", id: "t@1", name: "t", code: "" }] as const;
  return { kind: "check", units, value: new Uint8Array([value]) };
}

describe("RuleBench", () => {
  it("run() sends what comes together in one go, and what is not answered in the next", async () => {
    const worker = new Worker();
    const bench = new RuleBench({ open: () => worker });
    const outcomes = await Promise.all([1, 2, 3, 4, 5].map((value) => bench.run(task(value))));
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
    expect(worker.batches).toEqual([
      [1, 2, 3, 4, 5],
      [4, 5],
    ]);
    expect(worker.units).toEqual(["t@1"]);
  });

  it("run() finds the task that takes the worker with it, and does the others", async () => {
    const workers: Worker[] = [];
    const bench = new RuleBench({
      open: () => {
        workers.push(new Worker());
        return workers.at(-1) as Worker;
      },
    });
    const outcomes = await Promise.all([1, 2, 13, 4].map((value) => bench.run(task(value))));
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, true, false, true]);
    expect(outcomes[2]).toMatchObject({ why: "lost", unit: "t" });
    // The third may have been lost through the two before it, the first time that it was alone.
    expect(workers).toHaveLength(4);
    expect(workers.every(({ units }) => units.length === 1)).toBe(true);
  });

  it('run() answers "lost" where no worker can be made, and after close()', async () => {
    const bench = new RuleBench({
      open: () => {
        throw new Error("no more processes");
      },
    });
    expect(await bench.run(task(1))).toMatchObject({
      why: "lost",
      reason: expect.stringMatching(/no more/),
    });
    bench.close();
    expect(await bench.run(task(1))).toMatchObject({ why: "lost" });
  });

  it("close() answers what waits, and what is under way when it comes", async () => {
    const worker = new Worker();
    const gate = deferred<void>();
    worker.gate = gate.promise;
    const bench = new RuleBench({ open: () => worker });
    const first = bench.run(task(1));
    await Promise.resolve();
    const second = bench.run(task(2));
    bench.close();
    expect(await second).toMatchObject({ why: "lost" });
    gate.resolve(undefined);
    expect(await first).toEqual({ ok: true });
    expect(worker.gone).toBe(true);
  });

  it("ends the worker when it was idle, and makes another for what comes then", async () => {
    const clock = new ManualClock();
    const workers: Worker[] = [];
    const open = (): Worker => {
      workers.push(new Worker());
      return workers.at(-1) as Worker;
    };
    const bench = new RuleBench({ open, idle: { clock, afterMs: 1_000 } });
    await bench.run(task(1));
    await clock.advanceAsync(999);
    expect(workers[0]?.gone).toBe(false);
    await clock.advanceAsync(2);
    expect(workers[0]?.gone).toBe(true);
    expect(await bench.run(task(1))).toEqual({ ok: true });
    expect(workers).toHaveLength(2);
  });
});
