import { describe, expect, it, vi } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { isRemote, release } from "../../src/remote.ts";
import { KEEP, Operation, QUIET } from "../../src/remote/protocol.ts";
import { turn } from "../../src/testing/channel-pair.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { FIRST_EXTENSION_TAG } from "../../src/wire/value.ts";
import { hostile, request } from "./hostile-peer.ts";

const PROMISE = FIRST_EXTENSION_TAG + 3;
const SIGNAL = FIRST_EXTENSION_TAG + 4;
const SCALAR = FIRST_EXTENSION_TAG + 6;
const echo = ["offered", "echo"];

/** What it is told that sends so many symbols. */
async function sendingSymbols(count: number): Promise<string> {
  await using peer = await hostile();
  peer.send((writer) => {
    request(writer, { path: echo, count });
    for (let i = 1; i <= count; i++) {
      writer.u8(SCALAR);
      writer.u8(4);
      writer.varint(i);
      writer.string("");
    }
  });
  return new TextDecoder().decode(await peer.answer);
}

/** What it is told that sends many names, and then the number of one. */
async function naming(number: number): Promise<string> {
  await using peer = await hostile();
  peer.send((writer) => {
    for (let i = 0; i < 4_200; i++) {
      request(writer, { kind: Operation.get | KEEP | QUIET, path: [`name${i}`] });
    }
    for (const byte of [Operation.get, 0, 0, 1]) writer.u8(byte);
    writer.varint(number);
  });
  return new TextDecoder().decode(await peer.answer);
}

describe("a peer that sends too much", () => {
  it("loses the session by more arguments in one message than maxItems", async () => {
    await using peer = await hostile({ limits: { maxItems: 1_000 } });
    peer.send((writer) => {
      for (let call = 0; call < 2; call++) {
        request(writer, { path: echo, count: 501 });
        for (let i = 0; i < 501; i++) writer.u8(0);
      }
    });
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("loses the session by more registered symbols than can ever be freed", async () => {
    await using peer = await hostile();
    peer.send((writer) => {
      request(writer, { path: echo, count: 5_000 });
      for (let i = 0; i < 5_000; i++) {
        writer.u8(SCALAR);
        writer.u8(1);
        writer.string(`banyan.test.${i}`);
      }
    });
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("loses the session by more than 65,536 arguments", async () => {
    await using peer = await hostile();
    peer.send((writer) => {
      request(writer, { path: echo, count: 65_537 });
      writer.bytes(new Uint8Array(65_537));
    });
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("loses the session by more symbols of its own than it may have", async () => {
    expect(await sendingSymbols(4_096)).not.toContain("REMOTE_PROTOCOL");
    expect(await sendingSymbols(4_097)).toContain("REMOTE_PROTOCOL");
  });

  it("gets no number for more than 4,096 names", async () => {
    expect(await naming(4_096)).toContain("REMOTE_NOT_FOUND");
    expect(await naming(4_097)).toContain("REMOTE_PROTOCOL");
  });

  it("loses the session by more typed references in one message than maxItems allows for", async () => {
    await using peer = await hostile({ limits: { maxItems: 1_000 } }, { types: true });
    const send = (count: number): void =>
      peer.send((writer) => {
        request(writer, { path: echo, count });
        for (let i = 1; i <= count; i++) {
          writer.u8(FIRST_EXTENSION_TAG + 15);
          writer.varint(i * 4);
          writer.u8(0);
        }
      });
    send(100);
    await peer.answer;
    expect(peer.session.stats().served).toBe(1);
    send(130);
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("loses the session by more references in one message than maxItems allows for", async () => {
    await using peer = await hostile({ limits: { maxItems: 1_000 } });
    const send = (count: number): void =>
      peer.send((writer) => {
        request(writer, { path: echo, count });
        for (let i = 1; i <= count; i++) {
          writer.u8(FIRST_EXTENSION_TAG);
          writer.varint(i * 4);
        }
      });
    send(100);
    await peer.answer;
    expect(peer.session.stats().imports).toBe(100);
    send(150);
    const ended = await peer.session.closed;
    expect(ended).toMatchObject({ code: "REMOTE_PROTOCOL", cause: { code: "WIRE_LIMIT" } });
  });

  it.each([
    [256, undefined],
    [257, "REMOTE_LIMIT"],
  ])("may describe a symbol by 256 characters: %d", async (length, code) => {
    await using peer = await hostile();
    peer.send((writer) => {
      request(writer, { path: echo, count: 1 });
      writer.u8(SCALAR);
      writer.u8(4);
      writer.varint(1);
      writer.string("x".repeat(length));
    });
    const outcome = await Promise.race([peer.session.closed, peer.answer.then(() => undefined)]);
    expect((outcome?.cause as { code?: string } | undefined)?.code).toBe(code);
  });

  it.each([
    ["promises", (id: number) => [PROMISE, id * 2]],
    ["signals of calls that don't end", (id: number) => [SIGNAL, id, 0, PROMISE, id * 2 + 1]],
  ])("loses the session by more unsettled %s than maxExports", async (_, write) => {
    await using peer = await hostile({ limits: { maxExports: 10 } });
    for (let id = 1; id <= 10; id++) {
      peer.send((writer) => {
        request(writer, { path: echo, count: write(id).length > 2 ? 2 : 1 });
        for (const byte of write(id)) writer.u8(byte);
      });
    }
    while (peer.session.stats().served < 10) await turn();
    expect(peer.session.stats().waiting).toBeGreaterThanOrEqual(10);
    peer.send((writer) => {
      request(writer, { path: echo, count: 1 });
      for (const byte of write(11).slice(0, 3)) writer.u8(byte);
    });
    const ended = await peer.session.closed;
    expect(ended).toMatchObject({ code: "REMOTE_PROTOCOL", cause: { code: "REMOTE_LIMIT" } });
  });
});

describe("a peer that settles nothing", () => {
  it("is sent as many promises as maxExports says, and no more", async () => {
    await using peer = await hostile({ limits: { maxExports: 4 } });
    const remote = peer.session.remote<(wait: Promise<void>) => Promise<void>>("f");
    const wait = deferred<void>();
    const calls = Array.from({ length: 5 }, () => remote(wait.promise));
    await expect(calls[4]).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
    expect(peer.session.stats().pending).toBe(4);
    wait.reject(new Error("nobody looks at it"));
  });
});

describe("a peer that reads nothing", () => {
  const blob = vi.fn<() => Uint8Array>(() => new Uint8Array(100_000));

  it("is served no more after maxUnsentBytes, and loses the session after twice that", async () => {
    blob.mockClear();
    const options = { exports: { blob }, limits: { maxUnsentBytes: 1_000_000 } };
    await using peer = await hostile(options);
    peer.raw.pause();
    peer.send((writer) => {
      for (let i = 0; i < 10_000; i++) request(writer, { path: ["blob"] });
    });
    expect(await peer.session.closed).toMatchObject({ cause: { code: "REMOTE_LIMIT" } });
    // What the channel takes, and a million bytes more: not the two that end the session.
    expect(blob.mock.calls.length).toBeLessThan(27);
    expect((await peer.raw.closed)?.code).toBe("CHANNEL_CLOSED");
  });

  it("does not keep close() from ending", async () => {
    const clock = new ManualClock();
    await using peer = await hostile({ exports: { blob }, clock, limits: { closeGraceMs: 100 } });
    peer.raw.pause();
    peer.send((writer) => {
      for (let i = 0; i < 30; i++) request(writer, { path: ["blob"] });
    });
    while (peer.session.stats().served < 30) await turn();
    const closing = peer.session.close();
    // Once for the answers, once for the channel.
    for (let i = 0; i < 2; i++) {
      await turn();
      clock.advance(100);
    }
    await closing;
    expect(clock.pending).toBe(0);
  });
});

const echoed = (bytes: Uint8Array): Uint8Array => bytes;
const make = (): object[] => Array.from({ length: 500 }, () => ({}));
const onError = (): Error => new Error("hidden");

describe("a small maxMessageBytes", () => {
  it("is no limit on what a turn sends together: calls, answers", async () => {
    await using pair = await sessionPair({
      far: { exports: { echoed }, limits: { maxMessageBytes: 100_000 } },
    });
    const remote = pair.near.remote<typeof echoed>("echoed");
    const calls = Array.from({ length: 10 }, () => remote(new Uint8Array(60_000)));
    for (const bytes of await Promise.all(calls)) expect(bytes.length).toBe(60_000);
  });

  it("is no limit on the references that are given back together", async () => {
    await using pair = await sessionPair({
      near: { limits: { maxMessageBytes: 16 * 1024 } },
      far: { exports: { make }, plain: "reference" },
    });
    const remote = pair.near.remote<typeof make>("make");
    const held: unknown[] = [];
    for (let i = 0; i < 20; i++) for await (const item of remote()) held.push(item);
    for (const item of held) release(item);
    await pair.fence();
    expect(pair.far.stats().exports).toBeLessThan(100);
  });
});

describe("a hostile or broken result", () => {
  it("that calls back twice as a thenable is answered once", async () => {
    const twice = {
      // oxlint-disable-next-line unicorn/no-thenable
      then: (resolve: (value: number) => void) => {
        resolve(1);
        resolve(2);
      },
    };
    const api = { get: () => twice, twice };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<{ get(): number; twice: { a: number } }>("api");
    expect(await remote.get()).toBe(1);
    await remote.twice.a;
    await pair.fence();
    expect(pair.far.stats().serving).toBe(0);
  });

  it("whose properties throw fails its call, and not the session", async () => {
    const strict = new Proxy(
      {},
      {
        get: (_, key) => {
          throw new RangeError(`there is no ${String(key)}`);
        },
      },
    );
    await using pair = await sessionPair({ far: { exports: { get: () => strict } } });
    await expect(pair.near.remote<() => unknown>("get")()).rejects.toThrow("there is no then");
    expect(await pair.near.names()).toEqual(["get"]);
  });

  it("that is an abort signal crosses as a reference, and leaves nothing behind", async () => {
    const controller = new AbortController();
    const get = (): AbortSignal => controller.signal;
    await using pair = await sessionPair({ far: { exports: { get } } });
    const remote = pair.near.remote<typeof get>("get");
    expect(isRemote(await remote())).toBe(true);
    expect(await remote().aborted).toBe(false);
    await pair.fence();
    expect([pair.near.stats().waiting, pair.far.stats().waiting]).toEqual([0, 0]);
    await using peer = await hostile();
    peer.sendBytes(0x24, 1, 1, SIGNAL, 1, 0);
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("shows only what onError lets through, also where encoding or the peer failed", async () => {
    const leak = {
      get secret(): string {
        throw new Error("the password is 1234");
      },
    };
    await using pair = await sessionPair({
      far: {
        exports: { get: () => leak, later: () => [Promise.resolve(leak)] },
        plain: "copy",
        onError,
      },
    });
    await expect(pair.near.remote<() => unknown>("get")()).rejects.toThrow("hidden");
    const [later] = (await pair.near.remote<() => unknown>("later")()) as [Promise<unknown>];
    await expect(later).rejects.toThrow("hidden");
    await using peer = await hostile({ onError });
    peer.send((writer) => request(writer, { kind: Operation.get, path: ["a"], target: 1 }));
    peer.sendBytes(0x60);
    await peer.session.closed;
    const told = new TextDecoder().decode(await peer.answer);
    expect(told).toContain("hidden");
    expect(told).not.toContain("kind");
  });
});

describe("a listener of onBroken", () => {
  it("that throws does not keep `closed` from settling", async () => {
    await using pair = await sessionPair();
    pair.near.onBroken(() => {
      throw new Error("listener");
    });
    expect(() => pair.near.abort(new Error("cut"))).toThrow("listener");
    expect(await pair.near.closed).toMatchObject({ message: "cut" });
  });
});
