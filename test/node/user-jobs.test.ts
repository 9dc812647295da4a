import { describe, expect, it } from "vitest";

import { listUserJobs } from "../../src/node/user-jobs.ts";
import { GuardedHub } from "./guarded-hub.ts";

describe("listUserJobs()", () => {
  it("tells the jobs that a user set, and which of them they might set no more", async () => {
    await using hub = await GuardedHub.open();
    const rights = { ":.banyan.job.#": "rwcxen", ":.banyan.code.#": "rxe" };
    for (const [pattern, letters] of Object.entries(rights)) {
      await hub.owner.roles.set("sets", pattern, letters);
    }
    const ann = await hub.user("ann", "sets");
    await ann.set(":.banyan.job.heat", { code: "heat" });
    await ann.set(":.banyan.job.off", { code: "light", enabled: false });
    await hub.owner.set(":.banyan.job.owners", { code: "heat" });
    await ann.set(":.banyan.job.none", "nonsense");
    const said = async (): Promise<unknown[]> => {
      const jobs = await listUserJobs(hub.owner, "ann");
      return jobs.map(({ path, code, mayRun, enabled }) => [
        `${String(path)} ${String(code)} ${mayRun} ${enabled}`,
      ]);
    };
    expect(await said()).toEqual([["heat heat true true"], ["off light true false"]]);
    await hub.owner.roles.set("sets", ":.banyan.code.proc.heat", "re");
    expect(await said()).toEqual([["heat heat false true"], ["off light true false"]]);
    await hub.owner.users.set("ann", { disabled: true });
    expect(await said()).toEqual([["heat heat false true"], ["off light false false"]]);
    await hub.owner.users.remove("ann");
    expect(await said()).toEqual([["heat heat false true"], ["off light false false"]]);
    // Whoever writes it anew answers for it.
    await hub.owner.set(":.banyan.job.heat", { code: "heat" });
    expect(await said()).toEqual([["off light false false"]]);
    await expect(listUserJobs(await hub.user("bob", "sets"), "ann")).rejects.toMatchObject({
      code: "ENGINE_DENIED",
    });
  });
});
