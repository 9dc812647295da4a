import { describe, test } from "vitest";

import { MemoryEngine } from "../../src/engine/memory.ts";
import { engineSuite } from "../../src/testing/engine-suite.ts";

describe("MemoryEngine", () => {
  engineSuite({
    test,
    open: async ({ history, maxValueBytes }) => {
      const engine = new MemoryEngine({
        ...(history !== undefined && { history }),
        ...(maxValueBytes !== undefined && { limits: { maxValueBytes } }),
      });
      return { engine, [Symbol.asyncDispose]: () => engine.close() };
    },
  });
});
