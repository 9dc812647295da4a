import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import type { Channel, ChannelLimits } from "../../src/channel/channel.ts";
import { dialUnix, listenUnix } from "../../src/channel/unix.ts";
import type { ChannelPair, PairLimits } from "../../src/testing/channel-pair.ts";
import { channelSuite } from "../../src/testing/channel-suite.ts";
import { disposablePair } from "./pair.ts";

const DEADLINE_MS = 5_000;

const dial = (address: string, limits?: Partial<ChannelLimits>): Promise<Channel> =>
  dialUnix(address, { signal: AbortSignal.timeout(DEADLINE_MS), limits });

/** A directory that must be empty at the end: nothing of a listener may be left. */
function directory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "banyan-unix-"));
  return {
    path,
    [Symbol.dispose]() {
      const left = readdirSync(path);
      rmSync(path, { recursive: true });
      expect(left).toEqual([]);
    },
  };
}

async function open({ near, far }: PairLimits): Promise<ChannelPair> {
  const folder = directory();
  const address = `unix:${join(folder.path, "s")}`;
  const accepted = deferred<Channel>();
  const listener = await listenUnix(address, accepted.resolve, { limits: far });
  const dialled = await dial(address, near);
  return disposablePair(dialled, await accepted.promise, async () => {
    await listener.close();
    folder[Symbol.dispose]();
  });
}

channelSuite({ test: it, open });

describe("listenUnix()", () => {
  it("makes a socket that only its user may open, and leaves nothing else", async () => {
    using folder = directory();
    const path = join(folder.path, "s");
    await using _listener = await listenUnix(`unix:${path}`, () => {});
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder.path)).toEqual(["s"]);
  });

  it("refuses a path on which somebody accepts, who stays reachable", async () => {
    using folder = directory();
    const address = `unix:${join(folder.path, "s")}`;
    const accepted = deferred<Channel>();
    await using _listener = await listenUnix(address, accepted.resolve);
    await expect(listenUnix(address, () => {})).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    await using channel = await dial(address);
    expect(channel.state).toBe("open");
  });

  it("replaces a socket that nobody accepts on", async () => {
    using folder = directory();
    const path = join(folder.path, "s");
    await leaveStale(path);
    expect(lstatSync(path).isSocket()).toBe(true);
    await expect(dial(`unix:${path}`)).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    await using _listener = await listenUnix(`unix:${path}`, () => {});
    await using channel = await dial(`unix:${path}`);
    expect(channel.state).toBe("open");
  });

  it("lets one of many win a stale path, who is reachable then", async () => {
    using folder = directory();
    const address = `unix:${join(folder.path, "s")}`;
    for (let round = 0; round < 20; round++) {
      await leaveStale(join(folder.path, "s"));
      const attempts = await Promise.allSettled(
        Array.from({ length: 8 }, () => listenUnix(address, (channel) => void channel.close())),
      );
      const won = attempts.flatMap((a) => (a.status === "fulfilled" ? [a.value] : []));
      expect(won).toHaveLength(1);
      await using channel = await dial(address);
      await channel.close();
      await won[0]?.close();
    }
  });

  it("refuses a path that holds something else, and leaves it", async () => {
    using folder = directory();
    const path = join(folder.path, "s");
    writeFileSync(path, "precious");
    await expect(listenUnix(`unix:${path}`, () => {})).rejects.toThrow(/no socket/);
    expect(lstatSync(path).size).toBe(8);
    rmSync(path);
  });

  it("refuses a path that is too long, and says by how much", async () => {
    using folder = directory();
    const path = join(folder.path, "x".repeat(107 - folder.path.length));
    await expect(listenUnix(`unix:${path}`, () => {})).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      message: expect.stringContaining("1 bytes too long"),
    });
  });

  it("takes a path of 107 bytes", async () => {
    using folder = directory();
    const path = join(folder.path, "x".repeat(106 - folder.path.length));
    expect(path).toHaveLength(107);
    await using _listener = await listenUnix(`unix:${path}`, () => {});
    await using channel = await dial(`unix:${path}`);
    expect(channel.state).toBe("open");
  });

  it("refuses a directory that is missing or closed to it", async () => {
    using folder = directory();
    await expect(listenUnix(`unix:${folder.path}/none/s`, () => {})).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      cause: { code: "ENOENT" },
    });
  });

  it("close() removes its own socket, leaves another's, and keeps what it accepted", async () => {
    using folder = directory();
    const address = `unix:${join(folder.path, "s")}`;
    const accepted = deferred<Channel>();
    const first = await listenUnix(address, accepted.resolve);
    await using near = await dial(address);
    await using far = await accepted.promise;
    rmSync(join(folder.path, "s"));
    await using second = await listenUnix(address, () => {});
    await first.close();
    await first.close();
    expect(existsSync(join(folder.path, "s"))).toBe(true);
    expect(second.address).toBe(address);
    const arrived = new Promise<Uint8Array>((resolve) => far.receive(resolve));
    near.receive(() => {});
    near.send(Uint8Array.of(5));
    expect([...(await arrived)]).toEqual([5]);
  });

  it("takes no address of another form", async () => {
    for (const address of ["unix:", "unix:relative", "tcp:/x", "unix:/a\0b"]) {
      await expect(listenUnix(address, () => {})).rejects.toThrow(TypeError);
    }
  });
});

describe("dialUnix()", () => {
  it("says CHANNEL_REFUSED and why where nothing is", async () => {
    using folder = directory();
    await expect(dial(`unix:${folder.path}/s`)).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      cause: { code: "ENOENT" },
    });
  });

  it("throws the signal's reason where that aborted", async () => {
    const reason = new Error("enough");
    const dialling = dialUnix("unix:/nowhere", { signal: AbortSignal.abort(reason) });
    await expect(dialling).rejects.toBe(reason);
  });
});

/** A socket file as a process leaves it that was killed. */
async function leaveStale(path: string): Promise<void> {
  const server = createServer();
  server.listen(`${path}.bound`);
  await once(server, "listening");
  renameSync(`${path}.bound`, path);
  server.close();
  await once(server, "close");
}
