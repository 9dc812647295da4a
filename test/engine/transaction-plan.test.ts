/** Where the system does not say how much room there is: writes are refused, and the process goes on. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";

import { afterEach, describe, expect, test, vi } from "vitest";

import type { LmdbEngine } from "../../src/engine/lmdb.ts";
import { bytes, listed, path, put, rejectsWith } from "../../src/testing/engine-suite-kit.ts";
import { Disk } from "./disk-kit.ts";

/** Behind that the disk is looked at again. */
const PLENTY_MS = 100;
const UNSAID = expect.objectContaining({ code: "ENGINE_UNAVAILABLE" });

const real = { statfs: fs.statfsSync, stat: fs.statSync };

afterEach(() => {
  say();
});

/** What the system says of the room on a disk from now on; where `room` is missing, what there is. */
function say(room?: () => number): void {
  vi.restoreAllMocks();
  if (room !== undefined) {
    vi.spyOn(fs, "statfsSync").mockImplementation((where) => {
      const { bsize } = real.statfs(where);
      return { bsize, bavail: Math.floor(room() / bsize) } as fs.StatsFs;
    });
  }
  syncBuiltinESMExports();
}

function saysNothing(): number {
  throw Object.assign(new Error("EIO: i/o error, statfs"), { code: "EIO" });
}

/** From now on the system says nothing of the data file itself. */
function hideFile(): void {
  vi.spyOn(fs, "statSync").mockImplementation((where) => {
    if (!String(where).endsWith("data.mdb")) return real.stat(where);
    throw Object.assign(new Error("EIO: i/o error, stat"), { code: "EIO" });
  });
  syncBuiltinESMExports();
}

/** A store with "a=1" in it, that has to look at its disk before it writes again. */
async function openDue(): Promise<Disk> {
  const disk = await Disk.openWhole();
  disk.clock.advance(PLENTY_MS);
  return disk;
}

/** Three writes of one turn, of different kinds. */
function writeAll(engine: LmdbEngine): Promise<PromiseSettledResult<unknown>[]> {
  return Promise.allSettled([
    put(engine, "b", "2"),
    engine.delete(path("a")),
    engine.put(path("c"), bytes("3"), { durability: "flushed" }),
  ]);
}

describe("writes whose store is not told how much room there is", () => {
  test("are refused, all of them, and later ones are made when it is", async () => {
    await using disk = await openDue();
    say(saysNothing);
    for (let i = 0; i < 3; i++) {
      const refused = { status: "rejected", reason: UNSAID };
      expect(await writeAll(disk.engine)).toEqual([refused, refused, refused]);
      expect(() => disk.engine.checkOwner()).not.toThrow();
      disk.clock.advance(PLENTY_MS);
    }
    await expect(put(disk.engine, "b", "2")).rejects.toThrow(
      `lmdb:${disk.path}: EIO: i/o error, statfs`,
    );
    expect(await listed(disk.engine, ":")).toEqual(["a=1"]);
    expect(disk.engine.revision).toBe(1);
    say();
    expect(await put(disk.engine, "b", "4")).toBe(2);
    await disk.restart();
    expect(await listed(disk.engine, ":")).toEqual(["a=1", "b=4"]);
  });

  test("are refused where the disk is scarce and the file's size is not known", async () => {
    await using disk = await openDue();
    say(() => 32 * 1024 * 1024);
    hideFile();
    const large = new Uint8Array(2 * 1024 * 1024);
    await rejectsWith(disk.engine.put(path("large"), large), "ENGINE_UNAVAILABLE");
    expect(disk.engine.checkOwner()).toBeUndefined();
    say();
    await disk.engine.put(path("large"), large);
    expect(await listed(disk.engine, "a")).toEqual(["a=1"]);
  });

  test("leave what was answered before as it is", async () => {
    await using disk = await Disk.open();
    await put(disk.engine, "a", "1");
    disk.clock.advance(PLENTY_MS - 1);
    // Told of, and in a transaction that is open.
    await put(disk.engine, "b", "2");
    disk.clock.advance(1);
    say(saysNothing);
    await rejectsWith(put(disk.engine, "c", "3"), "ENGINE_UNAVAILABLE");
    expect(await listed(disk.engine, ":")).toEqual(["a=1", "b=2"]);
    say();
    expect(await put(disk.engine, "c", "4")).toBe(3);
    await disk.restart();
    expect(await listed(disk.engine, ":")).toEqual(["a=1", "b=2", "c=4"]);
  });

  test("are refused as are rules for past versions", async () => {
    await using disk = await openDue();
    say(saysNothing);
    const rule = { prefix: path(":"), versions: 3, maxAgeMs: Infinity };
    await rejectsWith(disk.engine.keepHistory(rule), "ENGINE_UNAVAILABLE");
    say();
    await disk.engine.keepHistory(rule);
    await put(disk.engine, "a", "2");
    expect((await disk.engine.history(path("a"))).length).toBe(2);
  });

  test("are refused where its folder was removed, and made where that is back", async () => {
    await using disk = await openDue();
    const away = join(disk.path, "../away");
    fs.renameSync(disk.path, away);
    const refused = { status: "rejected", reason: UNSAID };
    expect(await writeAll(disk.engine)).toEqual([refused, refused, refused]);
    expect(await listed(disk.engine, ":")).toEqual(["a=1"]);
    fs.renameSync(away, disk.path);
    await put(disk.engine, "b", "2");
    await disk.restart();
    expect(await listed(disk.engine, ":")).toEqual(["a=1", "b=2"]);
  });
});
