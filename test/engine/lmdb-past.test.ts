/**
 * Past versions are in the log until it forgets them, and so are the names of writes that were drawn for them.
 * Nobody may see where they are: not who asks at once, nor who asks after a kill between any two transactions. A
 * kill is a copy of the files as they are then; what LMDB does about one within a transaction is LMDB's.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import { handTo } from "../../src/base/iteration.ts";
import type { Engine, WriteResult } from "../../src/engine/engine.ts";
import { revisionKey, revisionOf } from "../../src/engine/lmdb-keys.ts";
import { type LmdbTables, META_KEYS } from "../../src/engine/lmdb-tables.ts";
import { decodeLogRow } from "../../src/engine/log-row.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";
import { bytes, EventReader, path, put } from "../../src/testing/engine-suite-kit.ts";
import { Disk, past } from "./disk-kit.ts";

function plain({ revision, previous }: WriteResult): unknown {
  return [revision, previous && [Buffer.from(previous.value).toString(), previous.revision]];
}

const KEYS = ["a", "a.b", "b"];

type Step =
  | Write
  /** Its process ends when who watches has heard of it, and nobody else. */
  | { readonly type: "last"; readonly write: Write }
  /** Sends a write again that was sent before, under the name that was drawn for it. */
  | { readonly type: "again"; readonly which: number }
  | { readonly type: "many" | "kill" | "move" };

interface Write {
  readonly type: "write" | "delete";
  readonly key: string;
  readonly name: Name;
}

/** What a caller gave, or whether one is drawn. */
type Name = "drawn" | "none" | "op-1" | "op-2" | "op-3";

const written: fc.Arbitrary<Write> = fc.record({
  type: fc.constantFrom<Write["type"][]>("write", "write", "delete"),
  key: fc.constantFrom(...KEYS),
  name: fc.constantFrom<Name>("drawn", "drawn", "none", "op-1", "op-2", "op-3"),
});
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 9, arbitrary: written },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("last" as const), write: written }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("again" as const), which: fc.nat(5) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("many" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("move" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("kill" as const) }) },
);

/** More than are moved in one step. */
async function writeMany(engine: Engine): Promise<unknown[]> {
  const results = Array.from({ length: 300 }, (_, i) =>
    engine.put(path(KEYS[i % KEYS.length] as string), bytes(`many ${i}`), { operation: `m${i}` }),
  );
  return (await Promise.all(results)).map(plain);
}

/** A write, and the revision of the store before it. */
interface Sent {
  readonly send: (repeats: false | number | undefined) => Promise<WriteResult>;
  readonly before: number;
}

/** Runs scripts on one engine, and remembers what can be sent again. */
class Runner {
  readonly #engine: () => Engine;
  readonly #sent: Sent[] = [];

  constructor(engine: () => Engine) {
    this.#engine = engine;
  }

  async run(step: Step, label: string, size: number): Promise<unknown> {
    if (step.type === "many") return writeMany(this.#engine());
    if (step.type === "again") return this.#again(this.#sent.at(-1 - step.which));
    if (step.type === "last") return this.#write(step.write, label, size);
    if (step.type !== "write" && step.type !== "delete") return undefined;
    return this.#write(step, label, size);
  }

  async #write({ type, key, name }: Write, label: string, size: number): Promise<unknown> {
    const value = bytes(label.padEnd(size, "."));
    const operation = { drawn: `drawn ${label}`, none: undefined }[name as "none"] ?? name;
    const named = name === "none" ? undefined : operation;
    const send: Sent["send"] = (repeats) => {
      const options = { operation: named, author: label, repeats };
      const engine = this.#engine();
      return type === "write"
        ? engine.put(path(key), value, options)
        : engine.delete(path(key), options);
    };
    const before = this.#engine().revision ?? 0;
    const result = plain(await send(name === "drawn" ? false : undefined));
    // What a deletion came to that found nothing is nowhere, and may be another thing the next time.
    const isMade = (this.#engine().revision ?? 0) > before;
    if (name === "drawn" && isMade) this.#sent.push({ send, before });
    return result;
  }

  /** What it comes to, and how many changes that has made. */
  async #again(sent: Sent | undefined): Promise<unknown> {
    if (sent === undefined) return undefined;
    const { revision = 0 } = this.#engine();
    const outcome = await sent.send(sent.before).then(plain, (error: unknown) => {
      if (BanyanError.has(error, "ENGINE_AMBIGUOUS")) return "ambiguous";
      throw error;
    });
    return [outcome, (this.#engine().revision ?? 0) - revision];
  }
}

async function runsAsModel(script: readonly Step[], history: number): Promise<void> {
  await using disk = await Disk.open({ history });
  await using model = new MemoryEngine({ clock: disk.clock });
  const [ours, models] = [new Runner(() => disk.engine), new Runner(() => model)];
  for (const [i, step] of script.entries()) {
    if (step.type === "kill") await disk.restart();
    if (step.type === "move") await moveAll(disk.engine);
    // What takes the place of a large entry is not in the log.
    const size = i % 5 === 0 ? 2_000 : 0;
    const expected = await models.run(step, `${i}`, size);
    const seen = await (step.type === "last"
      ? endingWith(disk, () => ours.run(step, `${i}`, size))
      : ours.run(step, `${i}`, size));
    const mayBe = [expected, ...(history < disk.engine.revision ? [["ambiguous", 0]] : [])];
    expect(mayBe).toContainEqual(seen);
    for (const each of KEYS) {
      expect(await past(disk.engine, each)).toEqual(await past(model, each));
    }
  }
}

/** The process of the store ends in the step of the write: the next one goes on with what is in the files. */
async function endingWith<T>(disk: Disk, write: () => Promise<T>): Promise<T> {
  // The journal is whole behind a safe point.
  await disk.engine.delete(path("nothing"), { durability: "flushed" });
  let close: (() => Promise<void>) | undefined;
  let isReady = false;
  void handTo(disk.engine.watch(path(":")), () => {
    if (isReady) close ??= disk.killNow();
    isReady = true;
    return undefined;
  });
  const result = await write();
  if (close === undefined) await disk.kill();
  else await close();
  await disk.start();
  return result;
}

/** All past versions get rows of their own before a rule is changed. */
async function moveAll(engine: Engine): Promise<void> {
  await engine.keepHistory({ prefix: path("elsewhere"), versions: 1, maxAgeMs: Infinity });
}

describe("past versions and names that are in the log", () => {
  test.each([[100_000], [20]])(
    "are those of the model at every moment, also after a kill, where the log keeps %i changes",
    { timeout: 120_000 },
    async (history) => {
      const scripts = fc.array(steps, { minLength: 5, maxLength: 40 });
      await fc.assert(
        fc.asyncProperty(scripts, (script) => runsAsModel(script, history)),
        { numRuns: 25 },
      );
    },
  );

  test("are moved when the log forgets them, and not before", async () => {
    await using disk = await Disk.open({ history: 100 });
    await writeMany(disk.engine);
    await put(disk.engine, "b", "one more");
    const before = await past(disk.engine, "a");
    expect(before).toHaveLength(11);
    await disk.kill();
    expect(await disk.made()).toBe(0);
    await disk.start();
    await writeMany(disk.engine);
    await put(disk.engine, "c", "one more");
    await disk.kill();
    // Whole rows of the log.
    const made = await disk.made();
    expect(made).toBeGreaterThanOrEqual(256);
    expect(made).toBeLessThan(300);
    await disk.start();
    expect(await past(disk.engine, "a")).toEqual(before);
  });

  test("that nobody would see any more get no rows", async () => {
    await using disk = await Disk.open({ history: 100 });
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 3; j++) {
        const puts = Array.from({ length: 100 }, (_, k) => put(disk.engine, "a", `${i} ${j} ${k}`));
        await Promise.all(puts);
      }
    }
    await disk.kill();
    expect(await disk.made()).toBeGreaterThan(700);
    await disk.tables(({ history }) => expect(history.getKeysCount()).toBe(0));
    await disk.start();
    expect(await past(disk.engine, "a")).toHaveLength(11);
  });

  test("don't gather in the log where the entries are large", async () => {
    await using disk = await Disk.open({ historyBytes: 1 });
    for (let i = 0; i < 200; i++) {
      await disk.engine.put(path("a"), new Uint8Array(256 * 1024).fill(i), { operation: `o${i}` });
    }
    const all = await past(disk.engine, "a");
    expect(all).toHaveLength(11);
    await disk.kill();
    expect(200 - (await disk.made())).toBeLessThan(100);
    await disk.start();
    expect(await past(disk.engine, "a")).toEqual(all);
    const again = { operation: "o9" };
    expect((await disk.engine.put(path("a"), new Uint8Array(), again)).revision).toBe(10);
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

  test.each([[100_000], [5]])(
    "have no holes where a rule kept fewer for a while, and the log keeps %i changes",
    async (history) => {
      await using disk = await Disk.open({ history });
      const memory = new MemoryEngine({ clock: disk.clock });
      const both = [disk.engine, memory];
      const prefix = path("a");
      const writeTo = async (count: number): Promise<void> => {
        for (const engine of both) {
          for (let i = 0; i < count; i++) await put(engine, "a", `${engine.revision}`);
        }
      };
      for (const [versions, count] of [
        [10, 400],
        [1, 4],
        [3, 2],
        [10, 300],
        [2, 1],
        [10, 2],
      ] as const) {
        for (const engine of both) {
          await engine.keepHistory({ prefix, versions, maxAgeMs: Infinity });
        }
        await writeTo(count);
        expect(await past(disk.engine, "a")).toEqual(await past(memory, "a"));
      }
    },
  );

  test("have no holes where an entry is written while a rule is changed", async () => {
    await using disk = await Disk.open({ history: 5 });
    const { engine } = disk;
    const rule = { prefix: path("a"), maxAgeMs: Infinity };
    for (let round = 0; round < 3; round++) {
      for (const versions of [1, 5_000]) {
        const state = { isKept: false };
        const kept = engine.keepHistory({ ...rule, versions }).then(() => (state.isKept = true));
        while (!state.isKept) {
          await Promise.all(Array.from({ length: 300 }, (_, i) => put(engine, "a", `${i}`)));
        }
        await kept;
        const revisions = (await engine.history(path("a"))).map(({ revision }) => revision);
        expect(revisions).toEqual(revisions.map((_, i) => engine.revision - i));
      }
    }
  });

  test("outlive a power failure", async () => {
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
    // What is committed before it is answered waits for the next flush to be in the journal.
    disk.engine.watched();
    await put(disk.engine, "a", "lost");
    await disk.kill();
    await disk.start("second");
    expect(disk.engine.store).not.toBe(store);
    expect(await past(disk.engine, "a")).toEqual(before);
    expect(await write("waiting at it")).toEqual(first);
    expect(await write("in the journal")).toEqual(second);
    await moveAll(disk.engine);
    expect(await past(disk.engine, "a")).toEqual(before);
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
    await put(disk.engine, "a", "end");
    await disk.kill();
    let rows = 0;
    await disk.tables(({ log }) => {
      rows = log.getKeysCount();
    });
    expect(rows).toBeLessThan(60);
  });
});

test("a store of format 3 is gone on with: its log, past versions and operations", async () => {
  await using disk = await Disk.open();
  const named = { operation: "o", author: "ann" };
  const first = await disk.engine.put(path("a"), bytes("1"), named);
  await put(disk.engine, "a", "2");
  const before = await past(disk.engine, "a");
  await moveAll(disk.engine);
  await disk.kill();
  await disk.tables(asFormat3);
  await writeFile(join(disk.path, "format"), "banyan store 3\n");
  await disk.start();
  expect(await readFile(join(disk.path, "format"), "utf8")).toBe("banyan store 6\n");
  expect(await past(disk.engine, "a")).toEqual(before);
  expect(await disk.engine.put(path("a"), bytes("1"), named)).toEqual(first);
  await put(disk.engine, "a", "3");
  const after = { store: disk.engine.store, revision: 0 };
  const reader = new EventReader(disk.engine.watch(path("a"), { after }));
  expect(await reader.show("live")).toEqual(["put a=1", "put a=2", "put a=3", "live"]);
  expect(await past(disk.engine, "a")).toHaveLength(3);
});

test("a store that made rows of the log later is gone on with", async () => {
  await using disk = await Disk.open();
  const write = (value: string): Promise<WriteResult> =>
    disk.engine.put(path("a"), bytes(value), { operation: value });
  const first = await write("1");
  await disk.engine.delete(path("a"));
  const second = await write("2");
  await disk.engine.delete(path("a"));
  const before = await past(disk.engine, "a");
  expect(before).toHaveLength(4);
  await disk.kill();
  await disk.tables(({ meta, history, operations }) => {
    meta.putSync(META_KEYS.head, (meta.get(META_KEYS.head) as Uint8Array).slice(0, 32));
    for (const table of [history, ...operations]) table.clearSync();
  });
  await disk.start();
  expect(await past(disk.engine, "a")).toEqual(before);
  expect(await write("1")).toEqual(first);
  expect(await write("2")).toEqual(second);
  await disk.restart();
  expect(await past(disk.engine, "a")).toEqual(before);
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
