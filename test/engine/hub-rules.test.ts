import { describe, expect, it } from "vitest";

import { RulesHere } from "../rules-here.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { HUB_EXPORT } from "../../src/engine/hub-server.ts";
import type { HubService } from "../../src/engine/hub-server.ts";
import { RuledEngine } from "../../src/tree/rules/ruled-engine.ts";
import { Path } from "../../src/wire/path.ts";
import { Tree } from "../../src/tree/tree.ts";
import { INT, INT_CODEC, refusal } from "../rule-examples.ts";
import { TestHub } from "./hub-kit.ts";

async function ruledHub(): Promise<TestHub> {
  const engine = await RuledEngine.open(new MemoryEngine(), new RulesHere());
  return new TestHub(engine);
}

describe("HubEngine and a hub with rules", () => {
  it("a client hears why a write is refused, and asks for violations page by page", async () => {
    await using hub = await ruledHub();
    const tree = Tree.over(await hub.client());
    const values = Array.from({ length: 1_500 }, (_, n) => (n % 500 === 0 ? "old" : n));
    await Promise.all(values.map((value, n) => tree.set(`a.${n}`, value)));
    await tree.rules.types.set("int", INT);
    await tree.rules.matches.set("a.+", { type: "int" });
    const error = await refusal(tree.set("a.x", "y"));
    expect(error).toMatchObject({ name: "TreeError", code: "TREE_RULE_VIOLATED" });
    const found = await tree.rules.check().toArray();
    expect(found.map(({ path }) => String(path)).sort()).toEqual(["a.0", "a.1000", "a.500"]);
    hub.breakAll();
    expect(await tree.rules.check("a.500").toArray()).toHaveLength(1);
    expect(await tree.rules.test("y", { path: "a.x" })).toMatchObject({ fits: false });
  });

  it("a client with a set of conversions has it after every loss of the hub too", async () => {
    await using hub = await ruledHub();
    const tree = Tree.over(await hub.client());
    await tree.rules.codecs.set("int", INT_CODEC);
    await tree.rules.conversions("foo").set("a.+", { codec: "int" });
    const con = Tree.over(await hub.client({ request: { codecs: "foo" } }));
    const watch = con.watch("a", { current: false });
    await con.set("a.x", "1");
    hub.breakAll();
    await con.set("a.x", "2");
    expect([await con.get("a.x"), await tree.get("a.x")]).toEqual(["2", 2]);
    const values: unknown[] = [];
    for await (const event of watch) {
      if (event.type === "put" && values.push(event.entry.value) === 2) break;
    }
    expect(values).toEqual(["1", "2"]);
    await con.set("a.y", "3");
    expect((await con.list("a").toArray()).map(({ entry }) => entry?.value)).toEqual(["2", "3"]);
    expect((await con.history("a.x")).map(({ value }) => value)).toEqual(["2", "1"]);
  });

  it("bears whatever a client asks of rules and conversions", async () => {
    await using hub = await ruledHub();
    const session = await hub.connect();
    const service = session.remote<HubService, "copy">(HUB_EXPORT);
    await expect(service.hello({ codecs: 7 as never })).rejects.toThrow("named by a string");
    await expect(service.violations("a" as never, undefined)).rejects.toThrow("must be a Path");
    const bytes = new Uint8Array();
    for (const [target, value] of [
      [{}, bytes],
      [{ path: "a" }, bytes],
      [{ type: Path.root }, 1],
      [null, bytes],
    ])
      await expect(service.testRule(target as never, value as never)).rejects.toThrow(
        /must be|null/,
      );
    await service.hello({ codecs: "foo" });
    await expect(service.hello({ codecs: "bar" })).rejects.toThrow("has one set");
    await expect(service.reading(1, () => {})).rejects.toThrow("nobody may read");
    await using plain = new TestHub(new MemoryEngine());
    const without = plain.client({ request: { codecs: "foo" } });
    expect((await refusal(without)).code).toBe("ENGINE_UNSUPPORTED");
    const tree = Tree.over(await plain.client());
    expect((await refusal(tree.rules.check().toArray())).code).toBe("ENGINE_UNSUPPORTED");
    const tried = tree.rules.test(1, { path: "a" });
    expect((await refusal(tried)).code).toBe("ENGINE_UNSUPPORTED");
    await session.close();
  });
});
