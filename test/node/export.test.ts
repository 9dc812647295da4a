import { expect, it } from "vitest";

import { MemoryEngine } from "../../src/engine/memory.ts";
import { exportEntries } from "../../src/node/export.ts";
import { Tree } from "../../src/tree/tree.ts";
import { parsePath } from "../../src/wire/path-text.ts";

it("exportEntries() names the entry that can't be read, and hides none", async () => {
  await using tree = Tree.over(new MemoryEngine());
  await tree.set("lab.a", 1);
  await tree.engine.put(parsePath("lab.b"), Uint8Array.of(0xff, 0xff));
  const pieces: string[] = [];
  const all = (async () => {
    for await (const piece of exportEntries(tree, parsePath("lab"), { format: "jsonl" })) {
      pieces.push(piece);
    }
  })();
  await expect(all).rejects.toMatchObject({
    code: "TREE_BAD_VALUE",
    message: expect.stringContaining("lab.b can't be read"),
  });
  expect(pieces.join("")).not.toContain("null");
});
