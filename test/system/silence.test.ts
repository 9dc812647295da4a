import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect as connectSocket, createServer, type Socket } from "node:net";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { connect, listen, type Session } from "../../src/remote.ts";
import { ROOT } from "./kit.ts";

const LISTEN = join(ROOT, "test/system/processes/listen.mjs");
const HEARTBEAT = { idleMs: 100, silentMs: 800 };
/** What a machine under load may add. */
const SLACK_MS = 2_000;

interface Server extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly address: string;
}

/** A process that listens, started by `prefix` where that is given; it has ended at the end. */
async function start(url: string, prefix: readonly string[] = []): Promise<Server> {
  const [command, ...args] = [...prefix, process.execPath, LISTEN, join(ROOT, "dist"), url];
  const child = spawn(command ?? "", args, { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return {
    child,
    address: String(line).trim(),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

interface Api {
  ping(): string;
  block(ms: number): void;
}

/** How long it takes until `session` breaks, and by what. */
async function untilBroken(session: Session): Promise<{ readonly error: unknown; ms: number }> {
  const from = performance.now();
  const broken = deferred<unknown>();
  session.onBroken(broken.resolve);
  return { error: await broken.promise, ms: performance.now() - from };
}

describe.each(["tcp://127.0.0.1:0", "ws://127.0.0.1:0/"])("a session over %s", (url) => {
  it("tells a frozen process from one that is gone", async () => {
    await using server = await start(url);
    const frozen = await connect(server.address, { heartbeat: HEARTBEAT });
    expect(await frozen.remote<Api>("api").ping()).toBe("pong");
    server.child.kill("SIGSTOP");
    const first = await untilBroken(frozen);
    expect(first.error).toMatchObject({
      code: "REMOTE_BROKEN",
      cause: { code: "CHANNEL_SILENT", details: { presence: "busy" } },
    });
    expect(first.ms).toBeGreaterThan(HEARTBEAT.silentMs / 2);
    expect(first.ms).toBeLessThan(HEARTBEAT.silentMs + SLACK_MS);
    server.child.kill("SIGCONT");

    const killed = await connect(server.address, { heartbeat: HEARTBEAT });
    server.child.kill("SIGKILL");
    const second = await untilBroken(killed);
    expect(second.error).toMatchObject({ code: "REMOTE_BROKEN" });
    expect(second.error).not.toMatchObject({ cause: { code: "CHANNEL_SILENT" } });
    expect(second.ms).toBeLessThan(1_000);
  });

  it("outlives a peer that is busy for less than the limit, and names one that is for longer", async () => {
    await using server = await start(url);
    const session = await connect(server.address, { heartbeat: { idleMs: 200, silentMs: 1_600 } });
    const api = session.remote<Api>("api");
    await api.block(800);
    expect(await api.ping()).toBe("pong");
    void api.block(20_000).catch(() => {});
    const { error } = await untilBroken(session);
    expect(error).toMatchObject({ cause: { details: { presence: "busy" } } });
  });
});

/** Passes bytes on until it is told to stop, and closes nothing then: a router that lost its table. */
async function blackHole(target: number) {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connectSocket(target, "127.0.0.1");
    sockets.push(near, far);
    near.on("data", (chunk) => far.write(chunk));
    far.on("data", (chunk) => near.write(chunk));
    for (const socket of [near, far]) socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    swallow: () => {
      for (const socket of sockets) socket.removeAllListeners("data").pause();
    },
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe("a connection that carries nothing any more", () => {
  it("is noticed at both ends within the limit, and by nobody without a heartbeat", async () => {
    const accepted: Session[] = [];
    const both = deferred<void>();
    await using listener = await listen("tcp://127.0.0.1:0", {
      heartbeat: HEARTBEAT,
      exports: { ping: () => "pong" },
      onSession: (session) => {
        if (accepted.push(session) === 2) both.resolve();
      },
    });
    using hole = await blackHole(Number(listener.address.split(":").at(-1)));
    const address = `tcp://127.0.0.1:${hole.port}`;
    const watching = await connect(address, { heartbeat: HEARTBEAT });
    const trusting = await connect(address, { heartbeat: false });
    await Promise.all([watching.names(), trusting.names(), both.promise]);
    hole.swallow();
    const outcomes = await Promise.all([watching, ...accepted].map(untilBroken));
    for (const { error, ms } of outcomes) {
      expect(error).toMatchObject({ cause: { code: "CHANNEL_SILENT" } });
      expect(ms).toBeLessThan(HEARTBEAT.silentMs + SLACK_MS);
    }
    expect(trusting.stats().pending).toBe(0);
    trusting.abort(new Error("the test is over"));
  });
});

function ip(...args: string[]): boolean {
  return spawnSync("ip", args).status === 0;
}

/** A machine of the test's own, one cable away: a network namespace. */
function createMachine() {
  const name = `banyan-${process.pid}`;
  const [here, there] = [`bny${process.pid}a`.slice(-15), `bny${process.pid}b`.slice(-15)];
  const isMade =
    ip("netns", "add", name) &&
    ip("link", "add", here, "type", "veth", "peer", "name", there) &&
    ip("link", "set", there, "netns", name) &&
    ip("addr", "add", "10.231.7.1/30", "dev", here) &&
    ip("link", "set", here, "up") &&
    ip("-n", name, "addr", "add", "10.231.7.2/30", "dev", there) &&
    ip("-n", name, "link", "set", there, "up");
  const remove = (): void => {
    ip("link", "del", here);
    ip("netns", "del", name);
  };
  return {
    isMade,
    prefix: ["ip", "netns", "exec", name],
    address: "tcp://10.231.7.2:0",
    pullCable: () => ip("-n", name, "link", "set", there, "down"),
    [Symbol.dispose]: remove,
  };
}

function tryMachine(): boolean {
  using machine = createMachine();
  return machine.isMade;
}

const canMakeMachines = tryMachine();
if (!canMakeMachines) {
  process.stderr.write(
    "\nSKIPPED: a peer whose cable is pulled: network namespaces take root and the ip command on Linux\n\n",
  );
}

describe.skipIf(!canMakeMachines)("a peer on another machine", () => {
  it("is gone when its cable is pulled, and was busy when it was only frozen", async () => {
    using machine = createMachine();
    await using server = await start(machine.address, machine.prefix);
    const heartbeat = { idleMs: 300, silentMs: 4_000 };
    const frozen = await connect(server.address, { heartbeat });
    await frozen.names();
    spawnSync("kill", ["-STOP", String(server.child.pid)]);
    expect((await untilBroken(frozen)).error).toMatchObject({
      cause: { code: "CHANNEL_SILENT", details: { presence: "busy" } },
    });
    spawnSync("kill", ["-CONT", String(server.child.pid)]);

    const session = await connect(server.address, { heartbeat });
    await session.names();
    expect(machine.pullCable()).toBe(true);
    const { error, ms } = await untilBroken(session);
    expect(error).toMatchObject({
      cause: { code: "CHANNEL_SILENT", details: { presence: "gone" } },
    });
    expect(ms).toBeLessThan(heartbeat.silentMs + SLACK_MS);
  });
});
