import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, test, vi } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import { DiskRoom } from "../../src/engine/disk-room.ts";
import { type LmdbEngine, openLmdb } from "../../src/engine/lmdb.ts";
import { freeBytes, giveUpReserve } from "../../src/engine/reserve.ts";
import { parsePath } from "../../src/wire/path-text.ts";
import type { Path } from "../../src/wire/path.ts";

const MIB = 1024 * 1024;
const FULL = { code: "ENGINE_FULL" };
const NOTHING = { prefix: parsePath(":"), versions: 0, maxAgeMs: 0 };

/** A file system of its own with so much room for a store, and something else on it. */
class SmallDisk implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), "banyan-disk-"));
  readonly #failed = vi.spyOn(DiskRoom.prototype, "failed");
  engine: LmdbEngine | undefined;

  static async open(room: number, skip: (isSkipped: boolean, why: string) => void) {
    const disk = new SmallDisk();
    const options = ["-t", "tmpfs", "-o", "size=24m", "tmpfs", disk.path];
    skip(spawnSync("mount", options).status !== 0, "only root can make a disk");
    const engine = await disk.start();
    engine.checkOwner();
    appendFileSync(join(disk.path, "rest"), Buffer.alloc(freeBytes(disk.path) - room));
    return { disk, engine, [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose]() };
  }

  async start(): Promise<LmdbEngine> {
    await this.engine?.close();
    const store = join(this.path, "store");
    const again = async (error: unknown): Promise<LmdbEngine> => {
      // As a hub does that can't start otherwise.
      if (!giveUpReserve(store)) throw error;
      return openLmdb(store);
    };
    this.engine = await openLmdb(store).catch(again);
    return this.engine;
  }

  /** Of transactions. */
  get failures(): number {
    return this.#failed.mock.calls.length;
  }

  takeRest(): void {
    appendFileSync(join(this.path, "more"), Buffer.alloc(freeBytes(this.path)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine?.close();
    this.#failed.mockRestore();
    spawnSync("umount", ["-l", this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}

describe("on a full disk", () => {
  for (const size of [900, 20_000]) {
    test(`entries of ${size} bytes can be deleted, and as many written then`, async ({ skip }) => {
      await using opened = await SmallDisk.open(size < 1_000 ? 2 * MIB : 3 * MIB, skip);
      const { disk, engine } = opened;
      const kept = await fill(engine, size);
      await engine.keepHistory(NOTHING);
      await Promise.all(kept.map((at) => engine.delete(at)));
      const others = await fill(engine, size);
      expect(kept.length * size).toBeGreaterThan(MIB / 2);
      expect(others.length).toBeGreaterThan(kept.length / 2);
      expect((await engine.list(parsePath("k")).toArray()).length).toBe(others.length);
      expect(disk.failures).toBe(0);
      const again = await disk.start();
      expect((await again.list(parsePath("k")).toArray()).length).toBe(others.length);
    });
  }

  test("entries whose past is kept can be deleted, and keepHistory() gives up what there is of it", async ({
    skip,
  }) => {
    await using opened = await SmallDisk.open(3 * MIB, skip);
    const { disk, engine } = opened;
    // As past versions they take all there is.
    let most = 0;
    for (let kept = await fill(engine, 900); kept.length > most / 4;) {
      most = Math.max(most, kept.length);
      for (const at of kept) await engine.delete(at);
      kept = await fill(engine, 900);
    }
    await engine.keepHistory(NOTHING);
    for (const { path } of await engine.list(parsePath("k")).toArray()) await engine.delete(path);
    expect((await fill(engine, 900)).length).toBeGreaterThan(most / 2);
    expect(disk.failures).toBe(0);
  });

  test("a store without a spare piece of its file has what was kept for the next hub", async ({
    skip,
  }) => {
    await using opened = await SmallDisk.open(3 * MIB, skip);
    const { disk, engine } = opened;
    await engine.put(parsePath("k"), new Uint8Array(1_000));
    await engine.close();
    disk.engine = undefined;
    disk.takeRest();
    const again = await disk.start();
    await again.delete(parsePath("k"));
    await again.keepHistory(NOTHING);
    expect(disk.failures).toBe(0);
  });

  test("writes go on when somebody else has made room", async ({ skip }) => {
    await using opened = await SmallDisk.open(2 * MIB, skip);
    const { disk, engine } = opened;
    await fill(engine, 5_000);
    const large = new Uint8Array(3 * MIB);
    await expect(engine.put(parsePath("large"), large)).rejects.toMatchObject(FULL);
    rmSync(join(disk.path, "rest"));
    await engine.put(parsePath("large"), large);
    expect((await engine.get(parsePath("large")))?.value.length).toBe(large.length);
    expect(disk.failures).toBe(0);
  });
});

/** Writes entries until there is no room. */
async function fill(engine: LmdbEngine, size: number): Promise<Path[]> {
  const kept: Path[] = [];
  for (let i = 0; ; i += 50) {
    const all = Array.from({ length: 50 }, (_, at) => parsePath(`k:${i + at}`));
    const writes = all.map((at) => engine.put(at, new Uint8Array(size).fill(i)));
    const results = await Promise.allSettled(writes);
    for (const [at, result] of results.entries()) {
      if (result.status === "fulfilled") kept.push(all[at] as Path);
      else if (!BanyanError.has(result.reason, "ENGINE_FULL")) throw result.reason;
    }
    if (results.every(({ status }) => status === "rejected")) return kept;
  }
}
