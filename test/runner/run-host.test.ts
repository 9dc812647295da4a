import { describe, expect, it } from "vitest";

import { RunnerError } from "../../src/base/errors.ts";
import { parsePath } from "../../src/wire/path-text.ts";
import { givenKeys } from "../../src/node/secret-key.ts";
import { openKit } from "./kit/kit-run.ts";

describe("RunHost", () => {
  it("fences every write with the owner record, and tells the runner", async () => {
    await using kit = openKit();
    const path = parsePath("owner.my.job");
    const { revision } = await kit.tree.set(path, { node: "node1" });
    const run = kit.run(
      async ({ _self, _client }) => {
        await _self.set("a", 1);
        await kit.tree.set(path, { node: "node2" });
        const outcomes = await Promise.allSettled([
          _self.set("a", 2),
          _client.delete("a"),
          _client.delete("a", { recursive: true }),
        ]);
        return outcomes.map((outcome) =>
          outcome.status === "rejected" ? outcome.reason.code : "written",
        );
      },
      { host: { fence: { path, revision } } },
    );
    expect(await run.ended).toEqual(["RUNNER_FENCED", "RUNNER_FENCED", "RUNNER_FENCED"]);
    expect(await kit.tree.get("a")).toBe(1);
    expect(run.seen.fenced).toHaveLength(3);
    expect(run.seen.fenced[0]).toMatchObject({ code: "RUNNER_FENCED" });
  });

  it("gives secrets, and hides them in what the run says from then on", async () => {
    const secretKeys = givenKeys({ text: Buffer.alloc(32, 7).toString("base64") });
    await using kit = openKit({ secretKeys });
    await kit.tree.secrets.set("db.password", "hunter2");
    const run = kit.run(async ({ _client, _log, _self }) => {
      _log.info("looking for hunter2");
      await _log.flush();
      const password = await _client.secret("db.password");
      _log.info(`it is ${String(password)}`, { deep: [password] });
      await _self.progress({ password });
      await _self.error(new Error(`no ${String(password)}`), { password }).catch(() => {});
      return [password, await _client.secret("db.none")];
    });
    expect(await run.ended).toEqual(["hunter2", undefined]);
    expect(run.host.redact(["hunter2", new Error("hunter2").message])).toEqual([
      "[secret]",
      "[secret]",
    ]);
    // What it says before it has read it can be anything.
    expect(run.seen.lines.map(({ text }) => text)).toEqual([
      "looking for hunter2",
      "it is [secret]",
    ]);
    expect(run.seen.lines[1]?.fields).toEqual({ deep: ["[secret]"] });
    expect(run.seen.progress).toEqual([{ password: "[secret]" }]);
    const records = await kit.tree.walk(":.banyan.error").toArray();
    expect(records.length).toBeGreaterThan(0);
    expect(JSON.stringify(records)).not.toContain("hunter2");
  });

  it("refuses reads, writes, messages and streams after the deadline, but not the log", async () => {
    await using kit = openKit();
    let late = false;
    const check = (): void => {
      if (late) throw new RunnerError("RUNNER_FENCED", "too late");
    };
    const run = kit.run(
      async ({ _self, _client, _log }) => {
        const watch = await _self.watch("a");
        late = true;
        const outcomes = await Promise.allSettled([
          _self.get("a"),
          _self.set("a", 1),
          _client.delete("a"),
          _self.send("a", 1),
          _self.watch("b"),
          _self.monitor("b"),
          _client.list("a").next(),
          _client.walk("a").next(),
          _self.setupDone(),
          _self.progress(1),
          _self.error("x"),
          _self.spawn("x"),
        ]);
        _log.info("still heard");
        await watch.close();
        return outcomes.map((outcome) =>
          outcome.status === "rejected" ? outcome.reason.message : "done",
        );
      },
      { host: { check } },
    );
    expect(new Set((await run.ended) as string[])).toEqual(new Set(["too late"]));
    expect(run.seen.lines.map(({ text }) => text)).toEqual(["still heard"]);
    expect(await kit.tree.get("a")).toBeUndefined();
  });

  it("stops a watch when the deadline has passed, and fails the run", async () => {
    await using kit = openKit();
    let late = false;
    const check = (): void => {
      if (late) throw new RunnerError("RUNNER_FENCED", "too late");
    };
    const run = kit.run(
      async ({ _self, _info }) => {
        await _self.watch("a");
        await _info.next();
        late = true;
        await kit.tree.set("a", 1);
        await _info.next();
      },
      { host: { check } },
    );
    await expect(run.ended).rejects.toThrow("too late");
    expect(run.host.open).toBe(0);
  });

  it("refuses everything once it is closed, and leaves the node's tree open", async () => {
    await using kit = openKit();
    const { host, ended } = kit.run(() => 1);
    await ended;
    await host.close();
    await expect(host.entry(parsePath("a"))).rejects.toMatchObject({ code: "RUNNER_FENCED" });
    await kit.tree.set("a", 1);
  });
});
