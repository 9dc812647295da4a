import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { ROOT } from "./kit.ts";
import { type Api, DIST, loadRemote, startProcess } from "./sync-kit.ts";

const { connectSync, listenSync } = await loadRemote();

const HEARTBEAT = { idleMs: 100, silentMs: 800 };
const LISTEN = join(ROOT, "test/system/processes/listen.mjs");

interface Served {
  ping(): string;
  block(ms: number): void;
}

/** A process that serves stubs from its event loop, over TCP. */
async function startListener() {
  const child = spawn(process.execPath, [LISTEN, DIST, "tcp://127.0.0.1:0"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return {
    child,
    address: String(line).trim(),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

/** The session ends because nothing comes, and its peer takes what it is sent. */
const SILENT = expect.objectContaining({
  code: "REMOTE_BROKEN",
  cause: expect.objectContaining({
    code: "CHANNEL_SILENT",
    details: { presence: "busy", silentMs: 800 },
  }),
});

describe("the heartbeat of connectSync()", () => {
  it("ends a call to a process that is frozen, long before its time is over", async () => {
    await using far = await startProcess();
    using session = connectSync(far.url, { heartbeat: HEARTBEAT, timeoutMs: 20_000 });
    const api = session.remote<Api>("api");
    expect(api.value).toBe(1);
    process.kill(far.pid, "SIGSTOP");
    try {
      expect(() => api.value).toThrow(SILENT);
      expect(() => api.value).toThrow(expect.objectContaining({ code: "REMOTE_CLOSED" }));
    } finally {
      process.kill(far.pid, "SIGCONT");
    }
    expect(await session.closed).toMatchObject({ cause: { code: "CHANNEL_SILENT" } });
  });

  it("bears a peer that computes for longer, whose I/O thread answers", async () => {
    await using far = await startProcess();
    using session = connectSync(far.url, { heartbeat: HEARTBEAT });
    const api = session.remote<Api>("api");
    expect(api.busy(1_500).ended).toBe(true);
    expect(api.value).toBe(1);
  });

  it("ends a call to an event loop that is stuck or frozen, which nobody can answer for", async () => {
    await using far = await startListener();
    const options = { heartbeat: HEARTBEAT, timeoutMs: 20_000 };
    using session = connectSync(far.address, options);
    const api = session.remote<Served>("api");
    expect(api.ping()).toBe("pong");
    // Ten times as fast as it says anything: so it is read by this thread at first.
    for (let i = 0; i < 1_000; i++) api.ping();
    expect(() => api.block(60_000)).toThrow(SILENT);
  });

  it("doesn't count the time in which this thread computes", async () => {
    await using far = await startListener();
    using session = connectSync(far.address, { heartbeat: HEARTBEAT });
    const api = session.remote<Served>("api");
    for (let i = 0; i < 1_000; i++) api.ping();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000);
    expect(api.ping()).toBe("pong");
  });

  it("is that of whoever listens too, and refuses one that can't be", async () => {
    await expect(listenSync("tcp://127.0.0.1:0", { heartbeat: { idleMs: 1 } })).rejects.toThrow(
      RangeError,
    );
    expect(() => connectSync("tcp://127.0.0.1:1", { heartbeat: { silentMs: 1 } })).toThrow(
      RangeError,
    );
    expect(() => connectSync("tcp://127.0.0.1:1", { hartbeat: true } as object)).toThrow(
      /did you mean heartbeat/,
    );
  });
});
