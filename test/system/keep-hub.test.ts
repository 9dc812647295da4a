/** A hub that only machines on the network use: it comes back with nobody there who would start it. */
import { existsSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";

import { open } from "banyan";
import { expect, test, vi } from "vitest";

import { hubPid, isAlive, temporaryFolder } from "./kit.ts";
import { addressOf, listenAt, listeningTree, ROOT } from "./network-kit.ts";

const SOON = { timeout: 20_000, interval: 20 };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** A hub at a port of its own, with something that brings it back, and no client on this machine. */
async function aloneOnTheNetwork(folder: string): Promise<string> {
  const url = `tls://127.0.0.1:${await freePort()}`;
  {
    await using listening = await listeningTree(folder);
    await listening.local.set("lamp", "on");
    listenAt(folder, url);
    await vi.waitFor(() => expect(addressOf(folder)).toContain(url), SOON);
  }
  await vi.waitFor(() => expect(existsSync(join(folder, ".banyan/keep.lock"))).toBe(true), SOON);
  return addressOf(folder) as string;
}

test("a hub that only the network uses is back by itself each time it is killed", async () => {
  using folder = temporaryFolder();
  const address = await aloneOnTheNetwork(folder.path);
  await using client = await open(address, { credentials: ROOT });
  for (let i = 1; i <= 2; i++) {
    const killed = hubPid(folder.path) as number;
    process.kill(killed, "SIGKILL");
    await client.set("kills", i);
    expect(await client.get("lamp")).toBe("on");
    expect(hubPid(folder.path)).not.toBe(killed);
  }
});

test("a hub that is asked to end stays away, and nothing of it is left", async () => {
  using folder = temporaryFolder();
  await aloneOnTheNetwork(folder.path);
  const hub = hubPid(folder.path) as number;
  process.kill(hub, "SIGTERM");
  const lock = join(folder.path, ".banyan/keep.lock");
  await vi.waitFor(() => expect(existsSync(lock) || isAlive(hub)).toBe(false), SOON);
  expect(hubPid(folder.path)).toBeUndefined();
});
