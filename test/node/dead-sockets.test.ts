import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, it } from "vitest";

import { removeDeadSockets } from "../../src/node/dead-sockets.ts";

const TREE = "0123456789ab";
const OTHER = "ba9876543210";

it("removeDeadSockets() takes away what nobody listens at, old of other trees, and nothing else", async () => {
  const folder = mkdtempSync(join(tmpdir(), "banyan-sockets-"));
  const at = (name: string): string => join(folder, name);
  const servers: Server[] = [];
  try {
    const dead = [`${TREE}-dead0000`, `${OTHER}-dead0001`, `${OTHER}-young000`, "notours-dead0002"];
    await listenAndDie(dead.map(at));
    for (const name of [`${TREE}-live0000`, `${TREE}-own00000`, `${OTHER}-live0001`]) {
      const server = createServer(() => {});
      servers.push(server);
      await new Promise<void>((listening) => void server.listen(at(name), listening));
    }
    mkdirSync(at(".aBc123"));
    mkdirSync(at("folder"));
    writeFileSync(at(`${TREE}-file0000`), "");
    const old = new Date(Date.now() - 2 * 60 * 60 * 1_000);
    for (const name of readdirSync(folder)) {
      if (!name.includes("young")) utimesSync(at(name), old, old);
    }
    expect(await removeDeadSockets(`unix:${at(`${TREE}-own00000`)}`)).toBe(3);
    expect(readdirSync(folder).toSorted()).toEqual(
      [`${TREE}-file0000`, `${TREE}-live0000`, `${TREE}-own00000`, `${OTHER}-live0001`, `${OTHER}-young000`, "folder", "notours-dead0002"].toSorted(), // prettier-ignore
    );
  } finally {
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true });
  }
});

/** Sockets of a process that was killed. */
async function listenAndDie(paths: readonly string[]): Promise<void> {
  const source = `
    const { createServer } = require("node:net");
    const paths = ${JSON.stringify(paths)};
    let left = paths.length;
    for (const path of paths) createServer().listen(path, () => --left === 0 && process.kill(process.pid, "SIGKILL"));`;
  await once(spawn(process.execPath, ["-e", source]), "exit");
}
