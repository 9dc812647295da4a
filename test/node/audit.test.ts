import { describe, expect, it } from "vitest";

import { silentLog } from "../../src/base/log.ts";
import { Audit } from "../../src/node/audit.ts";
import { open } from "../../src/node/open.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { parsePath } from "../../src/wire/path-text.ts";
import { GuardedHub } from "./guarded-hub.ts";

describe("Audit", () => {
  it("has who was refused what, where, when and why, and nothing of what they showed", async () => {
    await using hub = await GuardedHub.open();
    await hub.connect({ token: "hunter2 hunter2" }, "10.0.0.9").catch(() => {});
    const tree = await hub.user("joe");
    for (let i = 0; i < 3; i++) await tree.set("a", "the secret").catch(() => {});
    await tree.keepHistory("a", { versions: 0 }).catch(() => {});
    const audit = await hub.audit();
    const rows = audit.map(({ user = "-", from, operation, path, why, count }) =>
      [user, from, operation, path?.toString() ?? "-", why, count].join(" "),
    );
    expect(rows.toSorted((x, y) => x.localeCompare(y))).toEqual([
      "- 10.0.0.9 login - no such token 1",
      "joe here keepHistory a admins only 1",
      "joe here put a no right c 3",
    ]);
    expect(audit.every(({ first, last }) => first > 1e12 && last >= first)).toBe(true);
    expect(JSON.stringify(audit)).not.toMatch(/hunter2|the secret/);
    await expect(tree.users.refused()).rejects.toMatchObject({ code: "ENGINE_DENIED" });
    const admin = await hub.user("boss", "admin");
    expect((await admin.users.refused()).length).toBe(3);
  });

  it("is bounded in the tree and in memory, and goes on behind what another hub wrote", async () => {
    await using tree = await open("memory:");
    const clock = new ManualClock();
    const fill = async (audit: Audit, rounds: number): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        for (let i = 0; i < 300; i++) {
          audit.note({ from: "there", operation: "get", path: parsePath(`a:${i}`), why: "no" });
        }
        await audit.flush();
        clock.advance(10_000);
      }
    };
    const options = { clock, log: silentLog };
    await fill(new Audit(tree, options), 7);
    expect((await tree.users.refused()).length).toBe(700);
    await fill(new Audit(tree, options), 5);
    const all = await tree.users.refused();
    expect(all.length).toBe(1_000);
    // The two oldest hundreds made room.
    expect(Math.min(...all.map(({ last }) => last))).toBe(Date.UTC(2026, 0, 1) + 20_000);
  });
});
