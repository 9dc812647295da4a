import { describe, expect, test } from "vitest";

import { NodeError } from "../../src/base/errors.ts";
import type { Engine, EngineEvent } from "../../src/engine/engine.ts";
import { HUB_EXPORT, type HubService } from "../../src/engine/hub-server.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { engineSuite } from "../../src/testing/engine-suite.ts";
import {
  bytes,
  EventReader,
  path,
  put,
  rejectsWith,
  soon,
} from "../../src/testing/engine-suite-kit.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { TestHub } from "./hub-kit.ts";

describe("HubEngine", () => {
  engineSuite({
    test,
    open: async ({ history, maxValueBytes }) => {
      const hub = new TestHub(
        new MemoryEngine({
          ...(history !== undefined && { history }),
          ...(maxValueBytes !== undefined && { limits: { maxValueBytes } }),
        }),
      );
      return {
        engine: await hub.client(),
        another: () => hub.client(),
        [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose](),
      };
    },
  });

  test("writes and watches survive a hub that dies again and again", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const [writer, follower] = await Promise.all([hub.client(), hub.client()]);
    const reader = new EventReader(follower.watch(path("a")));
    await reader.show("ready");
    const revisions: number[] = [];
    const work = async (worker: number): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        revisions.push(await put(writer, `a:${worker}`, `${i}`));
        if (revisions.length % 50 === 0) hub.breakAll();
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, worker) => work(worker)));
    const seen: EngineEvent[] = [];
    const last = Math.max(...revisions);
    const isLast = (event: EngineEvent): boolean =>
      event.type === "put" && event.entry.revision === last;
    seen.push(...(await reader.until(isLast)));
    const puts = seen.flatMap((event) => (event.type === "put" ? [event.entry.revision] : []));
    expect(puts).toEqual(revisions.toSorted((a, b) => a - b));
    const marks = seen.map(({ type }) => type).filter((type) => type !== "put");
    expect(marks.length).toBeGreaterThan(2);
    expect(marks.slice(0, 4)).toEqual(["stale", "live", "stale", "live"]);
  });

  test("put() whose answer is lost is applied once", async () => {
    const engine = new MemoryEngine();
    await using hub = new TestHub(engine);
    const write = engine.put.bind(engine);
    let writes = 0;
    engine.put = async (...args) => {
      const result = await write(...args);
      if (++writes === 1) hub.breakAll();
      return result;
    };
    const client = await hub.client();
    const { revision, previous } = await client.put(path("a"), bytes("1"), { ifRevision: 0 });
    expect(writes).toBe(2);
    expect({ revision, previous }).toEqual({ revision: 1, previous: undefined });
  });

  test("what waits is told why at once where one hub after the other can't start, and later calls find another", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const clock = new ManualClock();
    const client = await hub.client({ clock });
    const settled = new EventReader(client.watch(path("a")));
    await settled.show("ready");
    hub.breakAll();
    const tries = { inRow: 0 };
    Object.defineProperty(hub, "refusal", {
      configurable: true,
      get: () =>
        new NodeError("NODE_HUB_FAILED", "it is damaged", { details: { inRow: ++tries.inRow } }),
    });
    while (tries.inRow === 0) await clock.advanceAsync(10);
    const begun = new EventReader(client.watch(path("b")));
    const told = Promise.allSettled([
      client.get(path("a")),
      put(client, "a", "1"),
      begun.show("ready"),
    ]);
    while (tries.inRow < 3) await clock.advanceAsync(100);
    const reasons = (await told).map((one) => one.status === "rejected" && String(one.reason));
    expect(reasons).toEqual([
      "EngineError: no hub could be reached: it is damaged",
      "EngineError: no hub could be reached: it is damaged",
      "NodeError: it is damaged",
    ]);
    Object.defineProperty(hub, "refusal", { value: undefined });
    const later = put(client, "a", "2");
    await clock.advanceAsync(5_000);
    expect(await later).toBe(1);
    await settled.show("put");
  });

  test("publish() whose answer is lost is not sent again", async () => {
    const engine = new MemoryEngine();
    await using hub = new TestHub(engine);
    let messages = 0;
    engine.publish = async () => {
      messages++;
      hub.breakAll();
    };
    const client = await hub.client();
    await expect(client.publish(path("a"), bytes("1"))).rejects.toMatchObject({
      code: "ENGINE_AMBIGUOUS",
    });
    expect(messages).toBe(1);
  });

  test("a watch whose first entries were cut off starts over", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const client = await hub.client();
    const write = (i: number): Promise<number> => put(client, `a:${i}`, `${i}`);
    await Promise.all(Array.from({ length: 8_000 }, (_, i) => write(i)));
    const reader = new EventReader(client.watch(path("a")));
    expect((await reader.next())?.type).toBe("put");
    hub.breakAll();
    const events = await reader.until((event) => event.type === "live");
    const types = events.map(({ type }) => type);
    const reset = types.indexOf("reset");
    expect(types.indexOf("stale")).toBeLessThan(reset);
    expect(types.slice(-2)).toEqual(["ready", "live"]);
    expect(types.slice(reset).filter((type) => type === "put")).toHaveLength(8_000);
  });

  test("a watch of a store that is still empty goes on without a reset", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const client = await hub.client();
    const reader = new EventReader(client.watch(path("a")));
    expect(await reader.show("ready")).toEqual(["ready"]);
    hub.breakAll();
    expect(await reader.show("live")).toEqual(["stale", "live"]);
    await put(client, "a", "1");
    expect(await reader.show("put")).toEqual(["put a=1"]);
  });

  test("subscribe() hears again after the hub was replaced", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const client = await hub.client();
    await using messages = client.subscribe(path("a"));
    await messages.ready;
    hub.breakAll();
    await client.get(path("a"));
    // The subscription was sent before this, on the same session.
    await client.publish(path("a"), bytes("1"));
    const first = await soon(messages[Symbol.asyncIterator]().next(), "the message");
    expect(first.done).toBe(false);
  });

  test("operations give up when no hub can be reached", async () => {
    const engine = new MemoryEngine();
    await using hub = new TestHub(engine);
    const clock = new ManualClock();
    const client = await hub.client({ clock, giveUpMs: 5_000 });
    engine.put = async () => {
      hub.refusal = new Error("no hub here");
      hub.breakAll();
      return { revision: 0, previous: undefined };
    };
    const write = client.put(path("a"), bytes("1"), { operation: "op-1" });
    const written = rejectsWith(write, "ENGINE_AMBIGUOUS");
    await until(clock, () => hub.attempts > 1);
    const read = rejectsWith(client.get(path("a")), "ENGINE_UNAVAILABLE");
    await clock.advanceAsync(5_000);
    expect((await written).details).toEqual({ operation: "op-1" });
    expect((await read).message).toContain("no hub here");
    hub.refusal = undefined;
    await clock.advanceAsync(1_000);
    expect(await client.get(path("a"))).toBeUndefined();
  });

  test("a hub that is frozen is noticed within four seconds and replaced", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const clock = new ManualClock();
    const client = await hub.client({ clock });
    await put(client, "a", "1");
    const reader = new EventReader(client.watch(path("a")));
    await reader.show("ready");
    hub.freezeAll();
    const write = put(client, "a", "2");
    // Step by step: a clock that jumps looks like this process being frozen itself.
    for (let i = 0; i < 9; i++) await clock.advanceAsync(500);
    expect(await write).toBe(2);
    expect(await reader.show("live")).toEqual(["stale", "live"]);
    expect(await reader.show("put")).toEqual(["put a=2"]);
  });

  test("a hub that drops each session at once is asked with pauses", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const clock = new ManualClock();
    const client = await hub.client({ clock });
    const connect = hub.connect.bind(hub);
    hub.connect = async () => {
      const session = await connect();
      void session
        .remote<{ hello(): unknown }>("engine")
        .hello()
        .then(() => hub.breakAll());
      return session;
    };
    hub.breakAll();
    for (let i = 0; i < 100; i++) await clock.advanceAsync(10);
    // A second of it: 0, 20, 50, then every 100 ms, give or take; without pauses it would be hundreds.
    expect(hub.attempts).toBeGreaterThan(3);
    expect(hub.attempts).toBeLessThan(25);
    await client.close();
  });

  test("an idle client of a hub that is frozen leaves it alone", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const clock = new ManualClock();
    await hub.client({ clock });
    hub.freezeAll();
    for (let i = 0; i < 20; i++) await clock.advanceAsync(500);
    expect(hub.attempts).toBe(1);
  });

  test("close() ends operations that wait for a hub", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const client = await hub.client();
    hub.refusal = new Error("no hub here");
    hub.breakAll();
    const read = rejectsWith(client.get(path("a")), "ENGINE_CLOSED");
    await client.close();
    await read;
  });

  test("open() fails as connect does, and leaves nothing behind", async () => {
    await using hub = new TestHub(new MemoryEngine());
    hub.refusal = new Error("no hub here");
    await expect(hub.client()).rejects.toBe(hub.refusal);
  });

  test("open() refuses a hub of another protocol", async () => {
    const engine: Engine = new MemoryEngine();
    await using hub = new TestHub(engine);
    Object.defineProperty(engine, "supports", { value: engine.supports });
    const { HubService } = await import("../../src/engine/hub-server.ts");
    const { hello } = HubService.prototype;
    HubService.prototype.hello = function other() {
      return { ...hello.call(this), protocol: 99 };
    };
    try {
      await expect(hub.client()).rejects.toMatchObject({ code: "ENGINE_UNSUPPORTED" });
    } finally {
      HubService.prototype.hello = hello;
    }
  });

  test("a client's streams have numbers of their own, and so end with its session", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const session = await hub.connect();
    const service = session.remote<HubService, "copy">(HUB_EXPORT);
    await service.watch(1, path("a"), {}, () => {});
    for (const again of [
      service.watch(1, path("b"), {}, () => {}),
      service.subscribe(1, path("b"), () => {}),
    ]) {
      await expect(again).rejects.toMatchObject({ message: "there is a stream of that number" });
    }
    await service.stop(1);
    await service.watch(1, path("b"), {}, () => {});
  });

  test("streams that have ended leave no reference on either side", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const client = await hub.client();
    const reader = new EventReader(client.watch(path("a")));
    await reader.show("ready");
    const messages = client.subscribe(path("a"));
    await messages.ready;
    const [connection] = hub.connections;
    expect(connection?.near.stats().exports).toBeGreaterThan(0);
    await reader.stop();
    await messages[Symbol.asyncDispose]();
    for (let i = 0; i < 3; i++) await client.get(path("a"));
    expect(connection?.near.stats().exports).toBe(0);
    expect(connection?.far.stats().imports).toBe(0);
  });
});

/** Lets time pass in small steps until it is so. */
async function until(clock: ManualClock, is: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !is(); i++) await clock.advanceAsync(10);
  expect(is()).toBe(true);
}
