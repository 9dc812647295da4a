import { describe, expect, it, vi } from "vitest";

import { MemoryEngine } from "../../src/engine/memory.ts";
import { TreeConfig } from "../../src/tree/config.ts";
import { Tree } from "../../src/tree/tree.ts";

describe("TreeConfig", () => {
  it("CF1: has a setting that another client wrote as soon as its revision has come", async () => {
    const engine = new MemoryEngine();
    await using writer = Tree.over(engine);
    await using tree = Tree.over(engine, { ownsEngine: false });
    await using config = await TreeConfig.open(tree, { defaults: { place: "hall", __proto__: 1 } });
    expect([config.get("hoo"), config.get("place"), config.get("toString")]).toEqual([
      undefined,
      "hall",
      undefined,
    ]);
    const changed = vi.fn<() => void>();
    using _listener = config.subscribe(changed);
    const { revision } = await writer.set(":.banyan.config.hoo", { a: [1n] });
    await config.waitFor(revision);
    expect(config.get("hoo")).toEqual({ a: [1n] });
    expect(changed).toHaveBeenCalledTimes(1);

    await config.waitFor((await config.set("place", "attic")).revision);
    expect(config.all()).toEqual({ hoo: { a: [1n] }, place: "attic" });
    await config.waitFor((await config.delete("place")).revision);
    await config.waitFor((await config.delete("hoo")).revision);
    expect(config.all()).toEqual({ place: "hall" });
  });

  it("leaves out what can't be decoded and what is no name", async () => {
    await using tree = Tree.over(new MemoryEngine());
    await using config = await TreeConfig.open(tree, { defaults: { bad: "default" } });
    const at = tree.system.config;
    await tree.engine.put(at.append("bad"), Uint8Array.of(0xff, 0xff));
    await tree.set(at.append(5), 1);
    await config.waitFor((await tree.set(at.concat(["deep", "er"]), 1)).revision);
    expect(config.all()).toEqual({ bad: "default" });
    await expect(TreeConfig.open(tree, { default: {} } as object)).rejects.toThrow(TypeError);
  });
});
