/** The examples in docs/protocol.md are what the sessions say and understand. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import type { Channel } from "../../src/channel/channel.ts";
import { memoryChannelPair } from "../../src/channel/memory.ts";
import { decodeHello, encodeHello } from "../../src/remote/handshake.ts";
import { openSession } from "../../src/remote/session.ts";
import { Path } from "../../src/wire/path.ts";
import { decodeValue, encodeValue } from "../../src/wire/value.ts";

const file = resolve(import.meta.dirname, "../../docs/protocol.md");
const examples = examplesOf(readFileSync(file, "utf8"));

const calc = {
  add: (a: number, b: number) => a + b,
  each: async (f: (n: number) => unknown) => await f(7),
  box: (n: number) => ({ n }),
};

describe("docs/protocol.md", () => {
  it("has its examples", () => {
    expect([...examples.keys()]).toEqual([
      "hello",
      "request",
      "answer",
      "value",
      "callback",
      "call of the callback",
      "a call on a result",
    ]);
  });

  it("hello: is sent and read", () => {
    const hello = { name: "a", maxMessageBytes: 64 * 1024 * 1024, types: true };
    expect(hexOf(encodeHello(hello))).toBe(hexOf(example("hello")));
    expect(decodeHello(example("hello"))).toEqual(hello);
  });

  it("value: is written and read", () => {
    const value = { a: [1, -1, 200, -0.5, "hi"], n: 2n ** 64n, p: Path.fromElements(["a", 2]) };
    expect(hexOf(encodeValue(value))).toBe(hexOf(example("value")));
    expect(decodeValue(example("value"))).toEqual(value);
  });

  it("request, answer, callback: are what a session sends", async () => {
    const [near, far] = memoryChannelPair();
    const fromNear = recorded(near);
    const fromFar = recorded(far);
    const opening = openSession(near, { name: "a" });
    await using server = await openSession(far, { exports: { calc } });
    await using caller = await opening;
    expect(server.peerName).toBe("a");
    const remote = caller.remote<typeof calc>("calc");
    expect(await remote.add(1, 2)).toBe(3);
    await remote.each(() => null);
    expect(fromNear.slice(0, 3)).toEqual(["hello", "request", "callback"].map(hexOfExample));
    expect(fromFar.slice(1, 3)).toEqual(["answer", "call of the callback"].map(hexOfExample));
  });

  it("request, callback, a call on a result: are what a session answers to", async () => {
    const [raw, channel] = memoryChannelPair();
    const replies: string[] = [];
    let next = deferred<void>();
    raw.receive((message) => {
      replies.push(hexOf(message));
      next.resolve();
    });
    const say = async (bytes: Uint8Array): Promise<void> => {
      next = deferred();
      raw.send(bytes);
      await next.promise;
    };
    raw.send(example("hello"));
    const session = await openSession(channel, { exports: { calc } });
    await say(example("request"));
    await say(example("callback"));
    await say(Uint8Array.of(0x20, 1, 0xc0));
    await say(example("a call on a result"));
    expect(replies.slice(1)).toEqual([
      hexOfExample("answer"),
      hexOfExample("call of the callback"),
      // The callback gave null; each() gives it on, and then the function is no longer needed.
      "2002c0",
      // What box() gave is a reference, n is 5.
      "20038004200405",
    ]);
    expect(session.stats()).toMatchObject({ serving: 0, waiting: 0, exports: 1 });
    raw.send(Uint8Array.of(0x26));
    expect(await session.closed).toBeUndefined();
    await raw.close();
  });
});

/** The bytes of each ```hex block, by its title: what is in front of two spaces on each line. */
function examplesOf(text: string): Map<string, Uint8Array> {
  const blocks = text.matchAll(/^```hex\n# (.*)\n([^`]*)^```$/gm);
  return new Map(
    [...blocks].map(([, title = "", body = ""]) => {
      const hex = body.split("\n").map((line) => line.split("  ")[0] ?? "");
      const bytes = hex.join(" ").match(/[0-9a-f]{2}/g) ?? [];
      return [title, Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16))];
    }),
  );
}

function example(title: string): Uint8Array {
  const bytes = examples.get(title);
  if (bytes === undefined) throw new Error(`there is no example ${title}`);
  return bytes;
}

function hexOfExample(title: string): string {
  return hexOf(example(title));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Notes what a session sends over the channel. */
function recorded(channel: Channel): string[] {
  const messages: string[] = [];
  const send = channel.send.bind(channel);
  channel.send = (message) => {
    messages.push(hexOf(message));
    return send(message);
  };
  return messages;
}
