import { expect, it } from "vitest";

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
