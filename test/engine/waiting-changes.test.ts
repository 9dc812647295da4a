import { describe, expect, it } from "vitest";

import type { Engine } from "../../src/engine/engine.ts";
import { type Change, PAGE_LIMITS } from "../../src/engine/store.ts";
import {
  type WaitingChange,
  waitingChange,
  WaitingChanges,
} from "../../src/engine/waiting-changes.ts";
import { EventReader, path, put } from "../../src/testing/engine-suite-kit.ts";
import { Disk } from "./disk-kit.ts";

const MEGABYTE = 1024 * 1024;
const COUNT = 40;

function change(revision: number, size: number): Change {
  const entry = { path: path("a"), value: new Uint8Array(size), revision, author: "", time: 0 };
  return { key: new Uint8Array([1]), event: { type: "put", entry } };
}

function valueOf({ change: one }: WaitingChange): Uint8Array | undefined {
  return one?.event.type === "put" ? one.event.entry.value : undefined;
}

/** A log of so many changes of a megabyte, each of which waits for so many readers. */
function fixture(readers: number) {
  const log = Array.from({ length: COUNT }, (_, i) => change(i + 1, MEGABYTE));
  const asked: [number, number][] = [];
  const changes = new WaitingChanges({
    changes: (after, limit) => {
      asked.push([after, limit]);
      return log.slice(after, after + limit);
    },
  });
  const waiting = log.map((one) => ({ ...waitingChange(one), readers }));
  const inMemory = (): number[] =>
    waiting.filter((one) => one.change !== undefined).map(({ revision }) => revision);
  return { changes, waiting, inMemory, asked, log };
}

describe("WaitingChanges", () => {
  it("keeps 16 MiB of all that waits, the newest, however many wait for it", () => {
    for (const readers of [1, 100]) {
      const { changes, waiting, inMemory } = fixture(readers);
      for (const one of waiting) changes.keep([one]);
      expect(inMemory()).toEqual(Array.from({ length: 15 }, (_, i) => COUNT - 14 + i));
    }
  });

  it("keeps no block in which the value of a change lies with others", () => {
    const { changes } = fixture(1);
    const block = new Uint8Array(16_384).fill(7);
    const { key, event } = change(1, 0);
    const value = block.subarray(100, 110);
    const shared = { ...event, entry: { ...event.entry, value } } as Change["event"];
    const waits = { ...waitingChange({ key, event: shared }), readers: 1 };
    const taken = { ...waitingChange({ key, event: shared }), readers: 0 };
    changes.keep([waits, taken]);
    expect(valueOf(waits)).toEqual(value);
    expect(valueOf(waits)?.buffer.byteLength).toBe(10);
    expect(valueOf(taken)).toBe(value);
  });

  it("counts what all readers have no more, and nothing that they took at once", () => {
    const { changes, waiting, inMemory } = fixture(2);
    for (const [i, one] of waiting.entries()) {
      if (i % 2 === 0) one.readers = 0;
      changes.keep([one]);
      if (one.readers === 0) continue;
      changes.done(one);
      changes.done(one);
    }
    expect(inMemory()).toHaveLength(COUNT);
  });

  it("reads what it has let go of in one go where it lies together, as much as is handed out", () => {
    const { changes, waiting, asked, log } = fixture(1);
    changes.keep(waiting);
    const queue: WaitingChange[] = [0, 1, 2, 3, 9, 10].map((i) => waiting[i] as WaitingChange);
    const limits = { entries: 3, bytes: Infinity };
    expect(changes.again(queue, 0, limits)).toEqual(log.slice(0, 3));
    expect(changes.again(queue, 3, limits)).toEqual(log.slice(3, 4));
    expect(changes.again(queue, 4, { ...limits, bytes: PAGE_LIMITS.bytes })).toEqual([log[9]]);
    expect(asked).toEqual([
      [0, 3],
      [3, 1],
      [9, 1],
    ]);
  });
});

/** The first byte of each value, and what else there was, up to the entry `k.end`. */
async function told(reader: EventReader): Promise<string[]> {
  const seen: string[] = [];
  for (;;) {
    const event = await reader.next();
    if (event === undefined) throw new Error("the watch ended");
    if (event.type === "put" && event.entry.path.toString() === "k.end") return seen;
    if (event.type === "put") seen.push(`${event.entry.value[0]} of ${event.entry.value.length}`);
    else seen.push(event.type === "reset" ? `reset ${event.cause}` : event.type);
  }
}

/** Writes 40 MiB to two entries, while one watch is read and another is not. */
async function besideUnread(engine: Engine): Promise<{ fast: string[]; slow: EventReader }> {
  const slow = new EventReader(engine.watch(path("k")));
  const fast = new EventReader(engine.watch(path("k")));
  for (const reader of [slow, fast]) await reader.show("ready");
  const seen: string[] = [];
  for (let i = 0; i < COUNT; i++) {
    await engine.put(path(`k:${i % 2}`), new Uint8Array(MEGABYTE).fill(i));
    seen.push(...(await fast.show("put")).map(() => `${i} of ${MEGABYTE}`));
  }
  return { fast: seen, slow };
}

const ALL = Array.from({ length: COUNT }, (_, i) => `${i} of ${MEGABYTE}`);

describe("an engine whose watcher does not read", () => {
  it("tells it later of every change once, out of the log; and others at once", async () => {
    await using disk = await Disk.open();
    const { engine } = disk;
    const { fast, slow } = await besideUnread(engine);
    expect(fast).toEqual(ALL);
    await put(engine, "k.end", "");
    expect(await told(slow)).toEqual(ALL);
  });

  it("tells it that it missed some where the log has them no more, and what there is", async () => {
    await using disk = await Disk.open({ historyBytes: 4 * MEGABYTE });
    const { engine } = disk;
    const { fast, slow } = await besideUnread(engine);
    expect(fast).toEqual(ALL);
    await put(engine, "k.end", "");
    // What the watch had in memory is behind what is missing, and is not told either.
    const [one, other] = ALL.slice(-2);
    expect(await told(slow)).toEqual(["reset overflow", one, other]);
  });
});
