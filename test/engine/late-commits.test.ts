/**
 * What is in the journal is answered before LMDB has committed it, in one transaction with much else. Nothing that was
 * answered is lost, wherever the process ends: a kill is a copy of the files at that moment.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

import { afterEach, describe, expect, test, vi } from "vitest";

import { handTo } from "../../src/base/iteration.ts";
import { Journal } from "../../src/engine/journal.ts";
import { LmdbChanges } from "../../src/engine/lmdb-changes.ts";
import { LmdbLog } from "../../src/engine/lmdb-log.ts";
import { openReader } from "../../src/engine/lmdb-reader.ts";
import type * as transaction from "../../src/engine/lmdb-transaction.ts";
import { ToldRevision } from "../../src/engine/told-revision.ts";
import {
  bytes,
  listed,
  path,
  put,
  rejectsWith,
  showEvent,
} from "../../src/testing/engine-suite-kit.ts";
import { Disk, past } from "./disk-kit.ts";

const lmdb = vi.hoisted(() => ({
  /** What it throws where a transaction is to be committed. */
  failure: undefined as Error | undefined,
  commits: 0,
  onCommitted: (): void => void lmdb.commits++,
}));

vi.mock("../../src/engine/lmdb-transaction.ts", async (actual) => {
  const { hooked } = await import("./transaction-kit.ts");
  return hooked(await actual<typeof transaction>(), lmdb);
});

afterEach(() => {
  lmdb.failure = undefined;
  lmdb.commits = 0;
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

/** A store whose commits are counted from now on. */
async function openWhole(): Promise<Disk> {
  const disk = await Disk.openWhole();
  lmdb.commits = 0;
  return disk;
}

/** What LMDB has of a store whose process is killed now. */
async function committed(disk: Disk): Promise<number> {
  const close = disk.killNow();
  const revision = await disk.committed();
  await close();
  return revision;
}

describe("writes", () => {
  test("are answered before LMDB has them, which takes many at once", async () => {
    await using disk = await openWhole();
    for (let i = 0; i < 20; i++) await put(disk.engine, "b", `${i}`);
    await Promise.all(Array.from({ length: 20 }, (_, i) => put(disk.engine, `c:${i}`, "x")));
    expect(disk.engine.revision).toBe(41);
    expect(await listed(disk.engine, "b")).toEqual(["b=19"]);
    expect(lmdb.commits).toBe(0);
    expect(await committed(disk)).toBe(1);
  });

  test("are in LMDB when nothing was written for a moment", async () => {
    await using disk = await openWhole();
    await put(disk.engine, "b", "2");
    disk.clock.advance(9);
    await put(disk.engine, "b", "3");
    disk.clock.advance(9);
    expect(lmdb.commits).toBe(0);
    disk.clock.advance(1);
    expect(lmdb.commits).toBe(1);
    expect(await committed(disk)).toBe(3);
  });

  test("outlive a kill with all that goes with them: authors, names, past versions, revisions", async () => {
    await using disk = await openWhole();
    const { store } = disk.engine;
    const named = { author: "ann", operation: "o" };
    const result = await disk.engine.put(path("a"), bytes("2"), named);
    await disk.engine.delete(path("a"), { author: "bob" });
    await put(disk.engine, "a", "3");
    await put(disk.engine, "b", "1");
    await disk.engine.delete(path("b"));
    const before = await past(disk.engine, "a");
    for (let i = 0; i < 2; i++) {
      await disk.restart();
      expect(disk.engine.store).toBe(store);
      expect(disk.engine.revision).toBe(6);
      expect(await listed(disk.engine, ":")).toEqual(["a=3"]);
      expect(await past(disk.engine, "a")).toEqual(before);
      expect(await disk.engine.put(path("a"), bytes("4"), named)).toEqual(result);
    }
    expect(await put(disk.engine, "a", "4")).toBe(7);
  });

  test("that change nothing are remembered by their callers' names all the same", async () => {
    await using disk = await openWhole();
    await put(disk.engine, "b", "2");
    const nothing = await disk.engine.delete(path("c"), { operation: "o" });
    await put(disk.engine, "c", "3");
    await disk.restart();
    expect(await disk.engine.delete(path("c"), { operation: "o" })).toEqual(nothing);
    expect(await listed(disk.engine, "c")).toEqual(["c=3"]);
  });

  test("outlive a kill behind any number of safe points", async () => {
    await using disk = await openWhole();
    for (let i = 0; i < 5; i++) {
      await put(disk.engine, `b:${i}`, "x");
      disk.clock.advance(5);
      await disk.engine.put(path(`c:${i}`), bytes("y"), { durability: "flushed" });
      disk.clock.advance(95);
    }
    await put(disk.engine, "d", "z");
    await disk.restart();
    expect(disk.engine.revision).toBe(12);
    expect(await listed(disk.engine, "d")).toEqual(["d=z"]);
  });

  test("that are large, or many, are not left for long", async () => {
    await using disk = await openWhole();
    await disk.engine.put(path("large"), new Uint8Array(200_000));
    expect(lmdb.commits).toBe(1);
    await disk.engine.put(path("a"), bytes("2"), { durability: "flushed" });
    lmdb.commits = 1;
    for (let i = 0; i < 2; i++) await disk.engine.put(path(`m:${i}`), new Uint8Array(100_000));
    expect(lmdb.commits).toBe(1);
    await disk.engine.put(path("m:2"), new Uint8Array(100_000));
    expect(lmdb.commits).toBe(2);
    for (let i = 0; i < 3_000; i++) await put(disk.engine, "small", "x");
    expect(lmdb.commits).toBeGreaterThan(5);
    expect(lmdb.commits).toBeLessThan(30);
  });

  test("that replace what is large are not left for long either, also where that was there before", async () => {
    await using disk = await openWhole();
    const { engine } = disk;
    await engine.put(path("large"), new Uint8Array(600_000), { durability: "flushed" });
    await engine.put(path("larger"), new Uint8Array(700_000), { durability: "flushed" });
    lmdb.commits = 0;
    await put(engine, "large", "2");
    expect(lmdb.commits).toBe(1);
    await put(engine, "large", "3");
    expect(lmdb.commits).toBe(1);
    await disk.restart();
    await disk.engine.put(path("a"), bytes("2"), { durability: "flushed" });
    lmdb.commits = 0;
    await disk.engine.delete(path("larger"));
    expect(lmdb.commits).toBe(1);
  });

  test("are answered also where what they replace can't be read", async () => {
    await using disk = await openWhole();
    await disk.engine.put(path("large"), new Uint8Array(3_000));
    await put(disk.engine, "b", "2");
    lmdb.commits = 0;
    const unreadable = vi.spyOn(LmdbChanges.prototype, "row").mockImplementation(() => {
      throw new Error("EIO: i/o error");
    });
    await expect(put(disk.engine, "large", "3")).rejects.toThrow("EIO");
    unreadable.mockRestore();
    await disk.restart();
    expect(await listed(disk.engine, "b")).toEqual(["b=2"]);
  });

  test("that come all the time are left for no longer than a moment", async () => {
    await using disk = await openWhole();
    for (let i = 0; i < 30; i++) {
      await put(disk.engine, "b", `${i}`);
      disk.clock.advance(9);
    }
    // A safe point would have ended it sooner, but takes a turn of the event loop.
    expect(lmdb.commits).toBeGreaterThan(0);
  });

  test("are committed before they are answered for a while behind a read that could be in place", async () => {
    await using disk = await openWhole();
    await put(disk.engine, "b", "2");
    disk.engine.watched();
    expect(lmdb.commits).toBe(1);
    await put(disk.engine, "b", "3");
    await Promise.all([put(disk.engine, "b", "4"), put(disk.engine, "b", "5")]);
    expect(lmdb.commits).toBe(3);
    disk.clock.advance(200);
    await put(disk.engine, "b", "6");
    expect(lmdb.commits).toBe(3);
  });

  test("say to who reads in place that there is more than it finds, until there is not", async () => {
    await using disk = await openWhole();
    const look = (): boolean => {
      const reader = openReader(disk.path);
      try {
        return reader.told > reader.revision;
      } finally {
        void reader.close();
      }
    };
    expect(look()).toBe(false);
    await put(disk.engine, "b", "2");
    expect(look()).toBe(true);
    const hold = await disk.engine.hold();
    expect(look()).toBe(false);
    hold[Symbol.dispose]();
    await put(disk.engine, "b", "3");
    expect(look()).toBe(true);
    await disk.restart();
    expect(look()).toBe(false);
  });

  test("that come alone are told of before LMDB has them, and are there for who looks in that very step", async () => {
    await using disk = await openWhole();
    const { engine } = disk;
    const steps: string[] = [];
    let look: (() => void) | undefined;
    handTo(engine.watch(path("b")), (events) => {
      steps.push(...events.map(showEvent));
      look?.();
      return undefined;
    }).catch(() => {});
    const { append } = LmdbLog.prototype;
    vi.spyOn(LmdbLog.prototype, "append").mockImplementation(function (this: LmdbLog, ...given) {
      steps.push("made");
      return append.apply(this, given);
    });
    await put(engine, "b", "2");
    expect(steps.splice(0)).toEqual(["ready", "put b=2", "made"]);
    await Promise.all([put(engine, "b", "3"), put(engine, "b", "4")]);
    expect(steps.splice(0)).toEqual(["made", "put b=3", "put b=4"]);
    const looks: Promise<unknown>[] = [];
    look = () =>
      looks.push(
        listed(engine, "b"),
        past(engine, "b").then(({ length }) => length),
      );
    await put(engine, "b", "5");
    expect(steps).toEqual(["put b=5", "made"]);
    expect(await Promise.all(looks)).toEqual([["b=5"], 4]);
  });

  test("that come alone hide nothing from a watch that is resumed in the step in which they are told of", async () => {
    await using disk = await Disk.open({ history: 100 });
    const { engine } = disk;
    await engine.put(path("a"), bytes("1"), { durability: "flushed" });
    const missing: string[] = [];
    let resumed = 0;
    handTo(engine.watch(path(":")), () => {
      const after = engine.revision - 101;
      if (after < 1) return undefined;
      resumed++;
      const seen: (number | string)[] = [];
      const watch = engine.watch(path(":"), { after: { store: engine.store, revision: after } });
      handTo(watch, (events) => {
        for (const event of events) seen.push("entry" in event ? event.entry.revision : event.type);
        return undefined;
      }).catch(() => {});
      void watch[Symbol.asyncDispose]();
      if (seen[0] !== after + 1 && seen[0] !== "reset") missing.push(`${after}: ${seen[0]}`);
      return undefined;
    }).catch(() => {});
    for (let i = 0; i < 3; i++) {
      // Moves past versions out of the log, which so may forget.
      await engine.keepHistory({ prefix: path(":"), versions: 3, maxAgeMs: Infinity });
      await engine.put(path("a"), bytes("1"), { durability: "flushed" });
      for (let j = 0; j < 150; j++) await put(engine, "k", `${j}`);
    }
    expect(resumed).toBeGreaterThan(200);
    expect(missing).toEqual([]);
  });

  test("that come alone bear that the past is moved in the step in which they are told of", async () => {
    await using disk = await openWhole();
    const { engine } = disk;
    const rule = { prefix: path(":"), versions: 20, maxAgeMs: Infinity };
    for (let i = 0; i < 10; i++) await put(engine, "b", `${i}`);
    let kept: Promise<void> | undefined;
    handTo(engine.watch(path("b")), (events) => {
      if (events.map(showEvent).includes("put b=last")) kept = engine.keepHistory(rule);
      return undefined;
    }).catch(() => {});
    await put(engine, "b", "last");
    const all = await past(engine, "b");
    expect(all).toHaveLength(11);
    await kept;
    expect(await past(engine, "b")).toEqual(all);
    await disk.restart();
    expect(await past(disk.engine, "b")).toEqual(all);
  });

  test("leave nothing open for another owner in the same process", async () => {
    await using disk = await openWhole();
    const deposed = disk.engine;
    await put(deposed, "b", "2");
    const opening = disk.start();
    await put(deposed, "c", "3").catch(() => {});
    await opening;
    await rejectsWith(put(deposed, "d", "4"), "ENGINE_DEPOSED");
    expect(await listed(disk.engine, "b")).toEqual(["b=2"]);
    await deposed.close();
  });

  test("leave nothing open for another process that opens the store, or for rules of the past", async () => {
    await using disk = await openWhole();
    await put(disk.engine, "b", "2");
    await disk.engine.keepHistory({ prefix: path(":"), versions: 3, maxAgeMs: Infinity });
    await put(disk.engine, "b", "3");
    expect((await past(disk.engine, "b")).length).toBe(2);
    await disk.restart();
    expect((await past(disk.engine, "b")).length).toBe(2);
    expect(await listed(disk.engine, "b")).toEqual(["b=3"]);
  });
});

test("writes wait for LMDB where the file can't be made longer ahead, for whatever reason", async () => {
  await using disk = await openWhole();
  vi.spyOn(fs, "appendFileSync").mockImplementation(() => {
    throw Object.assign(new Error("EIO: i/o error, write"), { code: "EIO" });
  });
  syncBuiltinESMExports();
  // More than the file has to spare.
  for (let i = 0; i < 100; i++) await put(disk.engine, "b", `${i}`);
  const few = Array.from({ length: 100 }, (_, i) => put(disk.engine, `c:${i}`, "x"));
  expect(await Promise.all(few)).toHaveLength(100);
  expect(disk.engine.revision).toBe(201);
  expect(lmdb.commits).toBeGreaterThan(0);
});

describe("a store whose transaction fails behind the answers", () => {
  test("ends, takes no other's number, and the next owner has all of it", async () => {
    await using disk = await openWhole();
    await put(disk.engine, "b", "2");
    await Promise.all([put(disk.engine, "c", "3"), put(disk.engine, "d", "4")]);
    lmdb.failure = new Error("EIO: i/o error");
    disk.clock.advance(10);
    lmdb.failure = undefined;
    await rejectsWith(put(disk.engine, "e", "5"), "ENGINE_UNAVAILABLE");
    const rule = { prefix: path(":"), versions: 1, maxAgeMs: Infinity };
    await rejectsWith(disk.engine.keepHistory(rule), "ENGINE_UNAVAILABLE");
    await disk.restart();
    expect(await listed(disk.engine, ":")).toEqual(["a=1", "b=2", "c=3", "d=4"]);
    expect(disk.engine.revision).toBe(4);
  });

  test("ends where a later batch can't be made, which is refused", async () => {
    await using disk = await openWhole();
    await put(disk.engine, "b", "2");
    vi.spyOn(LmdbLog.prototype, "append").mockImplementationOnce(() => {
      throw new Error("of LMDB");
    });
    const both = [put(disk.engine, "c", "3"), put(disk.engine, "d", "4")];
    for (const refused of both) await expect(refused).rejects.toThrow("of LMDB");
    await rejectsWith(put(disk.engine, "d", "4"), "ENGINE_UNAVAILABLE");
    await disk.restart();
    expect(await listed(disk.engine, ":")).toEqual(["a=1", "b=2"]);
  });

  test("ends where what was told of can't be put into it; the next owner has that", async () => {
    await using disk = await openWhole();
    vi.spyOn(LmdbLog.prototype, "append").mockImplementationOnce(() => {
      throw new Error("of LMDB");
    });
    const error = await rejectsWith(put(disk.engine, "b", "2"), "ENGINE_AMBIGUOUS");
    expect(error.message).toContain("of LMDB");
    await rejectsWith(put(disk.engine, "c", "3"), "ENGINE_UNAVAILABLE");
    await disk.restart();
    expect(await listed(disk.engine, ":")).toEqual(["a=1", "b=2"]);
    expect(disk.engine.revision).toBe(2);
  });

  test("ends where it can't be said to who reads in place; no other write becomes what the journal has", async () => {
    await using disk = await openWhole();
    vi.spyOn(ToldRevision.prototype, "write").mockImplementationOnce(() => {
      throw new Error("EIO: i/o error");
    });
    await rejectsWith(put(disk.engine, "b", "2"), "ENGINE_AMBIGUOUS");
    await rejectsWith(put(disk.engine, "c", "3"), "ENGINE_UNAVAILABLE");
    await disk.restart();
    expect(await listed(disk.engine, ":")).toEqual(["a=1", "b=2"]);
  });

  test("goes on where nobody was told of anything in it", async () => {
    await using disk = await openWhole();
    vi.spyOn(LmdbLog.prototype, "append").mockImplementationOnce(() => {
      throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    });
    const both = [put(disk.engine, "b", "2"), put(disk.engine, "c", "3")];
    for (const refused of both) await rejectsWith(refused, "ENGINE_FULL");
    disk.clock.advance(1_000);
    expect(await listed(disk.engine, ":")).toEqual(["a=1"]);
    await disk.restart();
    expect(await listed(disk.engine, ":")).toEqual(["a=1"]);
  });

  test("writes nothing as the owner it was until then, where somebody takes the store over", async () => {
    await using disk = await openWhole();
    const deposed = disk.engine;
    vi.spyOn(Journal.prototype, "writeAhead").mockImplementationOnce(() => {
      throw new Error("of the journal");
    });
    await expect(put(deposed, "b", "2")).rejects.toThrow("of the journal");
    await disk.start();
    deposed.watched();
    await rejectsWith(put(deposed, "b", "3"), "ENGINE_DEPOSED");
    expect(await listed(disk.engine, ":")).toEqual(["a=1"]);
    await deposed.close();
  });
});
