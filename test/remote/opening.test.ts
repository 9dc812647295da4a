import { describe, expect, it, vi } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { RemoteError } from "../../src/base/errors.ts";
import { memoryChannelPair } from "../../src/channel/memory.ts";
import { encodeHello, encodeWelcome, type Hello } from "../../src/remote/handshake.ts";
import type { Authenticate } from "../../src/remote/opening.ts";
import { openSession, type SessionOptions } from "../../src/remote/session.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

function open(near: SessionOptions, far: SessionOptions) {
  const [one, other] = memoryChannelPair();
  return Promise.allSettled([openSession(one, near), openSession(other, far)]);
}

const secret: Authenticate = ({ credentials }) => credentials === "open sesame";
const exports = { answer: () => 42 };
const WELCOME = [...encodeWelcome()];

describe("authenticate", () => {
  it("lets in whoever shows what it wants, and sees who it is", async () => {
    const authenticate = vi.fn<Authenticate>(secret);
    const [near, far] = await open(
      { name: "Ali", credentials: "open sesame" },
      { exports, authenticate },
    );
    expect(authenticate).toHaveBeenCalledExactlyOnceWith({
      name: "Ali",
      credentials: "open sesame",
      label: "memory:#far",
    });
    if (near?.status !== "fulfilled" || far?.status !== "fulfilled") throw new Error("refused");
    expect(await near.value.remote<() => number>("answer")()).toBe(42);
    await Promise.all([near.value.close(), far.value.close()]);
  });

  it.each<[string, Authenticate]>([
    ["false", () => false],
    ["a promise of false", async () => false],
    [
      "an error",
      () => {
        throw new Error("the password is 1234");
      },
    ],
  ])("turns the peer away by answering %s, and tells no more", async (_, authenticate) => {
    const results = await open({ credentials: "x" }, { exports, authenticate });
    for (const result of results) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "REMOTE_DENIED" } });
    }
    const [near] = results;
    expect(String(near?.status === "rejected" ? near.reason : "")).not.toContain("1234");
  });

  it("tells the peer to come again where too many are looked at", async () => {
    const limit = new RemoteError("REMOTE_LIMIT", "32 wait, as 10.0.0.1 does");
    const authenticate = () => Promise.reject(limit);
    const [near] = await open({ credentials: "x" }, { exports, authenticate });
    expect(near).toMatchObject({ reason: { code: "REMOTE_LIMIT", retryable: true } });
    expect(String(near?.status === "rejected" ? near.reason : "")).not.toContain("10.0.0.1");
  });

  it("works on both sides at once", async () => {
    const options = { credentials: "open sesame", authenticate: secret, exports };
    const [near, far] = await open(options, options);
    if (near?.status !== "fulfilled" || far?.status !== "fulfilled") throw new Error("refused");
    expect(await near.value.remote<() => number>("answer")()).toBe(42);
    expect(await far.value.remote<() => number>("answer")()).toBe(42);
    await Promise.all([near.value.close(), far.value.close()]);
    const half = await open(options, { ...options, credentials: "wrong" });
    expect(half.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });

  it("is over before anything else that the peer says is obeyed", async () => {
    const gate = deferred<boolean>();
    const [raw, channel] = memoryChannelPair();
    raw.receive(() => {});
    const answer = vi.fn<() => void>();
    const opening = openSession(channel, {
      exports: { answer },
      authenticate: () => gate.promise,
    });
    raw.send(encodeHello({ name: "eve", maxMessageBytes: 1024 * 1024 }));
    raw.send(Uint8Array.from([1, 0, 0, 1, 0, 12, ...new TextEncoder().encode("answer"), 0]));
    await expect(opening).rejects.toMatchObject({ code: "REMOTE_PROTOCOL" });
    gate.resolve(true);
    await raw.close();
    expect(answer).not.toHaveBeenCalled();
  });

  it.each<[string, Partial<Hello>, number[]]>([
    ["says something else first", { asks: true }, [1, 0, 0, 1, 0, 2, 0x61, 0]],
    ["lets in, and says more", { asks: true }, [...WELCOME, 0]],
    ["lets in, which it was not asked for", {}, WELCOME],
  ])("is no way in for a peer that %s", async (_, hello, bytes) => {
    const [raw, channel] = memoryChannelPair();
    raw.receive(() => {});
    // Without an answer the session is not open yet.
    const authenticate = hello.asks === true ? undefined : () => deferred<boolean>().promise;
    const opening = openSession(channel, { exports, authenticate });
    raw.send(encodeHello({ name: "eve", maxMessageBytes: 1024 * 1024, ...hello }));
    raw.send(Uint8Array.from(bytes));
    await expect(opening).rejects.toMatchObject({ code: "REMOTE_PROTOCOL" });
    await raw.close();
  });

  it("has as long as helloMs", async () => {
    const clock = new ManualClock();
    const [near, far] = memoryChannelPair();
    const limits = { helloMs: 50 };
    const opening = openSession(far, { clock, limits, authenticate: () => new Promise(() => {}) });
    const other = openSession(near, {});
    // What arrives is the hello, which the clock must not overtake.
    await Promise.resolve();
    clock.advance(50);
    await expect(opening).rejects.toMatchObject({ code: "REMOTE_TIMEOUT" });
    await expect(other).rejects.toMatchObject({ code: "REMOTE_PROTOCOL" });
  });
});
