import assert from "node:assert/strict";

import { ExecutorError } from "../base/errors.ts";
import type { Execution, Executor } from "../executor/executor.ts";
import type { TestFunction } from "./test-function.ts";

/** What the code of a run does. */
export type ExecutorBehaviour =
  /** Returns `{ answer: 42 }`. */
  | "returns"
  /** Throws a RangeError "too far" with the `code` "E_FAR" and a TypeError as its cause. */
  | "throws"
  /** Tells that it is up, and waits until it is cancelled. */
  | "waits"
  /** Tells that it is up, and never ends, whatever it is told. It does not block its thread. */
  | "is deaf"
  /** Tells that it is up, and asks in a loop that never yields whether it is cancelled; then it throws. */
  | "loops"
  /** Calls `process.exit(3)`. */
  | "exits";

export interface ExecutorRun {
  readonly execution: Execution;
  /** Resolves when its code has told that it is up. */
  readonly up: Promise<void>;
  /** Starts something else under the same id. */
  again(): Execution;
}

export interface ExecutorFixture extends AsyncDisposable {
  readonly executor: Executor;
  start(behaviour: ExecutorBehaviour): ExecutorRun;
}

export interface ExecutorSuiteOptions {
  readonly test: TestFunction;
  /** A fresh executor each time. Its disposal closes it and checks for leaks. */
  readonly open: () => Promise<ExecutorFixture>;
}

/** What every executor must do, wherever it runs code. */
export function executorSuite({ test, open }: ExecutorSuiteOptions): void {
  for (const [name, run] of Object.entries(CASES)) test(name, () => run(open));
}

type ExecutorCase = (open: ExecutorSuiteOptions["open"]) => Promise<void>;

/** Longer than anything here takes. */
const LONG_MS = 60_000;

const CASES: Readonly<Record<string, ExecutorCase>> = {
  "ended is what the code returned": async (open) => {
    await using fixture = await open();
    const end = await fixture.start("returns").execution.ended;
    assert.deepEqual(end, { type: "returned", value: { answer: 42 } });
  },

  "ended is what the code threw, with its class, code and cause": async (open) => {
    await using fixture = await open();
    const end = await fixture.start("throws").execution.ended;
    assert.equal(end.type, "threw");
    const { error } = end as { error: RangeError & { code?: unknown } };
    assert.ok(error instanceof RangeError, "it is a real RangeError");
    assert.deepEqual([error.message, error.code], ["too far", "E_FAR"]);
    assert.ok(error.cause instanceof TypeError, "and so is its cause");
  },

  "start() takes many runs at once": async (open) => {
    await using fixture = await open();
    const runs = Array.from({ length: 20 }, () => fixture.start("returns"));
    const ends = await Promise.all(runs.map(({ execution }) => execution.ended));
    assert.deepEqual(new Set(ends.map(({ type }) => type)), new Set(["returned"]));
  },

  "start() refuses an id that is in use": async (open) => {
    await using fixture = await open();
    const run = fixture.start("waits");
    await run.up;
    assert.throws(() => run.again(), TypeError);
    run.execution.cancel("enough");
    assert.deepEqual(await run.execution.ended, { type: "cancelled" });
  },

  "cancel() lets code end by itself, and is idempotent": async (open) => {
    await using fixture = await open();
    const { execution, up } = fixture.start("waits");
    await up;
    execution.cancel(new Error("enough"), { graceMs: LONG_MS });
    execution.cancel(new Error("enough"), { graceMs: 0 });
    assert.deepEqual(await execution.ended, { type: "cancelled" });
  },

  "cancel() ends code that does not listen, after the grace": async (open) => {
    await using fixture = await open();
    const { execution, up } = fixture.start("is deaf");
    await up;
    execution.cancel("enough", { graceMs: 50 });
    assert.deepEqual(await execution.ended, { type: "cancelled" });
  },

  "cancel() is seen by a loop that never yields": async (open) => {
    await using fixture = await open();
    const { execution, up } = fixture.start("loops");
    await up;
    execution.cancel("enough", { graceMs: LONG_MS });
    assert.deepEqual(await execution.ended, { type: "cancelled" });
  },

  "cancel() before the code has begun ends it as cancelled": async (open) => {
    await using fixture = await open();
    const { execution } = fixture.start("is deaf");
    execution.cancel("enough", { graceMs: 0 });
    assert.deepEqual(await execution.ended, { type: "cancelled" });
  },

  "kill() ends it now, twice as well, and the next run works": async (open) => {
    await using fixture = await open();
    const { execution, up } = fixture.start("is deaf");
    await up;
    execution.kill();
    execution.kill();
    assert.deepEqual(await execution.ended, { type: "cancelled" });
    assert.equal((await fixture.start("returns").execution.ended).type, "returned");
  },

  "kill() and cancel() after the end change nothing": async (open) => {
    await using fixture = await open();
    const { execution } = fixture.start("returns");
    await execution.ended;
    execution.cancel("enough", { graceMs: 0 });
    execution.kill();
    assert.equal((await execution.ended).type, "returned");
    assert.equal((await fixture.start("returns").execution.ended).type, "returned");
  },

  "a run that ends its thread has crashed, and the next run works": async (open) => {
    await using fixture = await open();
    const end = await fixture.start("exits").execution.ended;
    assert.equal(end.type, "crashed");
    const { error } = end as { error: ExecutorError };
    assert.match(error.message, /process\.exit\(3\)/);
    assert.equal((await fixture.start("returns").execution.ended).type, "returned");
  },

  "close() ends runs as cancelled, and start() is refused from then on": async (open) => {
    await using fixture = await open();
    const { execution, up } = fixture.start("is deaf");
    await up;
    await Promise.all([fixture.executor.close(), fixture.executor.close()]);
    assert.deepEqual(await execution.ended, { type: "cancelled" });
    assert.throws(
      () => fixture.start("returns"),
      (error) => error instanceof ExecutorError && error.code === "EXECUTOR_CLOSED",
    );
  },
};
