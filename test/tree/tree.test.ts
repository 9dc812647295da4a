import { describe, it } from "vitest";

import { MemoryEngine } from "../../src/engine/memory.ts";
import { treeSuite } from "../../src/testing/tree-suite.ts";
import { Tree } from "../../src/tree/tree.ts";

describe("Tree over MemoryEngine", () => {
  treeSuite({
    test: it,
    open: async () => {
      const engine = new MemoryEngine();
      const near = Tree.over(engine, { author: "near", ownsEngine: false });
      const far = Tree.over(engine, { author: "far", ownsEngine: false });
      return {
        near,
        far,
        [Symbol.asyncDispose]: async () => {
          await near.close();
          await far.close();
          await engine.close();
        },
      };
    },
  });
});
