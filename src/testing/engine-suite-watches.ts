import assert from "node:assert/strict";

import type { Engine, EngineEvent } from "../engine/engine.ts";
import { formatPath } from "../wire/path-text.ts";
import { Path } from "../wire/path.ts";
import {
  bytes,
  type EngineTest,
  EventReader,
  listed,
  path,
  put,
  showEvent,
  soon,
  text,
} from "./engine-suite-kit.ts";
import { randomOf } from "./fuzz-frames.ts";

/** `watch`: the current entries, the changes, and going on from a cursor. */
export function watchTests(test: EngineTest): void {
  basicTests(test);
  resumeTests(test);
  endTests(test);
  followerTests(test);
}

function basicTests(test: EngineTest): void {
  test("watch() gives the current entries, one ready, then each change once", async (engine) => {
    await put(engine, "a", "1");
    const second = await put(engine, "a.b", "2");
    await put(engine, "b", "no");
    const reader = new EventReader(engine.watch(path("a")));
    const current = await reader.until((event) => event.type === "ready");
    assert.deepEqual(current.map(showEvent), ["put a=1", "put a.b=2", "ready"]);
    assert.ok(revisionOf(current.at(-1)) >= second, "ready is behind what was delivered");
    await put(engine, "a.b", "3");
    await put(engine, "b", "no");
    await engine.delete(path("a"), { author: "me" });
    await engine.delete(path("a"));
    await put(engine, "a", "4");
    const changes = await reader.until((event) => showEvent(event) === "put a=4");
    assert.deepEqual(changes.map(showEvent), ["put a.b=3", "delete a", "put a=4"]);
    const revisions = changes.map(revisionOf);
    assert.deepEqual(
      revisions,
      revisions.toSorted((a, b) => a - b),
    );
    assert.ok(changes[1]?.type === "delete" && changes[1].entry.author === "me");
    await reader.stop();
  });

  test("watch() of an empty subtree is ready at once", async (engine) => {
    const reader = new EventReader(engine.watch(path("a")));
    assert.deepEqual(await reader.show("ready"), ["ready"]);
    await put(engine, "a.b", "1");
    assert.deepEqual(await reader.show("put"), ["put a.b=1"]);
    await reader.stop();
  });

  test("watch() hears what another client writes", async (engine, fixture) => {
    const other = (await fixture.another?.()) ?? engine;
    const reader = new EventReader(engine.watch(path("a")));
    await reader.show("ready");
    await put(other, "a", "1");
    assert.deepEqual(await reader.show("put"), ["put a=1"]);
    await reader.stop();
  });

  test("watch() of 3,000 entries that change meanwhile ends up right", async (engine) => {
    const numbers = Array.from({ length: 3_000 }, (_, i) => i);
    await Promise.all(numbers.map((i) => engine.put(numbered(i), bytes("old"))));
    const reader = new EventReader(engine.watch(path("n")));
    const state = new Map<string, string>();
    for (let seen = 0; ; seen++) {
      const event = await reader.next();
      assert.ok(event);
      if (event.type === "ready") break;
      follow(state, event);
      if (seen === 10) {
        await Promise.all([1, 2_990].map((i) => engine.put(numbered(i), bytes("new"))));
        await Promise.all([2, 2_991].map((i) => engine.delete(numbered(i))));
      }
    }
    await put(engine, "n.end", "1");
    for (let event; !state.has("n.end"); follow(state, event)) {
      event = await reader.next();
      assert.ok(event);
    }
    assert.deepEqual(show(state), (await listed(engine, "n")).toSorted());
    await reader.stop();
  });

  test("a reader that lags gets a reset and the current entries", async (engine) => {
    const reader = new EventReader(engine.watch(path("a"), { maxBacklog: 5 }));
    await reader.show("ready");
    // More than may wait anywhere on the way, and all of it committed before the reader goes on.
    const writes = Array.from({ length: 3_000 }, (_, i) => put(engine, `a:${i % 7}`, `${i}`));
    await Promise.all(writes);
    const state = new Map<string, string>();
    let resets = 0;
    await put(engine, "a.end", "1");
    for (let event; !state.has("a.end"); follow(state, event)) {
      event = await reader.next();
      assert.ok(event);
      if (event.type === "reset") {
        assert.equal(event.cause, "overflow");
        resets++;
      }
    }
    assert.ok(resets >= 1, "no reset");
    assert.deepEqual(show(state), (await listed(engine, "a")).toSorted());
    await reader.stop();
  });
}

function resumeTests(test: EngineTest): void {
  test("watch() goes on behind its cursor without gap or duplicate", async (engine) => {
    await put(engine, "a", "1");
    const first = new EventReader(engine.watch(path("a")));
    await first.show("ready");
    await put(engine, "a", "2");
    await first.show("put");
    const { cursor } = first.watch;
    await first.stop();
    await put(engine, "a", "3");
    await put(engine, "b", "no");
    await engine.delete(path("a"));
    const second = new EventReader(engine.watch(path("a"), { after: cursor }));
    assert.deepEqual(await second.show("live"), ["put a=3", "delete a", "live"]);
    await put(engine, "a", "4");
    assert.deepEqual(await second.show("put"), ["put a=4"]);
    await second.stop();
  });

  test("watch() resumes where nothing happened, and says live", async (engine) => {
    await put(engine, "a", "1");
    const first = new EventReader(engine.watch(path("a")));
    await first.show("ready");
    const { cursor } = first.watch;
    assert.equal(cursor.store, engine.store);
    await first.stop();
    const second = new EventReader(engine.watch(path("a"), { after: cursor }));
    assert.deepEqual(await second.show("live"), ["live"]);
    await second.stop();
  });

  test(
    "watch() starts over where the history is gone",
    async (engine) => {
      await put(engine, "a", "1");
      const first = new EventReader(engine.watch(path("a")));
      await first.show("ready");
      const { cursor } = first.watch;
      await first.stop();
      for (let i = 0; i < 50; i++) await put(engine, "b", `${i}`);
      await put(engine, "a", "2");
      const second = new EventReader(engine.watch(path("a"), { after: cursor }));
      assert.deepEqual(await second.show("live"), ["reset history", "put a=2", "ready", "live"]);
      await second.stop();
    },
    { history: 10 },
  );

  test("watch() starts over at the cursor of another store", async (engine) => {
    await put(engine, "a", "1");
    const after = { store: "0123456789abcdef", revision: 1 };
    const reader = new EventReader(engine.watch(path("a"), { after }));
    assert.deepEqual(await reader.show("live"), ["reset store", "put a=1", "ready", "live"]);
    assert.equal(reader.watch.cursor.store, engine.store);
    await reader.stop();
  });

  test("watch() resumes in the store that was opened again", async (engine, fixture) => {
    if (fixture.reopen === undefined) return;
    await put(engine, "a", "1");
    const first = new EventReader(engine.watch(path("a")));
    await first.show("ready");
    const { cursor } = first.watch;
    await first.stop();
    await put(engine, "a.b", "2");
    const again = await fixture.reopen();
    await again.delete(path("a"));
    const second = new EventReader(again.watch(path("a"), { after: cursor }));
    assert.deepEqual(await second.show("live"), ["put a.b=2", "delete a", "live"]);
    await second.stop();
  });
}

function endTests(test: EngineTest): void {
  test("breaking out of a watch ends it", async (engine) => {
    const watch = engine.watch(path("a"));
    for await (const batch of watch) {
      assert.deepEqual(batch.map(showEvent), ["ready"]);
      break;
    }
    const { done } = await soon(watch[Symbol.asyncIterator]().next(), "the end");
    assert.equal(done, true);
  });

  test("a watch ends with its signal's reason", async (engine) => {
    const controller = new AbortController();
    const reader = new EventReader(engine.watch(path("a"), { signal: controller.signal }));
    await reader.show("ready");
    const pull = reader.next();
    controller.abort("enough");
    await assert.rejects(pull, (error) => error === "enough");
    const late = new EventReader(engine.watch(path("a"), { signal: controller.signal }));
    await assert.rejects(late.next(), (error) => error === "enough");
  });

  test("a watch ends when the engine is closed", async (engine) => {
    const reader = new EventReader(engine.watch(path("a")));
    await reader.show("ready");
    const pull = reader.next();
    await engine.close();
    assert.equal(await pull, undefined);
  });
}

function followerTests(test: EngineTest): void {
  test("a follower of random writes ends up with what is listed", async (engine) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = randomOf(seed);
    const reader = new EventReader(engine.watch(path("r")));
    const state = new Map<string, string>();
    const writes: Promise<unknown>[] = [];
    for (let i = 0; i < 400; i++) {
      const where = Path.fromElements(["r", random(4), `${random(4)}`]);
      writes.push(random(3) === 0 ? engine.delete(where) : engine.put(where, bytes(`${i}`)));
      if (random(20) === 0) await Promise.all(writes);
    }
    await Promise.all(writes);
    await put(engine, "r.end", "1");
    let last = 0;
    let ready = 0;
    for (let event; !state.has("r.end") || ready === 0; follow(state, event)) {
      event = await reader.next();
      assert.ok(event);
      if (event.type === "ready") ready++;
      if (ready === 0) continue;
      assert.ok(revisionOf(event) >= last, `seed ${seed}: revisions go back`);
      last = revisionOf(event);
    }
    assert.equal(ready, 1, `seed ${seed}`);
    assert.deepEqual(show(state), (await listed(engine, "r")).toSorted(), `seed ${seed}`);
    await reader.stop();
  });

  test("every one of 500 changes is seen exactly once, in order", async (engine) => {
    const reader = new EventReader(engine.watch(path("a")));
    await reader.show("ready");
    const revisions = await writeAll(engine, 500);
    const seen: number[] = [];
    while (seen.length < revisions.length) seen.push(revisionOf(await reader.next()));
    assert.deepEqual(seen, revisions);
    await reader.stop();
  });
}

async function writeAll(engine: Engine, count: number): Promise<number[]> {
  const writes = Array.from({ length: count }, (_, i) => put(engine, `a:${i % 13}`, `${i}`));
  return (await Promise.all(writes)).toSorted((a, b) => a - b);
}

/** What a mirror does with an event. */
function follow(state: Map<string, string>, event: EngineEvent): void {
  if (event.type === "reset") state.clear();
  if (event.type === "put") state.set(formatPath(event.entry.path), text(event.entry.value));
  if (event.type === "delete") state.delete(formatPath(event.entry.path));
}

function show(state: Map<string, string>): string[] {
  return Array.from(state, ([where, value]) => `${where}=${value}`).toSorted();
}

function revisionOf(event: EngineEvent | undefined): number {
  if (event?.type === "put" || event?.type === "delete") return event.entry.revision;
  return event?.type === "ready" ? event.revision : 0;
}

function numbered(i: number): Path {
  return Path.fromElements(["n", i]);
}
