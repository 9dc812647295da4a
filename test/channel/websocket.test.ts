import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";

import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { deferred } from "../../src/base/deferred.ts";
import { ChannelError } from "../../src/base/errors.ts";
import type { Channel, Listener } from "../../src/channel/channel.ts";
import {
  attachWebSocket,
  dialWebSocket,
  listenWebSocket,
  type WebSocketListenOptions,
} from "../../src/channel/websocket.ts";
import { dialWebSocket as dialFromPage } from "../../src/channel/websocket-browser.ts";
import {
  bytes,
  type ChannelPair,
  collect,
  type PairLimits,
} from "../../src/testing/channel-pair.ts";
import { channelSuite } from "../../src/testing/channel-suite.ts";
import { createCertificate } from "./certificate.ts";
import { disposablePair } from "./pair.ts";

const ANY_PORT = "ws://127.0.0.1:0/";
const server = await createCertificate();
const stranger = await createCertificate("stranger");

function deadline(): AbortSignal {
  return AbortSignal.timeout(5_000);
}

async function open({ near, far }: PairLimits, dial = dialWebSocket): Promise<ChannelPair> {
  const accepted = deferred<Channel>();
  const listener = await listenWebSocket(ANY_PORT, accepted.resolve, { limits: far });
  const dialled = await dial(listener.address, { signal: deadline(), limits: near });
  return disposablePair(dialled, await accepted.promise, () => listener.close());
}

/** Puts a `WebSocket` where browsers have it; Node 20 has none. */
function usePageWebSocket(): Disposable {
  const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
  Object.defineProperty(globalThis, "WebSocket", { value: WebSocket, configurable: true });
  return {
    [Symbol.dispose]: () => {
      if (before === undefined) Reflect.deleteProperty(globalThis, "WebSocket");
      else Object.defineProperty(globalThis, "WebSocket", before);
    },
  };
}

function accepting(options: WebSocketListenOptions = {}): Promise<Listener> {
  return listenWebSocket(ANY_PORT, () => {}, options);
}

describe("dialWebSocket() of Node", () => {
  channelSuite({ test: it, open });
});

describe("dialWebSocket() of pages", () => {
  channelSuite({
    test: it,
    open: async (limits) => {
      using _listener = usePageWebSocket();
      return await open(limits, dialFromPage);
    },
  });

  it("says CHANNEL_REFUSED where nobody listens, and the signal's reason where that aborts", async () => {
    using _listener = usePageWebSocket();
    const signal = deadline();
    await expect(dialFromPage("ws://127.0.0.1:9/", { signal })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
    });
    const reason = new Error("enough");
    const aborted = AbortSignal.abort(reason);
    await expect(dialFromPage("ws://127.0.0.1:9/", { signal: aborted })).rejects.toBe(reason);
  });
});

describe("listenWebSocket()", () => {
  it.each([
    ["its own page", "http://HOST", undefined, true],
    ["another page", "http://elsewhere.example", undefined, false],
    ["another port's page", "http://127.0.0.1:1", undefined, false],
    ["a page without an origin", "null", undefined, false],
    ["a listed page", "https://app.example", ["https://app.example"], true],
    ["its own page where others are listed", "http://HOST", ["https://app.example"], false],
  ])("of %s: origin %s, listed %j: %s", async (_, origin, origins, isAllowed) => {
    await using listener = await accepting({ origins });
    const { host } = new URL(listener.address);
    const headers = { origin: origin.replace("HOST", host) };
    const outcome = await dialWebSocket(listener.address, { signal: deadline(), headers }).then(
      (channel) => channel.close(),
      (error: Error) => error.message,
    );
    expect(outcome ?? "accepted").toContain(isAllowed ? "accepted" : "403");
  });

  it("refuses a name that points here, though origin and host agree", async () => {
    await using listener = await accepting();
    const headers = { origin: "http://rebound.example", host: "rebound.example" };
    await expect(
      dialWebSocket(listener.address, { signal: deadline(), headers }),
    ).rejects.toMatchObject({ message: expect.stringContaining("403") });
  });

  it("refuses other interfaces unless public is set", async () => {
    await expect(listenWebSocket("ws://0.0.0.0:0/", () => {})).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      message: expect.stringContaining("{ public: true }"),
    });
    await using listener = await listenWebSocket("ws://0.0.0.0:0/", () => {}, { public: true });
    expect(listener.address).toMatch(/^ws:\/\/0\.0\.0\.0:\d+\/$/);
  });

  it("answers at its path only, and plain requests with 426", async () => {
    await using listener = await listenWebSocket("ws://127.0.0.1:0/a", () => {});
    const other = listener.address.replace(/a$/, "b");
    await expect(dialWebSocket(other, { signal: deadline() })).rejects.toMatchObject({
      message: expect.stringContaining("404"),
    });
    const response = await fetch(listener.address.replace("ws:", "http:"));
    expect(response.status).toBe(426);
  });

  it("carries wss:// to who trusts its certificate, and to nobody else", async () => {
    const accepted = deferred<Channel>();
    await using listener = await listenWebSocket("wss://localhost:0/", accepted.resolve, {
      tls: server,
    });
    for (const tls of [{}, { fingerprints: [stranger.fingerprint] }]) {
      await expect(
        dialWebSocket(listener.address, { signal: deadline(), tls }),
      ).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    }
    const tls = { fingerprints: [server.fingerprint] };
    await using near = await dialWebSocket(listener.address, { signal: deadline(), tls });
    near.receive(() => {});
    near.send(bytes(100));
    await using far = await accepted.promise;
    await collect(far).count(1);
  });

  it.each(["close", "abort"] as const)("%s() closes the WebSocket at once", async (how) => {
    const accepted = deferred<Channel>();
    await using listener = await listenWebSocket(ANY_PORT, accepted.resolve);
    const socket = new WebSocket(listener.address);
    const closed = once(socket, "close");
    const far = await accepted.promise;
    if (how === "abort") far.abort(new ChannelError("CHANNEL_CLOSED"));
    else void far.close({ signal: AbortSignal.abort() });
    expect(await closed).toMatchObject([1_000, {}]);
  });

  it("breaks where a text or a frame over the limit comes", async () => {
    for (const message of ["text", new Uint8Array(1024 * 1024 + 100_000)]) {
      const accepted = deferred<Channel>();
      await using listener = await listenWebSocket(ANY_PORT, accepted.resolve, {
        limits: { maxMessageBytes: 1_000 },
      });
      const socket = new WebSocket(listener.address);
      await once(socket, "open");
      socket.on("error", () => {});
      socket.send(message);
      const far = await accepted.promise;
      collect(far);
      expect(await far.closed).toMatchObject({ code: expect.stringMatching(/^CHANNEL_/) });
      if (socket.readyState !== WebSocket.CLOSED) await once(socket, "close");
    }
  });
});

describe("attachWebSocket()", () => {
  it("accepts at a path of somebody else's server, and leaves that as it was", async () => {
    const http = createServer((_request, response) => response.end("page"));
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const { port } = http.address() as { port: number };
    const accepted = deferred<Channel>();
    const attached = await attachWebSocket(http, accepted.resolve, { path: "/objects" });
    await using near = await dialWebSocket(`ws://127.0.0.1:${port}/objects?x=1`, {
      signal: deadline(),
    });
    await using far = await accepted.promise;
    near.receive(() => {});
    far.receive(() => {});
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("page");
    await attached.close();
    expect(http.listenerCount("upgrade")).toBe(0);
    expect(near.state).toBe("open");
    await near.close();
    http.close();
  });
});

describe("dialWebSocket()", () => {
  it("says CHANNEL_REFUSED and why where nobody listens, or somebody speaks something else", async () => {
    await expect(dialWebSocket("ws://127.0.0.1:9/", { signal: deadline() })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      cause: { code: "ECONNREFUSED" },
    });
    const http = createServer((_request, response) => response.end("page"));
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const { port } = http.address() as { port: number };
    await expect(
      dialWebSocket(`ws://127.0.0.1:${port}/`, { signal: deadline() }),
    ).rejects.toMatchObject({ code: "CHANNEL_REFUSED", message: expect.stringContaining("200") });
    http.close();
  });

  it.each(["ws:", "http://127.0.0.1:9/", "ws://", "tcp://127.0.0.1:9"])(
    "takes no address of another form: %s",
    async (address) => {
      await expect(dialWebSocket(address, { signal: deadline() })).rejects.toThrow(TypeError);
      await expect(listenWebSocket(address, () => {})).rejects.toThrow(TypeError);
    },
  );

  it("sees a peer that vanishes without a word", async () => {
    const accepted = deferred<Channel>();
    await using listener = await listenWebSocket(ANY_PORT, accepted.resolve);
    const { port, host } = new URL(listener.address);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write(
      `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    const far = await accepted.promise;
    collect(far);
    socket.destroy();
    expect(await far.closed).toMatchObject({
      code: "CHANNEL_CLOSED",
      cause: { message: expect.stringContaining("1006") },
    });
  });
});
