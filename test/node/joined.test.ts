import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { expect, it } from "vitest";

import { joiningToken, readJoined, writeJoined } from "../../src/node/joined.ts";
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
