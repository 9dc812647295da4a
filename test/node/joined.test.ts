import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { expect, it } from "vitest";

import { joinTree } from "../../src/node/join.ts";
import { joiningToken, readJoined, removeDrafts, writeJoined } from "../../src/node/joined.ts";
import { runHub } from "../../src/node/hub.ts";
import { open } from "../../src/node/open.ts";
import { placesOf } from "../../src/node/tree-folder.ts";

it("joiningToken() is the same for the same line and name until the machine has joined", async () => {
  const folder = mkdtempSync(join(tmpdir(), "banyan-joined-"));
  try {
    const places = placesOf(folder);
    mkdirSync(dirname(places.joined));
    const asked = { line: "tls://a:1#f.bt_x", user: "n2" };
    const token = await joiningToken(places, asked);
    expect(token).toMatch(/^bt_/);
    expect(statSync(places.joining).mode & 0o777).toBe(0o600);
    expect(await joiningToken(places, asked)).toBe(token);
    expect(await joiningToken(places, { ...asked, user: "n3" })).not.toBe(token);
    const other = await joiningToken(places, { ...asked, line: "another" });
    writeFileSync(places.joining, "{");
    expect(await joiningToken(places, { ...asked, line: "another" })).not.toBe(other);
    const joined = { url: "tls://a:1#f", user: "n2", token };
    await writeJoined(places, joined);
    expect(existsSync(places.joining)).toBe(false);
    expect(await readJoined(places)).toEqual(joined);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("joinTree() refuses a second one in the same folder, and leaves the first alone", async () => {
  const folder = mkdtempSync(join(tmpdir(), "banyan-joined-"));
  // A hub that has nothing to say keeps the first one where it is.
  await using silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const line = `tls://127.0.0.1:${port}#${"0".repeat(64)}.bt_x`;
  const stop = new AbortController();
  const options = { directory: folder, name: "n2", signal: stop.signal };
  try {
    const connected = once(silent, "connection");
    const first = joinTree(line, options);
    first.catch(() => {});
    const [socket] = (await connected) as [Socket];
    await expect(joinTree(line, { ...options, name: "n3" })).rejects.toMatchObject({
      code: "NODE_TREE_IN_USE",
      details: { pid: process.pid },
    });
    expect((await readdir(join(folder, ".banyan"))).toString()).toBe("joining.json");
    stop.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    socket.destroy();
    expect(existsSync(join(folder, ".banyan"))).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("a folder in which a join was broken off is no tree for anybody, and drafts go with the next one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "banyan-joined-"));
  try {
    const places = placesOf(folder);
    mkdirSync(dirname(places.joined));
    await joiningToken(places, { line: "tls://a:1#f.bt_x", user: "n2" });
    writeFileSync(`${places.joining}.draft`, "{");
    writeFileSync(`${places.joined}.draft`, "{");
    const refused = { code: "NODE_UNFINISHED", details: { directory: folder } };
    await expect(open(folder)).rejects.toMatchObject(refused);
    await expect(open(folder, { create: true })).rejects.toMatchObject(refused);
    await expect(open(folder, { exclusive: true, create: true })).rejects.toMatchObject(refused);
    const signal = new AbortController().signal;
    await expect(runHub({ directory: folder, idleMs: 1, signal })).rejects.toMatchObject(refused);
    expect(existsSync(places.store)).toBe(false);
    await removeDrafts(places);
    expect(await readdir(dirname(places.joined))).toEqual(["joining.json"]);
    // Where it is given up, it is a place like any other.
    rmSync(places.joining);
    await using tree = await open(folder, { exclusive: true, create: true });
    await tree.set("a", 1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
