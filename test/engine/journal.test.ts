import { createHash } from "node:crypto";
import fs from "node:fs";
import {
  cp,
  type FileHandle,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  writeFile,
} from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, describe, expect, test, vi } from "vitest";

import { Journal, type JournalRow, readJournals } from "../../src/engine/journal.ts";
import { type LmdbEngine, openLmdb } from "../../src/engine/lmdb.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { listed, path, put, rejectsWith } from "../../src/testing/engine-suite-kit.ts";

const flushed = { durability: "flushed" } as const;

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

interface Folder extends AsyncDisposable {
  readonly store: string;
  /** The store as it is now is on the disk. */
  keep(): Promise<void>;
  /** The machine stops: of what was written since `keep`, only the journals are on the disk. */
  fail(): Promise<void>;
  journals(): Promise<string[]>;
}

async function temporaryFolder(): Promise<Folder> {
  const base = await mkdtemp(join(tmpdir(), "banyan-journal-"));
  const store = join(base, "store");
  const kept = join(base, "kept");
  const journals = async (): Promise<string[]> =>
    (await readdir(store)).filter((name) => name.startsWith("journal."));
  return {
    store,
    journals,
    keep: () => cp(store, kept, { recursive: true }),
    fail: async () => {
      for (const name of await journals()) await cp(join(store, name), join(kept, name));
      await rm(store, { recursive: true });
      await cp(kept, store, { recursive: true });
      await rm(join(store, "lock.mdb"), { force: true });
    },
    [Symbol.asyncDispose]: () => rm(base, { recursive: true, force: true }),
  };
}

/** Its time stands still: nothing is flushed but what is waited for. The first flush is a safe point. */
async function openStill(folder: Folder, boot = "first"): Promise<LmdbEngine> {
  const engine = await openLmdb(folder.store, { boot, clock: new ManualClock() });
  await engine.put(path("a"), new Uint8Array([1]), flushed);
  return engine;
}

/** From now on no file can be made longer by as much as the journal's are. @returns how often one was not */
async function fillDisk(): Promise<() => number> {
  let refused = 0;
  const refuse = (length: number): void => {
    if (length <= 1024) return;
    refused++;
    throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  };
  const { writeSync } = fs;
  vi.spyOn(fs, "writeSync").mockImplementation((...args: Parameters<typeof writeSync>) => {
    refuse(args[1].length);
    return writeSync(...args);
  });
  await using file = await open(import.meta.filename);
  const handles = Object.getPrototypeOf(file) as FileHandle;
  const { write } = handles;
  vi.spyOn(handles, "write").mockImplementation(async function (
    this: FileHandle,
    ...args: Parameters<typeof write>
  ) {
    refuse(args[0].length);
    return write.apply(this, args);
  });
  syncBuiltinESMExports();
  return () => refused;
}

async function lengthOf(engine: LmdbEngine, key: string): Promise<number | undefined> {
  return (await engine.get(path(key)))?.value.length;
}

describe("a power failure behind the last safe point", () => {
  test("takes nothing that is in a journal: entries, authors, history and operations", async () => {
    await using folder = await temporaryFolder();
    const engine = await openStill(folder);
    await folder.keep();
    await put(engine, "committed", "too");
    await engine.delete(path("a"), { author: "ann" });
    const options = { ...flushed, author: "bob", operation: "o" };
    const before = await engine.put(path("b"), new Uint8Array([2]), options);
    await engine.put(path("b"), new Uint8Array([2, 2]), flushed);
    const { store } = engine;
    await folder.fail();
    await engine.close().catch(() => {});
    await using again = await openLmdb(folder.store, { boot: "second", clock: new ManualClock() });
    expect(await listed(again, ":")).toEqual([expect.stringMatching(/^b=/u), "committed=too"]);
    const versions = (key: string): Promise<unknown[]> =>
      again.history(path(key)).then((all) => all.map(({ value, author }) => [value?.[0], author]));
    expect(await versions("b")).toEqual([
      [2, ""],
      [2, "bob"],
    ]);
    expect(await versions("a")).toEqual([
      [undefined, "ann"],
      [1, ""],
    ]);
    expect(await again.put(path("b"), new Uint8Array([3]), options)).toEqual(before);
    expect(again.store).not.toBe(store);
    expect(await put(again, "c", "1")).toBeGreaterThan(before.revision + 1);
  });

  test("is mended also where another one stops the first attempt", async () => {
    await using folder = await temporaryFolder();
    const engine = await openStill(folder);
    await folder.keep();
    await engine.put(path("b"), new Uint8Array(5), flushed);
    await folder.fail();
    await engine.close().catch(() => {});
    // The one that is refused has made a safe point of its own by then.
    const refused = openLmdb(folder.store, { boot: "second", claim: () => false });
    await rejectsWith(refused, "ENGINE_DEPOSED");
    {
      await using again = await openLmdb(folder.store, { boot: "second" });
      expect(await lengthOf(again, "b")).toBe(5);
    }
    await using third = await openLmdb(folder.store, { boot: "third" });
    expect(await lengthOf(third, "b")).toBe(5);
  });

  test("takes nothing that went into several journals", async () => {
    await using folder = await temporaryFolder();
    const clock = new ManualClock();
    const engine = await openLmdb(folder.store, { boot: "first", clock });
    await engine.put(path("a"), new Uint8Array([1]), flushed);
    await folder.keep();
    for (let i = 0; i < 40; i++) {
      await engine.put(path(`b:${i}`), new Uint8Array(20_000), flushed);
    }
    await folder.fail();
    await engine.close().catch(() => {});
    await using again = await openLmdb(folder.store, { boot: "second" });
    expect(await listed(again, "b")).toHaveLength(40);
  });
});

/** The same batches as up to format 5 of the store: their checksums were longer. */
function asBefore(content: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; content.readUInt32LE(at) > 0;) {
    const end = at + 8 + content.readUInt32LE(at);
    const body = content.subarray(at + 8, end);
    const sum = createHash("sha256").update(body).digest();
    parts.push(content.subarray(at, at + 4), sum, body);
    at = end;
  }
  return Buffer.concat([...parts, Buffer.alloc(4096)]);
}

test("the journal of an owner of an older version is read, up to where it is damaged", async () => {
  for (const isDamaged of [false, true]) {
    await using folder = await temporaryFolder();
    const engine = await openStill(folder);
    await folder.keep();
    await engine.put(path("b"), new Uint8Array(5), flushed);
    await engine.put(path("c"), new Uint8Array(6).fill(0x77), flushed);
    await folder.fail();
    await engine.close().catch(() => {});
    for (const name of await folder.journals()) {
      const file = join(folder.store, name);
      const content = await readFile(file);
      if (content.length === 0) continue;
      const older = asBefore(content);
      if (isDamaged) older[older.indexOf(0x77)] = 0x78;
      await writeFile(file, older);
    }
    await using again = await openLmdb(folder.store, { boot: "second", clock: new ManualClock() });
    expect(await lengthOf(again, "b")).toBe(5);
    expect(await lengthOf(again, "c")).toBe(isDamaged ? undefined : 6);
  }
});

test("a former owner's journals go once there is a safe point behind them", async () => {
  await using folder = await temporaryFolder();
  const first = await openStill(folder);
  const own = await folder.journals();
  expect(own).toHaveLength(2);
  await first.close();
  await using second = await openStill(folder);
  expect(second.epoch).toBe(2);
  const journals = await folder.journals();
  expect(journals).toHaveLength(2);
  expect(journals).not.toContain(own[0]);
});

test("a disk without room for the journal costs no write that it has room for", async () => {
  await using folder = await temporaryFolder();
  const engine = await openStill(folder);
  const refused = await fillDisk();
  await engine.put(path("b"), new Uint8Array(6), flushed);
  expect(refused()).toBeGreaterThan(0);
  await folder.keep();
  await folder.fail();
  await engine.close().catch(() => {});
  await using again = await openLmdb(folder.store, { boot: "second" });
  expect(await lengthOf(again, "b")).toBe(6);
});

describe("Journal", () => {
  test("writes each batch once, on this thread or another, and across a safe point", async () => {
    await using folder = await temporaryFolder();
    const journal = await whole(folder);
    journal.add([row(1), row(2)]);
    journal.writeSync();
    journal.add([row(3)]);
    await journal.write();
    await journal.write();
    const isSafe = journal.turn();
    journal.add([row(4)]);
    journal.writeSync();
    expect(await revisions(folder)).toEqual([1, 2, 3, 4]);
    expect((await readJournals(folder.store, "second")).get(3)).toEqual(row(3));
    isSafe();
    journal.turn()();
    journal.add([row(5)]);
    journal.writeSync();
    // The file was begun anew: what is left of it does not fit behind.
    expect(await revisions(folder)).toEqual([4, 5]);
    await journal.close();
  });

  test("is not whole with more than a file holds, until there is a safe point behind that", async () => {
    await using folder = await temporaryFolder();
    const journal = await whole(folder);
    expect(journal.isWhole).toBe(true);
    journal.add([{ ...row(1), change: new Uint8Array(9 * 1024 * 1024) }]);
    expect(journal.isWhole).toBe(false);
    const early = journal.turn();
    journal.add([row(2)]);
    expect(journal.isWhole).toBe(false);
    early();
    expect(journal.isWhole).toBe(true);
    journal.writeSync();
    expect(await revisions(folder)).toEqual([2]);
    await journal.close();
  });

  test("is not read where nothing can be lost, nor behind a batch that is not whole", async () => {
    await using folder = await temporaryFolder();
    const journal = await whole(folder);
    for (const revision of [1, 2, 3]) {
      journal.add([row(revision)]);
      journal.writeSync();
    }
    await journal.close();
    expect(await revisions(folder, "first")).toEqual([]);
    expect(await revisions(folder)).toEqual([1, 2, 3]);
    for (const name of await folder.journals()) {
      const file = join(folder.store, name);
      const bytes = await readFile(file);
      if (bytes.length === 0) continue;
      bytes[bytes.indexOf(2, 200)] = 9;
      await writeFile(file, bytes);
    }
    expect(await revisions(folder)).toEqual([1]);
  });
});

function row(revision: number): JournalRow {
  return {
    revision,
    change: new Uint8Array(100).fill(revision),
    operation: `o${revision}`,
  };
}

async function whole(folder: Folder): Promise<Journal> {
  await fs.promises.mkdir(folder.store, { recursive: true });
  const journal = await Journal.create(folder.store, "first");
  journal.begin(0);
  journal.turn()();
  return journal;
}

async function revisions(folder: Folder, boot = "second"): Promise<number[]> {
  return [...(await readJournals(folder.store, boot)).keys()].toSorted((a, b) => a - b);
}
