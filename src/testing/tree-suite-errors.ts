import assert from "node:assert/strict";

import { TreeError } from "../base/errors.ts";
import type { ErrorRecord } from "../tree/error-record.ts";
import type { ErrorEvent } from "../tree/errors.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath } from "../wire/path-text.ts";
import { collect, take, type TreeCases } from "./tree-suite-pair.ts";

const HERE = { subsystem: "tester", path: "here.or.there" };

/** Error records. */
export const ERROR_CASES: TreeCases = {
  "errors.record() is seen by others until it is resolved": async ({ near, far }) => {
    await far.errors.record({ ...HERE, error: new RangeError("too far") });
    const [record, ...more] = await open(near);
    assert.deepEqual(more, []);
    assert.equal(record?.subsystem, "tester");
    assert.equal(formatPath(record.path), "here.or.there");
    const { name, message, count, nodes, trace } = record;
    assert.deepEqual([name, message, count], ["RangeError", "too far", 1]);
    assert.deepEqual(Object.keys(nodes), ["far"]);
    assert.match(trace, /too far\n +at /);
    const resolved = await near.errors.resolve(HERE);
    assert.ok((resolved?.resolved ?? 0) >= record.last);
    assert.deepEqual(await open(near), []);
    assert.equal((await collect(far.errors.list({ all: true }), id)).length, 1);
    assert.equal(await near.errors.resolve(HERE), undefined);
  },

  "errors.record() by many at once makes one record that counts them all": async (pair) => {
    const { near, far } = pair;
    const nodes = ["a", "b", "c"];
    await Promise.all(
      nodes.flatMap((node, i) =>
        Array.from({ length: 5 }, () =>
          (i % 2 === 0 ? near : far).errors.record({ ...HERE, node, error: new Error(node) }),
        ),
      ),
    );
    const [record, ...more] = await open(far);
    assert.deepEqual([record?.count, more], [15, []]);
    const counts = Object.entries(record?.nodes ?? {}).map(([node, { count }]) => [node, count]);
    assert.deepEqual(Object.fromEntries(counts), { a: 5, b: 5, c: 5 });
    await far.errors.resolve(HERE);
    assert.deepEqual(await open(near), []);
  },

  "errors.record() opens a resolved record again, and the count goes on": async ({ near }) => {
    const first = await near.errors.record({ ...HERE, error: "one" });
    await near.errors.working(HERE);
    const again = await near.errors.record({ ...HERE, error: "two" });
    assert.deepEqual([again.count, again.message, again.resolved], [2, "two", undefined]);
    assert.equal(again.first, first.first);
    assert.ok(again.revision > first.revision);
    assert.equal((await open(near)).length, 1);
  },

  "errors.record() with `once` counts one time what many say, until it is resolved": async (
    pair,
  ) => {
    const { near, far } = pair;
    const say = (tree: Tree, node: string, line: number): Promise<ErrorRecord> =>
      tree.errors.record({ ...HERE, node, message: "broken", data: { line }, once: true });
    const [one, other] = await Promise.all([say(near, "a", 1), say(far, "b", 1)]);
    assert.deepEqual([one, one.count], [other, 1]);
    assert.equal((await say(near, "a", 2)).count, 2);
    assert.equal((await say(far, "b", 2)).count, 2);
    await near.errors.working(HERE);
    const again = await say(far, "b", 2);
    assert.deepEqual([again.count, again.resolved], [3, undefined]);
  },

  "errors.working() resolves an open record and creates nothing": async ({ near }) => {
    assert.equal(await near.errors.working(HERE), undefined);
    assert.equal(await near.errors.get(HERE), undefined);
    await near.errors.record({ ...HERE, error: 1 });
    const resolved = await near.errors.working(HERE);
    assert.equal(typeof resolved?.resolved, "number");
    assert.deepEqual(await near.errors.get(HERE), resolved);
    assert.equal(await near.errors.working(HERE), undefined);
    assert.deepEqual(await near.errors.get(HERE), resolved);
  },

  "errors.working() of one node leaves the record open for the others": async ({ near }) => {
    await near.errors.record({ ...HERE, node: "a", error: 1 });
    await near.errors.record({ ...HERE, node: "b", error: 1 });
    assert.equal(await near.errors.working({ ...HERE, node: "c" }), undefined);
    assert.equal((await near.errors.working({ ...HERE, node: "a" }))?.resolved, undefined);
    assert.equal((await open(near)).length, 1);
    assert.equal(typeof (await near.errors.working({ ...HERE, node: "b" }))?.resolved, "number");
    assert.deepEqual(await open(near), []);
  },

  "errors.record() fills its message from the data, and a bad template does not fail": async (
    pair,
  ) => {
    const { errors } = pair.near;
    const message = async (text: string, data?: Record<string, unknown>): Promise<string> =>
      (await errors.record({ ...HERE, message: text, data })).message;
    assert.equal(await message("at {node}", { node: "n1" }), "at n1");
    assert.equal(await message("at {node}"), "at {node}");
    assert.equal(await message("at {node", { node: "n1" }), "at {node");
    assert.equal(await message("{toString} {} {a.b} {n}", { n: 1n }), "{toString} {} {a.b} 1");
    const both = await errors.record({
      ...HERE,
      message: "saving failed",
      error: new Error("disk"),
    });
    assert.equal(both.message, "saving failed");
    assert.match(both.trace, /disk/);
  },

  "errors.record() keeps the first 10 and the last 30 lines of a trace": async ({ near }) => {
    const error = new Error("deep");
    const lines = Array.from({ length: 100 }, (_, i) => `    at frame${i} (file.js:${i}:1)`);
    error.stack = ["Error: deep", ...lines].join("\n");
    const kept = (await near.errors.record({ ...HERE, error })).trace.split("\n");
    assert.deepEqual(kept.slice(0, 10), ["Error: deep", ...lines.slice(0, 9)]);
    assert.match(kept[10] ?? "", /61 lines/);
    assert.deepEqual(kept.slice(11), lines.slice(-30));
  },

  "errors.record() keeps code and cause": async ({ near }) => {
    const cause = new TypeError("the root of it");
    const error = new TreeError("TREE_EXISTS", "there already", { cause });
    const record = await near.errors.record({ ...HERE, error });
    assert.deepEqual([record.name, record.code], ["TreeError", "TREE_EXISTS"]);
    assert.match(record.trace, /caused by: TypeError: the root of it/);
    assert.equal((await near.errors.record({ ...HERE, error: 1 })).code, undefined);
  },

  "errors.record() takes whatever is thrown and whatever comes as data": async ({ near, far }) => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const hostile = {
      get message(): string {
        throw new Error("no");
      },
    };
    const cycle: Record<string, unknown> = { message: 1 };
    cycle["self"] = cycle;
    const weird = ["text", undefined, null, 1n, Symbol("s"), () => 1, proxy, hostile, cycle, NaN];
    for (const error of weird) {
      const data = { error, fine: 1, long: "x".repeat(100_000) };
      const record = await near.errors.record({ ...HERE, error, data });
      assert.equal(record.data["fine"], 1);
    }
    const record = await far.errors.get(HERE);
    assert.deepEqual([record?.count, record?.name], [weird.length, "number"]);
    await near.errors.record({ ...HERE, error: new Error("x".repeat(1_000_000)) });
  },

  "errors.record() refuses a subsystem that is no string": async ({ near }) => {
    const subsystem = 1 as unknown as string;
    await assert.rejects(near.errors.record({ subsystem, path: "a", error: 1 }), TypeError);
    assert.deepEqual(await open(near), []);
  },

  "errors.list() filters by subsystem and path": async ({ near }) => {
    for (const path of ["a", "a.b", "ab", ":"]) {
      await near.errors.record({ subsystem: "run", path, error: 1 });
    }
    await near.errors.record({ subsystem: "compile", path: "a.c", error: 1 });
    const list = (filter: object): Promise<string[]> =>
      collect(
        near.errors.list(filter),
        ({ subsystem, path }) => `${subsystem} ${formatPath(path)}`,
      );
    assert.deepEqual(await list({}), ["compile a.c", "run :", "run a", "run a.b", "run ab"]);
    assert.deepEqual(await list({ subsystem: "run", under: "a" }), ["run a", "run a.b"]);
    assert.deepEqual(await list({ under: "a" }), ["compile a.c", "run a", "run a.b"]);
    assert.deepEqual(await list({ subsystem: "none" }), []);
  },

  "errors.watch() tells of records as they open, resolve and go": async ({ near, far }) => {
    await near.errors.record({ ...HERE, error: "one" });
    const events = far.errors.watch({ subsystem: "tester" })[Symbol.asyncIterator]();
    assert.deepEqual((await take(events, 2)).map(told), ["open here.or.there 1", "ready 1"]);
    await near.errors.record({ subsystem: "other", path: "x", error: 1 });
    await near.errors.working(HERE);
    await near.errors.record({ ...HERE, error: "two" });
    await near.delete(near.system.error, { recursive: true });
    assert.deepEqual((await take(events, 3)).map(told), [
      "resolved here.or.there 1",
      "open here.or.there 2",
      "removed here.or.there",
    ]);
    await events.return?.();
  },

  "errors go on where somebody wrote something else": async ({ near }) => {
    const path = near.system.error.concat(["tester", "here", "or", "there"]);
    for (const junk of [1, { count: "many" }, { nodes: null }]) {
      await near.set(path, junk);
      assert.deepEqual(await open(near), []);
      assert.equal(await near.errors.get(HERE), undefined);
      assert.equal(await near.errors.working(HERE), undefined);
      assert.equal((await near.errors.record({ ...HERE, error: 1 })).count, 1);
    }
  },
};

function open(tree: Tree): Promise<ErrorRecord[]> {
  return collect(tree.errors.list(), id);
}

function id<T>(item: T): T {
  return item;
}

function told(event: ErrorEvent): string {
  switch (event.type) {
    case "record": {
      const { resolved, path, count } = event.record;
      return `${resolved === undefined ? "open" : "resolved"} ${formatPath(path)} ${count}`;
    }
    case "removed":
      return `removed ${formatPath(event.path)}`;
    case "ready":
      return `ready ${event.count}`;
    case "reset":
    case "stale":
    case "live":
    default:
      return event.type;
  }
}
