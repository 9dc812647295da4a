import fs, { existsSync } from "node:fs";
import { mkdtemp, open, rm, type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, describe, expect, test, vi } from "vitest";

import { openLmdb } from "../../src/engine/lmdb.ts";
import { markUnflushed, rewriteUnflushed } from "../../src/engine/unflushed.ts";
import { listed, path, put, rejectsWith } from "../../src/testing/engine-suite-kit.ts";

interface Folder extends AsyncDisposable {
  readonly path: string;
  readonly isMarked: boolean;
}

async function temporaryFolder(): Promise<Folder> {
  const folder = await mkdtemp(join(tmpdir(), "banyan-unflushed-"));
  return {
    path: folder,
    get isMarked() {
      return existsSync(join(folder, "unflushed"));
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** What every file handle is made of. */
async function fileHandles(): Promise<FileHandle> {
  await using file = await open(import.meta.filename);
  return Object.getPrototypeOf(file) as FileHandle;
}

/** From now on the disk refuses to flush, whoever waits for it. @returns what makes it well again */
async function breakFlushes(): Promise<() => void> {
  const mocks = [
    vi.spyOn(await fileHandles(), "datasync").mockRejectedValue(EIO),
    vi.spyOn(fs, "fdatasyncSync").mockImplementation(() => {
      throw EIO;
    }),
  ];
  syncBuiltinESMExports();
  return () => {
    for (const mock of mocks) mock.mockRestore();
    syncBuiltinESMExports();
  };
}

const flushed = { durability: "flushed" } as const;
const EIO = Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" });

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

describe("a disk that refuses to keep what is written", () => {
  test("ends the store, and no flushed write is acknowledged, then or by a retry", async () => {
    await using folder = await temporaryFolder();
    const engine = await openLmdb(folder.path);
    await put(engine, "kept", "1");
    await engine.put(path("flushed"), new Uint8Array([1]), flushed);
    const mend = await breakFlushes();
    const write = engine.put(path("lost"), new Uint8Array([2]), { ...flushed, operation: "o" });
    await rejectsWith(write, "ENGINE_AMBIGUOUS");
    await rejectsWith(put(engine, "more", "1"), "ENGINE_UNAVAILABLE");
    await engine.close();
    expect(folder.isMarked).toBe(true);
    // The system says of the next flush that all is well: it is not believed.
    mend();
    const sync = vi.spyOn(await fileHandles(), "sync").mockRejectedValue(EIO);
    const refused = await rejectsWith(openLmdb(folder.path), "ENGINE_UNAVAILABLE");
    expect(refused.message).toContain("the disk does not keep");
    expect(folder.isMarked).toBe(true);
    sync.mockRestore();
    await using again = await openLmdb(folder.path);
    expect(folder.isMarked).toBe(false);
    // Everything was written anew before this is true.
    const options = { ...flushed, operation: "o" };
    const { revision } = await again.put(path("lost"), new Uint8Array([2]), options);
    expect((await again.get(path("lost")))?.revision).toBe(revision);
    expect(await listed(again, ":")).toHaveLength(3);
  });

  test("is marked also where it is the first flush that fails", async () => {
    await using folder = await temporaryFolder();
    {
      await using engine = await openLmdb(folder.path);
      await put(engine, "a", "1");
    }
    await breakFlushes();
    await rejectsWith(openLmdb(folder.path), "ENGINE_UNAVAILABLE");
    expect(folder.isMarked).toBe(true);
  });
});

test("rewriteUnflushed() leaves a file as it is, byte by byte, and writes all of it", async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data");
  const bytes = Buffer.alloc(9 * 1024 * 1024 + 7, "some text");
  {
    await using file = await open(data, "w");
    await file.writeFile(bytes);
    markUnflushed(folder.path);
  }
  const write = vi.spyOn(await fileHandles(), "write");
  await rewriteUnflushed(folder.path, "data");
  const lengths = write.mock.calls.map((call) => Number(call[2]));
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(bytes.length);
  await using file = await open(data);
  expect(bytes.equals(await file.readFile())).toBe(true);
  expect(folder.isMarked).toBe(false);
});
