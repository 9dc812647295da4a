/** Writes that a client sends again because the answer was lost, over a store that has their names in its log. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";

import type { WriteOptions, WriteResult } from "../../src/engine/engine.ts";
import { type LmdbEngine, openLmdb } from "../../src/engine/lmdb.ts";
import { bytes, EventReader, path, put, rejectsWith } from "../../src/testing/engine-suite-kit.ts";
import { TestHub } from "./hub-kit.ts";

/** A hub over LMDB, and what its engine was told to write. */
class Fixture implements AsyncDisposable {
  readonly engine: LmdbEngine;
  readonly hub: TestHub;
  /** The options of each `put` that reached it, oldest first. */
  readonly sent: WriteOptions[] = [];
  /** Awaited behind the next write, before its answer leaves. */
  afterNext: (() => Promise<void> | void) | undefined;
  readonly #folder: string;

  constructor(folder: string, engine: LmdbEngine) {
    this.#folder = folder;
    this.engine = engine;
    this.hub = new TestHub(engine);
    const plain = engine.put.bind(engine);
    engine.put = async (at, value, options): Promise<WriteResult> => {
      this.sent.push(options ?? {});
      const result = await plain(at, value, options);
      const after = this.afterNext;
      this.afterNext = undefined;
      await after?.();
      return result;
    };
  }

  static async open(history?: number): Promise<Fixture> {
    const folder = await mkdtemp(join(tmpdir(), "banyan-repeats-"));
    return new Fixture(folder, await openLmdb(join(folder, "store"), { history }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hub[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

test("a write whose answer was lost is applied once, and gives what it came to", async () => {
  await using fixture = await Fixture.open();
  const { hub, sent } = fixture;
  const client = await hub.client();
  const first = await put(client, "a", "1");
  fixture.afterNext = () => hub.breakAll();
  const result = await client.put(path("a"), bytes("2"), { ifRevision: first });
  expect(result).toMatchObject({ revision: first + 1, previous: { revision: first } });
  expect(fixture.engine.revision).toBe(first + 1);
  // Nobody looked for the names of those that were sent for the first time.
  expect(sent.map(({ repeats }) => repeats)).toEqual([false, false, first]);
  // What is sent now is not sent again.
  await put(client, "a", "3");
  expect(sent.at(-1)?.repeats).toBe(false);
});

test("a write that was lost before it was applied is applied when it is sent again", async () => {
  await using fixture = await Fixture.open();
  const { engine, hub } = fixture;
  const client = await hub.client();
  await put(client, "a", "1");
  const lossy = engine.put.bind(engine);
  engine.put = async () => {
    engine.put = lossy;
    hub.breakAll();
    return { revision: 0, previous: undefined };
  };
  expect(await put(client, "a", "2")).toBe(2);
  expect(fixture.sent.at(-1)?.repeats).toBe(1);
});

test("a write is ambiguous where the log has forgotten what came behind its first sending", async () => {
  await using fixture = await Fixture.open(10);
  const { engine, hub } = fixture;
  const client = await hub.client();
  fixture.afterNext = async () => {
    for (let i = 0; i < 3; i++) {
      await Promise.all(Array.from({ length: 300 }, () => put(engine, "b", `${i}`)));
    }
    hub.breakAll();
  };
  const { details } = await rejectsWith(client.put(path("a"), bytes("1")), "ENGINE_AMBIGUOUS");
  expect(details).toEqual({ operation: fixture.sent[0]?.operation });
  expect(engine.revision).toBe(901);
  // A name that a caller gave is remembered for as long as it says, whatever the log has forgotten.
  const named = { operation: "mine" };
  const { revision } = await client.put(path("a"), bytes("2"), named);
  for (let i = 0; i < 3; i++) {
    await Promise.all(Array.from({ length: 300 }, () => put(engine, "b", `${i}`)));
  }
  expect((await client.put(path("a"), bytes("2"), named)).revision).toBe(revision);
});

test("a client that watches knows of what others wrote, however long ago it wrote itself", async () => {
  await using fixture = await Fixture.open(10);
  const { engine, hub } = fixture;
  const client = await hub.client();
  const reader = new EventReader(client.watch(path(":")));
  await reader.show("ready");
  for (let i = 0; i < 3; i++) {
    await Promise.all(Array.from({ length: 300 }, () => put(engine, "b", `${i}`)));
  }
  const { revision: last } = engine;
  await reader.until((event) => event.type === "put" && event.entry.revision === last);
  fixture.afterNext = () => hub.breakAll();
  const { revision } = await client.put(path("a"), bytes("1"));
  expect(revision).toBe(last + 1);
  expect(engine.revision).toBe(revision);
  await reader.stop();
});

test("what was sent first and comes behind what was sent again is not applied a second time", async () => {
  await using fixture = await Fixture.open();
  const { engine } = fixture;
  const write = (operation: string, repeats: false | number, ifRevision?: number) =>
    engine.put(path("a"), bytes(operation), { operation, repeats, ifRevision });
  const again = await write("one", 0);
  expect(await write("one", false)).toEqual(again);
  // In one transaction, too.
  const [second, first] = await Promise.all([write("two", 1), write("two", false)]);
  expect(first).toEqual(second);
  expect(engine.revision).toBe(2);
  // Nor what was refused, when it would be taken by then.
  await rejectsWith(write("three", 2, 0), "ENGINE_CONFLICT");
  await engine.delete(path("a"));
  await rejectsWith(write("three", false, 0), "ENGINE_CONFLICT");
  expect(await engine.get(path("a"))).toBeUndefined();
});
