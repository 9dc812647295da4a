/**
 * Who watches hears of a write before LMDB has committed it. What it heard of is never taken back, wherever the process
 * ends: a kill is a copy of the files at that moment.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";

import { afterEach, describe, expect, test, vi } from "vitest";

import { handTo } from "../../src/base/iteration.ts";
import type { EngineEvent } from "../../src/engine/engine.ts";
import type * as transaction from "../../src/engine/lmdb-transaction.ts";
import { Journal, type JournalRow, readAhead, readJournals } from "../../src/engine/journal.ts";
import {
  bytes,
  EventReader,
  listed,
  path,
  put,
  rejectsWith,
  showEvent,
} from "../../src/testing/engine-suite-kit.ts";
import { Disk, past } from "./disk-kit.ts";

afterEach(() => {
  transactions.failure = undefined;
  transactions.onCommitted = () => {};
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

/** Calls `told` in the step in which a watch of everything hears of changes. */
function whenTold(disk: Disk, told: (events: readonly EngineEvent[]) => void): void {
  let isReady = false;
  handTo(disk.engine.watch(path(":")), (events) => {
    if (isReady) told(events);
    isReady = true;
    return undefined;
  }).catch(() => {
    // The store has failed, as its writers hear.
  });
}

const transactions = vi.hoisted(() => ({
  /** What LMDB throws where one is to be committed. */
  failure: undefined as Error | undefined,
  /** One was. */
  onCommitted: (): void => {},
}));

vi.mock("../../src/engine/lmdb-transaction.ts", async (actual) => {
  const { hooked } = await import("./transaction-kit.ts");
  return hooked(await actual<typeof transaction>(), transactions);
});

describe("a watch", () => {
  test("hears of a lone write before LMDB commits it, and of several behind that, while others read in place", async () => {
    await using disk = await Disk.openWhole();
    disk.engine.watched();
    const seen: string[] = [];
    whenTold(disk, (events) => seen.push(...events.map(showEvent)));
    transactions.onCommitted = () => seen.push("committed");
    await put(disk.engine, "b", "2");
    await Promise.all([put(disk.engine, "c", "3"), put(disk.engine, "d", "4")]);
    expect(seen).toEqual(["put b=2", "committed", "committed", "put c=3", "put d=4"]);
  });

  test("costs the file whole pages, whatever is made sure of for it", async () => {
    await using disk = await Disk.openWhole();
    disk.engine.watched();
    const sizes = new Set<number>();
    for (let i = 0; i < 40; i++) {
      await disk.engine.put(path(`b:${i}`), new Uint8Array(50_001));
      sizes.add(fs.statSync(join(disk.path, "data.mdb")).size);
    }
    expect(sizes.size).toBeGreaterThan(1);
    for (const size of sizes) expect(size % 4_096).toBe(0);
  });

  test("hears behind the commit of what replaces so much that there may be no room for it", async () => {
    await using disk = await Disk.openWhole();
    await disk.engine.put(path("b"), new Uint8Array(600_000), { durability: "flushed" });
    disk.engine.watched();
    const seen: string[] = [];
    whenTold(disk, (events) => seen.push(...events.map(showEvent)));
    transactions.onCommitted = () => seen.push("committed");
    await put(disk.engine, "b", "2");
    await put(disk.engine, "b", "3");
    expect(seen).toEqual(["committed", "put b=2", "put b=3", "committed"]);
  });

  test("heard of nothing that the next owner does not have, once", async () => {
    await using disk = await Disk.openWhole();
    const { store } = disk.engine;
    const options = { author: "ann", operation: "o" };
    let heard = 0;
    let close: (() => Promise<void>) | undefined;
    whenTold(disk, ([event]) => {
      if (event?.type === "put") heard = event.entry.revision;
      close ??= disk.killNow();
    });
    const result = await disk.engine.put(path("a"), bytes("2"), options);
    await close?.();
    expect(await disk.committed()).toBe(heard - 1);
    expect(result.revision).toBe(heard);
    await disk.start();
    for (let i = 0; i < 2; i++) {
      expect(disk.engine.store).toBe(store);
      expect(disk.engine.revision).toBe(heard);
      expect(await listed(disk.engine, ":")).toEqual(["a=2"]);
      expect((await past(disk.engine, "a")).map((version) => (version as unknown[])[0])).toEqual([
        "2",
        "1",
      ]);
      expect((await disk.engine.get(path("a")))?.author).toBe("ann");
      expect(await disk.engine.put(path("a"), bytes("3"), options)).toEqual(result);
      await disk.restart();
    }
    const watch = disk.engine.watch(path(":"), { after: { store, revision: heard - 1 } });
    expect(await new EventReader(watch).show("live")).toEqual(["put a=2", "live"]);
    expect(await put(disk.engine, "a", "4")).toBe(heard + 1);
  });

  test.each([
    ["a", 0],
    // As if many were told of it.
    ["a long", 10],
  ])(
    "that asks for writes in %s step gets them behind what it heard of, each with a revision of its own",
    async (_step, stepMs) => {
      await using disk = await Disk.openWhole();
      disk.clock.advance(10);
      disk.engine.watched();
      const seen: string[] = [];
      const asked: Promise<number>[] = [];
      whenTold(disk, (events) => {
        seen.push(...events.map(showEvent));
        disk.clock.advance(stepMs);
        if (asked.length < 3) asked.push(put(disk.engine, "b", `${asked.length}`));
      });
      transactions.onCommitted = () => seen.push("committed");
      const revisions = [await put(disk.engine, "b", "first")];
      for (const each of asked) revisions.push(await each);
      expect(revisions).toEqual([2, 3, 4, 5]);
      expect(disk.engine.revision).toBe(5);
      const values = ["first", "0", "1", "2"];
      expect(seen).toEqual(values.flatMap((value) => [`put b=${value}`, "committed"]));
    },
  );

  test("heard of what the next owner has, also where one that was deposed before its first safe point ended meanwhile", async () => {
    await using disk = await Disk.open();
    const deposed = disk.engine;
    await disk.start();
    await deposed.close();
    await disk.engine.put(path("a"), bytes("1"), { durability: "flushed" });
    let close: (() => Promise<void>) | undefined;
    whenTold(disk, () => {
      close ??= disk.killNow();
    });
    await put(disk.engine, "b", "2");
    await close?.();
    await disk.start();
    expect(await listed(disk.engine, ":")).toEqual(["a=1", "b=2"]);
  });

  test("heard of a deletion that the next owner makes", async () => {
    await using disk = await Disk.openWhole();
    let close: (() => Promise<void>) | undefined;
    whenTold(disk, () => {
      close ??= disk.killNow();
    });
    await disk.engine.delete(path("a"), { author: "bob" });
    await close?.();
    await disk.start();
    expect(await listed(disk.engine, ":")).toEqual([]);
    expect((await past(disk.engine, "a")).map((version) => (version as unknown[])[0])).toEqual([
      undefined,
      "1",
    ]);
  });

  test("heard of what LMDB then refuses: the store ends, and the next owner makes it", async () => {
    await using disk = await Disk.openWhole();
    const heard: string[] = [];
    whenTold(disk, (events) => heard.push(...events.map(showEvent)));
    disk.engine.watched();
    transactions.failure = new Error("EIO: i/o error");
    const write = disk.engine.put(path("b"), bytes("2"), { operation: "o" });
    expect((await rejectsWith(write, "ENGINE_AMBIGUOUS")).details).toEqual({ operation: "o" });
    await rejectsWith(put(disk.engine, "c", "3"), "ENGINE_UNAVAILABLE");
    transactions.failure = undefined;
    expect(heard).toEqual(["put b=2"]);
    await disk.restart();
    expect(await listed(disk.engine, ":")).toEqual(["a=1", "b=2"]);
  });

  test("is not told early of what would wait behind much that is not in the journal", async () => {
    await using disk = await Disk.openWhole();
    await disk.engine.put(path("large"), new Uint8Array(300_000));
    const seen: string[] = [];
    whenTold(disk, () => seen.push("told"));
    transactions.onCommitted = () => seen.push("committed");
    await put(disk.engine, "b", "2");
    expect(seen).toEqual(["committed", "told"]);
  });

  test("that throws takes nothing back", async () => {
    await using disk = await Disk.openWhole();
    const thrown: unknown[] = [];
    const onError = (error: unknown): void => void thrown.push(error);
    vi.spyOn(globalThis, "setImmediate").mockImplementation(((run: () => void) => {
      try {
        run();
      } catch (error) {
        onError(error);
      }
    }) as never);
    const watch = disk.engine.watch(path(":"));
    await new EventReader(watch).show("ready");
    vi.spyOn(watch as unknown as { announced(): void }, "announced").mockImplementation(() => {
      throw new Error("of who is told");
    });
    await put(disk.engine, "b", "2");
    expect(String(thrown)).toBe("Error: of who is told");
    await disk.restart();
    expect(await listed(disk.engine, ":")).toEqual(["a=1", "b=2"]);
  });
});

function row(revision: number): JournalRow {
  return { revision, change: new Uint8Array(10).fill(revision), operation: undefined };
}

async function whole(directory: string): Promise<Journal> {
  const journal = await Journal.create(directory, "first");
  journal.begin(0);
  journal.turn()();
  return journal;
}

describe("Journal.writeAhead()", () => {
  test("names the transaction, and brings along what waits", async () => {
    await using disk = await Disk.open();
    const journal = await whole(disk.path);
    journal.add([row(11)]);
    expect(journal.writeAhead([row(12)], 7)).toBe(true);
    expect(journal.writeAhead([row(13)], 8)).toBe(true);
    const ahead = (transaction: number, boot = "first"): number[] =>
      [...readAhead(disk.path, { boot, transaction }).keys()].toSorted((a, b) => a - b);
    expect(ahead(7)).toEqual([11, 12]);
    expect(ahead(8)).toEqual([13]);
    expect(ahead(9)).toEqual([]);
    expect(ahead(7, "second")).toEqual([]);
    expect(ahead(7, "")).toEqual([]);
    expect([...(await readJournals(disk.path, "second")).keys()]).toEqual([11, 12, 13]);
    await journal.close();
  });

  test("is found where a file beside it is taken away while it is looked for", async () => {
    await using disk = await Disk.open();
    const journal = await whole(disk.path);
    journal.writeAhead([row(11)], 7);
    const name = fs.readdirSync(disk.path).find((each) => each.startsWith("journal.")) ?? "";
    // It has a name, and nothing can be read there.
    fs.symlinkSync(join(disk.path, "gone"), join(disk.path, `${name}.gone`));
    const ahead = readAhead(disk.path, { boot: "first", transaction: 7 });
    expect([...ahead.keys()]).toEqual([11]);
    expect([...(await readJournals(disk.path, "second")).keys()]).toEqual([11]);
    await journal.close();
  });

  test("leaves to the next flush what it wrote, also before a safe point was begun", async () => {
    await using disk = await Disk.open();
    const journal = await whole(disk.path);
    const fdatasyncSync = vi.spyOn(fs, "fdatasyncSync");
    syncBuiltinESMExports();
    journal.writeAhead([row(11)], 7);
    expect(fdatasyncSync).not.toHaveBeenCalled();
    journal.turn();
    journal.writeAhead([row(12)], 8);
    journal.writeSync();
    expect(fdatasyncSync).toHaveBeenCalledTimes(2);
    journal.writeSync();
    expect(fdatasyncSync).toHaveBeenCalledTimes(2);
    await journal.close();
  });

  test("writes nothing where the journal is not whole, or more would go with it than is quickly there", async () => {
    await using disk = await Disk.open();
    const journal = await Journal.create(disk.path, "first");
    journal.begin(0);
    expect(journal.writeAhead([row(1)], 7)).toBe(false);
    journal.turn()();
    const large = { ...row(2), change: new Uint8Array(300_000) };
    expect(journal.writeAhead([large], 7)).toBe(false);
    expect([...readAhead(disk.path, { boot: "first", transaction: 7 })]).toEqual([]);
    expect(journal.writeAhead([row(3)], 8)).toBe(true);
    await journal.close();
  });
});
