import { describe, expect, it } from "vitest";

import { open } from "../../../src/node/open.ts";
import { hashPassword, isPassword } from "../../../src/tree/users/password.ts";
import { newToken, parseToken } from "../../../src/tree/users/token.ts";

describe("tree.users", () => {
  it("AU2 lists users with kind, roles and methods, and nothing by which one could pass for them", async () => {
    await using tree = await open("memory:");
    await tree.users.add("root", { roles: ["admin"], password: "correct horse" });
    await tree.users.add("box", { kind: "node", roles: ["node"] });
    const { id, token } = await tree.users.addToken("box", { note: "for the box", forMs: 60_000 });
    const users = await tree.users.list();
    expect(users.map(({ name, kind, roles, methods }) => [name, kind, roles, methods])).toEqual([
      ["box", "node", ["node"], ["token"]],
      ["root", "user", ["admin"], ["password"]],
    ]);
    const [box] = users;
    expect(box?.tokens).toMatchObject([{ id, note: "for the box" }]);
    expect((box?.tokens[0]?.expires ?? 0) - (box?.tokens[0]?.created ?? 0)).toBe(60_000);
    expect(JSON.stringify(users)).not.toContain("hash");
    const stored = JSON.stringify(await tree.get(":.banyan.user.box"));
    expect(stored).not.toContain(token);
    expect(stored).not.toContain(token.slice(-43));
  });

  it("adds a name once, and refuses names and passwords that can't be", async () => {
    await using tree = await open("memory:");
    await tree.users.add("joe");
    await expect(tree.users.add("joe")).rejects.toMatchObject({ code: "TREE_EXISTS" });
    for (const name of ["", "a b", "../a", ".a", "x".repeat(65), "a\n"]) {
      await expect(tree.users.add(name)).rejects.toThrow(RangeError);
    }
    await expect(tree.users.add("ann", { password: "short" })).rejects.toThrow("8 characters");
    await expect(tree.users.add("ann", { kind: "god" as "node" })).rejects.toThrow(TypeError);
    expect((await tree.users.list()).map(({ name }) => name)).toEqual(["joe"]);
  });

  it("changes what is said, keeps the rest, and does not lose changes made at the same time", async () => {
    await using tree = await open("memory:");
    await tree.users.add("joe", { roles: ["reader"], password: "correct horse" });
    await Promise.all([
      tree.users.addToken("joe"),
      tree.users.set("joe", { disabled: true }),
      tree.users.addToken("joe"),
    ]);
    expect(await tree.users.get("joe")).toMatchObject({
      roles: ["reader"],
      disabled: true,
      methods: ["password", "token"],
      tokens: [{}, {}],
    });
    await tree.users.set("joe", { password: null, roles: [] });
    expect(await tree.users.get("joe")).toMatchObject({ roles: [], methods: ["token"] });
    expect(await tree.users.remove("joe")).toBe(true);
    expect(await tree.users.remove("joe")).toBe(false);
    await expect(tree.users.set("joe", { roles: [] })).rejects.toMatchObject({
      code: "TREE_NO_USER",
    });
    await expect(tree.users.addToken("joe")).rejects.toMatchObject({ code: "TREE_NO_USER" });
  });
});

describe("passwords", () => {
  it("are hashed with a salt of their own, and nothing but the same one fits", async () => {
    const [first, second] = await Promise.all([hashPassword("pässword"), hashPassword("pässword")]);
    expect(first.hash).not.toEqual(second.hash);
    expect(await isPassword("pässword".normalize("NFD"), first)).toBe(true);
    expect(await isPassword("password", first)).toBe(false);
    expect(await isPassword("pässword", undefined)).toBe(false);
    expect(await isPassword("x".repeat(2_000), first)).toBe(false);
  });
});

describe("tokens", () => {
  it("are read as they are printed, and nothing else is", () => {
    const { id, text, hash } = newToken();
    expect(parseToken(text)).toEqual({ id, hash });
    for (const other of [undefined, 1, "", text.slice(1), `${text}x`, text.toUpperCase()]) {
      expect(parseToken(other)).toBeUndefined();
    }
  });
});
