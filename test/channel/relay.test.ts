import { describe, expect, it } from "vitest";

import { ChannelError } from "../../src/base/errors.ts";
import { memoryChannelPair } from "../../src/channel/memory.ts";
import { relay } from "../../src/channel/relay.ts";
import { bytes, collect, flood } from "../../src/testing/channel-pair.ts";
import { disposablePair } from "./pair.ts";

function open() {
  const [near, one] = memoryChannelPair();
  const [other, far] = memoryChannelPair();
  relay(one, other);
  return disposablePair(near, far, async () => {
    await Promise.all([one.closed, other.closed]);
  });
}

describe("relay()", () => {
  it("passes messages on, both ways and in order", async () => {
    await using pair = open();
    const [near, far] = [collect(pair.near), collect(pair.far)];
    for (let i = 0; i < 100; i++) {
      pair.near.send(bytes(i));
      pair.far.send(bytes(i * 2));
    }
    await Promise.all([near.count(100), far.count(100)]);
    expect(far.messages.map((message) => message.length)).toEqual(Array.from({ length: 100 }, (_, i) => i)); // prettier-ignore
    expect(near.messages[99]?.length).toBe(198);
  });

  it("is full where the other end doesn't read, and has room again when it has", async () => {
    await using pair = open();
    const received = collect(pair.far);
    pair.far.pause();
    const sent = await flood(pair.near);
    pair.far.resume();
    await pair.near.drained();
    await received.count(sent);
  });

  it("ends in order where either end does, behind what it sent", async () => {
    await using pair = open();
    const received = collect(pair.far);
    collect(pair.near);
    for (let i = 0; i < 50; i++) pair.near.send(bytes(i));
    await pair.near.close();
    expect(await pair.far.closed).toBeUndefined();
    expect(received.messages.length).toBe(50);
  });

  it("breaks where either end does", async () => {
    await using pair = open();
    collect(pair.near);
    pair.far.abort(new ChannelError("CHANNEL_CLOSED", "on purpose"));
    expect(await pair.near.closed).toMatchObject({ code: "CHANNEL_CLOSED" });
  });
});
