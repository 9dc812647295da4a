import assert from "node:assert/strict";

import type { EngineMessage } from "../engine/engine.ts";
import { formatPath } from "../wire/path-text.ts";
import { bytes, type EngineTest, path, rejectsWith, soon, text } from "./engine-suite-kit.ts";

/** `publish` and `subscribe`. */
export function messageTests(test: EngineTest): void {
  test("subscribe() hears its topic and those below, in the order of publishing", async (engine) => {
    await using subscription = engine.subscribe(path("a.b"));
    await subscription.ready;
    for (const [topic, data] of [
      ["a.b", "1"],
      ["a", "no"],
      ["a.b.c", "2"],
      ["a.bc", "no"],
      ["a.b", "3"],
    ] as const) {
      await engine.publish(path(topic), bytes(data));
    }
    assert.deepEqual(await take(subscription, 3), ["a.b 1", "a.b.c 2", "a.b 3"]);
    assert.equal(subscription.dropped, 0);
  });

  test("publish() reaches every subscriber, also through another client", async (engine, fixture) => {
    const other = (await fixture.another?.()) ?? engine;
    await using first = engine.subscribe(path("a"));
    await using second = other.subscribe(path(":"));
    await Promise.all([first.ready, second.ready]);
    await other.publish(path("a"), bytes("1"));
    await engine.publish(path("a"), bytes("2"));
    assert.equal((await take(first, 2)).length, 2);
    assert.equal((await take(second, 2)).length, 2);
  });

  test("publish() to nobody is no error, and nothing is kept", async (engine) => {
    await engine.publish(path("a"), bytes("before"));
    await using subscription = engine.subscribe(path("a"));
    await subscription.ready;
    await engine.publish(path("a"), bytes("after"));
    assert.deepEqual(await take(subscription, 1), ["a after"]);
  });

  test(
    "publish() refuses a message over the limit",
    async (engine) => {
      await rejectsWith(engine.publish(path("a"), new Uint8Array(1_001)), "ENGINE_TOO_LARGE");
    },
    { maxValueBytes: 1_000 },
  );

  test("a subscriber that lags loses the oldest messages, and can tell how many", async (engine) => {
    await using subscription = engine.subscribe(path("a"), { maxBacklog: 3 });
    await using witness = engine.subscribe(path("a"));
    await Promise.all([subscription.ready, witness.ready]);
    for (let i = 0; i < 10; i++) await engine.publish(path("a"), bytes(`${i}`));
    await take(witness, 10);
    const heard = await take(subscription, 3);
    assert.deepEqual(heard, ["a 7", "a 8", "a 9"]);
    assert.equal(subscription.dropped, 7);
  });

  test("a subscription ends with the loop, the signal and the engine", async (engine) => {
    await using left = engine.subscribe(path("a"));
    await left.ready;
    await engine.publish(path("a"), bytes("1"));
    for await (const { topic } of left) if (topic.length > 0) break;
    assert.equal((await soon(left[Symbol.asyncIterator]().next(), "the end")).done, true);

    const controller = new AbortController();
    const aborted = engine.subscribe(path("a"), { signal: controller.signal });
    await aborted.ready;
    const pull = aborted[Symbol.asyncIterator]().next();
    controller.abort("enough");
    await assert.rejects(soon(pull, "the abort"), (error) => error === "enough");

    const closed = engine.subscribe(path("a"));
    await closed.ready;
    const last = closed[Symbol.asyncIterator]().next();
    await engine.close();
    assert.equal((await soon(last, "the end")).done, true);
  });
}

async function take(messages: AsyncIterable<EngineMessage>, count: number): Promise<string[]> {
  const found: string[] = [];
  const iterator = messages[Symbol.asyncIterator]();
  while (found.length < count) {
    const { done, value } = await soon(iterator.next(), `message ${found.length + 1} of ${count}`);
    assert.ok(done !== true, "the subscription ended");
    found.push(`${formatPath(value.topic)} ${text(value.data)}`);
  }
  return found;
}
