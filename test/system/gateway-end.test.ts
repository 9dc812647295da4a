/** How gateways end, and that nothing of them is left. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { openGateway } from "banyan/gateway";
import { describe, expect, it } from "vitest";

import { COMPUTE, isRunning } from "./gateway-kit.ts";
import { ROOT } from "./kit.ts";

const WAIT = { timeout: 20_000 };

describe("terminate()", () => {
  it("ends an idle gateway at once, in order, and settles closed", async () => {
    const gateway = await openGateway();
    const start = performance.now();
    await Promise.all([gateway.terminate(), gateway.terminate()]);
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(isRunning(gateway.info.pid)).toBe(false);
    expect(await gateway.closed).toBeUndefined();
    for (const use of [
      () => gateway.exec("1"),
      () => gateway.newChannel(),
      () => gateway.import("node:os"),
    ]) {
      expect(use).toThrow(expect.objectContaining({ code: "GATEWAY_CLOSED" }));
    }
    await expect(gateway.status()).rejects.toMatchObject({ code: "GATEWAY_CLOSED" });
  });

  it("tells what runs, which may put things in order", async () => {
    let log = "";
    const gateway = await openGateway("popen", { onLog: (text) => (log += text) });
    const run = gateway.exec(
      `channel.send("ready");
       try { await channel.receive() } finally {
         await new Promise((done) => setTimeout(done, 50));
         console.log("in order");
       }`,
    );
    expect(await run.receive()).toBe("ready");
    await gateway.terminate();
    await expect(run.result).rejects.toMatchObject({ code: "GATEWAY_CLOSED" });
    await expect(run.receive()).rejects.toMatchObject({ code: "GATEWAY_CLOSED" });
    await expect.poll(() => log).toBe("in order\n");
  });

  it.each(["popen", "worker"])("ends a %s that computes for ever (bounded)", async (spec) => {
    const gateway = await openGateway(spec);
    const run = gateway.exec(COMPUTE);
    await run.receive();
    const calls = Promise.allSettled([gateway.status(), gateway.exec("1").result, run.result]);
    await gateway.terminate({ timeoutMs: 100 });
    const outcomes = (await calls).map(({ status }) => status);
    expect(outcomes).toEqual(["rejected", "rejected", "rejected"]);
    // A thread is in this very process.
    expect(isRunning(gateway.info.pid)).toBe(spec === "worker");
  });

  it("stops waiting for the status of one that computes when it is told to", async () => {
    const gateway = await openGateway("popen");
    const run = gateway.exec(COMPUTE);
    await run.receive();
    const enough = new AbortController();
    const status = gateway.status({ signal: enough.signal });
    enough.abort(new Error("enough"));
    await expect(status).rejects.toThrow("enough");
    await gateway.terminate({ timeoutMs: 100 });
    await expect(run.result).rejects.toMatchObject({ code: "GATEWAY_CLOSED" });
  });

  it("ends what ignores SIGTERM", async () => {
    const gateway = await openGateway();
    const deaf = gateway.exec(
      "process.on('SIGTERM', () => {}); channel.send(1); await new Promise(setImmediate); for (;;) {}",
    );
    await deaf.receive();
    await gateway.terminate({ timeoutMs: 100 });
    expect(isRunning(gateway.info.pid)).toBe(false);
  });

  it("happens at the end of a block", async () => {
    let pid = 0;
    {
      await using gateway = await openGateway();
      ({ pid } = gateway.info);
    }
    expect(isRunning(pid)).toBe(false);
  });
});

describe("a gateway whose process goes", () => {
  it.each([
    ["process.exit(3)", /exited with code 3/],
    ["process.kill(process.pid, 'SIGKILL')", /ended by SIGKILL/],
  ])("by %s tells all who wait, and why (X02)", async (end, why) => {
    const gateway = await openGateway();
    const waiting = gateway.exec("await new Promise(() => {})");
    const channel = gateway.newChannel();
    const receiving = channel.receive();
    const run = gateway.exec(`channel.send(1); await new Promise(setImmediate); ${end}`);
    expect(await run.receive()).toBe(1);
    for (const wait of [waiting.result, receiving, run.result, run.receive()]) {
      await expect(wait).rejects.toMatchObject({
        code: "REMOTE_BROKEN",
        message: expect.stringMatching(why),
      });
    }
    expect(await gateway.closed).toMatchObject({ code: "REMOTE_BROKEN" });
    await gateway.terminate();
  });
});

describe("a program that has gateways", () => {
  it("takes them all with it when it is killed, also those that compute (G10)", async () => {
    const parent = fork(join(ROOT, "test/system/processes/gateway-parent.mjs"));
    const [pids] = (await once(parent, "message")) as [number[]];
    expect(pids.filter(isRunning)).toEqual(pids);
    parent.kill("SIGKILL");
    await once(parent, "exit");
    await expect.poll(() => pids.filter(isRunning), WAIT).toEqual([]);
  });
});
