import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { deferred } from "../src/base/deferred.ts";
import { connect, listen, type Session } from "../src/remote.ts";

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

  it("refuse an address of no known kind", async () => {
    await expect(connect("ftp://there")).rejects.toMatchObject({ code: "NODE_BAD_URL" });
    await expect(listen("nothing", {})).rejects.toMatchObject({ code: "NODE_BAD_URL" });
  });
});
