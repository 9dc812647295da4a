import { describe, expect, it, vi } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { ChannelError, RemoteError } from "../../src/base/errors.ts";
import { memoryChannelPair } from "../../src/channel/memory.ts";
import { openSession } from "../../src/remote/session.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

const never = (): Promise<void> => new Promise(() => {});

describe("a session that breaks", () => {
  it("X01 fails every pending call with one error, whose cause is the channel's", async () => {
    const [nearChannel, farChannel] = memoryChannelPair();
    const [near, far] = await Promise.all([
      openSession(nearChannel),
      openSession(farChannel, { exports: { never } }),
    ]);
    const remote = near.remote<typeof never>("never");
    const calls = [remote(), remote(), remote()].map((call) =>
      call.catch((error: unknown) => error),
    );
    const heard = vi.fn<(error: unknown) => void>();
    near.onBroken(heard);
    const cause = new ChannelError("CHANNEL_CLOSED", "cut");
    nearChannel.abort(cause);
    const errors = await Promise.all(calls);
    expect(new Set(errors).size).toBe(1);
    expect(errors[0]).toMatchObject({ code: "REMOTE_BROKEN", cause });
    expect(await near.closed).toBe(errors[0]);
    expect(heard.mock.calls).toEqual([[errors[0]]]);
    const late = vi.fn<(error: unknown) => void>();
    near.onBroken(late);
    expect(late).toHaveBeenCalledOnce();
    await expect(remote()).rejects.toMatchObject({ code: "REMOTE_CLOSED" });
    expect(await far.closed).toBeInstanceOf(RemoteError);
    for (const session of [near, far]) {
      expect(session.stats()).toMatchObject({ exports: 0, imports: 0, pending: 0, waiting: 0 });
    }
  });

  it("ends promises that crossed, and aborts the signals of calls that are being served", async () => {
    const seen = deferred<AbortSignal>();
    const api = {
      give: () => ({ later: never() }),
      wait: (signal: AbortSignal) => {
        seen.resolve(signal);
        return never();
      },
    };
    await using pair = await sessionPair({ far: { exports: { api }, plain: "copy" } });
    const remote = pair.near.remote<typeof api>("api");
    const { later } = (await remote.give()) as unknown as { later: Promise<void> };
    void remote.wait(new AbortController().signal);
    const signal = await seen.promise;
    pair.near.abort(new Error("cut"));
    await expect(later).rejects.toMatchObject({ code: "REMOTE_BROKEN" });
    await pair.far.closed;
    expect(signal.aborted).toBe(true);
  });

  it("X12 hands the reason of an abort to the peer's onBroken, as the error it is", async () => {
    await using pair = await sessionPair({ far: { exports: { never } } });
    const pending = pair.near
      .remote<typeof never>("never")()
      .catch((error: unknown) => error);
    const broken = deferred<unknown>();
    pair.near.onBroken(broken.resolve);
    await pair.fence();
    pair.far.abort(new RangeError("enough"));
    const reason = await broken.promise;
    expect(reason).toBeInstanceOf(RangeError);
    expect(await pending).toMatchObject({ code: "REMOTE_BROKEN", cause: reason });
    expect(await pair.near.closed).toBe(reason);
  });

  it("leaves no rejection behind that nobody handles", async () => {
    const unhandled = vi.fn<(reason: unknown) => void>();
    process.on("unhandledRejection", unhandled);
    const pair = await sessionPair({
      far: {
        exports: {
          fail: () => {
            throw new Error("nobody looks");
          },
          never,
        },
      },
    });
    void pair.near.remote<() => void>("fail")();
    void pair.near.remote<() => Promise<void>>("never")();
    await pair.fence();
    pair.near.abort(new Error("cut"));
    await pair.far.closed;
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe("a message that the channel does not take", () => {
  it("ends the session, and fails the call that was to leave with it", async () => {
    const limits = { maxMessageBytes: 100_000 };
    const [nearEnd, farEnd] = memoryChannelPair({ limits });
    const opening = openSession(nearEnd);
    const far = await openSession(farEnd, { exports: { echo: (text: string) => text } });
    const near = await opening;
    const call = near.remote<(text: string) => string>("echo")("x".repeat(200_000));
    await expect(call).rejects.toMatchObject({
      code: "REMOTE_BROKEN",
      cause: { code: "CHANNEL_TOO_LARGE" },
    });
    await Promise.all([near.closed, far.closed]);
  });
});

describe("close()", () => {
  it("X10 waits for answers in both directions, and takes no more calls", async () => {
    const gate = deferred<number>();
    await using pair = await sessionPair({ far: { exports: { wait: () => gate.promise } } });
    const remote = pair.near.remote<() => Promise<number>>("wait");
    const call = remote();
    await pair.fence();
    const farBroken = vi.fn<(error: unknown) => void>();
    const nearBroken = vi.fn<(error: unknown) => void>();
    pair.far.onBroken(farBroken);
    pair.near.onBroken(nearBroken);
    const closing = pair.near.close();
    await expect(remote()).rejects.toMatchObject({ code: "REMOTE_CLOSED" });
    gate.resolve(5);
    expect(await call).toBe(5);
    await closing;
    expect(await pair.near.closed).toBeUndefined();
    expect(await pair.far.closed).toBeUndefined();
    expect(nearBroken).not.toHaveBeenCalled();
    expect(farBroken.mock.calls[0]?.[0]).toMatchObject({ code: "REMOTE_CLOSED" });
  });

  it("gives up after closeGraceMs", async () => {
    const clock = new ManualClock();
    await using pair = await sessionPair({
      near: { clock, limits: { closeGraceMs: 100 } },
      far: { exports: { never } },
    });
    const call = pair.near
      .remote<typeof never>("never")()
      .catch((error: unknown) => error);
    await pair.fence();
    const closing = pair.near.close();
    clock.advance(100);
    await closing;
    expect(await call).toMatchObject({ code: "REMOTE_CLOSED" });
  });
});

describe("limits", () => {
  it("L07 refuse a call too many, and go on when answers came", async () => {
    const gate = deferred<void>();
    await using pair = await sessionPair({
      near: { limits: { maxPendingCalls: 10 } },
      far: { exports: { wait: () => gate.promise } },
    });
    const remote = pair.near.remote<() => Promise<void>>("wait");
    const calls = Array.from({ length: 10 }, () => remote());
    await expect(remote()).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
    gate.resolve();
    await Promise.all(calls);
    await remote();
  });

  it("L07 refuse what the peer sends too much of: calls, references", async () => {
    const gate = deferred<void>();
    const api = { wait: () => gate.promise, make: () => ({}) };
    await using pair = await sessionPair({
      far: { exports: { api }, limits: { maxPendingCalls: 5, maxExports: 3 } },
    });
    const remote = pair.near.remote<typeof api>("api");
    const waits = Array.from({ length: 6 }, () => remote.wait());
    await expect(waits[5]).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
    gate.resolve();
    await Promise.all(waits.slice(0, 5));
    const held = await Promise.all([remote.make(), remote.make(), remote.make()]);
    await expect(remote.make()).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
    expect(held.length).toBe(3);
  });

  it("refuse a message that is too large before it is sent", async () => {
    await using pair = await sessionPair({
      far: {
        exports: { length: (bytes: Uint8Array) => bytes.length },
        limits: { maxMessageBytes: 100_000 },
      },
    });
    const remote = pair.near.remote<(bytes: Uint8Array) => number>("length");
    await expect(remote(new Uint8Array(200_000))).rejects.toMatchObject({ code: "WIRE_LIMIT" });
    expect(await remote(new Uint8Array(90_000))).toBe(90_000);
  });
});
