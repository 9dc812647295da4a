/** Secrets in jobs, over the network and in the command: real processes, the built package. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { open } from "banyan";
import { expect, test } from "vitest";

import { Cluster } from "./cluster.ts";
import { banyan, temporaryFolder } from "./kit.ts";
import { listeningTree } from "./network-kit.ts";

const SECRET = "a very particular secret";

const body = (wait: string): string => `
  const password = ${wait} _client.secret("db.password");
  _log.info("log " + password);
  console.log("console " + JSON.stringify({ password }));
  if (fails) throw new TypeError("can't open db:" + password);
  return { length: password.length, password };`;

test("jobs read a secret, in async code and in code that blocks, and nothing shows it; another key changes nothing of that", async () => {
  await using cluster = await Cluster.open("n1");
  const { tree, jobs, path } = cluster;
  await tree.secrets.set("db.password", SECRET);
  await cluster.proc("awaits", body("await"), { vars: ["fails"] });
  await cluster.proc("blocks", body(""), { vars: ["fails"], is_async: false });
  const check = async (round: string): Promise<void> => {
    for (const code of ["awaits", "blocks"]) {
      const good = `${code}${round}`;
      await jobs.set(good, { code, data: { fails: false } });
      expect((await cluster.stopped(good)).result).toEqual({
        length: SECRET.length,
        password: "[secret]",
      });
      expect((await jobs.logs(good)).map(({ text }) => text).toSorted()).toEqual([
        'console {"password":"[secret]"}',
        "log [secret]",
      ]);
    }
  };
  await check("");
  for (const code of ["awaits", "blocks"]) {
    await jobs.set(`bad-${code}`, { code, data: { fails: true }, delay: 60 });
    await cluster.stopped(`bad-${code}`);
    const [run] = await jobs.runs(`bad-${code}`);
    expect(run?.error).toMatchObject({ name: "TypeError", message: "can't open db:[secret]" });
  }
  const before = readFileSync(join(path, ".banyan/secret.key"), "utf8");
  const rotated = await banyan(["-t", path, "secret", "rotate"]);
  expect(rotated).toMatchObject({ code: 0, stderr: expect.stringContaining("1 secrets") });
  expect(readFileSync(join(path, ".banyan/secret.key"), "utf8")).not.toBe(before);
  expect(existsSync(join(path, ".banyan/secret.key.next"))).toBe(false);
  await check("2");
  const all = await tree.walk(":").toArray();
  expect(JSON.stringify(all, (_name, value: unknown) => String(value))).not.toContain(SECRET);
  expect(cluster.node("n1").log).not.toContain(SECRET);
});

test("secrets over the network are for whom a role lets by name; the hub takes its key from where it is told", async () => {
  using folder = temporaryFolder();
  await using home = await listeningTree(folder.path);
  const { local, address } = home;
  const joined = async (role: string): Promise<string> => {
    await local.users.add(role, { roles: ["reader", role] });
    return (await local.users.addToken(role)).token;
  };
  await local.roles.set("vault", ":.banyan.secret.db.#", "rc");
  const vault = { BANYAN_TOKEN: await joined("vault") };
  const other = { BANYAN_TOKEN: await joined("nobody") };
  await local.secrets.set("db.password", SECRET);
  const at = (env: Record<string, string>, ...args: string[]) =>
    banyan(["-t", address(), ...args], { env });
  expect(await at(vault, "secret", "get", "db.password")).toMatchObject({
    code: 0,
    stdout: `${SECRET}\n`,
  });
  expect((await at(other, "secret", "get", "db.password")).code).toBe(5);
  await using user = await open(address(), { credentials: { token: vault.BANYAN_TOKEN } });
  await user.secrets.set("db.new", SECRET);
  expect(await local.secrets.get("db.new")).toBe(SECRET);

  const file = join(folder.path, "outside.key");
  const out = await banyan(["-t", folder.path, "secret", "rotate", "--new-key-file", file]);
  expect(out).toMatchObject({ code: 0, stderr: expect.stringContaining(file) });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(existsSync(join(folder.path, ".banyan/secret.key"))).toBe(false);
  const without = await banyan(["-t", folder.path, "secret", "get", "db.new"]);
  expect(without.code).not.toBe(0);
  expect(without.stderr).toContain("TREE_NO_KEY");
  const given = await banyan(["-t", folder.path, "--key-file", file, "secret", "get", "db.new"]);
  expect(given).toMatchObject({ code: 0, stdout: `${SECRET}\n` });
  await expect(user.secrets.get("db.new")).rejects.toMatchObject({ code: "TREE_NO_KEY" });
  const log = readFileSync(join(folder.path, ".banyan/hub.log"), "utf8");
  expect(log).not.toContain(SECRET);
});
