import { once } from "node:events";
import { MessageChannel } from "node:worker_threads";

import { describe, expect, it, vi } from "vitest";

import { ChannelError } from "../../src/base/errors.ts";
import { threadChannel } from "../../src/channel/thread.ts";
import { bytes, collect, type PairLimits } from "../../src/testing/channel-pair.ts";
import { channelSuite } from "../../src/testing/channel-suite.ts";
import { disposablePair } from "./pair.ts";

/** `ringBytes` is small, so that most messages meet its end and many don't fit. */
async function open({ near: nearLimits, far: farLimits }: PairLimits = {}, ringBytes = 1_024) {
  const { port1, port2 } = new MessageChannel();
  const closed = Promise.all([once(port1, "close"), once(port2, "close")]);
  const near = threadChannel(port1, { limits: nearLimits, ringBytes });
  const far = threadChannel(port2, { limits: farLimits, ringBytes });
  return { ...disposablePair(near, far, async () => void (await closed)), near, far };
}

channelSuite({ test: it, open });

/** As another thread has it, with a mailbox of its own: what comes for this one is not handed out where that blocks. */
async function threadChannelElsewhere(): Promise<typeof threadChannel> {
  vi.resetModules();
  const copy = await import("../../src/channel/thread.ts");
  return copy.threadChannel;
}

function soon(): number {
  return performance.now() + 5_000;
}

describe("threadChannel()", () => {
  it("block() hands out messages of all sizes in their order, without the event loop", async () => {
    await using pair = await open();
    const sizes = Array.from({ length: 300 }, (_, i) => (i * 37) % 700);
    const lengths: number[] = [];
    pair.near.receive((message) => lengths.push(message.length));
    pair.far.receive(() => {});
    let turns = 0;
    queueMicrotask(() => turns++);
    for (const size of sizes) pair.far.send(bytes(size));
    pair.near.block(() => lengths.length === sizes.length, soon());
    expect(lengths).toEqual(sizes);
    expect(turns).toBe(0);
  });

  it("block() leaves what came behind to the event loop", async () => {
    await using pair = await open();
    const received = collect(pair.near);
    for (let i = 0; i < 3; i++) pair.far.send(bytes(i));
    pair.near.block(() => received.messages.length === 1, soon());
    expect(received.messages.length).toBe(1);
    await received.count(3);
  });

  it("block() gives up in time", async () => {
    await using pair = await open();
    pair.near.receive(() => {});
    const start = performance.now();
    pair.near.block(() => false, start + 30);
    expect(performance.now() - start).toBeGreaterThanOrEqual(29);
    expect(pair.near.ended).toBeUndefined();
  });

  it("block() ends when the other side breaks off", async () => {
    await using pair = await open();
    pair.near.receive(() => {});
    pair.far.receive(() => {});
    pair.far.send(bytes(1));
    pair.near.block(() => false, performance.now() + 10);
    pair.far.abort(new ChannelError("CHANNEL_CLOSED", "on purpose"));
    const start = performance.now();
    pair.near.block(() => false, soon());
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(pair.near.ended?.error).toMatchObject({ code: "CHANNEL_CLOSED" });
  });

  it.each([0, 2])(
    "block() ends when the other side broke off before this one was there, with %i messages sent",
    (messages) => {
      const { port1, port2 } = new MessageChannel();
      const near = threadChannel(port1);
      for (let i = 0; i < messages; i++) near.send(bytes(i));
      near.abort(new ChannelError("CHANNEL_CLOSED"));
      const far = threadChannel(port2);
      far.receive(() => {});
      far.block(() => false, soon());
      expect(far.ended?.error?.code).toBe("CHANNEL_CLOSED");
    },
  );

  it("block() within a receiver gets the messages behind", async () => {
    await using pair = await open();
    const order: string[] = [];
    pair.near.receive((message) => {
      order.push(`in ${message.length}`);
      if (message.length === 1) pair.near.block(() => order.includes("in 2"), soon());
      order.push(`out ${message.length}`);
    });
    pair.far.send(bytes(1));
    pair.far.send(bytes(2));
    pair.near.block(() => order.includes("out 1"), soon());
    expect(order).toEqual(["in 1", "in 2", "out 2", "out 1"]);
  });

  it("beat() and watch() reach a side whose first message was there before this one looked", async () => {
    const { port1, port2 } = new MessageChannel();
    const near = threadChannel(port1, { far: "process" });
    near.receive(() => {
      near.beat(100);
      near.watch(800);
    });
    near.send(bytes(1));
    const asked: string[] = [];
    const elsewhere = await threadChannelElsewhere();
    const far = elsewhere(port2, {
      onBeat: (everyMs) => asked.push(`beat ${everyMs}`),
      onWatch: (silentMs) => asked.push(`watch ${silentMs}`),
    });
    await using _ = disposablePair(near, far);
    let isAnswered = false;
    far.receive(() => {
      far.send(bytes(1));
      isAnswered = true;
    });
    far.block(() => isAnswered, soon());
    near.block(() => near.receivedBytes > 0, soon());
    far.block(() => asked.length === 2, soon());
    expect(asked).toEqual(["beat 100", "watch 800"]);
  });

  it("carries what was sent before the other side was there", async () => {
    const { port1, port2 } = new MessageChannel();
    const near = threadChannel(port1);
    near.receive(() => {});
    near.send(bytes(1));
    near.send(bytes(300_000));
    const far = threadChannel(port2);
    await using pair = disposablePair(near, far);
    const received = collect(pair.far);
    near.send(bytes(2));
    await received.count(3);
    expect(received.messages.map((message) => message.length)).toEqual([1, 300_000, 2]);
  });
});
