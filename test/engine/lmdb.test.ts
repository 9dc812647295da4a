import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { openLmdb, type LmdbOwner } from "../../src/engine/lmdb.ts";
import { lmdbError } from "../../src/engine/lmdb-errors.ts";
import { engineSuite } from "../../src/testing/engine-suite.ts";
import { EventReader, listed, path, put, rejectsWith } from "../../src/testing/engine-suite-kit.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

interface Folder extends AsyncDisposable {
  readonly path: string;
}

async function temporaryFolder(): Promise<Folder> {
  const folder = await mkdtemp(join(tmpdir(), "banyan-lmdb-"));
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

describe("openLmdb()", () => {
  engineSuite({
    test,
    open: async ({ history, maxValueBytes }) => {
      const directory = await mkdtemp(join(tmpdir(), "banyan-lmdb-"));
      const options = {
        history,
        limits: maxValueBytes === undefined ? {} : { maxValueBytes },
      };
      let engine = await openLmdb(directory, options);
      return {
        engine,
        reopen: async () => {
          await engine.close();
          return (engine = await openLmdb(directory, options));
        },
        [Symbol.asyncDispose]: async () => {
          await engine.close();
          await rm(directory, { recursive: true });
        },
      };
    },
  });

  test("what it makes is its owner's alone", async () => {
    await using folder = await temporaryFolder();
    const store = join(folder.path, "store");
    await using engine = await openLmdb(store);
    await put(engine, "a", "1");
    expect((await stat(store)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(store)) {
      expect([name, (await stat(join(store, name))).mode & 0o777]).toEqual([name, 0o600]);
    }
  });

  test("a newer format is refused, and not a byte is changed", async () => {
    await using folder = await temporaryFolder();
    await (await openLmdb(folder.path)).close();
    await writeFile(join(folder.path, "format"), "banyan store 99\n");
    const before = await contentOf(folder.path);
    const error = await rejectsWith(openLmdb(folder.path), "ENGINE_FORMAT");
    expect(error.message).toContain("newer version");
    expect(await contentOf(folder.path)).toEqual(before);
  });

  test.each([
    ["a folder of something else", async (where: string) => writeFile(where, "x"), "letter.txt"],
    [
      "a format file that says nothing known",
      async (where: string) => writeFile(where, "x"),
      "format",
    ],
    ["a folder in a folder", async (where: string) => mkdir(where), "inner"],
  ])("%s is refused, and not a byte is changed", async (_, make, name) => {
    await using folder = await temporaryFolder();
    await make(join(folder.path, name));
    await rejectsWith(openLmdb(folder.path), "ENGINE_FORMAT");
    expect(await readdir(folder.path)).toEqual([name]);
  });

  test("the folder above is not made: somebody may just have removed it", async () => {
    await using folder = await temporaryFolder();
    await rejectsWith(openLmdb(join(folder.path, "removed", "store")), "ENGINE_FORMAT");
    expect(await readdir(folder.path)).toEqual([]);
  });

  test("a file in place of the directory is refused", async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, "file"), "");
    await rejectsWith(openLmdb(join(folder.path, "file")), "ENGINE_FORMAT");
  });

  test.each([
    ["overwritten", (data: string) => writeFile(data, Buffer.alloc(65_536, "garbage"))],
    ["emptied", (data: string) => truncate(data, 0)],
    ["deleted", (data: string) => rm(data)],
    ["cut off within its heads", (data: string) => truncate(data, 100)],
    ["cut off", (data: string) => truncate(data, 3 * 4096)],
    ["damaged in its first head", (data: string) => overwrite(data, 0)],
    ["damaged in its second head", (data: string) => overwrite(data, 4096)],
    ["wiped behind its heads", wipe],
  ])("a data file that was %s is an error and no crash", async (_, damage) => {
    await using folder = await temporaryFolder();
    {
      await using engine = await openLmdb(folder.path);
      for (let i = 0; i < 300; i++) await put(engine, `a:${i}`, "x".repeat(100));
    }
    await damage(join(folder.path, "data.mdb"));
    await rejectsWith(openLmdb(folder.path), "ENGINE_CORRUPT");
  });

  test("a short file whose missing pages hold nothing is opened", async () => {
    await using folder = await temporaryFolder();
    const large = "x".repeat(1024 * 1024);
    {
      await using engine = await openLmdb(folder.path);
      await put(engine, "a", "1");
      // Of one transaction: the pages of all but the last are taken and freed, and never written.
      await Promise.all([large, large, large, "2"].map((value) => put(engine, "b", value)));
    }
    await using again = await openLmdb(folder.path);
    expect(await listed(again, ":")).toEqual(["a=1", "b=2"]);
  });

  test("the owner before is asked for, and the epoch rises with each", async () => {
    await using folder = await temporaryFolder();
    const asked: LmdbOwner[] = [];
    const claim = (previous: LmdbOwner): boolean => asked.push(previous) < 3;
    const first = await openLmdb(folder.path, { owner: "one", claim });
    expect(first.epoch).toBe(1);
    const second = await openLmdb(folder.path, { owner: "two", claim });
    const refused = await rejectsWith(openLmdb(folder.path, { claim }), "ENGINE_DEPOSED");
    expect(refused.details).toEqual({ epoch: 2, owner: "two" });
    await first.close();
    await second.close();
    expect(asked).toEqual([
      { epoch: 0, owner: "" },
      { epoch: 1, owner: "one" },
      { epoch: 2, owner: "two" },
    ]);
    await using third = await openLmdb(folder.path);
    expect(third.epoch).toBe(3);
  });

  test("who was deposed writes nothing more, and ends", async () => {
    await using folder = await temporaryFolder();
    await using old = await openLmdb(folder.path);
    await put(old, "a", "1");
    const reader = new EventReader(old.watch(path("a")));
    await reader.show("ready");
    await using next = await openLmdb(folder.path);
    await rejectsWith(put(old, "a", "2"), "ENGINE_DEPOSED");
    await rejectsWith(old.get(path("a")), "ENGINE_DEPOSED");
    await rejectsWith(reader.next(), "ENGINE_DEPOSED");
    expect(await listed(next, ":")).toEqual(["a=1"]);
    await put(next, "a", "3");
  });

  test("who was deposed forgets no operation of its successor's", async () => {
    await using folder = await temporaryFolder();
    const [before, since] = [new ManualClock(), new ManualClock()];
    await using old = await openLmdb(folder.path, { clock: before });
    await using next = await openLmdb(folder.path, { clock: since });
    since.advance(120_000);
    const write = async (): Promise<number> =>
      (await next.put(path("a"), new Uint8Array(), { operation: "op-1" })).revision;
    const first = await write();
    // Time for its row.
    since.advance(50);
    await next.delete(path("nothing"));
    before.advance(120_000);
    await rejectsWith(put(old, "b", "1"), "ENGINE_DEPOSED");
    expect(await write()).toBe(first);
  });

  test("who wrote nothing in a transaction finds out who took the store over in it", async () => {
    await using folder = await temporaryFolder();
    // Its time stands still: it writes nothing by itself.
    await using old = await openLmdb(folder.path, { clock: new ManualClock() });
    await put(old, "a", "1");
    // LMDB gives the number of a transaction that wrote nothing to the next, which is another's.
    await rejectsWith(old.put(path("a"), new Uint8Array(), { ifRevision: 99 }), "ENGINE_CONFLICT");
    await using next = await openLmdb(folder.path);
    await rejectsWith(put(old, "a", "2"), "ENGINE_DEPOSED");
    expect(await listed(next, ":")).toEqual(["a=1"]);
  });

  test("checkOwner() ends an engine that was deposed while it was idle", async () => {
    await using folder = await temporaryFolder();
    await using old = await openLmdb(folder.path);
    old.checkOwner();
    await put(old, "a", "1");
    const next = await openLmdb(folder.path);
    old.checkOwner();
    await next.close();
    await rejectsWith(old.get(path("a")), "ENGINE_DEPOSED");
  });

  test("the history is bounded by bytes, too", async () => {
    await using folder = await temporaryFolder();
    await using engine = await openLmdb(folder.path, { historyBytes: 10_000 });
    const after = { store: engine.store, revision: await put(engine, "a", "1") };
    for (let i = 0; i < 30; i++) await put(engine, "a", "x".repeat(1_000));
    const old = new EventReader(engine.watch(path("a"), { after }));
    expect((await old.show("live")).at(0)).toBe("reset history");
    const recent = { store: engine.store, revision: after.revision + 25 };
    const reader = new EventReader(engine.watch(path("a"), { after: recent }));
    expect(await reader.until(({ type }) => type === "live")).toHaveLength(6);
  });

  test("the history is bounded by age, too, and a watch from before it begins anew", async () => {
    await using folder = await temporaryFolder();
    const clock = new ManualClock();
    await using engine = await openLmdb(folder.path, { clock, historyMs: 60_000 });
    const store = engine.store;
    for (let i = 0; i < 1_200; i++) await put(engine, "a", `${i}`);
    clock.advance(50_000);
    await put(engine, "a", "young");
    clock.advance(20_000);
    // What is too old goes with the writes to come, some at a time.
    await put(engine, "a", "now");
    await put(engine, "a", "end");
    const old = new EventReader(engine.watch(path("a"), { after: { store, revision: 1_199 } }));
    expect(await old.show("live")).toEqual(["reset history", "put a=end", "ready", "live"]);
    const young = new EventReader(engine.watch(path("a"), { after: { store, revision: 1_200 } }));
    expect(await young.show("live")).toEqual(["put a=young", "put a=now", "put a=end", "live"]);
  });

  test.each([
    ["MDB_BAD_TXN: Transaction must abort, has a child, or is invalid", "ENGINE_CORRUPT"],
    ["MDB_CORRUPTED: Located page was wrong type", "ENGINE_CORRUPT"],
    ["MDB_MAP_FULL: Environment mapsize limit reached", "ENGINE_FULL"],
    ["Invalid argument", "ENGINE_UNAVAILABLE"],
  ])("what LMDB calls %s is %s to a client", (says, code) => {
    expect(lmdbError(new Error(says), "lmdb:/nowhere")).toMatchObject({ code });
  });

  test("operations are remembered for two minutes, and not for ever", async () => {
    await using folder = await temporaryFolder();
    const clock = new ManualClock();
    await using engine = await openLmdb(folder.path, { clock });
    const write = async (operation: string): Promise<number> =>
      (await engine.put(path("a"), new Uint8Array(), { operation })).revision;
    // Each begins in another generation than the one before: either has to be found, and forgotten.
    for (const operation of ["op-1", "op-2", "op-3"]) {
      const first = await write(operation);
      clock.advance(119_000);
      await put(engine, "b", "1");
      expect(await write(operation)).toBe(first);
      clock.advance(1_000);
      expect(await write(operation)).toBe(first);
      clock.advance(120_000);
      await put(engine, "b", "2");
      clock.advance(120_000);
      expect(await write(operation)).toBeGreaterThan(first);
    }
  });
});

async function contentOf(folder: string): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for (const name of await readdir(folder)) {
    content[name] = (await readFile(join(folder, name))).toString("base64");
  }
  return content;
}

async function overwrite(data: string, at: number): Promise<void> {
  await using file = await open(data, "r+");
  await file.write(Buffer.alloc(4096, "garbage"), 0, 4096, at);
}

async function wipe(data: string): Promise<void> {
  await using file = await open(data, "r+");
  const { size } = await file.stat();
  await file.write(Buffer.alloc(size - 2 * 4096), 0, size - 2 * 4096, 2 * 4096);
}
