import { describe, expect, it } from "vitest";

import { GuardedHub } from "./guarded-hub.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { MemoryEngine } from "../../src/engine/memory.ts";

const DENIED = { code: "REMOTE_DENIED", message: expect.stringContaining("not accepted") };
const PASSWORD = "correct horse";

describe("Access", () => {
  it("AU3 lets nobody in without a name and a proof that fit", async () => {
    await using hub = await GuardedHub.open();
    await hub.owner.users.add("root", { roles: ["admin"], password: PASSWORD });
    const wrong = [
      undefined,
      null,
      5,
      "root",
      {},
      { user: "root" },
      { password: PASSWORD },
      { user: ["root"], password: PASSWORD },
      { user: "root", password: { length: 9 } },
      { user: "", password: PASSWORD },
      { user: "x".repeat(5_000), password: PASSWORD },
      { token: PASSWORD },
      { token: { toString: "x" } },
      { user: "__proto__", password: PASSWORD },
    ];
    for (const credentials of wrong) {
      await expect(hub.connect(credentials, JSON.stringify(credentials) ?? "none")).rejects.toMatchObject(DENIED); // prettier-ignore
    }
    const tree = await hub.tree({ user: "root", password: PASSWORD });
    expect(await tree.users.me()).toEqual({ name: "root", roles: ["admin"] });
  });

  it("AU4 lets in by a password only who has one, and nobody who is disabled", async () => {
    await using hub = await GuardedHub.open();
    await hub.owner.users.add("joe", { roles: ["reader"] });
    const joe = { user: "joe", password: PASSWORD };
    await expect(hub.connect(joe)).rejects.toMatchObject(DENIED);
    await hub.owner.users.set("joe", { password: PASSWORD });
    const tree = await hub.tree(joe);
    await hub.owner.set("a", 42);
    expect(await tree.get("a")).toBe(42);
    await hub.owner.users.set("joe", { disabled: true });
    await expect(tree.get("a")).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    await expect(hub.connect(joe)).rejects.toMatchObject(DENIED);
    await hub.owner.users.set("joe", { disabled: false });
    expect(await (await hub.tree(joe)).get("a")).toBe(42);
  });

  it("AU3 AU4 lets users in by the methods that are set alone, at once", async () => {
    await using hub = await GuardedHub.open();
    const { users } = hub.owner;
    expect(await users.loginMethods()).toEqual(["password", "token"]);
    await users.add("joe", { roles: ["reader"], password: PASSWORD });
    await users.add("pi", { kind: "node", roles: ["node"] });
    const [mine, machine] = await Promise.all([users.addToken("joe"), users.addToken("pi")]);
    await hub.owner.set("a", 42);
    const joe = { user: "joe", password: PASSWORD };
    const [byPassword, byToken] = await Promise.all([
      hub.tree(joe),
      hub.tree({ token: mine.token }),
    ]);
    const refused = async (credentials: object, method: string): Promise<void> => {
      await expect(hub.connect(credentials)).rejects.toMatchObject(DENIED);
      expect(hub.log.at(-1)).toContain(`nobody is let in by ${method} here`);
    };

    await users.setLoginMethods(["token"]);
    await refused(joe, "password");
    // Nobody learns whose password it is.
    await refused({ user: "no", password: "no" }, "password");
    await expect(byPassword.get("a")).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    expect(await byToken.get("a")).toBe(42);

    await users.setLoginMethods(["password"]);
    await refused({ token: mine.token }, "token");
    await expect(byToken.get("a")).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    expect(await (await hub.tree(joe)).get("a")).toBe(42);
    // A machine has nothing else.
    expect(await (await hub.tree({ token: machine.token })).get("a")).toBe(42);

    for (const wrong of [[], ["pasword"], "token", undefined]) {
      await expect(users.setLoginMethods(wrong as never)).rejects.toThrow(/method/);
    }
    await expect(users.setLoginMethods(["pasword" as never])).rejects.toThrow(
      "did you mean password?",
    );
    await hub.owner.set(":.banyan.auth", "nonsense");
    await refused(joe, "password");
  });

  it("takes a token for as long as it holds, and ends what was opened with it", async () => {
    const clock = new ManualClock();
    await using hub = await GuardedHub.open(new MemoryEngine(), clock);
    await hub.owner.users.add("joe", { roles: ["reader"] });
    const { token } = await hub.owner.users.addToken("joe", { forMs: 60_000 });
    const tree = await hub.tree({ token });
    expect(await tree.get("a")).toBeUndefined();
    // The token was made by the system's clock.
    clock.setWall(Date.now() + 60_000);
    hub.check();
    await expect(tree.get("a")).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    await expect(hub.connect({ token })).rejects.toMatchObject(DENIED);
    expect(hub.log.join("\n")).toContain("expired");
    expect(hub.log.join("\n")).not.toContain(token);
  });

  it("changes one's own password with the old one alone, and ends one's other sessions", async () => {
    await using hub = await GuardedHub.open();
    await hub.owner.users.add("joe", { roles: ["reader"], password: PASSWORD });
    const [here, there] = await Promise.all([
      hub.tree({ user: "joe", password: PASSWORD }),
      hub.tree({ user: "joe", password: PASSWORD }),
    ]);
    await expect(
      here.users.changePassword("something else", "battery staple"),
    ).rejects.toMatchObject({ code: "ENGINE_DENIED" });
    await expect(here.users.changePassword(PASSWORD, "short")).rejects.toThrow("8 characters");
    await here.users.changePassword(PASSWORD, "battery staple");
    expect(await here.users.me()).toMatchObject({ name: "joe" });
    await expect(there.get("a")).rejects.toMatchObject({ code: "REMOTE_DENIED" });
    await expect(hub.connect({ user: "joe", password: PASSWORD })).rejects.toMatchObject(DENIED);
    await hub.connect({ user: "joe", password: "battery staple" });
    await expect(hub.owner.users.changePassword(PASSWORD, PASSWORD)).rejects.toThrow("network");
  });
});
