import { expect, it } from "vitest";

import type { EngineWatch } from "../../src/engine/engine.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { Tree } from "../../src/tree/tree.ts";

it.each([
  [{ after: 5 }, TypeError],
  [{ after: null }, TypeError],
  [{ after: { revision: 1 } }, TypeError],
  [{ after: { store: "a", revision: -1 } }, TypeError],
  [{ after: { store: "a", revision: 1.5 } }, TypeError],
  [{ maxBacklog: 0 }, RangeError],
  [{ maxBacklog: Number.NaN }, RangeError],
  [{ minDepth: 2, maxDepth: 1 }, RangeError],
  [{ from: 1 }, TypeError],
])("watch() refuses %o before it begins", async (options, error) => {
  await using tree = Tree.over(new MemoryEngine());
  expect(() => tree.watch("a", options as never)).toThrow(error);
});

it.each([
  [{ maxBacklog: 0 }, RangeError],
  [{ maxBacklog: Number.NaN }, RangeError],
  [{ group: 5 }, TypeError],
])("subscribe() refuses %o before it begins", async (options, error) => {
  await using tree = Tree.over(new MemoryEngine());
  expect(() => tree.subscribe("a", options as never)).toThrow(error);
});

/** As an engine that is no feed gives them: guarded, or with conversions. */
class ReadOnlyEngine extends MemoryEngine {
  override watch(...args: Parameters<MemoryEngine["watch"]>): EngineWatch {
    const watch = super.watch(...args);
    return {
      get cursor() {
        return watch.cursor;
      },
      [Symbol.asyncIterator]: () => watch[Symbol.asyncIterator](),
      [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
    };
  }
}

it.each([
  ["a feed", new MemoryEngine()],
  ["no feed", new ReadOnlyEngine()],
])(
  "next() of a watch over %s may be asked ahead: each gets its own event, and the rest the end",
  async (_, engine) => {
    await using tree = Tree.over(engine);
    const watch = tree.watch("a");
    const asked = Array.from({ length: 5 }, () => watch.next());
    expect((await asked[0])?.value).toMatchObject({ type: "ready" });
    await Promise.all([tree.set("a.b", 1), tree.set("a.c", 2)]);
    const { revision } = await tree.set("a.b", 3);
    const got = await Promise.all(asked.slice(1, 4));
    expect(got.map(({ value }) => value?.type === "put" && value.entry.value)).toEqual([1, 2, 3]);
    expect(watch.cursor.revision).toBe(revision);
    await watch.close();
    expect(await asked[4]).toEqual({ done: true, value: undefined });
    expect(await watch.next()).toEqual({ done: true, value: undefined });
  },
);
