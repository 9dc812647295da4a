import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { LockFile } from "../../src/node/lock-file.ts";
import { ownProcess } from "../../src/runner/process-identity.ts";

describe("LockFile", () => {
  it("take() gives one holder the lock and tells the others who it is", async () => {
    using folder = temporary();
    const first = await LockFile.take(folder.lock, "hub");
    expect(first).toBeInstanceOf(LockFile);
    expect(await LockFile.take(folder.lock, "start")).toMatchObject({
      pid: process.pid,
      role: "hub",
    });
    await (first as LockFile).release();
    expect(await LockFile.take(folder.lock, "start")).toBeInstanceOf(LockFile);
    expect(readdirSync(folder.path)).toEqual(["lock"]);
  });

  it("take() gives one of many that ask at once the lock", async () => {
    using folder = temporary();
    const all = await Promise.all(
      Array.from({ length: 50 }, () => LockFile.take(folder.lock, "x")),
    );
    expect(all.filter((lock) => lock instanceof LockFile)).toHaveLength(1);
  });

  it("take() breaks the lock of a process that is gone, and what is no lock", async () => {
    using folder = temporary();
    for (const content of [
      JSON.stringify({ ...ownProcess(), start: 1, role: "hub", id: "x" }),
      "garbage",
      "",
    ]) {
      writeFileSync(folder.lock, content);
      const taken = await LockFile.take(folder.lock, "hub");
      expect(taken).toBeInstanceOf(LockFile);
      await (taken as LockFile).release();
    }
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it("release() leaves another's lock alone", async () => {
    using folder = temporary();
    const lock = (await LockFile.take(folder.lock, "hub")) as LockFile;
    const other = JSON.stringify({ ...ownProcess(), role: "dev", id: "other" });
    writeFileSync(folder.lock, other);
    await lock.release();
    expect(await LockFile.holder(folder.lock)).toMatchObject({ role: "dev" });
  });

  it("take() says what is wrong with a folder that is gone", async () => {
    await expect(LockFile.take("/no/such/folder/lock", "hub")).rejects.toMatchObject({
      code: "NODE_NO_TREE",
    });
  });

  // A folder in which not even root may write.
  it.runIf(process.platform === "linux")("take() says what can't be written", async () => {
    await expect(LockFile.take("/sys/kernel/banyan.lock", "hub")).rejects.toMatchObject({
      code: "NODE_DENIED",
    });
  });
});

function temporary(): { readonly path: string; readonly lock: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), "banyan-lock-"));
  return {
    path,
    lock: join(path, "lock"),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
