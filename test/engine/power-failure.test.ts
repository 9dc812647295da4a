/**
 * The machine stops at any moment: of what was written since the last flush, any page may be on the
 * disk or not, whatever was written first. The test makes such disks out of copies of the file, and
 * opens them as a machine that was started anew would.
 */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { openLmdb } from "../../src/engine/lmdb.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { EventReader, listed, path, put } from "../../src/testing/engine-suite-kit.ts";
import { randomOf } from "../../src/testing/fuzz-frames.ts";

/** What a disk writes as a whole. */
const SECTOR = 512;

type Step =
  | { readonly type: "put"; readonly key: number; readonly bytes: number }
  | { readonly type: "delete"; readonly key: number }
  | { readonly type: "flush" };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant("put" as const),
      key: fc.nat(60),
      bytes: fc.constantFrom(1, 100, 3_000, 9_000),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("delete" as const), key: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("flush" as const) }) },
);

describe("a power failure", () => {
  test(
    "takes a store back to its last flush or to a write behind that, whatever pages were written since",
    { timeout: 120_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(steps, { minLength: 20, maxLength: 150 }),
          fc.nat(),
          fc.boolean(),
          async (script, seed, isKilledFirst) => {
            await using disk = await newDisk();
            const states = await run(disk, script, isKilledFirst);
            await disk.fail(randomOf(seed));
            await using engine = await openLmdb(disk.path, { boot: "second" });
            expect(states).toContainEqual(await listed(engine, ":"));
            // It is a whole store, also for what comes.
            await put(engine, "end", "1");
            expect(await listed(engine, "end")).toEqual(["end=1"]);
          },
        ),
        { numRuns: 40 },
      );
    },
  );

  test("takes nothing from a store that was closed", async () => {
    await using disk = await newDisk();
    let store = "";
    {
      await using engine = await openLmdb(disk.path, { boot: "first" });
      await put(engine, "a", "1");
      ({ store } = engine);
    }
    await disk.flushed();
    await disk.crash();
    await disk.fail(() => 0);
    await using engine = await openLmdb(disk.path, { boot: "second" });
    expect(await listed(engine, ":")).toEqual(["a=1"]);
    expect(engine.store).toBe(store);
  });

  test("does not give a lost revision to another write, nor lets a watch go on behind it", async () => {
    await losesRevision(1);
  });

  test("does not do that either where nothing of the lost write was on the disk", async () => {
    await losesRevision(0);
  });

  test("of a store of format 1 costs nothing that was flushed, and gives it safe points", async () => {
    await using disk = await newDisk();
    {
      await using engine = await openLmdb(disk.path);
      await put(engine, "a", "1");
    }
    for (const name of await safePoints(disk.path)) await rm(join(disk.path, name));
    await writeFile(join(disk.path, "format"), "banyan store 1\n");
    await using engine = await openLmdb(disk.path);
    expect(await listed(engine, ":")).toEqual(["a=1"]);
    expect(await readFile(join(disk.path, "format"), "utf8")).toBe("banyan store 6\n");
    expect(await safePoints(disk.path)).toHaveLength(1);
  });
});

/** A write is lost of which all or nothing was on the disk. */
async function losesRevision(reached: 0 | 1): Promise<void> {
  await using disk = await newDisk();
  let store = "";
  let lost = 0;
  {
    await using engine = await openLmdb(disk.path, { boot: "first", durability: "flushed" });
    ({ store } = engine);
    await put(engine, "a", "1");
    await disk.flushed();
    // It is committed, and in no journal.
    engine.watched();
    lost = (await engine.put(path("a"), new Uint8Array(), { durability: "commit" })).revision;
    await disk.crash();
  }
  await disk.fail(() => reached);
  await using engine = await openLmdb(disk.path, { boot: "second" });
  expect(engine.store).not.toBe(store);
  const reader = new EventReader(engine.watch(path("a"), { after: { store, revision: lost } }));
  expect(await reader.show("live")).toEqual(["reset store", "put a=1", "ready", "live"]);
  expect(await put(engine, "a", "3")).toBeGreaterThan(lost);
  expect(await reader.show("put")).toEqual(["put a=3"]);
}

/** What was listed when the last flush was acknowledged, and behind each write since. */
async function run(
  disk: Disk,
  script: readonly Step[],
  isKilledFirst: boolean,
): Promise<string[][]> {
  const half = Math.floor(script.length / 2);
  const parts = isKilledFirst ? [script.slice(0, half), script.slice(half)] : [script];
  let states: string[][] = [];
  for (const part of parts) {
    // Its time stands still: nothing is flushed but what the script says.
    const engine = await openLmdb(disk.path, { boot: "first", clock: new ManualClock() });
    // Opening is a flush: what the one before had committed is taken over.
    states = [await listed(engine, ":")];
    await disk.flushed();
    for (const step of part) {
      if (step.type === "put") await put(engine, `k:${step.key}`, "x".repeat(step.bytes));
      else if (step.type === "delete") await engine.delete(path(`k:${step.key}`));
      else {
        await engine.put(path("flushed"), new Uint8Array(), { durability: "flushed" });
        states = [];
        await disk.flushed();
      }
      states.push(await listed(engine, ":"));
    }
    await disk.crash();
    await engine.close();
    await disk.restart();
  }
  return states;
}

/** A store's directory, what of it is on the disk for sure, and what it was when the process ended. */
interface Disk extends AsyncDisposable {
  readonly path: string;
  /** Everything written up to now is on the disk. */
  flushed(): Promise<void>;
  /** The process is killed here: what it does later does not count. */
  crash(): Promise<void>;
  /** Puts the directory back to where the process was killed. */
  restart(): Promise<void>;
  /** The machine stops: of each sector `random` says whether what was written since was on the disk. */
  fail(random: (below: number) => number): Promise<void>;
}

async function newDisk(): Promise<Disk> {
  const base = await mkdtemp(join(tmpdir(), "banyan-power-"));
  const store = join(base, "store");
  const safe = join(base, "safe");
  const last = join(base, "last");
  return {
    path: store,
    flushed: () => copy(store, safe),
    crash: () => copy(store, last),
    restart: () => copy(last, store),
    fail: async (random) => {
      await rm(join(last, "lock.mdb"), { force: true });
      for (const name of ["data.mdb", ...(await beside(safe))]) {
        const mixed = mix(await content(join(safe, name)), await content(join(last, name)), random);
        await writeFile(join(last, name), mixed);
      }
      // A file that was not there at the flush may be there as a whole, in part or not at all.
      for (const name of await beside(last)) {
        if ((await beside(safe)).includes(name)) continue;
        if (random(2) === 0) await rm(join(last, name));
      }
      await copy(last, store);
    },
    [Symbol.asyncDispose]: () => rm(base, { recursive: true, force: true }),
  };
}

async function copy(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await cp(from, to, { recursive: true });
}

async function content(file: string): Promise<Buffer> {
  return readFile(file).catch(() => Buffer.alloc(0));
}

/** Each sector as it was flushed, or as it was written later. */
function mix(safe: Buffer, later: Buffer, random: (below: number) => number): Buffer {
  const size = Math.max(safe.length, later.length);
  const mixed = Buffer.alloc(size);
  safe.copy(mixed);
  for (let at = 0; at < size; at += SECTOR) {
    if (random(2) === 1) later.copy(mixed, at, at, at + SECTOR);
  }
  return mixed;
}

async function safePoints(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith("safe."));
}

/** The files with which a store is put right. */
async function beside(directory: string): Promise<string[]> {
  const journals = (await readdir(directory)).filter((name) => name.startsWith("journal."));
  return [...(await safePoints(directory)), ...journals];
}
