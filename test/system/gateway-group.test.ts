/** Groups, gateways via others, over sockets and through ssh. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import type * as FileSystem from "node:fs/promises";
import { join } from "node:path";

import { type Gateway, type GatewaySpec, Group, openGateway, serveGateway } from "banyan/gateway";
import type { Remote } from "banyan/remote";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createCertificate } from "../channel/certificate.ts";
import { COMPUTE, isRunning } from "./gateway-kit.ts";
import { temporaryFolder } from "./kit.ts";
import { type Sshd, sshdMissing, startSshd } from "./sshd.ts";

/** Ends are seen by looking. */
const WAIT = { timeout: 20_000 };

class Counter {
  count = 10;
  next(): number {
    return ++this.count;
  }
}

describe("Group", () => {
  it("runs code everywhere, and receives from each in parallel (G14)", async () => {
    await using group = new Group();
    await Promise.all([group.open(), group.open("worker"), group.open("popen//id=x")]);
    expect([...group].map(({ id }) => id).sort()).toEqual(["gw0", "gw1", "x"]);
    const runs = group.exec(
      `class Counter { #n = 10; next() { return ++this.#n } }
       channel.send(args[0]); return new Counter()`,
      [5],
    );
    expect(await runs.receiveEach()).toEqual([5, 5, 5]);
    const counters = (await Promise.all([...runs].map((run) => run.result))) as Remote<Counter>[];
    expect(await Promise.all(counters.map((counter) => counter.next()))).toEqual([11, 11, 11]);
    await runs.waitClosed();
  });

  it("refuses an id twice, also while the first is being opened", async () => {
    await using group = new Group();
    const first = group.open("worker//id=a");
    await expect(group.open("worker//id=a")).rejects.toMatchObject({ code: "GATEWAY_ID_TAKEN" });
    const { id } = await first;
    expect([group.has(id), group.get(id) === (await first), group.size]).toEqual([true, true, 1]);
    await group.get(id)?.terminate();
    await expect.poll(() => group.size, WAIT).toBe(0);
    await group.open("worker//id=a");
  });

  it("sends to each, and gives items as they come with their channels", async () => {
    await using group = new Group();
    await Promise.all([group.open("worker"), group.open("worker")]);
    const runs = group.exec(
      "for await (const x of channel) for (let i = 0; i < x; i++) await channel.send(i)",
    );
    await runs.sendEach(2);
    const got = new Map<unknown, unknown[]>();
    for await (const [channel, item] of runs.items()) {
      const items = got.get(channel) ?? [];
      got.set(channel, [...items, item]);
      if (item === 1) channel.close();
    }
    expect([...runs].map((run) => got.get(run))).toEqual([[0, 1], [0, 1]]); // prettier-ignore
  });

  it("waits for all, and then throws what the first failed with", async () => {
    await using group = new Group();
    await Promise.all([group.open("worker//id=a"), group.open("worker//id=b")]);
    const runs = group.exec("if (channel.gateway.id === 'a') throw new RangeError('a failed')");
    await expect(runs.waitClosed()).rejects.toThrow("a failed");
    expect([...runs].every((run) => run.isClosed)).toBe(true);
    await expect(runs.receiveEach()).rejects.toThrow("a failed");
  });

  it("terminates all, whatever they do, and takes no more (bounded)", async () => {
    const group = new Group();
    const all = await Promise.all([
      group.open("popen//id=idle"),
      group.open("popen//id=busy"),
      group.open("worker//id=loop"),
      group.open("popen//id=deaf"),
      group.open("popen//via=busy"),
    ]);
    for (const id of ["busy", "loop"]) group.get(id)?.exec(COMPUTE);
    const deaf = group.get("deaf")?.exec(
      "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); channel.send(1); await new Promise(() => {})", // prettier-ignore
    );
    await deaf?.receive();
    const start = performance.now();
    await group.terminate({ timeoutMs: 200 });
    expect(performance.now() - start).toBeLessThan(15_000);
    const direct = all.filter(({ spec }) => spec.popen === true && spec.via === undefined);
    expect(direct.map(({ info }) => info.pid).filter(isRunning)).toEqual([]);
    // One behind another that had to be killed ends when it notices.
    const [behind] = all.filter(({ spec }) => spec.via !== undefined);
    await expect.poll(() => isRunning(behind?.info.pid ?? 0), WAIT).toBe(false);
    expect(group.size).toBe(0);
    await expect(deaf?.result).rejects.toMatchObject({ code: "GATEWAY_CLOSED" });
    await expect(group.open()).rejects.toMatchObject({ code: "GATEWAY_CLOSED" });
    await group.terminate();
  });
});

describe("via", () => {
  it("starts processes and threads from another gateway", async () => {
    await using group = new Group();
    const [first, second, third] = await Promise.all([
      group.open("popen//id=first"),
      group.open("popen//via=first//id=second"),
      group.open("worker//via=second//id=third"),
    ]);
    const parent = "process.ppid";
    expect(await second.exec(parent).result).toBe(first.info.pid);
    expect(await third.exec("process.pid").result).toBe(second.info.pid);
    expect(await first.status()).toMatchObject({ started: 1 });
    const big = third.exec("for await (const x of channel) channel.send(x)");
    const bytes = new Uint8Array(5_000_000).fill(3);
    void big.send(bytes);
    expect(Buffer.compare((await big.receive()) as Uint8Array, bytes)).toBe(0);
    big.close();
    await second.terminate();
    expect(await third.closed).toBeInstanceOf(Error);
    await expect.poll(async () => (await first.status()).started, WAIT).toBe(0);
  });

  it("names what is not there, and what can't be started from there", async () => {
    await using group = new Group();
    await expect(group.open("popen//via=none")).rejects.toMatchObject({ code: "GATEWAY_BAD_SPEC" });
    const first = await group.open("worker");
    await expect(openGateway("popen//node=/nowhere", { via: first })).rejects.toMatchObject({
      code: "GATEWAY_NOT_STARTED",
      message: expect.stringContaining("ENOENT"),
    });
    expect(await first.status()).toMatchObject({ started: 0 });
  });

  it("ends with the gateway that it was started from, however that ends", async () => {
    await using group = new Group();
    const first = await group.open("popen");
    const second = await group.open(`popen//via=${first.id}`);
    process.kill(first.info.pid, "SIGKILL");
    expect(await second.closed).toBeInstanceOf(Error);
    await expect.poll(() => isRunning(second.info.pid), WAIT).toBe(false);
  });
});

describe("socket=", () => {
  it("has a process of its own from a server, with the token", async () => {
    await using server = await serveGateway();
    const socket = `socket=${server.address}`;
    const { token } = server;
    const gateway = await openGateway(`${socket}//env:A=1//nice=3`, { token });
    expect(gateway.info.pid).not.toBe(process.pid);
    expect(await gateway.exec("[process.env.A, require('os').getPriority()]").result).toEqual([
      "1",
      3,
    ]);
    for (const wrong of [undefined, "", `${token}x`, token.slice(1)]) {
      await expect(openGateway(socket, { token: wrong })).rejects.toMatchObject({
        code: "GATEWAY_NOT_STARTED",
        cause: { code: "REMOTE_DENIED" },
      });
    }
    await gateway.exec(COMPUTE).receive();
    await gateway.terminate({ timeoutMs: 200 });
    expect(isRunning(gateway.info.pid)).toBe(false);
    const left = await openGateway(socket, { token });
    await server.close();
    expect(await left.closed).toBeInstanceOf(Error);
    await expect.poll(() => isRunning(left.info.pid), WAIT).toBe(false);
  });

  it("is not offered to other machines by accident, and takes no short token (Z16)", async () => {
    await expect(serveGateway({ address: "0.0.0.0:0" })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
    });
    await expect(serveGateway({ token: "short" })).rejects.toThrow(RangeError);
  });

  it("works over TLS and unix sockets", async () => {
    const { key, cert } = await createCertificate();
    await using secure = await serveGateway({ tls: { key, cert } });
    await using first = await openGateway(`socket=${secure.address}`, {
      token: secure.token,
      tls: { ca: cert },
    });
    expect(await first.exec("1").result).toBe(1);
    using folder = temporaryFolder();
    await using own = await serveGateway({ address: `unix:${join(folder.path, "s")}` });
    await using second = await openGateway(`socket=${own.address}`);
    expect(await second.exec("2").result).toBe(2);
  });
});

/** A program in place of `ssh`: it notes its arguments, and then does what `body` says. */
function fakeSsh(folder: string, body: string): string {
  const path = join(folder, "ssh");
  const noting = `for a in "$@"; do printf '%s\\n' "$a"; done > "$0.args"`;
  writeFileSync(path, `#!/bin/sh\n${noting}\n${body}\n`);
  chmodSync(path, 0o700);
  return path;
}

describe("ssh=", () => {
  it("hands user, port, configuration and settings to ssh (G02)", async () => {
    using folder = temporaryFolder();
    const ssh = fakeSsh(folder.path, 'echo motd; for last; do :; done; exec sh -c "$last"');
    const node = process.execPath;
    await using gateway = await openGateway(
      `ssh=-p 2222 -oCompression=no me@box//ssh_config=/etc/c//node=${node}//env:A=1`,
      { ssh },
    );
    expect(await gateway.exec("process.env.A").result).toBe("1");
    const args = readFileSync(`${ssh}.args`, "utf8").split("\n");
    const text = args.join(" ");
    for (const part of ["-p 2222", "-F /etc/c", "-o Compression=no", "-- me@box"]) {
      expect(text).toContain(part);
    }
  });

  it("says what ssh and the far side said where nothing starts", async () => {
    using folder = temporaryFolder();
    const noHost = fakeSsh(folder.path, 'echo "ssh: no such host" >&2; exit 255');
    await expect(openGateway("ssh=nowhere", { ssh: noHost })).rejects.toMatchObject({
      code: "GATEWAY_NOT_STARTED",
      message: expect.stringContaining("no such host"),
    });
    const ssh = fakeSsh(folder.path, 'for last; do :; done; exec sh -c "$last"');
    await expect(
      openGateway("ssh=box//node=nodde", { ssh, onLog: () => {} }),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/there is no node in its path.*nodde/s),
    });
    await expect(openGateway("ssh=box -v", { ssh })).rejects.toMatchObject({
      code: "GATEWAY_BAD_SPEC",
    });
  });
});

const missing = sshdMissing();
if (missing !== undefined) process.stderr.write(`\nSKIPPED: gateways through ssh: ${missing}\n\n`);

describe.skipIf(missing !== undefined)("ssh= to a real server", () => {
  let sshd: Sshd;
  let spec: GatewaySpec;
  beforeAll(async () => {
    sshd = await startSshd();
    const { host, user, port, identity, config, settings = {} } = sshd.access;
    const options = Object.entries(settings).map(([name, value]) => `-o ${name}=${value}`);
    spec = {
      ssh: `-p ${port} -i ${identity} -F ${config} ${options.join(" ")} ${user}@${host}`,
      node: process.execPath,
    };
  });
  afterAll(() => sshd[Symbol.asyncDispose]());

  it("runs code, with nothing there but Node, and ends with its connection", async () => {
    const gateway = await openGateway(spec, { onLog: () => {} });
    expect(await gateway.exec("process.pid").result).toBe(gateway.info.pid);
    const fs = gateway.import<typeof FileSystem>("node:fs/promises");
    const own = new URL(import.meta.url).pathname;
    expect(await fs.readFile(own, "utf8")).toBe(readFileSync(own, "utf8"));
    await gateway.terminate();
    await expect.poll(() => isRunning(gateway.info.pid), WAIT).toBe(false);
  });

  it("keeps what is printed apart, and starts others from there", async () => {
    let log = "";
    await using group = new Group({ onLog: (text) => (log += text) });
    const first = await group.open({ ...spec, id: "box" });
    const second = await group.open("popen//via=box");
    await second.exec("console.log('from the second')").result;
    await first.exec("require('fs').writeSync(1, 'from the first\\n')").result;
    await expect.poll(() => log).toMatch(/from the second[^]*from the first|from the first[^]*from the second/); // prettier-ignore
    expect(await second.exec("process.ppid").result).toBe(first.info.pid);
  });

  it("ends what computes for ever over there, though no signal gets there", async () => {
    const gateway: Gateway = await openGateway(spec, { onLog: () => {} });
    await gateway.exec(COMPUTE).receive();
    await gateway.terminate({ timeoutMs: 200 });
    await expect.poll(() => isRunning(gateway.info.pid), WAIT).toBe(false);
  });

  it("says so where the server lets nobody in", async () => {
    const words = (spec.ssh ?? "").replace(/-i \S+/, "-i /nowhere/key");
    await expect(openGateway({ ...spec, ssh: words }, { onLog: () => {} })).rejects.toMatchObject({
      code: "GATEWAY_NOT_STARTED",
      message: expect.stringContaining("Permission denied"),
    });
    expect(existsSync("/nowhere/key")).toBe(false);
  });
});
