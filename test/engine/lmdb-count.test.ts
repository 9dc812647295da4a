import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { type LmdbEngine, openLmdb } from "../../src/engine/lmdb.ts";
import { listed, path, put, rejectsWith } from "../../src/testing/engine-suite-kit.ts";

/** A store, and its lock file as another process would write to it. */
class Fixture implements AsyncDisposable {
  readonly directory: string;
  readonly engine: LmdbEngine;
  readonly #lock: number;

  private constructor(directory: string, engine: LmdbEngine) {
    this.directory = directory;
    this.engine = engine;
    // Left open: closing it would take LMDB's lock from this process.
    this.#lock = openSync(join(directory, "lock.mdb"), "r+");
  }

  static async open(): Promise<Fixture> {
    const directory = await mkdtemp(join(tmpdir(), "banyan-count-"));
    return new Fixture(directory, await openLmdb(directory));
  }

  get count(): bigint {
    const bytes = Buffer.alloc(8);
    readSync(this.#lock, bytes, 0, 8, 8);
    return bytes.readBigUInt64LE();
  }

  set count(value: bigint) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    writeSync(this.#lock, bytes, 0, 8, 8);
  }

  /** Makes locks of it that can't be taken, as the last process to leave does. */
  destroyLocks(): void {
    writeSync(this.#lock, Buffer.alloc(0xb0, 0xff), 0, 0xb0, 0x18);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close().catch(() => {});
    closeSync(this.#lock);
    rmSync(this.directory, { recursive: true });
  }
}

describe("a count of transactions", () => {
  test.each([1n, 2n, 3n, 7n])("that is set back by %s loses no write", async (by) => {
    await using fixture = await Fixture.open();
    const { engine } = fixture;
    for (let i = 0; i < 10; i++) await put(engine, `a:${i}`, `${i}`);
    const before = fixture.count;
    fixture.count = before - by;
    await put(engine, "b", "1");
    expect(fixture.count).toBe(before + 1n);
    expect(await listed(engine, "a")).toHaveLength(10);
    await put(engine, "b", "2");
    expect(await listed(engine, ":")).toHaveLength(11);
  });

  test("that is set back is set right when the owner looks after the store", async () => {
    await using fixture = await Fixture.open();
    const { engine } = fixture;
    await put(engine, "a", "1");
    await put(engine, "a", "2");
    fixture.count -= 1n;
    engine.checkOwner();
    const entry = await engine.get(path("a"));
    expect(Buffer.from(entry?.value ?? []).toString()).toBe("2");
  });

  test("takes no harm from processes that open the store all the time", async () => {
    await using fixture = await Fixture.open();
    const { engine } = fixture;
    await put(engine, "count", "0");
    const others = [0, 1].map(() =>
      spawn(process.execPath, ["-e", OPEN_AND_CLOSE, fixture.directory]),
    );
    const ended = Promise.all(
      others.map(async (other) => (await once(other, "exit"))[0] as number),
    );
    const done = new AbortController();
    void ended.finally(() => done.abort());
    const told: string[] = [];
    while (!done.signal.aborted) {
      const name = `k:${told.length % 100}`;
      told.push(name);
      await put(engine, name, `${told.length}`);
    }
    expect(await ended).toEqual([0, 0]);
    await put(engine, "count", `${told.length}`);
    const found = new Map((await engine.list(path("k")).toArray()).map((e) => [String(e.path), e]));
    for (const [i, name] of told.entries()) {
      if (i + 100 < told.length) continue;
      const value = found.get(String(path(name)))?.value ?? [];
      expect([name, Buffer.from(value).toString()]).toEqual([name, `${i + 1}`]);
    }
  });
});

test("commit() says so where LMDB begins no transaction", async () => {
  await using fixture = await Fixture.open();
  await put(fixture.engine, "a", "1");
  fixture.destroyLocks();
  await rejectsWith(put(fixture.engine, "a", "2"), "ENGINE_CLOSED");
});

const OPEN_AND_CLOSE = `
const { open } = require("lmdb");
(async () => {
  for (let i = 0; i < 150; i++) {
    await open({ path: process.argv[1], readOnly: true, noSubdir: false, maxDbs: 16 }).close();
  }
})();
`;
