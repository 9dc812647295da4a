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

  test("MS1 subscribe() with + and # hears what fits as a whole", async (engine) => {
    const topics = ["a", "a.b", "a.b.c", "a.x.c", "a.x.y.c", "b", "a:2.c"];
    const heardBy = async (pattern: string): Promise<string[]> => {
      await using subscription = engine.subscribe(path(pattern));
      await subscription.ready;
      for (const topic of topics) await engine.publish(path(topic), bytes(""));
      await engine.publish(path("a.b.c.end"), bytes(""));
      await engine.publish(path("a.end"), bytes(""));
      await engine.publish(path("end"), bytes(""));
      const heard: string[] = [];
      for await (const { topic } of subscription) {
        if (topic.name === "end") break;
        heard.push(formatPath(topic));
      }
      return heard;
    };
    assert.deepEqual(await heardBy("#"), topics);
    assert.deepEqual(
      await heardBy("a.#"),
      topics.filter((topic) => topic !== "b"),
    );
    await using two = engine.subscribe(path("a.+"));
    await using middle = engine.subscribe(path("a.+.c"));
    await using many = engine.subscribe(path("a.#.c"));
    await using exact = engine.subscribe(path("+"));
    await Promise.all([two.ready, middle.ready, many.ready, exact.ready]);
    for (const topic of [...topics, "a.c"]) await engine.publish(path(topic), bytes(""));
    assert.deepEqual(await take(two, 2), ["a.b ", "a.c "]);
    assert.deepEqual(await take(middle, 3), ["a.b.c ", "a.x.c ", "a:2.c "]);
    assert.deepEqual(await take(many, 5), ["a.b.c ", "a.x.c ", "a.x.y.c ", "a:2.c ", "a.c "]);
    assert.deepEqual(await take(exact, 2), ["a ", "b "]);
  });

  test("publish() refuses a topic with wildcards", async (engine) => {
    for (const topic of ["a.+", "#", "a.#.b"]) {
      await rejectsWith(engine.publish(path(topic), bytes("")), "ENGINE_BAD_TOPIC");
    }
  });

  test("what nobody has read ends with unsubscribing, also while it is delivered", async (engine) => {
    const first = engine.subscribe(path("a"));
    await using second = engine.subscribe(path("a"));
    await Promise.all([first.ready, second.ready]);
    for (let i = 0; i < 10; i++) await engine.publish(path("a"), bytes(`${i}`));
    let heard = 0;
    for await (const { data } of first) {
      heard++;
      if (text(data) === "4") break;
    }
    assert.equal(heard, 5);
    assert.equal((await first[Symbol.asyncIterator]().next()).done, true);
    assert.equal((await take(second, 10)).length, 10);
  });

  test("a group's messages go to one member each, and every reader gets its share", async (engine, fixture) => {
    const other = (await fixture.another?.()) ?? engine;
    const members = [engine, other, other].map((client) =>
      client.subscribe(path("work"), { group: "workers" }),
    );
    await using witness = engine.subscribe(path("work"));
    await Promise.all([...members, witness].map(({ ready }) => ready));
    const heard: string[][] = members.map(() => []);
    const reading = members.map(async (member, i) => {
      for await (const { data } of member) heard[i]?.push(text(data));
    });
    const sent = Array.from({ length: 60 }, (_, i) => `${i}`);
    for (const data of sent) await engine.publish(path("work"), bytes(data));
    await take(witness, 60);
    while (heard.flat().length < 60) await engine.get(path("a"));
    await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
    await Promise.all(reading);
    assert.deepEqual(heard.flat().toSorted(), sent.toSorted());
    for (const own of heard) assert.ok(own.length >= 6, `one of them got ${own.length} of 60`);
  });

  test("groups of other names and other topics get messages of their own", async (engine) => {
    await using one = engine.subscribe(path("a"), { group: "x" });
    await using two = engine.subscribe(path("a"), { group: "y" });
    await using three = engine.subscribe(path("a.+"), { group: "x" });
    await Promise.all([one.ready, two.ready, three.ready]);
    await engine.publish(path("a.b"), bytes("1"));
    for (const group of [one, two, three]) assert.deepEqual(await take(group, 1), ["a.b 1"]);
  });

  test("what a member of a group has not read when it ends, the others get", async (engine, fixture) => {
    const other = (await fixture.another?.()) ?? engine;
    const gone = other.subscribe(path("work"), { group: "g" });
    await gone.ready;
    const first = await Promise.all([
      take(gone, 1),
      ...Array.from({ length: 20 }, (_, i) => engine.publish(path("work"), bytes(`${i}`))),
    ]);
    await using stays = engine.subscribe(path("work"), { group: "g" });
    await stays.ready;
    if (other === engine) await gone[Symbol.asyncDispose]();
    else await other.close();
    const rest = await take(stays, 19);
    const all = [...first[0], ...rest].map((line) => Number(line.split(" ")[1]));
    assert.deepEqual(
      all.toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  test("giveBack() leaves a message to another member", async (engine) => {
    await using one = engine.subscribe(path("a"), { group: "g" });
    await one.ready;
    await engine.publish(path("a"), bytes("1"));
    const { value } = await soon(one[Symbol.asyncIterator]().next(), "the message");
    await using two = engine.subscribe(path("a"), { group: "g" });
    await two.ready;
    const heard = take(two, 1);
    one.giveBack(value as EngineMessage);
    assert.deepEqual(await heard, ["a 1"]);
  });

  test("a group that nobody reads loses the oldest, and its members can tell", async (engine) => {
    await using lazy = engine.subscribe(path("a"), { group: "g", maxBacklog: 5 });
    await using witness = engine.subscribe(path("a"));
    await Promise.all([lazy.ready, witness.ready]);
    for (let i = 0; i < 30; i++) await engine.publish(path("a"), bytes(`${i}`));
    await take(witness, 30);
    // Whatever is on its way to the member is not in the group's backlog.
    const heard = await take(lazy, 5);
    assert.equal(heard.at(-1)?.startsWith("a "), true);
    assert.ok(lazy.dropped >= 20, `dropped ${lazy.dropped}`);
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
