import { once } from "node:events";
import { MessageChannel } from "node:worker_threads";

import { describe, expect, it } from "vitest";

import { ChannelError } from "../../src/base/errors.ts";
import { portChannel } from "../../src/channel/port.ts";
import { collect, flood, type PairLimits } from "../../src/testing/channel-pair.ts";
import { channelSuite } from "../../src/testing/channel-suite.ts";
import { disposablePair } from "./pair.ts";

async function open({ near, far }: PairLimits = {}) {
  const { port1, port2 } = new MessageChannel();
  const closed = Promise.all([once(port1, "close"), once(port2, "close")]);
  return disposablePair(
    portChannel(port1, { limits: near }),
    portChannel(port2, { limits: far }),
    async () => void (await closed),
  );
}

channelSuite({ test: it, open });

/** A channel whose peer is the bare port, to post to it what a peer should not. */
function openBare() {
  const { port1, port2 } = new MessageChannel();
  const channel = portChannel(port1, { limits: { maxMessageBytes: 1_000 } });
  return { channel, port: port2, received: collect(channel) };
}

const header = (kind: number, credit = 0): number[] => [kind, 0, 0, 0, credit, 0, 0, 0];

describe("portChannel()", () => {
  it.each<[string, unknown]>([
    ["a string", "hello"],
    ["null", null],
    ["an object", { length: 8 }],
    ["an array of numbers", header(0)],
    ["other bytes", new Uint16Array(8)],
    ["too few bytes", Uint8Array.of(0, 0, 0, 0)],
    ["an unknown kind", Uint8Array.from(header(3))],
    ["credit for what was not sent", Uint8Array.from(header(0, 1))],
    ["half a frame", Uint8Array.from([...header(0), 5, 0, 0, 0, 1])],
    ["half a frame's header", Uint8Array.from([...header(0), 5])],
  ])("breaks with CHANNEL_MALFORMED at %s", async (_, garbage) => {
    const { channel, port, received } = openBare();
    port.postMessage(garbage);
    expect(await channel.closed).toMatchObject({ code: "CHANNEL_MALFORMED" });
    expect(received.messages).toEqual([]);
  });

  it("breaks where the peer goes on after its end", async () => {
    const { port1, port2 } = new MessageChannel();
    const channel = portChannel(port1);
    channel.receive(() => {});
    await flood(channel);
    channel.send(Uint8Array.of(1));
    port2.postMessage(Uint8Array.from(header(1)));
    port2.postMessage(Uint8Array.from(header(0)));
    expect(await channel.closed).toMatchObject({ code: "CHANNEL_MALFORMED" });
  });

  it("breaks where the peer sends more than may be unread", async () => {
    const { port1, port2 } = new MessageChannel();
    const channel = portChannel(port1, { limits: { maxMessageBytes: 1_000 } });
    const received = collect(channel);
    channel.pause();
    const gone = once(port2, "close");
    port2.start();
    const posted = Uint8Array.from([...header(0), 0xe8, 3, 0, 0, ...new Uint8Array(1_000)]);
    for (let i = 0; i < 1_100; i++) port2.postMessage(posted);
    await gone;
    expect(channel.state).toBe("closing");
    channel.resume();
    expect(await channel.closed).toMatchObject({ code: "CHANNEL_MALFORMED" });
    expect(received.messages.length).toBeGreaterThan(1_000);
    expect(received.messages.length).toBeLessThan(1_100);
  });

  it("says CHANNEL_CLOSED when the other port goes away", async () => {
    const { channel, port, received } = openBare();
    port.postMessage(Uint8Array.from([...header(0), 1, 0, 0, 0, 42]));
    port.close();
    expect(await channel.closed).toMatchObject({ code: "CHANNEL_CLOSED" });
    expect(received.messages).toEqual([Uint8Array.of(42)]);
  });

  it("tells the peer of an abort", async () => {
    await using pair = await open();
    pair.near.abort(new ChannelError("CHANNEL_MALFORMED"));
    expect(await pair.far.closed).toMatchObject({ code: "CHANNEL_CLOSED" });
  });

  it("posts one array for all messages of a tick", async () => {
    const { channel, port } = openBare();
    const posted: unknown[] = [];
    port.on("message", (data) => posted.push(data));
    for (let i = 0; i < 100; i++) channel.send(Uint8Array.of(i));
    await Promise.resolve().then(() => channel.send(Uint8Array.of(100)));
    await once(port, "message");
    channel.abort(new ChannelError("CHANNEL_CLOSED"));
    await once(port, "close");
    expect(posted.map((data) => (data as Uint8Array).byteLength)).toEqual([8 + 101 * 5, 8]);
  });

  it("takes only ports", () => {
    expect(() => portChannel({ postMessage: () => {} })).toThrow(TypeError);
  });
});
