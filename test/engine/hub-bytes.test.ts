/** What hubs and their clients say in requests of bytes alone. */
import { afterEach, describe, expect, it, vi } from "vitest";

import { memoryChannelPair } from "../../src/channel/memory.ts";
import type { WriteResult } from "../../src/engine/engine.ts";
import { HubService, serveEngine } from "../../src/engine/hub-server.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { byteCallsOf } from "../../src/remote/byte-calls.ts";
import { openSession, openSessionWith } from "../../src/remote/session.ts";
import { bytes, EventReader, path, put } from "../../src/testing/engine-suite-kit.ts";
import { TestHub } from "./hub-kit.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** How many requests of bytes alone it had, or made. */
function inBytes({ traced }: TestHub): number {
  return traced.filter(({ type, operation }) => type === "request" && operation === "bytes").length;
}

/** A hub of a version that had no such requests. */
function beOld(): void {
  const { hello } = HubService.prototype;
  vi.spyOn(HubService.prototype, "hello").mockImplementation(function (this: HubService, ask) {
    return { ...hello.call(this, ask), hasBytes: undefined };
  });
}

describe("a hub", () => {
  it("takes small writes and reads as bytes, and large writes as calls", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const called = vi.spyOn(HubService.prototype, "put");
    const client = await hub.client();
    const first = await client.put(path("a"), bytes("1"), { author: "ann" });
    expect(first).toEqual({ revision: 1, previous: undefined });
    const entry = { path: path("a"), revision: 1, author: "ann", value: bytes("1") };
    expect(await client.get(path("a"))).toMatchObject(entry);
    expect(inBytes(hub)).toBe(2);
    const second = await client.put(path("a"), new Uint8Array(20_000), { ifRevision: 1 });
    expect(second.previous).toMatchObject(entry);
    expect([inBytes(hub), called.mock.calls.length]).toEqual([2, 1]);
    const third = await client.delete(path("a"));
    expect(third.previous?.value).toEqual(new Uint8Array(20_000));
  });

  it("tells small news as bytes, and large ones in calls", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const client = await hub.client();
    const reader = new EventReader(client.watch(path("a")));
    await reader.show("ready");
    const before = inBytes(hub);
    await put(hub.engine, "a.small", "1");
    expect(await reader.next()).toMatchObject({ type: "put", entry: { value: bytes("1") } });
    expect(inBytes(hub)).toBe(before + 1);
    const large = new Uint8Array(20_000).fill(7);
    await hub.engine.put(path("a.large"), large);
    expect(await reader.next()).toMatchObject({ type: "put", entry: { value: large } });
    await hub.engine.delete(path("a.large"));
    expect(await reader.next()).toMatchObject({ type: "delete" });
    expect(inBytes(hub)).toBe(before + 2);
    await reader.stop();
  });

  it("that knows no such requests is sent objects, and so are its clients", async () => {
    beOld();
    await using hub = new TestHub(new MemoryEngine());
    const client = await hub.client();
    const reader = new EventReader(client.watch(path("a")));
    await reader.show("ready");
    await put(client, "a", "1");
    expect(await reader.next()).toMatchObject({ type: "put", entry: { value: bytes("1") } });
    expect((await client.get(path("a")))?.value).toEqual(bytes("1"));
    const { previous } = await client.delete(path("a"), { ifRevision: 1 });
    expect(previous?.value).toEqual(bytes("1"));
    expect(await reader.next()).toMatchObject({ type: "delete" });
    expect(inBytes(hub)).toBe(0);
    await reader.stop();
  });

  it("offers them to a client whose first question is there before the hub has looked", async () => {
    const [nearChannel, farChannel] = memoryChannelPair();
    const engine = new MemoryEngine();
    const { exports, begin, end } = serveEngine(engine, { pid: 1, epoch: "1" });
    farChannel.pause();
    const opening = openSessionWith(farChannel, { exports, plain: "copy" }, begin);
    const near = await openSession(nearChannel, { plain: "copy" });
    const hello = near.remote<HubService, "copy">("engine").hello({});
    // It has left by then.
    await new Promise((resolve) => setImmediate(resolve));
    farChannel.resume();
    expect(await hello).toMatchObject({ hasBytes: true });
    await near.close();
    await (
      await opening
    ).closed;
    end();
    await engine.close();
  });

  it("refuses bytes that ask nothing, or are no write or question, and goes on", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const client = await hub.client();
    const session = await hub.connect();
    const ask = (...sent: number[]): Promise<unknown> =>
      byteCallsOf(session).ask((writer) => writer.bytes(Uint8Array.from(sent)));
    await expect(ask()).rejects.toThrow("nothing is asked");
    await expect(ask(9, 1)).rejects.toThrow("nothing is asked with 9");
    await expect(ask(0)).rejects.toMatchObject({ code: "WIRE_MALFORMED" });
    await expect(ask(0, 1, 2, 0xff, 0xff)).rejects.toMatchObject({ code: "WIRE_BAD_PATH" });
    await expect(ask(1, 9, 9)).rejects.toThrow("the question is cut off");
    expect(await put(client, "a", "1")).toBe(1);
    await session.close();
  });

  it("is told nothing by a client whose watch has ended meanwhile", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const client = await hub.client();
    const ended = new EventReader(client.watch(path("a")));
    const other = new EventReader(client.watch(path("a")));
    await Promise.all([ended.show("ready"), other.show("ready")]);
    // On its way when the watch ends.
    const writing = put(hub.engine, "a", "1");
    await ended.stop();
    await writing;
    expect(await other.next()).toMatchObject({ type: "put" });
    expect(await put(client, "a", "2")).toBe(2);
    await other.stop();
  });
});

/** Whose first answer is lost with the hub. */
async function lossy(): Promise<TestHub> {
  const hub = new TestHub(new MemoryEngine());
  const { engine } = hub;
  const plain = engine.put.bind(engine);
  engine.put = async (): Promise<WriteResult> => {
    engine.put = plain;
    hub.breakAll();
    return { revision: 0, previous: undefined };
  };
  return hub;
}

describe("a client's write", () => {
  it.each([100, 20_000])(
    "of %i bytes is sent again as it was, whatever became of the caller's array",
    async (size) => {
      await using hub = await lossy();
      const client = await hub.client();
      const value = new Uint8Array(size).fill(1);
      const written = client.put(path("a"), value);
      value.fill(2);
      await written;
      expect((await hub.engine.get(path("a")))?.value).toEqual(new Uint8Array(size).fill(1));
    },
  );

  it("that waits for a hub is sent as it was, too", async () => {
    await using hub = new TestHub(new MemoryEngine());
    const client = await hub.client();
    const reader = new EventReader(client.watch(path("a")));
    await reader.show("ready");
    hub.refusal = new Error("no hub");
    hub.breakAll();
    await reader.show("stale");
    const value = new Uint8Array(100).fill(1);
    const written = client.put(path("a"), value);
    value.fill(2);
    hub.refusal = undefined;
    await written;
    expect((await hub.engine.get(path("a")))?.value).toEqual(new Uint8Array(100).fill(1));
    await reader.stop();
  });
});
