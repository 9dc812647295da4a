import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, it } from "vitest";

import { makeDirectory } from "../../src/engine/make-directory.ts";

it("makeDirectory() makes what is missing, private, and says where it began", async () => {
  const top = mkdtempSync(join(tmpdir(), "banyan-test-"));
  const path = join(top, "a/b/c");
  expect(await makeDirectory(path)).toBe(join(top, "a"));
  expect(statSync(join(top, "a")).mode & 0o777).toBe(0o700);
  expect(await makeDirectory(path)).toBeUndefined();
  await Promise.all(Array.from({ length: 20 }, () => makeDirectory(join(top, "x/y/z"))));
  expect(statSync(join(top, "x/y/z")).isDirectory()).toBe(true);
  writeFileSync(join(top, "file"), "");
  await expect(makeDirectory(join(top, "file"))).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeDirectory(join(top, "file/a"))).rejects.toMatchObject({ code: "ENOTDIR" });
  rmSync(top, { recursive: true });
});

it.runIf(process.platform === "linux")(
  "makeDirectory() ends where the system has no such folder and can make none",
  async () => {
    await expect(makeDirectory("/proc/none/here")).rejects.toMatchObject({ code: "ENOENT" });
  },
);
