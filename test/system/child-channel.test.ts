import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import type { Channel } from "../../src/channel/channel.ts";
import { childChannel, shieldStdio, stdioChannel } from "../../src/channel/child.ts";
import {
  bytes,
  type ChannelPair,
  collect,
  type PairLimits,
  turn,
} from "../../src/testing/channel-pair.ts";
import { channelSuite } from "../../src/testing/channel-suite.ts";
import { disposablePair } from "../channel/pair.ts";
import { acceptMarked } from "./accept-marked.ts";
import { ROOT, temporaryFolder } from "./kit.ts";

const RELAY = join(ROOT, "test/system/processes/relay.mjs");
const NOISY = join(ROOT, "test/system/processes/noisy-echo.mjs");

/** A pair whose far end is behind a real process, and joined to it by `fd` or its standard streams. */
function through(fd: number | undefined): (limits: PairLimits) => Promise<ChannelPair> {
  return async ({ near, far }) => {
    const folder = temporaryFolder();
    const path = join(folder.path, "s");
    const accepted = deferred<Channel>();
    const server = await acceptMarked(path, accepted.resolve, far);
    const child = spawn(
      process.execPath,
      [RELAY, path, ...(fd === undefined ? [] : [`${fd}`, `${fd}`])],
      {
        stdio: ["pipe", "pipe", "inherit", "pipe"],
      },
    );
    const exited = once(child, "exit");
    const channel = childChannel(child, { fd, limits: near });
    return disposablePair(channel, await accepted.promise, async () => {
      await Promise.all([server.close(), exited]);
      folder[Symbol.dispose]();
    });
  };
}

describe("childChannel() over standard input and output", () => {
  channelSuite({ test: it, open: through(undefined) });
});

describe("childChannel() over a pipe of its own", () => {
  channelSuite({ test: it, open: through(3) });
});

interface Noisy extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly channel: Channel;
  readonly stderr: Promise<string>;
}

/** A child that answers by `stdioChannel()`; it must have ended at the end of the test. */
function startNoisy(fd?: number): Noisy {
  const args = [NOISY, join(ROOT, "build"), ...(fd === undefined ? [] : [`${fd}`])];
  const plain = [process.execPath, args] as const;
  const [command, all] = fd === undefined ? shieldStdio(...plain) : plain;
  const child = spawn(command, all, { stdio: ["pipe", "pipe", "pipe", "pipe"] });
  if (fd !== undefined) child.stdout.resume();
  const stderr = text(child.stderr);
  const exited = once(child, "exit");
  const channel = childChannel(child, { fd });
  return {
    child,
    channel,
    stderr,
    async [Symbol.asyncDispose]() {
      await channel[Symbol.asyncDispose]();
      await exited;
    },
  };
}

describe("stdioChannel()", () => {
  it("is not disturbed by anything the process prints, and its log is on stderr", async () => {
    await using noisy = startNoisy();
    const received = collect(noisy.channel);
    for (const size of [10, 100_000, 0]) noisy.channel.send(bytes(size));
    await received.count(3);
    expect(received.messages.map((message) => message.length)).toEqual([10, 100_000, 0]);
    await noisy.channel.close();
    expect(await noisy.channel.closed).toBeUndefined();
    const printed = await noisy.stderr;
    for (const word of ["logged", "written", "raw", "inherited", "closed in order"]) {
      expect(printed).toContain(word);
    }
    await expect.poll(() => noisy.child.exitCode).toBe(0);
  });

  it("works over one two-way pipe, which leaves the standard streams to the program", async () => {
    await using noisy = startNoisy(3);
    const received = collect(noisy.channel);
    noisy.channel.send(bytes(10));
    await received.count(1);
    await noisy.channel.close();
    expect(await noisy.channel.closed).toBeUndefined();
  });

  it("close() by the child is an orderly end here, after what it sent", async () => {
    await using noisy = startNoisy();
    const received = collect(noisy.channel);
    noisy.channel.send(Uint8Array.of(1));
    expect(await noisy.channel.closed).toBeUndefined();
    expect(received.messages).toEqual([Uint8Array.of(1)]);
  });

  it("takes no file descriptors that are not open", () => {
    expect(() => stdioChannel({ read: 998, write: 999 })).toThrow(/EBADF|fd/i);
  });

  it("ends when its parent's end does", async () => {
    await using noisy = startNoisy();
    const received = collect(noisy.channel);
    noisy.channel.send(bytes(10));
    await received.count(1);
    noisy.child.stdin?.destroy();
    noisy.child.stdout?.destroy();
    await once(noisy.child, "exit");
  });
});

describe("childChannel()", () => {
  it("delivers what came before a crash, and says how the child exited", async () => {
    await using noisy = startNoisy();
    const received = collect(noisy.channel);
    noisy.channel.send(Uint8Array.of(2));
    expect(await noisy.channel.closed).toMatchObject({
      code: "CHANNEL_CLOSED",
      details: { exitCode: 3, signalCode: null },
    });
    expect(received.messages).toEqual([Uint8Array.of(2)]);
  });

  it("says how the child exited only when what came before was read", async () => {
    await using noisy = startNoisy();
    const received = collect(noisy.channel, () => noisy.channel.pause());
    noisy.channel.send(Uint8Array.of(7));
    noisy.channel.send(Uint8Array.of(2));
    await once(noisy.child, "exit");
    await turn();
    expect(noisy.channel.state).not.toBe("closed");
    noisy.channel.resume();
    noisy.channel.resume();
    await received.count(2);
    noisy.channel.resume();
    expect(await noisy.channel.closed).toMatchObject({ details: { exitCode: 3 } });
  });

  it("notices kill -9 at once, and says so", async () => {
    await using noisy = startNoisy();
    const received = collect(noisy.channel);
    noisy.channel.send(bytes(10));
    await received.count(1);
    const start = performance.now();
    noisy.child.kill("SIGKILL");
    expect(await noisy.channel.closed).toMatchObject({
      code: "CHANNEL_CLOSED",
      details: { exitCode: null, signalCode: "SIGKILL" },
    });
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it("notices kill -9 also where somebody else holds the pipes open", async () => {
    // Without `exec` the shell stays between, and its child keeps the pipes when it is killed.
    const child = spawn("sh", ["-c", "sleep 60 & echo $! >&2; cat; wait"], { stdio: "pipe" });
    const [pid] = (await once(child.stderr, "data")) as [Buffer];
    const channel = childChannel(child);
    const received = collect(channel);
    channel.send(bytes(10));
    await received.count(1);
    child.kill("SIGKILL");
    expect(await channel.closed).toMatchObject({ details: { signalCode: "SIGKILL" } });
    process.kill(Number(pid), "SIGKILL");
  });

  it("says CHANNEL_CLOSED and why where the command can't be started", async () => {
    const child = spawn("/nowhere/at/all", [], { stdio: "pipe" });
    const channel = childChannel(child);
    collect(channel);
    expect(await channel.closed).toMatchObject({
      code: "CHANNEL_CLOSED",
      cause: { code: "ENOENT" },
    });
  });

  it("takes no child without pipes", async () => {
    const child = spawn("true", [], { stdio: "ignore" });
    expect(() => childChannel(child)).toThrow(TypeError);
    expect(() => childChannel(child, { fd: 3 })).toThrow(TypeError);
    await once(child, "exit");
  });

  it("takes what a child sent that has exited long ago", async () => {
    const child = spawn("sh", ["-c", "printf '\\001\\000\\000\\000\\007\\377\\377\\377\\377'"], {
      stdio: "pipe",
    });
    const channel = childChannel(child);
    await once(child, "exit");
    const received = collect(channel);
    expect(await channel.closed).toBeUndefined();
    expect(received.messages).toEqual([Uint8Array.of(7)]);
  });
});
