import { once } from "node:events";
import { lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { expect, it } from "vitest";

import { claimSocketPath } from "../../src/channel/socket-path.ts";

it("claimSocketPath() binds where nobody else can enter, beside the path", async () => {
  const folder = mkdtempSync(join(tmpdir(), "banyan-path-"));
  const server = createServer();
  const path = join(folder, "s");
  let seen: unknown;
  const release = await claimSocketPath(path, async (bound) => {
    server.listen(bound);
    await once(server, "listening");
    const mode = lstatSync(dirname(bound)).mode & 0o777;
    seen = {
      beside: dirname(dirname(bound)) === folder,
      mode,
      visible: readdirSync(folder).length,
    };
  });
  expect(seen).toEqual({ beside: true, mode: 0o700, visible: 1 });
  expect(lstatSync(path).mode & 0o777).toBe(0o600);
  release();
  server.close();
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

it("claimSocketPath() leaves nothing where binding fails", async () => {
  const folder = mkdtempSync(join(tmpdir(), "banyan-path-"));
  const cause = new Error("seeded");
  await expect(claimSocketPath(join(folder, "s"), () => Promise.reject(cause))).rejects.toBe(cause);
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});
