import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it, vi } from "vitest";

import { MemoryEngine } from "../../src/engine/memory.ts";
import { open } from "../../src/node/open.ts";
import { givenKeys, rotateSecrets } from "../../src/node/secret-key.ts";
import { Tree } from "../../src/tree/tree.ts";
import { GuardedHub } from "./guarded-hub.ts";

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
    await expect(tree.secrets.set("c", 1)).rejects.toMatchObject(denied);
    await expect(tree.secrets.set(":", 1)).rejects.toThrow(TypeError);
    expect(await tree.secrets.remove("a")).toBe(true);
    await using memory = await open("memory:");
    await expect(memory.secrets.set("a", 1)).rejects.toMatchObject(denied);
  });
});

function bytesAsText(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value;
}

describe("keys of secrets", () => {
  const KEY = randomBytes(32).toString("base64");
  const OTHER = randomBytes(32).toString("base64");

  it("may be given, as text and in a file, and another, none or no key is a clear error", async () => {
    using place = folder();
    const file = join(place.path, "key");
    writeFileSync(file, `${KEY}\n`);
    {
      await using tree = await open(place.path, { create: true, exclusive: true, secretKey: KEY });
      await tree.secrets.set("a", SECRET);
    }
    expect(existsSync(join(place.path, ".banyan/secret.key"))).toBe(false);
    const said = async (options: object): Promise<unknown> => {
      await using tree = await open(place.path, { exclusive: true, ...options });
      return await tree.secrets.get("a").catch((error: unknown) => error);
    };
    expect(await said({ secretKeyFile: file })).toBe(SECRET);
    expect(await said({ secretKey: `${OTHER} ${KEY}` })).toBe(SECRET);
    for (const [options, says] of [
      [
        { secretKey: OTHER },
        /^the secret a needs the key \w{16}, and BANYAN_SECRET_KEY has \w{16}/,
      ],
      [{}, /there is none in .*secret\.key; bring the key back/],
      [{ secretKeyFile: join(place.path, "nowhere") }, /there is no key file .*nowhere/],
      [{ secretKey: "short" }, /holds no key of 32 bytes/],
    ] as const) {
      expect(await said(options)).toMatchObject({
        code: "TREE_NO_KEY",
        message: expect.stringMatching(says),
      });
    }
    await using tree = await open(place.path, { exclusive: true, secretKey: OTHER });
    // Two keys in one tree would be a trap.
    await expect(tree.secrets.set("b", 1)).rejects.toMatchObject({ code: "TREE_NO_KEY" });
    await tree.secrets.remove("a");
    await tree.secrets.set("b", 1);
    expect(await tree.secrets.get("b")).toBe(1);
    await expect(open(place.path, { secretKey: 1 as never })).rejects.toThrow(TypeError);
  });

  it("may come from the environment", async () => {
    using place = folder();
    vi.stubEnv("BANYAN_SECRET_KEY", KEY);
    try {
      await using tree = await open("memory:");
      await tree.secrets.set("a", SECRET);
      expect(await tree.secrets.get("a")).toBe(SECRET);
      const file = join(place.path, "key");
      writeFileSync(file, OTHER);
      vi.stubEnv("BANYAN_SECRET_KEY_FILE", file);
      await using other = await open("memory:");
      await other.secrets.set("a", SECRET);
      expect(((await other.get(":.banyan.secret")) as { current: string }).current).not.toBe(
        ((await tree.get(":.banyan.secret")) as { current: string }).current,
      );
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("are changed for all secrets, also where that was broken off at any write", async () => {
    using place = folder();
    for (let stop = 0; ; stop++) {
      const engine = new MemoryEngine();
      const next = join(place.path, `next${stop}`);
      const tree = Tree.over(engine, { secretKeys: givenKeys({ text: KEY }) });
      for (const name of ["a", "b", "c"]) await tree.secrets.set(name, `${SECRET} ${name}`);
      let left = stop;
      const failing = new Proxy(engine, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name);
          if (typeof value !== "function") return value;
          return (...args: unknown[]): unknown => {
            if ((name === "put" || name === "keepHistory") && left-- === 0) {
              throw new Error("killed");
            }
            return (value as (...given: unknown[]) => unknown).apply(target, args);
          };
        },
      });
      const breaks = Tree.over(failing, { secretKeys: givenKeys({ text: KEY }) });
      const end = await rotateSecrets(breaks, { newKeyFile: next }).catch((e: Error) => e.message);
      const text = readFileSync(next, "utf8");
      // Whoever has both misses nothing, whenever it was broken off.
      const both = Tree.over(engine, { secretKeys: givenKeys({ text: `${text} ${KEY}` }) });
      for (const name of ["a", "b", "c"]) {
        expect(await both.secrets.get(name)).toBe(`${SECRET} ${name}`);
      }
      await both.secrets.set("d", "meanwhile");
      await rotateSecrets(Tree.over(engine, { secretKeys: givenKeys({ text: KEY }) }), {
        newKeyFile: next,
      });
      const after = Tree.over(engine, { secretKeys: givenKeys({ text }) });
      for (const name of ["a", "b", "c"]) {
        expect(await after.secrets.get(name)).toBe(`${SECRET} ${name}`);
      }
      expect(await after.secrets.get("d")).toBe("meanwhile");
      const before = Tree.over(engine, { secretKeys: givenKeys({ text: KEY }) });
      await expect(before.secrets.get("a")).rejects.toMatchObject({ code: "TREE_NO_KEY" });
      await expect(before.secrets.set("a", 1)).rejects.toMatchObject({ code: "TREE_NO_KEY" });
      expect(await tree.history(":.banyan.secret.a")).toHaveLength(1);
      if (end === 3) break;
      expect(end).toBe("killed");
    }
  });

  it("are not changed without the key before, and one change at a time", async () => {
    using place = folder();
    const engine = new MemoryEngine();
    const tree = Tree.over(engine, { secretKeys: givenKeys({ text: KEY }) });
    await tree.secrets.set("a", SECRET);
    const other = Tree.over(engine, { secretKeys: givenKeys({ text: OTHER }) });
    const newKeyFile = join(place.path, "next");
    await expect(rotateSecrets(other, { newKeyFile })).rejects.toMatchObject({
      code: "TREE_NO_KEY",
    });
    expect(await tree.get(":.banyan.secret")).not.toHaveProperty("next");
    await expect(rotateSecrets(tree, {})).rejects.toMatchObject({ code: "TREE_NO_KEY" });
    const { current } = (await tree.get(":.banyan.secret")) as { current: string };
    await tree.set(":.banyan.secret", { current, next: "another" });
    await expect(rotateSecrets(tree, { newKeyFile })).rejects.toThrow(/finish that first/);
  });
});

describe("secrets over the network", () => {
  it("are read and written by whom a role lets by name, and by the hub's key", async () => {
    const keys = givenKeys({ text: randomBytes(32).toString("base64") });
    await using hub = await GuardedHub.open(undefined, undefined, keys);
    const home = Tree.over(hub.engine, { ownsEngine: false, secretKeys: keys });
    await home.secrets.set("db.password", SECRET);
    await home.secrets.set("other", SECRET);
    const denied = { code: "ENGINE_DENIED" };

    await hub.owner.roles.set("vault", ":.banyan.secret.db.#", "rwce");
    const user = await hub.user("ann", "vault");
    expect(await user.secrets.get("db.password")).toBe(SECRET);
    expect(await user.secrets.get("db.none")).toBeUndefined();
    await user.secrets.set("db.new", { deep: [1n] });
    expect(await home.secrets.get("db.new")).toEqual({ deep: [1n] });
    expect((await hub.owner.entry(":.banyan.secret.db.new"))?.author).toBe("ann");
    await expect(user.secrets.get("other")).rejects.toMatchObject(denied);
    await expect(user.secrets.get("none")).rejects.toMatchObject(denied);
    await expect(user.secrets.set("other", 1)).rejects.toMatchObject(denied);
    await expect(user.secrets.list()).rejects.toMatchObject(denied);

    // What lets read or write all of Banyan's own gives no secrets.
    await hub.owner.roles.set("wide", ":.banyan.#", "arwcdxen");
    await hub.owner.roles.set("wide", "#", "arwcdxen");
    for (const role of ["wide", "developer", "node", "reader"]) {
      const other = await hub.user(`a-${role}`, role);
      await expect(other.secrets.get("db.password")).rejects.toMatchObject(denied);
      await expect(other.get(":.banyan.secret.db.password")).rejects.toMatchObject(denied);
      await expect(other.secrets.set("db.password", 1)).rejects.toMatchObject(denied);
      expect(await other.users.rights(":.banyan.secret.db.password")).toBe("");
    }
    const admin = await hub.user("root", "admin");
    expect(await admin.secrets.get("other")).toBe(SECRET);
    await hub.owner.roles.remove("vault");
    await hub.owner.get(":");
    await expect(user.secrets.get("db.password")).rejects.toMatchObject(denied);

    const audit = await hub.audit();
    expect(audit.map(({ user: who, operation }) => `${who} ${operation}`)).toContain(
      "ann readSecret",
    );
    const said = JSON.stringify([hub.log, audit, hub.refusals]);
    expect(said).not.toContain(SECRET);
  });

  it("say so where the hub has no key", async () => {
    await using hub = await GuardedHub.open();
    const admin = await hub.user("root", "admin");
    await expect(admin.secrets.set("a", 1)).rejects.toMatchObject({ code: "TREE_NO_KEY" });
  });
});
