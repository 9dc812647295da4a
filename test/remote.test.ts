import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { deferred } from "../src/base/deferred.ts";
import { connect, listen, type Session } from "../src/remote.ts";
import { createCertificate } from "./channel/certificate.ts";

const { key, cert } = await createCertificate();
const certificate = { key, cert };

function echo(bytes: Uint8Array): Uint8Array {
  return bytes;
}

async function socket(): Promise<{ url: string } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), "banyan-"));
  return {
    url: `unix:${join(directory, "test.sock")}`,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

describe("connect() and listen()", () => {
  it("use objects over a unix socket, from both ends", async () => {
    await using at = await socket();
    const accepted = deferred<Session>();
    const calc = { add: (a: number, b: number) => a + b };
    await using _listener = await listen(at.url, {
      exports: { calc },
      name: "server",
      onSession: accepted.resolve,
    });
    await using session = await connect(at.url, { exports: { hello: () => "client" } });
    expect(session.peerName).toBe("server");
    expect(await session.remote<typeof calc>("calc").add(1, 2)).toBe(3);
    const back = await accepted.promise;
    expect(await back.remote<() => string>("hello")()).toBe("client");
  });

  it("carry 8 MiB both ways at once", async () => {
    await using at = await socket();
    await using _listener = await listen(at.url, { exports: { echo } });
    await using session = await connect(at.url);
    const bytes = new Uint8Array(8 * 1024 * 1024).fill(7);
    const remote = session.remote<typeof echo>("echo");
    const back = await Promise.all([remote(bytes), remote(bytes), remote(bytes)]);
    expect(back.map((one) => one.length)).toEqual([bytes.length, bytes.length, bytes.length]);
  });

  it("end the sessions when the listener closes", async () => {
    await using at = await socket();
    const accepted = deferred<Session>();
    const listener = await listen(at.url, { onSession: accepted.resolve });
    const session = await connect(at.url);
    await accepted.promise;
    await listener.close();
    expect(await session.closed).toBeUndefined();
    await expect(connect(at.url)).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
  });

  it.each([
    ["tcp://127.0.0.1:0", {}, {}],
    ["ws://127.0.0.1:0/objects", {}, {}],
    ["tls://127.0.0.1:0", { tls: certificate }, { tls: { ca: certificate.cert } }],
    ["wss://127.0.0.1:0/", { tls: certificate }, { tls: { ca: certificate.cert } }],
  ])("use objects over %s, from both ends", async (url, listening, dialling) => {
    const accepted = deferred<Session>();
    const exports = { twice: (n: number, then: (n: number) => number) => then(n * 2) };
    const onSession = accepted.resolve;
    await using listener = await listen(url, { exports, onSession, ...listening });
    await using session = await connect(listener.address, dialling);
    const twice = session.remote<typeof exports.twice>("twice");
    expect(await twice(4, (n) => n + 1)).toBe(9);
    await session.close();
    expect(await (await accepted.promise).closed).toBeUndefined();
  });

  it("answer at a path of somebody else's server", async () => {
    const server = createServer((_request, response) => response.end("page"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await using _listener = await listen("ws://localhost/objects", { exports: { echo }, server });
    await using session = await connect(`ws://127.0.0.1:${port}/objects`);
    expect(await session.names()).toEqual(["echo"]);
    server.close();
  });

  it("refuse to be reached from other machines, and tls where nothing is encrypted", async () => {
    await expect(listen("tcp://0.0.0.0:0", {})).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    await using listener = await listen("tcp://0.0.0.0:0", { public: true });
    expect(listener.address).toContain("0.0.0.0");
    await expect(connect("tcp://127.0.0.1:9", { tls: {} })).rejects.toThrow(TypeError);
    await expect(listen("ws://127.0.0.1:0/", { tls: certificate })).rejects.toThrow(TypeError);
  });

  it("refuse an address of no known kind", async () => {
    await expect(connect("ftp://there")).rejects.toMatchObject({
      code: "NODE_BAD_URL",
      message: expect.stringContaining("unix:, tcp:, tls:, ws:, wss:"),
    });
    await expect(listen("nothing", {})).rejects.toMatchObject({ code: "NODE_BAD_URL" });
  });
});
