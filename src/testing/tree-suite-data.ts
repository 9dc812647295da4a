import assert from "node:assert/strict";

import { BanyanError } from "../base/errors.ts";
import { Tree } from "../tree/tree.ts";
import { parsePath } from "../wire/path-text.ts";
import { Path, type PathLike } from "../wire/path.ts";
import {
  collect,
  fill,
  rejectsWith,
  shown,
  type TreeCases,
  type TreePair,
} from "./tree-suite-pair.ts";

const FOO = { foo: "hello", "foo.bar": "baz", "foo.baz": "quux" };
/** Bytes that no version of the codec takes for a value. */
const NO_VALUE = Uint8Array.of(0xff, 0xff, 0xff, 0xff);

/** What a caller without types may take for a path. */
const NO_PATHS: readonly unknown[] = [5, {}, null, undefined, true, () => 1, Array(2)];

/** Options as a caller without types may write them. */
function odd(options: unknown): never {
  return options as never;
}

/** Reading and writing entries. */
export const DATA_CASES: TreeCases = {
  "PA7: set() works on the root and returns what was there": async ({ near }) => {
    const first = await near.set(":", 123);
    assert.equal(await near.get(":"), 123);
    const second = await near.set(":", 1234);
    assert.equal(second.previous?.value, 123);
    assert.equal(second.previous?.revision, first.revision);
    assert.ok(second.revision > first.revision, "the revision is higher");
    assert.equal(await near.get([]), 1234);
  },

  "PA14: set() tells who wrote the previous value, and every client reads the last": async (
    pair,
  ) => {
    const { near, far } = pair;
    assert.equal((await near.set(":", 126)).previous, undefined);
    const { previous } = await far.set(":", 127);
    assert.deepEqual([previous?.value, previous?.author], [126, "near"]);
    assert.deepEqual([await near.get(":"), await far.get(":")], [127, 127]);
    assert.equal((await near.entry(":"))?.author, "far");
  },

  "set() keeps values exactly": async ({ near, far }) => {
    const when = new Date(1_700_000_000_000);
    const values = [
      null, true, 0, -0, 1.5, "", "a\u0000b\ud800", 2n ** 80n, when, [1, [2, []]], { a: { b: 1 } },
      { ["__proto__"]: 1, toJSON: 2 }, { missing: undefined },
    ]; // prettier-ignore
    for (const value of values) {
      await near.set("v", value);
      assert.deepStrictEqual(await far.get("v"), value);
    }
    await near.set("v", Uint8Array.of(1, 2));
    assert.deepEqual(await far.get("v"), Uint8Array.of(1, 2));
  },

  "PA4: set() keeps a path in a value a path, and an array an array": async ({ near, far }) => {
    await near.set("v", { path: parsePath("a:2.c"), list: ["a", 2, "c"] });
    const value = (await far.get("v")) as { path: unknown; list: unknown };
    assert.ok(value.path instanceof Path);
    assert.deepEqual([...value.path], ["a", 2, "c"]);
    assert.ok(Array.isArray(value.list) && !(value.list instanceof Path));
  },

  "set() refuses what can't be stored, names the place, and writes nothing": async ({ near }) => {
    await near.set("v", 1);
    await rejectsWith("TREE_BAD_VALUE", () => near.set("v", undefined));
    const error = await rejectsWith("TREE_BAD_VALUE", () =>
      near.set("v", { list: [1, { run: () => 1 }] }),
    );
    assert.match(error.message, /list.*1.*run/);
    const cycle: unknown[] = [];
    cycle.push(cycle);
    await rejectsWith("TREE_BAD_VALUE", () => near.set("v", cycle));
    assert.equal(await near.get("v"), 1);
  },

  "get() and entry() are undefined where there is nothing": async ({ near }) => {
    await near.set("foo.bar", 1);
    assert.equal(await near.get("foo"), undefined);
    assert.equal(await near.entry("foo"), undefined);
    assert.equal(await near.get("nothing.here"), undefined);
  },

  "every method refuses a bad path": async ({ near }) => {
    await using mirror = await near.mirror("m");
    for (const bad of ["a..b", [NaN], ...NO_PATHS] as PathLike[]) {
      for (const run of [
        () => near.get(bad),
        () => near.entry(bad),
        () => near.set(bad, 1),
        () => near.delete(bad),
        () => near.list(bad),
        () => near.walk(bad),
        () => near.watch(bad),
        () => near.mirror(bad),
        () => near.publish(bad, 1),
        () => near.publishRaw(bad, NO_VALUE),
        () => near.subscribe(bad),
        () => near.errors.record({ subsystem: "s", path: bad, error: 1 }),
        () => near.errors.get({ subsystem: "s", path: bad }),
        () => near.set("a", 1, { condition: { path: bad, revision: 0 } }),
        () => mirror.get(bad),
      ]) {
        await rejectsWith("WIRE_BAD_PATH", run);
      }
    }
    assert.deepEqual(await collect(near.walk(":"), shown), []);
  },

  "every method refuses options that it does not have, and says which it may mean": async ({
    near,
  }) => {
    await near.set("a", 1);
    const { errors } = near;
    const place = { subsystem: "s", path: "a" };
    for (const [run, like] of [
      [() => near.get("a", odd({ signl: undefined })), "signal"],
      [() => near.entry("a", odd({ Signal: undefined })), "signal"],
      [() => near.set("a", 2, odd({ ifrevision: 1 })), "ifRevision"],
      [() => near.set("a", 2, { condition: odd({ path: "a", revison: 1 }) }), "revision"],
      [() => near.delete("a", odd({ recursiv: true })), "recursive"],
      [() => near.list("a", odd({ sgnal: 1 })), "signal"],
      [() => near.walk("a", odd({ maxdept: 1 })), "maxDepth"],
      [() => near.watch("a", odd({ minDept: 1 })), "minDepth"],
      [() => near.mirror("a", odd({ signals: 1 })), "signal"],
      [() => near.subscribe("a", odd({ rau: true })), "raw"],
      [() => errors.record(odd({ ...place, error: 1, nod: "n" })), "node"],
      [() => errors.working(odd({ ...place, nod: "n" })), "node"],
      [() => collect(errors.list(odd({ undr: "a" })), String), "under"],
    ] as [() => unknown, string][]) {
      await assert.rejects(
        async () => run(),
        (error) => error instanceof TypeError && error.message.endsWith(`(did you mean ${like}?)`),
      );
    }
    assert.throws(() => Tree.over(near.engine, odd({ autor: "me" })), /did you mean author/);
    assert.throws(() => Tree.over(near.engine, odd({ author: 5 })), TypeError);
    assert.throws(() => Tree.over(odd("memory:")), TypeError);
    await assert.rejects(near.get("a", odd(null)), TypeError);
    await assert.rejects(near.get("a", odd(5)), TypeError);
    await assert.rejects(near.set("a", 2, odd({ signal: "soon" })), TypeError);
    await assert.rejects(near.set("a", 2, { condition: odd({ path: "a" }) }), RangeError);
    assert.equal(await near.get("a"), 1);
  },

  "set() and delete() refuse revisions that can't be": async ({ near }) => {
    await assert.rejects(near.set("a", 1, { ifRevision: -1 }), RangeError);
    await assert.rejects(near.set("a", 1, { ifRevision: 1.5 }), RangeError);
    await assert.rejects(near.set("a", 1, { onlyNew: true, ifRevision: 3 }), TypeError);
    await assert.rejects(near.delete("a", { recursive: true, ifRevision: 3 }), TypeError);
    assert.equal(await near.get("a"), undefined);
  },

  "PA12: set() with idem writes nothing for an equal value": async ({ near }) => {
    const { revision } = await near.set("foo", 127);
    await using watch = near.watch("foo", { current: false });
    await watch.next();
    const same = await near.set("foo", 127, { idem: true });
    assert.deepEqual([same.changed, same.revision], [false, revision]);
    assert.equal((await near.entry("foo"))?.revision, revision);
    const again = await near.set("foo", 127);
    assert.ok(again.changed && again.revision > revision);
    const other = await near.set("foo", 128, { idem: true });
    assert.deepEqual([other.changed, other.previous?.value], [true, 127]);
    for (const written of [again, other]) {
      const { value: event } = await watch.next();
      assert.equal(event?.type === "put" && event.entry.revision, written.revision);
    }
  },

  "set() with idem by many at once writes once": async ({ near, far }) => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 === 0 ? near : far).set("foo", "same", { idem: true }),
      ),
    );
    assert.equal(results.filter((result) => result.changed).length, 1);
    assert.equal(new Set(results.map((result) => result.revision)).size, 1);
  },

  "PA13: set() with ifRevision refuses a stale revision and writes nothing": async ({
    near,
    far,
  }) => {
    const { revision } = await near.set("foo", 1);
    const present = await far.set("foo", 2);
    for (const idem of [false, true]) {
      const error = await rejectsWith("ENGINE_CONFLICT", () =>
        near.set("foo", 2, { ifRevision: revision, idem }),
      );
      assert.equal(error.details["revision"], present.revision);
    }
    assert.equal((await near.entry("foo"))?.revision, present.revision);
    assert.equal((await near.set("foo", 3, { ifRevision: present.revision })).changed, true);
  },

  "set() with onlyNew refuses an entry that is there": async ({ near, far }) => {
    await near.set("foo", 1, { onlyNew: true });
    await rejectsWith("TREE_EXISTS", () => far.set("foo", 2, { onlyNew: true }));
    await rejectsWith("TREE_EXISTS", () => far.set("foo", 2, { onlyNew: true, idem: true }));
    assert.equal((await far.set("foo", 1, { onlyNew: true, idem: true })).changed, false);
    assert.equal(await near.get("foo"), 1);
  },

  "set() with onlyNew by many at once lets one win": async ({ near, far }) => {
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 === 0 ? near : far).set("foo", i, { onlyNew: true }),
      ),
    );
    const won = results.findIndex((result) => result.status === "fulfilled");
    assert.equal(results.filter((result) => result.status === "fulfilled").length, 1);
    assert.equal(await near.get("foo"), won);
  },

  "set() and delete() hold to a condition on another entry": async ({ near, far }) => {
    if (!near.engine.supports.condition) return;
    const { revision } = await near.set("owner", "near");
    const condition = { path: "owner", revision };
    await near.set("foo", 1, { condition });
    await far.set("owner", "far");
    await rejectsWith("ENGINE_CONDITION", () => near.set("foo", 2, { condition }));
    await rejectsWith("ENGINE_CONDITION", () => near.delete("foo", { condition }));
    assert.equal(await near.get("foo"), 1);
  },

  "PA10: delete() leaves what is below": async ({ near }) => {
    await fill(near, FOO);
    const before = await near.entry("foo.bar");
    const result = await near.delete("foo");
    assert.deepEqual([result.changed, result.deleted, result.previous?.value], [true, 1, "hello"]);
    assert.equal(await near.get("foo"), undefined);
    assert.deepEqual(await near.entry("foo.bar"), before);
    const nothing = await near.delete("foo");
    assert.deepEqual([nothing.changed, nothing.deleted], [false, 0]);
  },

  "delete() refuses a stale revision": async ({ near }) => {
    const { revision } = await near.set("foo", 1);
    await near.set("foo", 2);
    await rejectsWith("ENGINE_CONFLICT", () => near.delete("foo", { ifRevision: revision }));
    assert.equal(await near.get("foo"), 2);
  },

  "delete() with recursive takes the subtree and nothing else, deepest first": async (pair) => {
    const { near, far } = pair;
    await fill(near, { ...FOO, "foo.bar.deep.er": 1, fo: 1, food: 2, "foo:1": 3 });
    await using watch = far.watch("foo", { current: false });
    await watch.next();
    const result = await near.delete("foo", { recursive: true });
    assert.deepEqual([result.deleted, result.previous?.value], [5, "hello"]);
    assert.deepEqual(await collect(near.walk(":"), shown), ["fo=1", "food=2"]);
    const lengths: number[] = [];
    while (lengths.length < 5) {
      const { value } = await watch.next();
      if (value?.type === "delete") lengths.push(value.path.length);
    }
    assert.deepEqual(lengths, [4, 2, 2, 2, 1]);
    assert.equal((await near.delete("foo", { recursive: true })).changed, false);
  },

  "PA8: list() gives the children in order, the system's first": async ({ near }) => {
    await fill(near, { ...FOO, ":": 0 });
    await near.set(near.system.job, 1);
    const names = (path: string): Promise<unknown[]> =>
      collect(near.list(path), ({ name }) => name);
    assert.deepEqual(await names(":"), [".banyan", "foo"]);
    assert.deepEqual(await names("foo"), ["bar", "baz"]);
    assert.deepEqual(await names("foo.bar"), []);
    const values = await collect(near.list("foo"), (child) => child.entry?.value);
    assert.deepEqual(values, ["baz", "quux"]);
  },

  "list() gives children that have no value of their own": async ({ near }) => {
    await fill(near, { "a.b.c": 1, "a:1": 2, "a:t.x": 3, "a.z": 4, "a.m.n": 5 });
    const children = await collect(near.list("a"), ({ name, entry }) => [name, entry?.value]);
    assert.deepEqual(children, [
      [true, undefined],
      [1, 2],
      ["b", undefined],
      ["m", undefined],
      ["z", 4],
    ]);
  },

  "PA9: walk() goes depth first, between its depths": async ({ near }) => {
    await fill(near, { ":": 123, ...FOO, "foo.bar.x": "deep" });
    const walk = (options: object): Promise<string[]> => collect(near.walk(":", options), shown);
    const all = [":=123", "foo=hello", "foo.bar=baz", "foo.bar.x=deep", "foo.baz=quux"];
    assert.deepEqual(await walk({}), all);
    assert.deepEqual(await walk({ maxDepth: 2 }), [all[0], all[1], all[2], all[4]]);
    assert.deepEqual(await walk({ minDepth: 1 }), all.slice(1));
    assert.deepEqual(await walk({ maxDepth: 1 }), all.slice(0, 2));
    assert.deepEqual(await walk({ maxDepth: 0 }), all.slice(0, 1));
    assert.throws(() => near.walk(":", { maxDepth: -1 }), RangeError);
  },

  "PA11: list() and walk() give all of 200 children": async ({ near }) => {
    await Promise.all(Array.from({ length: 200 }, (_, i) => near.set(["foo", i], i)));
    const numbers = Array.from({ length: 200 }, (_, i) => i);
    assert.deepEqual(await collect(near.list("foo"), ({ name }) => name), numbers);
    assert.deepEqual(await collect(near.walk("foo"), ({ value }) => value), numbers);
  },

  "an entry that can't be decoded carries its error and hides no other": async (pair) => {
    await breakEntry(pair);
    const { far } = pair;
    const error = await rejectsWith("WIRE_MALFORMED", () => far.get("foo.bad"));
    assert.ok(BanyanError.is((await far.entry("foo.bad"))?.error));
    const seen = await collect(far.walk("foo"), ({ error: broken }) => broken?.code ?? "fine");
    assert.deepEqual(seen, ["fine", error.code, "fine"]);
    await using mirror = await far.mirror("foo");
    assert.equal(mirror.get("foo.good"), 1);
    assert.throws(() => mirror.get("foo.bad"), { code: error.code });
    assert.equal((await far.set("foo.bad", 1)).previous?.error?.code, error.code);
  },

  "close() is idempotent, and everything throws TREE_CLOSED afterwards": async ({ near, far }) => {
    await Promise.all([near.close(), near.close()]);
    for (const run of [
      () => near.get("a"),
      () => near.set("a", 1),
      () => near.delete("a"),
      () => near.list("a"),
      () => near.walk("a"),
      () => near.watch("a"),
      () => near.mirror("a"),
      () => near.publish("a", 1),
      () => near.subscribe("a"),
      () => near.errors.record({ subsystem: "s", path: "a", error: 1 }),
    ]) {
      await rejectsWith("TREE_CLOSED", run);
    }
    await far.set("a", 1);
    assert.equal(await far.get("a"), 1);
  },
};

async function breakEntry({ near }: TreePair): Promise<void> {
  await fill(near, { foo: 0, "foo.good": 1 });
  await near.engine.put(parsePath("foo.bad"), NO_VALUE);
}
