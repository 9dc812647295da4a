/** What people do to a tree's folder behind its back. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";

import { open } from "banyan";
import { describe, expect, it } from "vitest";

import { banyan, hubPid, temporaryFolder } from "./kit.ts";

describe("a tree's folder", () => {
  it("ends its hub when it is removed, and writes fail instead of being lost", async () => {
    using folder = temporaryFolder();
    const tree = await open(folder.path, { create: true });
    await tree.set("a", 1);
    const pid = hubPid(folder.path);
    expect(pid).toBeDefined();
    rmSync(join(folder.path, ".banyan"), { recursive: true, maxRetries: 20, retryDelay: 20 });
    let refused: unknown;
    for (let i = 0; refused === undefined; i++) {
      refused = await tree.set("a", i, { signal: AbortSignal.timeout(30_000) }).then(
        () => undefined,
        (error: unknown) => error,
      );
    }
    expect(refused).toBeInstanceOf(Error);
    expect((await banyan(["-t", folder.path, "data", "get", "a"])).code).toBe(3);
    await tree.close();
  });

  it("can be tidied of the hub's record: the hub writes it again", async () => {
    using folder = temporaryFolder();
    await using tree = await open(folder.path, { create: true });
    await tree.set("a", 1);
    rmSync(join(folder.path, ".banyan", "hub.json"));
    const signal = AbortSignal.timeout(30_000);
    while (hubPid(folder.path) === undefined) {
      signal.throwIfAborted();
      await tree.get("a");
    }
    expect((await banyan(["-t", folder.path, "data", "get", "a"])).stdout).toBe("1\n");
  });
});

describe("banyan dev", () => {
  it("refuses a directory that another dev runs on, with exit 4", async () => {
    using folder = temporaryFolder();
    const args = ["-t", folder.path, "dev", join(import.meta.dirname, "../../examples/weather")];
    const stop = new AbortController();
    const first = banyan([...args, "-n", "1"], { signal: stop.signal });
    await using tree = await open(folder.path, { create: true });
    for await (const event of tree.watch(tree.system.node, {
      signal: AbortSignal.timeout(45_000),
    })) {
      if (event.type === "put") break;
    }
    const second = await banyan([...args, "-n", "1"]);
    expect(second.code).toBe(4);
    expect(second.stderr).toMatch(/runs on the tree/);
    stop.abort();
    expect((await first).code).not.toBe(4);
  });

  it("ends when its tree is removed, and makes no other", async () => {
    using folder = temporaryFolder();
    const example = join(import.meta.dirname, "../../examples/weather");
    const dev = banyan(["-t", folder.path, "dev", example, "-n", "1"]);
    {
      await using tree = await open(folder.path, { create: true });
      for await (const event of tree.watch(tree.system.node, {
        signal: AbortSignal.timeout(45_000),
      })) {
        if (event.type === "put") break;
      }
    }
    rmSync(join(folder.path, ".banyan"), { recursive: true, maxRetries: 20, retryDelay: 20 });
    expect((await dev).code).not.toBe(0);
    expect(existsSync(join(folder.path, ".banyan"))).toBe(false);
  });
});
