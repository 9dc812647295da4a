import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, test } from "vitest";

import { openLmdb } from "../../src/engine/lmdb.ts";
import { engineSuite } from "../../src/testing/engine-suite.ts";

describe("openLmdb()", () => {
  engineSuite({
    test,
    open: async ({ history, maxValueBytes }) => {
      const directory = await mkdtemp(join(tmpdir(), "banyan-lmdb-"));
      const options = {
        history,
        limits: maxValueBytes === undefined ? {} : { maxValueBytes },
      };
      let engine = await openLmdb(directory, options);
      return {
        engine,
        reopen: async () => {
          await engine.close();
          return (engine = await openLmdb(directory, options));
        },
        [Symbol.asyncDispose]: async () => {
          await engine.close();
          await rm(directory, { recursive: true });
        },
      };
    },
  });
});
