/**
 * What is looked up by operation or by path is made of the log, later. Nobody may see whether that has been
 * done: not who asks at once, nor who asks after a kill between any two transactions. A kill is a copy of the
 * files as they are then; what LMDB does about one within a transaction is LMDB's.
 */
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { Engine, WriteResult } from "../../src/engine/engine.ts";
import { type LmdbEngine, type LmdbOptions, openLmdb } from "../../src/engine/lmdb.ts";
import { decodeHead } from "../../src/engine/lmdb-records.ts";
import {
  closeTables,
  commit,
  type LmdbTables,
  META_KEYS,
  openTables,
} from "../../src/engine/lmdb-tables.ts";
import { revisionKey, revisionOf } from "../../src/engine/lmdb-keys.ts";
import { decodeLogRow } from "../../src/engine/log-row.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { bytes, EventReader, path, put } from "../../src/testing/engine-suite-kit.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

/** Longer than it takes to see that there is little to do. */
const SPARE_MS = 50;

/** A store whose time stands still, so that nothing is made of the log unless the test lets it. */
class Disk implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly #base: string;
  readonly #options: LmdbOptions;
  #copies = 0;
  #engine: LmdbEngine | undefined;

  private constructor(base: string, options: LmdbOptions) {
    this.#base = base;
    this.#options = options;
  }

  static async open(options: LmdbOptions = {}): Promise<Disk> {
    const disk = new Disk(await mkdtemp(join(tmpdir(), "banyan-later-")), options);
    await disk.start();
    return disk;
  }

  get engine(): LmdbEngine {
    if (this.#engine === undefined) throw new Error("not started");
    return this.#engine;
  }

  get path(): string {
    return join(this.#base, `${this.#copies}`);
  }

  async start(boot = "first"): Promise<void> {
    this.#engine = await openLmdb(this.path, { ...this.#options, boot, clock: this.clock });
  }

  /** The process is gone: what it did not commit is, too. */
  async kill(): Promise<void> {
    const killed = this.path;
    this.#copies++;
    mkdirSync(this.path);
    for (const name of readdirSync(killed)) {
      if (name !== "lock.mdb") copyIfThere(join(killed, name), join(this.path, name));
    }
    await this.#engine?.close();
    this.#engine = undefined;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** One step is made, with what is written then. */
  async step(): Promise<void> {
    this.clock.advance(SPARE_MS);
    await this.engine.delete(path("nothing"));
  }

  /** Lets `work` at the tables while nobody has them open. */
  async tables(work: (tables: LmdbTables) => void): Promise<void> {
    const tables = openTables(this.path);
    commit(tables, () => work(tables));
    await closeTables(tables);
  }

  /** Up to where operations and past versions have rows. */
  async made(): Promise<number> {
    let made = -1;
    await this.tables(({ meta }) => {
      made = decodeHead(meta.get(META_KEYS.head) as Uint8Array).made;
    });
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine?.close();
    await rm(this.#base, { recursive: true, force: true });
  }
}

async function past(engine: Engine, key: string): Promise<unknown[]> {
  const versions = await engine.history(path(key));
  return versions.map(({ value, revision, author, time }) => [
    value && Buffer.from(value).toString(),
    revision,
    author,
    time,
  ]);
}

function plain({ revision, previous }: WriteResult): unknown {
  return [revision, previous && [Buffer.from(previous.value).toString(), previous.revision]];
}

/** The files of former owners may be taken away meanwhile, in the background. */
function copyIfThere(from: string, to: string): void {
  try {
    copyFileSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

const KEYS = ["a", "a.b", "b"];

type Step =
  | { readonly type: "write"; readonly key: string; readonly operation: string | undefined }
  | { readonly type: "delete"; readonly key: string; readonly operation: string | undefined }
  | { readonly type: "many" | "step" | "kill" };

const anyKey = fc.constantFrom(...KEYS);
const anyOperation = fc.option(fc.constantFrom("op-1", "op-2", "op-3"), { nil: undefined });
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("write" as const),
      key: anyKey,
      operation: anyOperation,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("delete" as const),
      key: anyKey,
      operation: anyOperation,
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("many" as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("step" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("kill" as const) }) },
);

/** More than are made something of in one step. */
async function writeMany(engine: Engine): Promise<unknown[]> {
  const results = Array.from({ length: 300 }, (_, i) =>
    engine.put(path(KEYS[i % KEYS.length] as string), bytes(`many ${i}`), { operation: `m${i}` }),
  );
  return (await Promise.all(results)).map(plain);
}

async function run(engine: Engine, step: Step, name: string, size: number): Promise<unknown> {
  const value = name.padEnd(size, ".");
  if (step.type === "many") return writeMany(engine);
  if (step.type !== "write" && step.type !== "delete") return undefined;
  const at = path(step.key);
  const options = { operation: step.operation, author: name };
  return plain(
    await (step.type === "write"
      ? engine.put(at, bytes(value), options)
      : engine.delete(at, options)),
  );
}

describe("operations and past versions that are made of the log later", () => {
  test(
    "are those of the model at every moment, also after a kill",
    { timeout: 120_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 40 }), async (script) => {
          await using disk = await Disk.open();
          await using model = new MemoryEngine({ clock: disk.clock });
          for (const [i, step] of script.entries()) {
            if (step.type === "kill") await disk.restart();
            else if (step.type === "step") await disk.step();
            // What takes the place of a large entry does not wait.
            const size = i % 5 === 0 ? 2_000 : 0;
            const expected = await run(model, step, `${i}`, size);
            expect(await run(disk.engine, step, `${i}`, size)).toEqual(expected);
            for (const each of KEYS) {
              expect(await past(disk.engine, each)).toEqual(await past(model, each));
            }
          }
        }),
        { numRuns: 25 },
      );
    },
  );

  test("are all made in time, and then not waited for by whoever opens the store", async () => {
    await using disk = await Disk.open();
    await writeMany(disk.engine);
    await disk.step();
    const before = await past(disk.engine, "a");
    await disk.kill();
    // Whole rows of the log.
    const made = await disk.made();
    expect(made).toBeGreaterThanOrEqual(256);
    expect(made).toBeLessThan(300);
    await disk.start();
    expect(await past(disk.engine, "a")).toEqual(before);
    await disk.step();
    await disk.step();
    expect(await past(disk.engine, "a")).toEqual(before);
    await disk.kill();
    expect(await disk.made()).toBe(300);
  });

  test("are made with the writes where more waits than is good", async () => {
    await using disk = await Disk.open();
    for (let i = 0; i < 20; i++) {
      await disk.engine.put(path("a"), new Uint8Array(1024 * 1024).fill(i), { operation: `o${i}` });
    }
    const all = await past(disk.engine, "a");
    expect(all).toHaveLength(11);
    await disk.kill();
    // One step for each write behind 16 MiB, of as many as make a MiB.
    expect(await disk.made()).toBeGreaterThan(2);
    await disk.start();
    expect(await past(disk.engine, "a")).toEqual(all);
    const again = { operation: "o9" };
    expect((await disk.engine.put(path("a"), new Uint8Array(), again)).revision).toBe(10);
  });

  test("don't wait in ever greater numbers, however many are written at once", async () => {
    await using disk = await Disk.open();
    for (let batch = 0; batch < 24; batch++) {
      const writes = Array.from({ length: 1_000 }, (_, i) =>
        disk.engine.put(path(`b:${batch * 1_000 + i}`), bytes("v")),
      );
      await Promise.all(writes);
    }
    await disk.kill();
    expect(24_000 - (await disk.made())).toBeLessThan(16_384 + 1_000);
    await disk.start();
  });

  test("are kept by the rule of the time when they were written", async () => {
    await using disk = await Disk.open();
    const prefix = path("a");
    await disk.engine.keepHistory({ prefix, versions: 0, maxAgeMs: Infinity });
    await put(disk.engine, "a", "1");
    await put(disk.engine, "a", "2");
    await disk.engine.keepHistory({ prefix, versions: 5, maxAgeMs: Infinity });
    await put(disk.engine, "a", "3");
    expect((await past(disk.engine, "a")).length).toBe(2);
    await disk.restart();
    expect((await past(disk.engine, "a")).length).toBe(2);
  });

  test("outlive a power failure, which takes the log", async () => {
    await using disk = await Disk.open();
    const write = (operation: string): Promise<WriteResult> =>
      disk.engine.put(path("a"), bytes(operation), {
        operation,
        author: `by ${operation}`,
        durability: "flushed",
      });
    await write("of the safe point");
    const first = await write("waiting at it");
    const second = await write("in the journal");
    const { store } = disk.engine;
    const before = await past(disk.engine, "a");
    await put(disk.engine, "a", "lost");
    await disk.kill();
    await disk.start("second");
    expect(disk.engine.store).not.toBe(store);
    expect(await past(disk.engine, "a")).toEqual(before);
    expect(await write("waiting at it")).toEqual(first);
    expect(await write("in the journal")).toEqual(second);
    await disk.kill();
    await disk.start("second");
    expect(await past(disk.engine, "a")).toEqual(before);
  });
});

describe("a log with several changes to a row", () => {
  test("goes on behind each of them, also after a kill", async () => {
    await using disk = await Disk.open();
    await writeMany(disk.engine);
    await disk.restart();
    for (const revision of [0, 1, 7, 100, 255, 299, 300]) {
      const after = { store: disk.engine.store, revision };
      const reader = new EventReader(disk.engine.watch(path(":"), { after }));
      const events = await reader.until(({ type }) => type === "live");
      const told = events.flatMap((event) => (event.type === "put" ? [event.entry.revision] : []));
      expect(told).toEqual(Array.from({ length: 300 - revision }, (_, i) => revision + 1 + i));
    }
  });

  test("forgets as many changes as it is told to, and not as many rows", async () => {
    await using disk = await Disk.open({ history: 10 });
    const resumed = async (revision: number): Promise<unknown> => {
      const after = { store: disk.engine.store, revision };
      const reader = new EventReader(disk.engine.watch(path(":"), { after }));
      return (await reader.until(({ type }) => type === "live")).at(0);
    };
    for (const value of ["1", "2"]) await put(disk.engine, "b", value);
    for (const end of [302, 602]) {
      await Promise.all(Array.from({ length: 300 }, (_, i) => put(disk.engine, "a", `${i}`)));
      expect(await resumed(end - 11)).toMatchObject({ type: "reset", cause: "history" });
      expect(await resumed(end - 10)).toMatchObject({ entry: { revision: end - 9 } });
      // Of what is forgotten, too.
      expect(await past(disk.engine, "b")).toHaveLength(2);
    }
    for (let i = 0; i < 4; i++) await disk.step();
    await put(disk.engine, "a", "end");
    await disk.kill();
    let rows = 0;
    await disk.tables(({ log }) => {
      rows = log.getKeysCount();
    });
    expect(rows).toBeLessThan(30);
  });
});

test("a store of format 3 is gone on with: its log, past versions and operations", async () => {
  await using disk = await Disk.open();
  const named = { operation: "o", author: "ann" };
  const first = await disk.engine.put(path("a"), bytes("1"), named);
  await put(disk.engine, "a", "2");
  const before = await past(disk.engine, "a");
  await disk.step();
  await disk.kill();
  await disk.tables(asFormat3);
  await writeFile(join(disk.path, "format"), "banyan store 3\n");
  await disk.start();
  expect(await readFile(join(disk.path, "format"), "utf8")).toBe("banyan store 4\n");
  expect(await past(disk.engine, "a")).toEqual(before);
  expect(await disk.engine.put(path("a"), bytes("1"), named)).toEqual(first);
  await put(disk.engine, "a", "3");
  const after = { store: disk.engine.store, revision: 0 };
  const reader = new EventReader(disk.engine.watch(path("a"), { after }));
  expect(await reader.show("live")).toEqual(["put a=1", "put a=2", "put a=3", "live"]);
  await disk.step();
  expect(await past(disk.engine, "a")).toHaveLength(3);
});

/** One change to a row and no more in it, and a head that does not say what was made of them. */
function asFormat3({ log, meta }: LmdbTables): void {
  const rows = [...log.getRange()].flatMap(({ key, value }) =>
    decodeLogRow(revisionOf(key), new Uint8Array(value)),
  );
  log.clearSync();
  for (const { row } of rows) log.putSync(revisionKey(row.revision), row.change);
  const head = meta.get(META_KEYS.head) as Uint8Array;
  meta.putSync(META_KEYS.head, head.slice(0, 24));
}
