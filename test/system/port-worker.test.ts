import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

import { describe, expect, it } from "vitest";

import type { Channel } from "../../src/channel/channel.ts";
import { portChannel } from "../../src/channel/port.ts";
import { bytes, collect, flood } from "../../src/testing/channel-pair.ts";
import { ROOT } from "./kit.ts";

/** A real thread that runs `body` with a `channel` to us; it has to have ended at the end. */
function open(body: string): AsyncDisposable & { channel: Channel; exited: Promise<unknown> } {
  const module = pathToFileURL(join(ROOT, "build/channel/port.js")).href;
  const source = `
    const { parentPort } = require("node:worker_threads");
    import(${JSON.stringify(module)}).then(({ portChannel }) => {
      const channel = portChannel(parentPort);
      ${body}
    });`;
  const worker = new Worker(source, { eval: true });
  // Posted to at once, long before the thread has loaded anything.
  const channel = portChannel(worker, { label: "worker" });
  const exited = new Promise((resolve) => worker.once("exit", resolve));
  return {
    channel,
    exited,
    async [Symbol.asyncDispose]() {
      await channel[Symbol.asyncDispose]();
      await worker.terminate();
    },
  };
}

const ECHO = "channel.receive((message) => void channel.send(message));";

describe("portChannel() with a worker", () => {
  it("carries messages that were sent before the thread ran, and large ones", async () => {
    await using thread = open(ECHO);
    const received = collect(thread.channel);
    const sent = [bytes(0), bytes(5), bytes(3_000_000), bytes(70_000), bytes(1)];
    for (const message of sent) thread.channel.send(message);
    await received.count(sent.length);
    for (const [i, message] of sent.entries()) {
      expect(Buffer.compare(message, received.messages[i] ?? bytes(2))).toBe(0);
    }
  });

  it("close() lets a thread end that has nothing else to do", async () => {
    await using thread = open(ECHO);
    const received = collect(thread.channel);
    for (let i = 0; i < 500; i++) thread.channel.send(bytes(i));
    await received.count(500);
    await thread.channel.close();
    expect(await thread.channel.closed).toBeUndefined();
    expect(await thread.exited).toBe(0);
  });

  it("close() by the thread is an orderly end, after what it sent", async () => {
    await using thread = open(`
      for (let i = 0; i < 100; i++) channel.send(Uint8Array.of(i));
      void channel.close();`);
    const received = collect(thread.channel);
    expect(await thread.channel.closed).toBeUndefined();
    expect(received.messages).toHaveLength(100);
    await thread.exited;
  });

  it("delivers what the thread sent before it exited, then says CHANNEL_CLOSED", async () => {
    await using thread = open(`
      channel.send(Uint8Array.of(7));
      setImmediate(() => process.exit(3));`);
    const received = collect(thread.channel);
    expect(await thread.channel.closed).toMatchObject({ code: "CHANNEL_CLOSED" });
    expect(received.messages).toEqual([Uint8Array.of(7)]);
  });

  it("names the error that ended the thread as the cause", async () => {
    await using thread = open(`setImmediate(() => { throw new Error("seeded"); });`);
    collect(thread.channel);
    expect(await thread.channel.closed).toMatchObject({
      code: "CHANNEL_CLOSED",
      cause: { message: "seeded" },
    });
  });

  it("says CHANNEL_CLOSED when the thread is terminated in a busy loop", async () => {
    await using thread = open("channel.receive(() => { for (;;); });");
    await flood(thread.channel);
    const closing = thread.channel.close({ signal: AbortSignal.timeout(100) });
    await closing;
    expect(await thread.channel.closed).toMatchObject({ code: "CHANNEL_CLOSED" });
  });

  it("holds back what a thread that doesn't read could not take", async () => {
    await using thread = open(`
      channel.receive((message) => {
        if (message.length === 1) channel.resume();
        else channel.send(Uint8Array.of(1));
      });`);
    const received = collect(thread.channel);
    const sent = Array.from({ length: 300 }, () => thread.channel.send(bytes(100_000)));
    expect(sent.at(-1)).toBe(false);
    await received.count(300);
    await thread.channel.drained();
    expect(thread.channel.send(bytes(10))).toBe(true);
  });
});
