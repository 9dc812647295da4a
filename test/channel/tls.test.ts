import { once } from "node:events";
import { connect as connectPlain } from "node:net";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import type { Channel } from "../../src/channel/channel.ts";
import { dialTls, listenTls } from "../../src/channel/tls.ts";
import {
  bytes,
  type ChannelPair,
  collect,
  type PairLimits,
} from "../../src/testing/channel-pair.ts";
import { channelSuite } from "../../src/testing/channel-suite.ts";
import { createCertificate } from "./certificate.ts";
import { disposablePair } from "./pair.ts";

const ANY_PORT = "tls://127.0.0.1:0";
const server = await createCertificate();
const client = await createCertificate("client");
const stranger = await createCertificate("stranger");

function deadline(): AbortSignal {
  return AbortSignal.timeout(5_000);
}

async function open({ near, far }: PairLimits): Promise<ChannelPair> {
  const accepted = deferred<Channel>();
  const listener = await listenTls(ANY_PORT, accepted.resolve, { limits: far, tls: server });
  const tls = { ca: server.cert };
  const dialled = await dialTls(listener.address, { signal: deadline(), limits: near, tls });
  return disposablePair(dialled, await accepted.promise, () => listener.close());
}

channelSuite({ test: it, open });

describe("dialTls()", () => {
  it("refuses a certificate that nobody trusted has signed", async () => {
    await using listener = await listenTls(ANY_PORT, () => {}, { tls: server });
    await expect(dialTls(listener.address, { signal: deadline() })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      cause: { code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/) },
    });
    const tls = { ca: stranger.cert };
    await expect(dialTls(listener.address, { signal: deadline(), tls })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
    });
  });

  it("takes a certificate that is pinned, whoever signed it, and refuses every other", async () => {
    await using listener = await listenTls(ANY_PORT, (channel) => void channel.close(), {
      tls: server,
    });
    for (const pin of [server.fingerprint, server.fingerprint.replaceAll(":", "").toLowerCase()]) {
      const tls = { fingerprints: [stranger.fingerprint, pin] };
      await using channel = await dialTls(listener.address, { signal: deadline(), tls });
      expect(channel.crossesNetwork).toBe(true);
    }
    const tls = { fingerprints: [stranger.fingerprint], ca: server.cert };
    await expect(dialTls(listener.address, { signal: deadline(), tls })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
      message: expect.stringContaining("fingerprints"),
    });
  });

  it("takes no fingerprint of another kind", async () => {
    const tls = { fingerprints: ["AB:CD"] };
    await expect(dialTls("tls://127.0.0.1:9", { signal: deadline(), tls })).rejects.toThrow(
      TypeError,
    );
  });
});

describe("listenTls()", () => {
  it.each([
    ["pins", { fingerprints: [client.fingerprint] }],
    ["authorities", { ca: client.cert }],
  ])("asks for a certificate where it has %s, and accepts only those", async (_, trust) => {
    const accepted: Channel[] = [];
    const first = deferred<Channel>();
    await using listener = await listenTls(
      ANY_PORT,
      (channel) => {
        accepted.push(channel);
        first.resolve(channel);
      },
      { tls: { key: server.key, cert: server.cert, ...trust } },
    );
    const ca = server.cert;
    for (const wrong of [{}, { key: stranger.key, cert: stranger.cert }]) {
      const channel = await dialTls(listener.address, {
        signal: deadline(),
        tls: { ca, ...wrong },
      });
      collect(channel);
      await channel.closed;
    }
    expect(accepted).toEqual([]);
    const tls = { ca, key: client.key, cert: client.cert };
    await using channel = await dialTls(listener.address, { signal: deadline(), tls });
    channel.receive(() => {});
    channel.send(bytes(10));
    await using far = await first.promise;
    await collect(far).count(1);
  });

  it("cuts off who speaks no TLS, and stays", async () => {
    const accepted = deferred<Channel>();
    await using listener = await listenTls(ANY_PORT, accepted.resolve, { tls: server });
    const socket = connectPlain(Number(listener.address.split(":").at(-1)), "127.0.0.1");
    socket.on("error", () => {});
    socket.end("GET / HTTP/1.0\r\n\r\n");
    socket.resume();
    await once(socket, "close");
    const tls = { ca: server.cert };
    await using channel = await dialTls(listener.address, { signal: deadline(), tls });
    expect(channel.state).toBe("open");
    await (await accepted.promise).close();
  });

  it("refuses other interfaces unless public is set, and takes nothing without a key", async () => {
    await expect(listenTls("tls://0.0.0.0:0", () => {}, { tls: server })).rejects.toMatchObject({
      code: "CHANNEL_REFUSED",
    });
    await expect(listenTls(ANY_PORT, () => {}, { tls: {} })).rejects.toThrow(TypeError);
  });
});
