import { describe, expect, it } from "vitest";

import { MemoryEngine } from "../../src/engine/memory.ts";
import { runNode } from "../../src/node/node.ts";
import { Tree } from "../../src/tree/tree.ts";

describe("runNode()", () => {
  it.each<[object, typeof TypeError | typeof RangeError, RegExp]>([
    [{ nam: "n" }, TypeError, /^runNode has no option "nam" \(did you mean name\?\)$/],
    [{ name: undefined }, TypeError, /^a node's name must be .*, not nothing$/],
    [{ name: 5 }, TypeError, /^a node's name must be .*, not number 5$/],
    [{ name: "" }, RangeError, /^a node's name must be .*, not the string ""$/],
    [{ name: "-" }, RangeError, /^a node's name must be .*, not the string "-"$/],
    [
      { name: "x".repeat(200) },
      RangeError,
      /^a node's name must be text of|a name: text of 1 to 128/,
    ],
    [{ tree: undefined }, TypeError, /^runNode takes a Tree, as open\(\) gives it, not nothing$/],
    [{ tree: "memory:" }, TypeError, /^runNode takes a Tree/],
    [{ groups: "g" }, TypeError, /^a node's groups are a list, not the string "g"$/],
    [{ groups: [5] }, TypeError, /^a group's name must be .*, not number 5$/],
    [{ groups: ["-"] }, RangeError, /^a group's name must be /],
    [{ types: ["some"] }, TypeError, /^a node's types are among single, any, all, not the string/],
    [{ labels: { gpu: 1 } }, TypeError, /^the label gpu of a node is text, not number 1$/],
    [{ labels: ["gpu"] }, TypeError, /^a node's labels are an object of texts, not an array$/],
    [{ slots: -1 }, RangeError, /^a node's slots is a whole number from 0, not number -1$/],
    [{ keepRuns: "all" }, RangeError, /^a node's keepRuns is a whole number from 0/],
    [{ startSpacingMs: NaN }, RangeError, /^a node's startSpacingMs is from 0, not number NaN$/],
    [
      { lease: { lenght: 5 } },
      TypeError,
      /lease has no option "lenght" \(did you mean length\?\)$/,
    ],
    [{ lease: { length: 0 } }, RangeError, /^a lease's length is seconds above 0, not number 0$/],
    [{ lane: { stalMs: 5 } }, TypeError, /lane has no option "stalMs" \(did you mean stallMs\?\)$/],
  ])("refuses %j and writes nothing", async (odd, kind, says) => {
    await using tree = Tree.over(new MemoryEngine());
    const running = runNode({ tree, name: "n1", ...odd });
    await expect(running).rejects.toThrow(kind);
    await expect(running).rejects.toThrow(says);
    for await (const entry of tree.walk(":")) expect(entry).toBeUndefined();
  });

  it("refuses to be called with nothing", async () => {
    await expect((runNode as () => Promise<unknown>)()).rejects.toThrow(
      /^the options of runNode are an object, not nothing$/,
    );
  });
});
