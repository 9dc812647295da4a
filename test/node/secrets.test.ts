import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { open } from "../../src/node/open.ts";

function folder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "banyan-secrets-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

const SECRET = "a very particular secret";

describe("tree.secrets", () => {
  it("are encrypted at rest, and in all that is made of the tree", async () => {
    using place = folder();
    {
      await using tree = await open(place.path, { create: true, exclusive: true });
      await tree.secrets.set("db.password", SECRET);
      await tree.secrets.set("db.other", { deep: [SECRET, 1n] });
      expect(await tree.secrets.get("db.password")).toBe(SECRET);
      expect(await tree.secrets.get("db.other")).toEqual({ deep: [SECRET, 1n] });
      expect(await tree.secrets.get("db")).toBeUndefined();
      const listed = await tree.secrets.list();
      expect(listed.map(({ path }) => path.toString())).toEqual(["db.other", "db.password"]);
      const all: unknown[] = [...(await tree.walk(":").toArray())];
      all.push(await tree.history(":.banyan.secret.db.password"), listed);
      for (const value of all) {
        expect(Buffer.from(JSON.stringify(value, bytesAsText)).includes(SECRET)).toBe(false);
      }
    }
    const stored = readFileSync(join(place.path, ".banyan/store/data.mdb"));
    expect(stored.includes("password")).toBe(true);
    expect(stored.includes(SECRET)).toBe(false);
    expect(statSync(join(place.path, ".banyan/secret.key")).mode & 0o777).toBe(0o600);
    await using again = await open(place.path, { exclusive: true });
    expect(await again.secrets.get("db.password")).toBe(SECRET);
  });

  it("are not read with another key, at another place, without the key, or changed", async () => {
    using place = folder();
    await using tree = await open(place.path, { create: true, exclusive: true });
    await tree.secrets.set("a", SECRET);
    const at = ":.banyan.secret.a";
    const sealed = (await tree.get(at)) as { data: Uint8Array };
    await tree.set(":.banyan.secret.b", sealed);
    const denied = { code: "TREE_NO_KEY" };
    await expect(tree.secrets.get("b")).rejects.toMatchObject(denied);
    await tree.set(at, { ...sealed, data: sealed.data.map((byte) => byte ^ 1) });
    await expect(tree.secrets.get("a")).rejects.toMatchObject(denied);
    await tree.set(at, sealed);
    expect(await tree.secrets.get("a")).toBe(SECRET);
    rmSync(join(place.path, ".banyan/secret.key"));
    await expect(tree.secrets.get("a")).rejects.toMatchObject(denied);
    await tree.secrets.set("c", 1);
    const error = await tree.secrets.get("a").catch((reason: unknown) => reason);
    expect(error).toMatchObject(denied);
    expect(await tree.secrets.remove("a")).toBe(true);
    await using memory = await open("memory:");
    await expect(memory.secrets.set("a", 1)).rejects.toMatchObject(denied);
  });
});

function bytesAsText(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value;
}
