import { describe, expect, it } from "vitest";

import { checkName, isName } from "../../src/runner/names.ts";
import { Cluster } from "./cluster.ts";

describe("checkName()", () => {
  it.each(["n1", "a b", "a.b:c", "ä", "😀", "--", "x".repeat(128)])("takes %j", (name) => {
    expect(isName(name)).toBe(true);
    expect(() => checkName(name, "a node's name")).not.toThrow();
  });

  it.each(["", "-", "x".repeat(129), "a\ud800"])("refuses %j", (name) => {
    expect(isName(name)).toBe(false);
    expect(() => checkName(name, "a node's name")).toThrow(RangeError);
  });

  it.each([undefined, null, 5, ["n1"], {}])("refuses %j, which is no text", (name) => {
    expect(() => checkName(name, "a node's name")).toThrow(TypeError);
  });
});

describe("Runner.open()", () => {
  it.each([
    [{ name: "-" }, /^a node's name must be .*, not the string "-"$/],
    [{ name: 5 as unknown as string }, /^a node's name must be .*, not number 5$/],
    [{ groups: [""] }, /^a group's name must be .*, not the string ""$/],
    [
      { groups: "g" as unknown as string[] },
      /^a node's groups are a list of names, not the string "g"$/,
    ],
  ])("refuses %j and writes nothing", async (options, says) => {
    await using cluster = await Cluster.open();
    await expect(cluster.start("n1", options)).rejects.toThrow(says);
    for await (const entry of cluster.tree.walk(":")) expect(entry).toBeUndefined();
  });
});
