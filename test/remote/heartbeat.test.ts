import { describe, expect, it, vi } from "vitest";

import { memoryChannelPair } from "../../src/channel/memory.ts";
import { encodeHello } from "../../src/remote/handshake.ts";
import { openSession, type SessionOptions } from "../../src/remote/session.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

const HEARTBEAT = { idleMs: 100, silentMs: 800 };

/** Two sessions that share a clock, and `mute`, which makes the far one's machine stand still. */
async function open(near: SessionOptions, far: SessionOptions = {}) {
  const clock = new ManualClock();
  const [nearChannel, farChannel] = memoryChannelPair();
  const [session, other] = await Promise.all([
    openSession(nearChannel, { clock, ...near }),
    openSession(farChannel, { clock, exports: { ping: () => "pong" }, ...far }),
  ]);
  return {
    clock,
    session,
    farChannel,
    mute: () => {
      vi.spyOn(farChannel, "send").mockReturnValue(true);
    },
    async [Symbol.asyncDispose]() {
      vi.restoreAllMocks();
      await Promise.all([session.close(), other.close()]);
      await Promise.all([nearChannel.closed, farChannel.closed]);
      expect(clock.pending).toBe(0);
    },
  };
}

describe("heartbeat", () => {
  it("keeps a session that says nothing, for as long as the peer is there", async () => {
    await using pair = await open({ heartbeat: HEARTBEAT });
    await pair.clock.advanceAsync(60_000);
    expect(await pair.session.remote<() => string>("ping")()).toBe("pong");
    expect(pair.session.stats().receivedMessages).toBeLessThan(5);
  });

  it("X06 ends the session after silentMs, and tells of a busy peer", async () => {
    await using pair = await open({ heartbeat: HEARTBEAT });
    const broken = vi.fn<(error: unknown) => void>();
    pair.session.onBroken(broken);
    pair.mute();
    await pair.clock.advanceAsync(HEARTBEAT.silentMs - 100);
    expect(broken).not.toHaveBeenCalled();
    await pair.clock.advanceAsync(300);
    expect(broken.mock.calls[0]?.[0]).toMatchObject({
      code: "REMOTE_BROKEN",
      message: expect.stringContaining("busy or frozen"),
      cause: { code: "CHANNEL_SILENT", details: { presence: "busy", silentMs: 800 } },
    });
  });

  it.each(["gone", "unknown"] as const)("tells of a peer that is %s", async (presence) => {
    const [channel, other] = memoryChannelPair();
    vi.spyOn(channel, "presence").mockResolvedValue(presence);
    const clock = new ManualClock();
    const [session] = await Promise.all([
      openSession(channel, { clock, heartbeat: HEARTBEAT }),
      openSession(other),
    ]);
    vi.spyOn(other, "send").mockReturnValue(true);
    await clock.advanceAsync(2_000);
    expect(await session.closed).toMatchObject({ cause: { details: { presence } } });
    vi.restoreAllMocks();
  });

  it("does not hold against the peer that this side itself stood still", async () => {
    await using pair = await open({ heartbeat: { idleMs: 400, silentMs: 800 } });
    // An hour passes between two turns, before the next beat: what came meanwhile is still to be read.
    const now = vi.spyOn(pair.clock, "now").mockReturnValue(3_600_000);
    await pair.clock.advanceAsync(100);
    now.mockRestore();
    await pair.clock.advanceAsync(2_000);
    expect(await pair.session.remote<() => string>("ping")()).toBe("pong");
  });

  it("is off within one machine, where nothing is sent for it", async () => {
    await using pair = await open({});
    pair.mute();
    await pair.clock.advanceAsync(3_600_000);
    vi.restoreAllMocks();
    expect(await pair.session.remote<() => string>("ping")()).toBe("pong");
  });

  it("is on by default across a network, and off where that is said", async () => {
    for (const heartbeat of [undefined, false] as const) {
      const [channel, other] = memoryChannelPair();
      Object.defineProperty(channel, "crossesNetwork", { value: true });
      const clock = new ManualClock();
      const [session, far] = await Promise.all([
        openSession(channel, { clock, heartbeat }),
        openSession(other, { clock }),
      ]);
      vi.spyOn(other, "send").mockReturnValue(true);
      await clock.advanceAsync(40_000);
      expect(channel.state).toBe(heartbeat === false ? "open" : "closed");
      vi.restoreAllMocks();
      await Promise.all([session.close(), far.close()]);
    }
  });

  it("sends no more often than every 50 ms, whatever the peer asks for", async () => {
    const clock = new ManualClock();
    const [channel, other] = memoryChannelPair();
    const opening = openSession(channel, { clock });
    const beats = vi.fn<(message: Uint8Array) => void>();
    other.receive(beats);
    other.send(encodeHello({ name: "", maxMessageBytes: 1_000_000, beatMs: 0.001 }));
    const session = await opening;
    await clock.advanceAsync(1_000);
    expect(beats.mock.calls.length).toBeGreaterThan(10);
    expect(beats.mock.calls.length).toBeLessThanOrEqual(21);
    session.abort(new Error("the test is over"));
    await channel.closed;
  });

  it("refuses limits that can't be, and closes the channel", async () => {
    for (const heartbeat of [
      { idleMs: 1 },
      { idleMs: 1_000, silentMs: 1_500 },
      { idleMs: Number.NaN },
    ]) {
      const [channel, other] = memoryChannelPair();
      await expect(openSession(channel, { heartbeat })).rejects.toThrow(RangeError);
      await other.close();
      expect(channel.state).toBe("closed");
    }
  });

  it("leaves no timer behind", async () => {
    const clock = new ManualClock();
    const options = { clock, heartbeat: true };
    await using pair = await sessionPair({ near: options, far: options });
    expect(clock.pending).toBeGreaterThan(0);
    await Promise.all([pair.near.close(), pair.far.close()]);
    await pair.near.closed;
    await new Promise((resolve) => void setImmediate(resolve));
    expect(clock.pending).toBe(0);
  });
});
