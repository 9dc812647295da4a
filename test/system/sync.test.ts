import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import type { Remote, SyncSession } from "../../src/remote.ts";
import { temporaryFolder } from "./kit.ts";
import { type Api, DIST, loadRemote, startProcess, startThread } from "./sync-kit.ts";

const { connectSync, listen, listenSync, openSession, threadChannel } = await loadRemote();

function coded(code: string): unknown {
  return expect.objectContaining({ code });
}

function addTwice(Counter: Remote<Api["Counter"]>): unknown {
  const counter = new Counter();
  return counter.add(counter.add(5));
}

describe("connectSync() with a thread", () => {
  it("uses what the thread offers, and lets it use callbacks", async () => {
    await using thread = startThread();
    using session = connectSync(thread.port);
    const api = session.remote<Api>("api");
    expect(api.value + 1).toBe(2);
    expect(api.call((a, b) => a + b, 1, 2)).toBe(3);
    expect(() => api.fail("no")).toThrow(RangeError);
    const counter = new api.Counter();
    expect([counter.add(2), counter.add(3), counter instanceof api.Counter]).toEqual([2, 5, true]);
    expect([...api.list].length).toBe(1_000);
    expect(await api.later((n) => n + 1, 1)).toBe(2);
  });

  it("carries calls of both sides that cross, and megabytes both ways at once", async () => {
    await using thread = startThread();
    using session = connectSync(thread.port, {
      exports: { api: { echo: <T>(value: T) => value, size: (bytes: Uint8Array) => bytes.length } },
    });
    const api = session.remote<Api>("api");
    // The thread calls this one for as long as it is called by it.
    const crossing = api.later(() => api.callBack(300), 0);
    let sum = 0;
    for (let i = 0; i < 2_000; i++) sum += api.echo(i);
    expect(sum).toBe(1_999_000);
    expect(await crossing).toBe(44_850);
    const bytes = 8 * 1024 * 1024;
    expect(api.call(() => api.sendBytes(bytes))).toBe(bytes);
    expect(api.size(new Uint8Array(bytes))).toBe(bytes);
    expect(api.down(100, { down: (n, there) => (n === 0 ? 0 : 1 + there.down(n - 1, api)) })).toBe(
      100,
    );
  });

  it("has a session of its own with each of two threads", async () => {
    await using one = startThread();
    await using two = startThread();
    using first = connectSync(one.port);
    using second = connectSync(two.port);
    const [a, b] = [first.remote<Api>("api"), second.remote<Api>("api")];
    expect(a.call(() => b.call(() => a.echo(1) + b.echo(2)))).toBe(3);
    const mine = { own: true };
    expect(a.echo(b.echo(mine))).toBe(mine);
    expect(a.call(b.echo, 5)).toBe(5);
  });

  it("fails what waits when the thread ends, and at once", async () => {
    await using thread = startThread();
    using session = connectSync(thread.port);
    const api = session.remote<Api>("api");
    const start = performance.now();
    expect(() => api.exit()).toThrow(coded("REMOTE_BROKEN"));
    // Long before its time is over.
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(await thread.exited).toBe(0);
  });

  it("notices a thread that is terminated from outside while this one waits, and fails all that waits with one error", async () => {
    await using thread = startThread();
    using session = connectSync(thread.port);
    const api = session.remote<Api>("api");
    const errors: unknown[] = [];
    const attempt = (f: () => unknown): void => {
      try {
        f();
      } catch (error) {
        errors.push(error);
        throw error;
      }
    };
    let terminated: Promise<number> | undefined;
    const within = (): void => {
      terminated = thread.terminate();
      // It may still answer what it has got.
      for (;;) attempt(() => api.busy(60_000));
    };
    const started = performance.now();
    expect(() => attempt(() => api.call(within))).toThrow(coded("REMOTE_BROKEN"));
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(errors.length).toBe(2);
    expect(errors[0]).toBe(errors[1]);
    expect(await session.closed).toMatchObject({ code: "REMOTE_BROKEN" });
    expect(await terminated).toBe(1);
  });

  it("times out while the thread is busy, and goes on afterwards", async () => {
    await using thread = startThread();
    using session = connectSync(thread.port);
    const api = session.remote<Api>("api");
    expect(() => session.withTimeout(30, () => api.busy(200))).toThrow(coded("REMOTE_TIMEOUT"));
    expect(api.echo(7)).toBe(7);
    expect(session.stats().pending).toBe(0);
  });

  it("serves a thread that blocks from this event loop, with stubs", async () => {
    await using thread = startThread();
    const order: string[] = [];
    const api = {
      echo: async (n: number) => n,
      work: (f: (n: number) => unknown) => {
        void f(1);
        order.push("worked");
        return 5;
      },
    };
    await using session = await openSession(threadChannel(thread.port), { exports: { api } });
    const far = session.remote<Api>("api");
    // The far side blocks for ours, gets promises for what is one, and serves what it is called for.
    expect(await far.callBack(0)).toBe(0);
    expect(await far.call((...args: unknown[]) => args.length, 1)).toBe(1);
    expect(order).toEqual([]);
  });

  it("has a thread that blocks serve calls whose arguments are results of calls before them", async () => {
    await using thread = startThread();
    await using session = await openSession(threadChannel(thread.port), { peerBlocks: true });
    const far = session.remote<Api>("api");
    expect(await far.call(addTwice as never, far.Counter as never)).toBe(10);
  });
});

describe("connectSync() with another process", () => {
  it("uses what a server with stubs offers", async () => {
    using folder = temporaryFolder();
    const url = `unix:${join(folder.path, "s.sock")}`;
    const result = spawnSync(
      process.execPath,
      ["--input-type=module", "-e", SERVER_AND_CLIENT, url],
      {
        encoding: "utf8",
        timeout: 20_000,
      },
    );
    expect(result.stderr).toBe("");
    expect(JSON.parse(result.stdout)).toEqual({ sum: 3, keys: ["a", "b"], list: 6, later: 2, back: 11, error: "RangeError" }); // prettier-ignore
  });

  it("calls back and forth, and through a circle of three", async () => {
    await using far = await startProcess();
    await using third = await startProcess();
    using session = connectSync(far.url, { exports: { api: { echo: (n: number) => n } } });
    const api = session.remote<Api>("api");
    expect(api.callBack(50)).toBe(1_225);
    const near = {
      down: (n: number, there: Pick<Api, "down">): number =>
        n === 0 ? 0 : 1 + there.down(n - 1, near),
    };
    expect(api.down(60, near)).toBe(60);
    using other = connectSync(third.url, { policy: "trusted" });
    const last = other.remote<Api>("api");
    // From here to the far one, from there to the third through here, from that back to here.
    expect(api.call((n) => last.call((m) => near.down(m, near), n), 9)).toBe(9);
    expect(api.down(30, last)).toBe(30);
  });

  it("throws within a second when the process is killed while this one waits", async () => {
    await using far = await startProcess();
    using session = connectSync(far.url);
    const api = session.remote<Api>("api");
    expect(api.value).toBe(1);
    const start = performance.now();
    expect(() => api.die()).toThrow(/./);
    // Long before its time is over.
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(() => api.value).toThrow(coded("REMOTE_CLOSED"));
  });

  it("tells that nobody is there, and of an address of no known kind", () => {
    expect(() => connectSync("unix:/tmp/nobody-listens-here.sock")).toThrow(
      coded("CHANNEL_REFUSED"),
    );
    expect(() => connectSync("ftp://there")).toThrow(coded("CHANNEL_REFUSED"));
  });

  it("tells a peer that it is there while its thread is stuck (X06)", async () => {
    const server = `
      const { listen } = await import(${JSON.stringify(`file://${DIST}/remote.js`)});
      const heartbeat = { idleMs: 100, silentMs: 2_000 };
      const options = { exports: { thing: { x: 1 } }, heartbeat };
      const listener = await listen("tcp://127.0.0.1:0", options);
      process.stdout.write(listener.address + "\\n");
      process.stdin.on("close", () => process.exit(0)).resume();`;
    const client = `
      const { spawn } = await import("node:child_process");
      const { once } = await import("node:events");
      const { connectSync } = await import(${JSON.stringify(`file://${DIST}/remote.js`)});
      const far = spawn(process.execPath, ["--input-type=module", "-e", process.argv[1]]);
      const [address] = await once(far.stdout, "data");
      const session = connectSync(String(address).trim());
      const thing = session.remote("thing");
      const first = thing.x;
      // Longer than the other side puts up with silence.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5_000);
      process.stdout.write(String(first + thing.x));
      session.close();
      far.stdin.end();`;
    const args = ["--input-type=module", "-e", client, server];
    const result = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 30_000 });
    expect([result.stdout, result.stderr]).toEqual(["2", ""]);
  });

  it("keeps no process alive that has nothing else to do (S11)", async () => {
    await using far = await startProcess();
    const code = `
      const { connectSync } = await import(${JSON.stringify(`file://${DIST}/remote.js`)});
      const api = connectSync(${JSON.stringify(far.url)}).remote("api");
      api.later((n) => n, 5).then((n) => process.stdout.write(String(n)));`;
    const result = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
      encoding: "utf8",
      timeout: 20_000,
    });
    expect([result.stdout, result.status]).toEqual(["5", 0]);
  });

  it("works in a finaliser, and fails at once where the process ends (S13)", async () => {
    await using far = await startProcess();
    const code = `
      const { connectSync } = await import(${JSON.stringify(`file://${DIST}/remote.js`)});
      const api = connectSync(${JSON.stringify(far.url)}).remote("api");
      const told = [];
      process.on("exit", () => {
        try { told.push(api.value); } catch (error) { told.push(error.code); }
        process.stdout.write(told.join(" "));
      });
      const registry = new FinalizationRegistry(() => { told.push(api.value); process.exit(0); });
      (() => registry.register({}, 1))();
      setInterval(() => globalThis.gc(), 5);`;
    const flags = ["--expose-gc", "--input-type=module", "-e", code];
    const { stdout, status } = spawnSync(process.execPath, flags, {
      encoding: "utf8",
      timeout: 20_000,
    });
    expect([stdout, status]).toEqual(["1 REMOTE_BROKEN", 0]);
  });

  it("is told of by listenSync(), which takes no more once it is closed", async () => {
    using folder = temporaryFolder();
    const url = `unix:${join(folder.path, "s.sock")}`;
    const accepted = deferred<SyncSession>();
    const listener = await listenSync(url, {
      exports: { one: { n: 1 } },
      onSession: accepted.resolve,
    });
    await expect(listenSync(url, {})).rejects.toThrow(coded("CHANNEL_REFUSED"));
    using session = connectSync(url, { name: "client" });
    expect(session.remote<{ n: number }>("one").n).toBe(1);
    expect((await accepted.promise).peerName).toBe("client");
    await listener.close();
    expect(() => connectSync(url)).toThrow(coded("CHANNEL_REFUSED"));
    expect(session.remote<{ n: number }>("one").n).toBe(1);
    await using _listener = await listen(url, { exports: {} });
  });
});

/** A server with stubs on its event loop, and a child of it that uses it by blocking. */
const SERVER_AND_CLIENT = `
  const { fork } = await import("node:child_process");
  const { connectSync, listen } = await import(${JSON.stringify(`file://${DIST}/remote.js`)});
  const url = process.argv[1];
  const api = {
    add: (a, b) => a + b,
    data: { a: 1, b: 2 },
    list: [1, 2, 3],
    later: async (n) => n + 1,
    back: async (f) => (await f(1)) + 10,
    fail: () => { throw new RangeError("no"); },
  };
  const listener = await listen(url, { exports: { api } });
  const code = \`
    const { connectSync } = await import(${JSON.stringify(`file://${DIST}/remote.js`)});
    const session = connectSync(\${JSON.stringify(url)});
    const api = session.remote("api");
    let error;
    try { api.fail(); } catch (thrown) { error = thrown.constructor.name; }
    const answers = {
      sum: api.add(1, 2), keys: Object.keys(api.data), list: api.list.reduce((a, b) => a + b),
      later: await api.later(1), back: await api.back((n) => n), error,
    };
    process.stdout.write(JSON.stringify(answers));\`;
  const { spawn } = await import("node:child_process");
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: "inherit" });
  child.once("exit", () => listener.close());`;
