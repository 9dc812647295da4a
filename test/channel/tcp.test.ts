import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { ChannelError } from "../../src/base/errors.ts";
import type { Channel } from "../../src/channel/channel.ts";
import { dialTcp, listenTcp } from "../../src/channel/tcp.ts";
import {
  bytes,
  type ChannelPair,
  collect,
  type PairLimits,
} from "../../src/testing/channel-pair.ts";
import { channelSuite } from "../../src/testing/channel-suite.ts";
import { disposablePair } from "./pair.ts";

const ANY_PORT = "tcp://127.0.0.1:0";

function deadline(): AbortSignal {
  return AbortSignal.timeout(5_000);
}

async function open({ near, far }: PairLimits = {}): Promise<ChannelPair> {
  const accepted = deferred<Channel>();
  const listener = await listenTcp(ANY_PORT, accepted.resolve, { limits: far });
  const dialled = await dialTcp(listener.address, { signal: deadline(), limits: near });
  return disposablePair(dialled, await accepted.promise, () => listener.close());
}

channelSuite({ test: it, open });

describe("listenTcp()", () => {
  it("listens on 127.0.0.1 where no host is given, and says the port it took", async () => {
    await using listener = await listenTcp("tcp://:0", () => {});
    expect(listener.address).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d+$/);
  });

  it("takes ::1 and localhost without being asked for more", async () => {
    await using six = await listenTcp("tcp://[::1]:0", () => {});
    expect(six.address).toMatch(/^tcp:\/\/\[::1\]:\d+$/);
    await using channel = await dialTcp(six.address, { signal: deadline() });
    expect(channel.state).toBe("open");
    await using named = await listenTcp("tcp://localhost:0", () => {});
    expect(named.address).toMatch(/127\.0\.0\.1|::1/);
  });

  it.each(["tcp://0.0.0.0:0", "tcp://[::]:0"])(
    "refuses %s unless public is set",
    async (address) => {
      await expect(listenTcp(address, () => {})).rejects.toMatchObject({
        code: "CHANNEL_REFUSED",
        message: expect.stringContaining("{ public: true }"),
      });
      await using listener = await listenTcp(address, () => {}, { public: true });
      expect(listener.address).not.toContain(":0/");
    },
  );

  it("says CHANNEL_REFUSED where the port is taken", async () => {
    await using first = await listenTcp(ANY_PORT, () => {});
    await expect(listenTcp(first.address, () => {})).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      cause: { code: "EADDRINUSE" },
    });
  });

  it("close() keeps what was accepted, and takes no more", async () => {
    const accepted = deferred<Channel>();
    const listener = await listenTcp(ANY_PORT, accepted.resolve);
    await using near = await dialTcp(listener.address, { signal: deadline() });
    await using far = await accepted.promise;
    await listener.close();
    await listener.close();
    await expect(dialTcp(listener.address, { signal: deadline() })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
    });
    const received = collect(far);
    near.receive(() => {});
    near.send(bytes(100));
    await received.count(1);
  });

  it("drops a peer that claims a message of 4 GiB before anything is allocated", async () => {
    const accepted = deferred<Channel>();
    await using listener = await listenTcp(ANY_PORT, accepted.resolve);
    const socket = connect(Number(listener.address.split(":").at(-1)), "127.0.0.1");
    socket.on("error", () => {});
    const gone = once(socket, "close");
    socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
    socket.resume();
    await using far = await accepted.promise;
    collect(far);
    expect(await far.closed).toMatchObject({ code: "CHANNEL_TOO_LARGE" });
    await gone;
  });
});

describe("dialTcp()", () => {
  it("says CHANNEL_REFUSED and why where nobody listens", async () => {
    const listener = await listenTcp(ANY_PORT, () => {});
    await listener.close();
    await expect(dialTcp(listener.address, { signal: deadline() })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      cause: { code: "ECONNREFUSED" },
    });
  });

  it("throws the signal's reason where that aborted", async () => {
    const reason = new Error("enough");
    const dialling = dialTcp("tcp://127.0.0.1:9", { signal: AbortSignal.abort(reason) });
    await expect(dialling).rejects.toBe(reason);
  });

  it.each(["tcp:", "tcp://host", "tcp://host:99999", "unix:/x", "tcp://a b:1", "tcp://u@h:1"])(
    "takes no address of another form: %s",
    async (address) => {
      await expect(dialTcp(address, { signal: deadline() })).rejects.toThrow(TypeError);
      await expect(listenTcp(address, () => {})).rejects.toThrow(TypeError);
    },
  );
});

describe("a channel over TCP", () => {
  it("crosses a network, and counts the bytes that come before their message is whole", async () => {
    const server = createServer((socket: Socket) => socket.write(Buffer.from([50, 0, 0, 0, 1])));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await using channel = await dialTcp(`tcp://127.0.0.1:${port}`, { signal: deadline() });
    expect(channel.crossesNetwork).toBe(true);
    collect(channel);
    await expect.poll(() => channel.receivedBytes).toBe(5);
    channel.abort(new ChannelError("CHANNEL_CLOSED"));
    server.close();
  });

  it("finds a peer busy that takes bytes and says nothing, and gone when it is closed", async () => {
    await using pair = await open();
    pair.near.send(bytes(10));
    expect(await pair.near.presence()).toBe(process.platform === "linux" ? "busy" : "unknown");
    pair.near.abort(new ChannelError("CHANNEL_CLOSED"));
    expect(await pair.near.presence()).toBe("gone");
  });

  it("breaks where the peer resets the connection", async () => {
    const server = createServer(
      (socket) => void socket.once("data", () => socket.resetAndDestroy()),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const channel = await dialTcp(`tcp://127.0.0.1:${port}`, { signal: deadline() });
    collect(channel);
    channel.send(bytes(1));
    expect(await channel.closed).toMatchObject({ code: "CHANNEL_CLOSED" });
    server.close();
  });
});
