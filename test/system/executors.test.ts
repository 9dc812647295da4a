import { describe, it } from "vitest";

import type { Executor } from "../../src/executor/executor.ts";
import {
  type ExecutorBehaviour,
  type ExecutorFixture,
  executorSuite,
} from "../../src/testing/executor-suite.ts";
import type { ExecutorKit } from "./executor-kit.ts";
import { openLane } from "./lane-kit.ts";
import { openPool } from "./pool-kit.ts";

const THROWS = `throw Object.assign(new RangeError("too far", { cause: new TypeError("why") }), { code: "E_FAR" })`;

const ASYNC: Readonly<Record<ExecutorBehaviour, string>> = {
  returns: `return { answer: 42 }`,
  throws: THROWS,
  waits: `await _self.progress("up"); for await (const event of _info);`,
  "is deaf": `await _self.progress("up"); await new Promise(() => {})`,
  loops: `await _self.progress("up"); while (!_self.cancelled); throw new Error("stopped")`,
  exits: `process.exit(3)`,
};

const BLOCKING: Readonly<Record<ExecutorBehaviour, string>> = {
  returns: ASYNC.returns,
  throws: THROWS,
  waits: `_self.progress("up"); for (const event of _info);`,
  "is deaf": `_self.progress("up"); for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)`,
  loops: `_self.progress("up"); while (!_self.cancelled); throw new Error("stopped")`,
  exits: ASYNC.exits,
};

function fixtureOf(
  kit: ExecutorKit,
  executor: Executor,
  sources: Readonly<Record<ExecutorBehaviour, string>>,
): ExecutorFixture {
  const names = Object.keys(sources);
  return {
    executor,
    start: (behaviour) => {
      const name = `p${names.indexOf(behaviour)}`;
      const run = kit.start(name);
      return {
        execution: run.execution,
        up: run.reached("up"),
        again: () => executor.start({ id: run.execution.id, name, code: {}, host: {}, values: {} }),
      };
    },
    [Symbol.asyncDispose]: () => kit[Symbol.asyncDispose](),
  };
}

function byNumber(sources: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.values(sources).map((text, i) => [`p${i}`, text]));
}

describe("Lane", () => {
  executorSuite({
    test: it,
    open: async () => {
      const kit = openLane(byNumber(ASYNC), { stallMs: 20_000 });
      return fixtureOf(kit, kit.lane, ASYNC);
    },
  });
});

describe("Pool", () => {
  executorSuite({
    test: it,
    open: async () => {
      const kit = openPool(byNumber(BLOCKING));
      return fixtureOf(kit, kit.pool, BLOCKING);
    },
  });
});
