import { describe, expect, test } from "vitest";

import { MemoryEngine } from "../../../src/engine/memory.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { newToken } from "../../../src/tree/users/token.ts";
import { ManualClock } from "../../../src/testing/manual-clock.ts";
import { Tree } from "../../../src/tree/tree.ts";
import { Invites } from "../../../src/tree/users/invites.ts";

const HOUR_MS = 3_600_000;

function setUp(): { tree: Tree; clock: ManualClock; invites: Invites } {
  const clock = new ManualClock();
  const tree = Tree.over(new MemoryEngine(), { clock });
  return { tree, clock, invites: new Invites(tree, clock) };
}

describe("Invites.redeem()", () => {
  test("makes a node's user and a token, once", async () => {
    const { tree, invites } = setUp();
    const { text, invite } = await invites.add();
    expect(await invites.has(text)).toBe(true);
    const { user, token } = await invites.redeem(text, "n2", "10.0.0.2");
    expect(user).toBe("n2");
    expect(token).toMatch(/^bt_/);
    expect(await tree.users.get("n2")).toMatchObject({ kind: "node", roles: ["node"] });
    expect(await invites.list()).toMatchObject([
      { id: invite.id, state: "used", used: { name: "n2", from: "10.0.0.2" } },
    ]);
    await expect(invites.redeem(text, "n3", "10.0.0.3")).rejects.toMatchObject({
      code: "TREE_BAD_INVITE",
      message: expect.stringContaining("used by n2 from 10.0.0.2"),
    });
    expect(await tree.users.get("n3")).toBeUndefined();
  });

  test("lets one of several in that show it at once", async () => {
    const { tree, invites } = setUp();
    const { text } = await invites.add();
    const names = ["a", "b", "c", "d"];
    const all = await Promise.allSettled(names.map((name) => invites.redeem(text, name, "x")));
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await tree.users.list()).toHaveLength(1);
  });

  test("that was broken off at any write is finished by the same machine, and by no other", async () => {
    for (let stop = 1; ; stop++) {
      const engine = new MemoryEngine();
      const tree = Tree.over(engine);
      const { text } = await new Invites(tree, systemClock).add();
      let left = stop;
      const put: MemoryEngine["put"] = async (...args) => {
        const isLate = --left < 0;
        if (isLate) throw new Error("killed");
        return engine.put(...args);
      };
      const dying = new Proxy(engine, {
        get: (target, name): unknown => {
          if (name === "put") return put;
          const value: unknown = Reflect.get(target, name);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
      const token = newToken().text;
      const first = await new Invites(Tree.over(dying), systemClock)
        .redeem(text, "n2", "x", token)
        .catch((error: Error) => error.message);
      const after = new Invites(tree, systemClock);
      const refused = { code: "TREE_BAD_INVITE" };
      await expect(after.redeem(text, "n2", "x", newToken().text)).rejects.toMatchObject(refused);
      await expect(after.redeem(text, "n3", "x", token)).rejects.toMatchObject(refused);
      const joined = { user: "n2", token };
      expect(await after.redeem(text, "n2", "y", token)).toEqual(joined);
      expect(await after.redeem(text, "n2", "y", token)).toEqual(joined);
      expect((await tree.users.get("n2"))?.tokens).toHaveLength(1);
      expect(JSON.stringify(await after.list())).not.toContain("hash");
      // Whoever was put out does not come back with it.
      await tree.users.remove("n2");
      await expect(after.redeem(text, "n2", "y", token)).rejects.toMatchObject(refused);
      if (typeof first === "object") break;
      expect(first).toBe("killed");
    }
  });

  test("stays good where somebody else took the name in that moment", async () => {
    const { tree, invites } = setUp();
    const { text } = await invites.add();
    const [joined, added] = await Promise.allSettled([
      invites.redeem(text, "n2", "x"),
      tree.users.add("n2"),
    ]);
    expect([joined.status, added.status].toSorted()).toEqual(["fulfilled", "rejected"]);
    if (joined.status === "rejected") await invites.redeem(text, "n3", "x");
  });

  test("refuses one that has expired, was taken back or never was", async () => {
    const { clock, invites } = setUp();
    const { text } = await invites.add({ forMs: HOUR_MS });
    const other = await invites.add();
    clock.advance(HOUR_MS);
    const refused = { code: "TREE_BAD_INVITE" };
    await expect(invites.redeem(text, "n2", "x")).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining("expired"),
    });
    expect(await invites.remove(other.invite.id)).toBe(true);
    await expect(invites.redeem(other.text, "n2", "x")).rejects.toMatchObject(refused);
    const wrong = `${text.slice(0, -1)}${text.endsWith("A") ? "B" : "A"}`;
    for (const bad of [wrong, "", undefined, {}, "bt_x_y"]) {
      expect(await invites.has(bad)).toBe(false);
      await expect(invites.redeem(bad, "n2", "x")).rejects.toMatchObject(refused);
    }
  });

  test("is for the one name that was said, and never for one that is taken", async () => {
    const { tree, invites } = setUp();
    await tree.users.add("n1", { kind: "node", roles: ["node"] });
    const { text } = await invites.add({ name: "n2" });
    await expect(invites.redeem(text, "n3", "x")).rejects.toMatchObject({
      code: "TREE_BAD_INVITE",
      message: expect.stringContaining("n2"),
    });
    const open = await invites.add();
    await expect(invites.redeem(open.text, "n1", "x")).rejects.toMatchObject({
      code: "TREE_EXISTS",
    });
    // Both stay good for who does it right.
    await invites.redeem(text, "n2", "x");
    await invites.redeem(open.text, "n3", "x");
  });

  test("what is stored is not enough to use it, and goes when nobody needs it any more", async () => {
    const { tree, clock, invites } = setUp();
    const { text, invite } = await invites.add();
    const stored = JSON.stringify(await tree.get(tree.system.invite.append(invite.id)));
    expect(stored).not.toContain(text.slice(-20));
    clock.advance(8 * 24 * HOUR_MS);
    await invites.add();
    expect((await invites.list()).map(({ id }) => id)).not.toContain(invite.id);
    await expect(invites.add({ forMs: 0 })).rejects.toThrow(RangeError);
    await expect(invites.add({ name: "a b" })).rejects.toThrow(RangeError);
    await expect(invites.add({ nam: "pi" } as object)).rejects.toThrow(/did you mean name/);
  });
});
