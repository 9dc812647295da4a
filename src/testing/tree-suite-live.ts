import assert from "node:assert/strict";

import type { MirrorBatch } from "../tree/mirror.ts";
import type { TreeEvent } from "../tree/watch.ts";
import { formatPath } from "../wire/path-text.ts";
import { decodeValue } from "../wire/value.ts";
import { collect, fill, rejectsWith, shown, take, type TreeCases } from "./tree-suite-pair.ts";

/** Watches, mirrors and messages. */
export const LIVE_CASES: TreeCases = {
  "MI2: watch() gives the state, ready, then the changes once and in order": async ({
    near,
    far,
  }) => {
    await fill(near, { ":": 1, foo: "old" });
    await using watch = far.watch(":");
    assert.deepEqual((await take(watch, 3)).map(told), [":=1", "foo=old", "ready 2"]);
    const revisions = [
      (await near.set("foo", "hello")).revision,
      (await near.set("foo.bar", "baz")).revision,
      (await near.set(":", 2)).revision,
      (await near.delete("foo")).revision,
    ];
    const events = await take(watch, 4);
    assert.deepEqual(events.map(told), ["foo=hello", "foo.bar=baz", ":=2", "-foo"]);
    assert.deepEqual(events.map(revisionOf), revisions);
    assert.deepEqual([...revisions].sort(ascending), revisions);
  },

  "watch() is ready with a count of 0 where there is nothing": async ({ near }) => {
    await using watch = near.watch("nothing");
    assert.deepEqual((await take(watch, 1)).map(told), ["ready 0"]);
  },

  "watch() tells of its own subtree alone": async ({ near, far }) => {
    await fill(near, { foo: 1, fo: 2, "food.x": 3 });
    await using watch = far.watch("foo");
    assert.deepEqual((await take(watch, 2)).map(told), ["foo=1", "ready 1"]);
    await fill(near, { food: 1, "foo:1": 2, ":": 3, "foo.z": 4 });
    assert.deepEqual((await take(watch, 2)).map(told), ["foo:1=2", "foo.z=4"]);
  },

  "watch() with current: false leaves out what is there": async ({ near, far }) => {
    await fill(near, { foo: 1, "foo.bar": 2 });
    await using watch = far.watch("foo", { current: false });
    assert.deepEqual((await take(watch, 1)).map(told), ["ready 0"]);
    await near.set("foo.bar", 3);
    assert.deepEqual((await take(watch, 1)).map(told), ["foo.bar=3"]);
  },

  "watch() keeps to its depths": async ({ near, far }) => {
    await fill(near, { foo: 1, "foo.a": 2, "foo.a.b": 3, "foo.a.b.c": 4 });
    await using watch = far.watch("foo", { minDepth: 1, maxDepth: 2 });
    assert.deepEqual((await take(watch, 3)).map(told), ["foo.a=2", "foo.a.b=3", "ready 2"]);
    await fill(near, { foo: 5, "foo.a.b.c": 6, "foo.a.b": 7 });
    await near.delete("foo");
    await near.delete("foo.a");
    assert.deepEqual((await take(watch, 2)).map(told), ["foo.a.b=7", "-foo.a"]);
    assert.throws(() => far.watch("foo", { minDepth: 0.5 }), RangeError);
  },

  "watch() goes on behind the event whose cursor it is given": async ({ near, far }) => {
    await near.set("foo", 0);
    const first = far.watch("foo");
    await take(first, 2);
    for (let i = 1; i <= 3; i++) await near.set("foo", i);
    assert.deepEqual((await take(first, 2)).map(told), ["foo=1", "foo=2"]);
    const { cursor } = first;
    await first.close();
    await near.set("foo", 4);
    await using second = far.watch("foo", { after: cursor });
    assert.deepEqual((await take(second, 3)).map(told), ["foo=3", "foo=4", "live"]);
    await near.set("foo", 5);
    assert.deepEqual((await take(second, 1)).map(told), ["foo=5"]);
  },

  "watch() whose reader lags gets a reset, and the others everything": async ({ near, far }) => {
    await near.set("n", "before");
    await using slow = far.watch("n", { maxBacklog: 50 });
    await using quick = far.watch("n");
    await Promise.all([take(slow, 2), take(quick, 2)]);
    for (let i = 0; i < 200; i++) await near.set("n", i);
    const numbers = Array.from({ length: 200 }, (_, i) => `n=${i}`);
    assert.deepEqual((await take(quick, 200)).map(told), numbers);
    const events: string[] = [];
    while (events.at(-1) !== "ready 1") events.push(...(await take(slow, 1)).map(told));
    assert.deepEqual(events.slice(-3), ["reset overflow", "n=199", "ready 1"]);
    await near.set("n", "after");
    assert.deepEqual((await take(slow, 1)).map(told), ["n=after"]);
  },

  "watch() ends by close(), by break, by the tree, and throws its signal's reason": async (
    pair,
  ) => {
    const { near } = pair;
    const reason = new Error("enough");
    const controller = new AbortController();
    const aborted = near.watch("a", { signal: controller.signal });
    const closed = near.watch("a");
    const orphaned = near.watch("a");
    await Promise.all([take(aborted, 1), take(closed, 1), take(orphaned, 1)]);
    const pending = [aborted.next(), closed.next(), orphaned.next()] as const;
    controller.abort(reason);
    await assert.rejects(pending[0], (error) => error === reason);
    await closed.close();
    assert.equal((await pending[1]).done, true);
    for await (const event of near.watch("a")) if (event.type === "ready") break;
    await near.close();
    assert.equal((await pending[2]).done, true);
  },

  "MI1: mirror() holds the subtree when it resolves, and follows": async ({ near, far }) => {
    await fill(near, { foo: 1, "foo:2": 2, "foo.a.b": 3, other: 4 });
    await using mirror = await far.mirror("foo");
    assert.deepEqual([...mirror.entries()].map(shown), ["foo=1", "foo:2=2", "foo.a.b=3"]);
    assert.deepEqual(mirror.children(), [2, "a"]);
    assert.deepEqual(
      [mirror.has("foo.a"), mirror.get("foo.a"), mirror.size],
      [false, undefined, 3],
    );
    await near.set("foo", "hello");
    const { revision } = await near.set("foo.bar", "baz");
    await mirror.waitFor(revision);
    assert.deepEqual([mirror.get("foo"), mirror.get("foo.bar")], ["hello", "baz"]);
    assert.deepEqual([mirror.entry("foo.bar")?.author, mirror.stale], ["near", false]);
    assert.ok(mirror.revision >= revision);
    await mirror.waitFor((await near.delete("foo.a.b")).revision);
    assert.deepEqual(mirror.children(), [2, "bar"]);
    assert.throws(() => mirror.get("other"), RangeError);
  },

  "mirror() announces what changed, with what was there before": async ({ near, far }) => {
    await fill(near, { foo: 1, "foo.a": 2 });
    await using mirror = await far.mirror("foo");
    const heard: string[] = [];
    mirror.subscribe(() => {
      throw new Error("this listener is broken");
    });
    mirror.subscribe(async () => {
      throw new Error("this one is, too");
    });
    const listener = mirror.subscribe((batch) => heard.push(...changesOf(batch)));
    await near.set("foo", 3);
    await near.set("foo.b", 4);
    await mirror.waitFor((await near.delete("foo.a")).revision);
    assert.deepEqual(heard, ["foo: 1 -> 3", "foo.b: undefined -> 4", "foo.a: 2 -> gone"]);
    listener[Symbol.dispose]();
    await mirror.waitFor((await near.set("foo", 5)).revision);
    assert.equal(heard.length, 3);
  },

  "mirror() ends with its tree, answers on, and says that it is stale": async ({ near, far }) => {
    await fill(near, { foo: 1 });
    const mirror = await far.mirror("foo");
    const waiting = rejectsWith("TREE_CLOSED", () => mirror.waitFor(Number.MAX_SAFE_INTEGER));
    await far.close();
    await waiting;
    assert.equal(await mirror.closed, undefined);
    assert.deepEqual([mirror.get("foo"), mirror.stale], [1, true]);
    await rejectsWith("TREE_CLOSED", () => mirror.waitFor(Number.MAX_SAFE_INTEGER));
    await mirror.close();
  },

  "mirror() gives up, and waitFor() too, when the signal says so": async ({ near }) => {
    const reason = new Error("enough");
    await assert.rejects(near.mirror("a", { signal: AbortSignal.abort(reason) }), reason);
    await using mirror = await near.mirror("a");
    const signal = AbortSignal.abort(reason);
    await assert.rejects(mirror.waitFor(Number.MAX_SAFE_INTEGER, { signal }), reason);
  },

  "mirror() keeps up with a thousand entries that come and go": async ({ near, far }) => {
    await using mirror = await far.mirror("n");
    const numbers = Array.from({ length: 1_000 }, (_, i) => i);
    await Promise.all(numbers.map((i) => near.set(["n", i % 10, i], i)));
    const gone = await Promise.all(numbers.map((i) => near.delete(["n", i % 10, i])));
    const { revision } = await near.set("n", "last");
    await mirror.waitFor(Math.max(revision, ...gone.map((result) => result.revision)));
    assert.deepEqual([...mirror.entries()].map(shown), ["n=last"]);
    assert.deepEqual(mirror.children(), []);
  },

  "MS1: subscribe() hears a topic and those below it, decoded": async ({ near, far }) => {
    await using messages = far.subscribe("foo");
    await messages.ready;
    await near.publish("food", "not for us");
    await near.publish("foo.bar", ["Hello", 42]);
    await near.publish("foo.baz", Uint8Array.of(1, 2));
    await near.publish("foo", null);
    const heard = await take(messages, 3);
    assert.deepEqual(
      heard.map(({ topic, value }) => [formatPath(topic), value]),
      [
        ["foo.bar", ["Hello", 42]],
        ["foo.baz", Uint8Array.of(1, 2)],
        ["foo", null],
      ],
    );
    assert.equal(messages.dropped, 0);
  },

  "MS2: subscribe() with raw gives the bytes of the codec, and raw ones as sent": async (pair) => {
    const { near, far } = pair;
    const bytes = Uint8Array.of(0xff, 0xfe, 0);
    await using raw = far.subscribe("foo", { raw: true });
    await using decoded = far.subscribe("foo");
    await Promise.all([raw.ready, decoded.ready]);
    await near.publish("foo.a", ["Hello", 42]);
    await near.publishRaw("foo.b", bytes);
    const [value, sent] = await take(raw, 2);
    assert.deepEqual(decodeValue(value?.data ?? bytes), ["Hello", 42]);
    assert.deepEqual(sent?.data, bytes);
    const [fine, broken] = await take(decoded, 2);
    assert.deepEqual([fine?.value, fine?.error], [["Hello", 42], undefined]);
    assert.deepEqual([broken?.value, broken?.error?.code], [undefined, "WIRE_MALFORMED"]);
    assert.deepEqual(broken?.data, bytes);
  },

  "publish() reaches the sender too, and nobody who is not there": async ({ near }) => {
    await near.publish("foo", "lost");
    await using messages = near.subscribe("foo");
    await messages.ready;
    await near.publish("foo", "heard");
    assert.deepEqual((await take(messages, 1))[0]?.value, "heard");
    await rejectsWith("TREE_BAD_VALUE", () => near.publish("foo", () => 1));
  },

  "subscribe() ends by break, by the tree, and throws its signal's reason": async ({ near }) => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const aborted = near.subscribe("a", { signal: controller.signal });
    const orphaned = near.subscribe("a");
    const broken = near.subscribe("a");
    await Promise.all([aborted.ready, orphaned.ready, broken.ready]);
    const pending = [aborted.next(), orphaned.next()] as const;
    controller.abort(reason);
    await assert.rejects(pending[0], reason);
    await near.publish("a", 1);
    for await (const { value } of broken) if (value === 1) break;
    assert.deepEqual(await collect(broken, ({ value }) => value), []);
    assert.equal((await pending[1]).value?.value, 1);
    const last = orphaned.next();
    await near.close();
    assert.equal((await last).done, true);
  },
};

/** An event at a glance. */
function told(event: TreeEvent): string {
  switch (event.type) {
    case "put":
      return shown(event.entry);
    case "delete":
      return `-${formatPath(event.path)}`;
    case "ready":
      return `ready ${event.count}`;
    case "reset":
      return `reset ${event.cause}`;
    case "stale":
    case "live":
    default:
      return event.type;
  }
}

function revisionOf(event: TreeEvent): number {
  if (event.type === "put") return event.entry.revision;
  return event.type === "delete" || event.type === "ready" ? event.revision : 0;
}

function changesOf({ changes }: MirrorBatch): string[] {
  return changes.map((change) => {
    const after = change.type === "put" ? String(change.entry.value) : "gone";
    return `${formatPath(change.path)}: ${String(change.previous?.value)} -> ${after}`;
  });
}

function ascending(a: number, b: number): number {
  return a - b;
}
