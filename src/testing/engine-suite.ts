import assert from "node:assert/strict";

import type { EngineSuiteOptions, EngineTest } from "./engine-suite-kit.ts";
import { historyTests } from "./engine-suite-history.ts";
import { listTests } from "./engine-suite-lists.ts";
import { messageTests } from "./engine-suite-messages.ts";
import { peerTests } from "./engine-suite-peers.ts";
import { watchTests } from "./engine-suite-watches.ts";
import { writeTests } from "./engine-suite-writes.ts";

export type {
  EngineFixture,
  EngineFixtureOptions,
  EngineSuiteOptions,
} from "./engine-suite-kit.ts";

/**
 * Registers a test for each promise of the engine contract. What an engine does not support (see
 * `Engine.supports`) it must refuse; then the tests of it check that.
 */
export function engineSuite({ test, open }: EngineSuiteOptions): void {
  const each: EngineTest = (name, run, options = {}) => {
    test(name, async () => {
      await using fixture = await open(options);
      await run(fixture.engine, fixture);
    });
  };
  writeTests(each);
  listTests(each);
  watchTests(each);
  historyTests(each);
  messageTests(each);
  peerTests(each);
  each("close() may be called twice, and disposing after it is harmless", async (engine) => {
    await engine.close();
    await engine.close();
    await engine[Symbol.asyncDispose]();
  });
  each("store is not the same for two stores", async (engine) => {
    await using other = await open({});
    assert.notEqual(engine.store, other.engine.store);
    assert.ok(engine.store.length >= 8, "too short to be unique");
    assert.ok(engine.label.length > 0, "people see the label");
  });
}
