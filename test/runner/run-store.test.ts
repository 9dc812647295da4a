import { describe, expect, it } from "vitest";

import { MemoryEngine } from "../../src/engine/memory.ts";
import type { Run } from "../../src/runner/job.ts";
import { RunStore } from "../../src/runner/run-store.ts";
import { Tree } from "../../src/tree/tree.ts";
import { parsePath } from "../../src/wire/path-text.ts";

const AT = { slot: "-", path: parsePath("my.job") };
const LINES = [{ time: 1, level: "info", text: "hello" }] as const;

function runOf(job: string, token: number): Run {
  const facts = { node: "n1", code: "key", reason: "first", started: 1, params: {} } as const;
  return { ...facts, id: String(token), job: parsePath(job), token };
}

describe("RunStore.prune()", () => {
  it("deletes old runs with their lines, and lines whose run was never recorded", async () => {
    await using tree = Tree.over(new MemoryEngine());
    const store = new RunStore(tree);
    const { revision } = await tree.set("owner", 1);
    const fence = { path: parsePath("owner"), revision };
    for (const token of [10, 20, 30, 40]) {
      await store.writeLines(AT, token, { index: 0, lines: LINES, fence });
      if (token !== 20) await store.write("-", runOf("my.job", token), fence);
    }
    // It runs, and its record is on its way.
    await store.writeLines(AT, 50, { index: 0, lines: LINES, fence });
    // A job whose name goes on with a number, and one whose name goes on like a log.
    const others = [parsePath("my.job:25"), parsePath("my.job:25.log")];
    for (const path of others) await store.write("-", { ...runOf("x", 7), job: path }, fence);

    await store.prune(AT, 2);
    expect((await store.list(AT)).map(({ token }) => token)).toEqual([30, 40]);
    const left = await Promise.all([10, 20, 30, 40, 50].map((token) => store.lines(AT, token)));
    expect(left.map(({ length }) => length)).toEqual([0, 0, 1, 1, 1]);
    for (const path of others) expect(await store.list({ slot: "-", path })).toHaveLength(1);

    await store.prune(AT, 0);
    expect(await store.list(AT)).toEqual([]);
    expect(await store.lines(AT, 50)).toEqual([]);
    for (const path of others) expect(await store.list({ slot: "-", path })).toHaveLength(1);
  });
});
