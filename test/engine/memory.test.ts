import { describe, expect, test } from "vitest";

import { MemoryEngine } from "../../src/engine/memory.ts";
import { engineSuite } from "../../src/testing/engine-suite.ts";
import { EventReader, path, put } from "../../src/testing/engine-suite-kit.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

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

  test("forgets changes that are too old, and a watch from before them begins anew", async () => {
    const clock = new ManualClock();
    await using engine = new MemoryEngine({ clock, historyMs: 60_000 });
    const { store } = engine;
    for (let i = 0; i < 5; i++) await put(engine, "a", `${i}`);
    clock.advance(50_000);
    await put(engine, "a", "young");
    clock.advance(20_000);
    await put(engine, "a", "now");
    const old = new EventReader(engine.watch(path("a"), { after: { store, revision: 4 } }));
    expect(await old.show("live")).toEqual(["reset history", "put a=now", "ready", "live"]);
    const young = new EventReader(engine.watch(path("a"), { after: { store, revision: 5 } }));
    expect(await young.show("live")).toEqual(["put a=young", "put a=now", "live"]);
  });

  test("no more than 64 MiB of messages wait for a reader, or for a group", async () => {
    await using engine = new MemoryEngine();
    await using one = engine.subscribe(path("a"));
    await using member = engine.subscribe(path("a"), { group: "g" });
    const data = new Uint8Array(4 * 1024 * 1024);
    for (let i = 0; i < 20; i++) await engine.publish(path("a"), data);
    expect([one.dropped, member.dropped]).toEqual([4, 4]);
    for (const lazy of [one, member]) {
      const heard = await Promise.all(
        Array.from({ length: 16 }, () => lazy[Symbol.asyncIterator]().next()),
      );
      expect(heard.every(({ value }) => value?.data.length === data.length)).toBe(true);
    }
    for (let i = 0; i < 16; i++) await engine.publish(path("a"), data);
    expect([one.dropped, member.dropped]).toEqual([4, 4]);
  });
});
