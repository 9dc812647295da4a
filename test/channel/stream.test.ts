import { Duplex } from "node:stream";

import { describe, expect, it, vi } from "vitest";

import { ChannelError } from "../../src/base/errors.ts";
import { StreamChannel } from "../../src/channel/stream.ts";
import { lendCopy } from "../../src/wire/lent-bytes.ts";
import { bytes, collect, turn } from "../../src/testing/channel-pair.ts";

/** The bytes that one system call would have taken. */
type Write = readonly Uint8Array[];

/** A transport whose other side is the test: it sees each write, and pushes what the peer sends. */
class FakeStream extends Duplex {
  readonly writes: Write[] = [];
  /** Whether what several pieces make is taken only when `held` is called. */
  holds = false;
  held: ((error?: Error) => void) | undefined;

  constructor() {
    super({ allowHalfOpen: true });
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.writes.push([chunk]);
    done();
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error) => void): void {
    this.writes.push(chunks.map(({ chunk }) => chunk));
    if (this.holds) this.held = done;
    else done();
  }
}

function open() {
  const stream = new FakeStream();
  const channel = new StreamChannel(stream, { label: "fake" });
  return { stream, channel };
}

function frame(message: readonly number[]): Buffer {
  return Buffer.from([message.length, 0, 0, 0, ...message]);
}

/** Sends what was lent, as a message between others, to a stream that holds it. */
async function sendLent(size: number) {
  const { stream, channel } = open();
  stream.holds = true;
  const lent = lendCopy(new Uint8Array(size));
  channel.send(lent);
  channel.send(Uint8Array.of(1));
  await turn();
  expect(stream.writes[0]?.[1]?.buffer).toBe(lent.buffer);
  const isSpare = () => lendCopy(new Uint8Array(size)).buffer === lent.buffer;
  return { stream, isSpare };
}

describe("StreamChannel", () => {
  it("gives memory back when the system has taken what was in it, and not before", async () => {
    const { stream, isSpare } = await sendLent(200_000);
    expect(isSpare()).toBe(false);
    stream.held?.();
    await turn();
    expect(isSpare()).toBe(true);
  });

  it("doesn't give memory back that a broken transport may still read", async () => {
    const { stream, isSpare } = await sendLent(210_000);
    stream.held?.(new Error("EPIPE"));
    await turn();
    expect(isSpare()).toBe(false);
  });

  it("writes once for all messages of a tick, also those that promises send", async () => {
    const { stream, channel } = open();
    for (let i = 0; i < 100; i++) channel.send(Uint8Array.of(i));
    await Promise.resolve();
    channel.send(Uint8Array.of(100));
    expect(stream.writes).toEqual([]);
    await turn();
    expect(stream.writes.map((write) => write.length)).toEqual([1]);
    expect(stream.writes[0]?.[0]).toHaveLength(101 * 5);
    channel.send(Uint8Array.of(101));
    await turn();
    expect(stream.writes).toHaveLength(2);
  });

  it("writes once for what an event's callback and its promises send", async () => {
    const { stream, channel } = open();
    channel.receive((message) => {
      channel.send(message);
      void Promise.resolve().then(() => channel.send(message));
    });
    stream.push(Buffer.concat([frame([1]), frame([2])]));
    await turn();
    expect(stream.writes).toHaveLength(1);
  });

  it("writes once where messages are large, and copies none of those", async () => {
    const { stream, channel } = open();
    const large = [bytes(100_000), bytes(64 * 1024 * 1024)];
    channel.send(bytes(10));
    for (const message of large) channel.send(message);
    channel.send(bytes(20));
    await turn();
    expect(stream.writes).toHaveLength(1);
    const pieces = stream.writes[0] ?? [];
    expect(pieces.map((piece) => piece.byteLength)).toEqual([18, 100_000, 4, 64 * 2 ** 20, 24]);
    expect(pieces[1]?.buffer).toBe(large[0]?.buffer);
    expect(pieces[3]?.buffer).toBe(large[1]?.buffer);
  });

  it("joins a message of 64 MiB that comes in pieces with a bounded number of copies", async () => {
    const { stream, channel } = open();
    const size = 64 * 1024 * 1024;
    const arrived = collect(channel);
    const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
    const set = vi.spyOn(typedArray, "set");
    try {
      stream.push(Buffer.from([0, 0, 0, 4]));
      for (let sent = 0; sent < size; sent += 65_536) stream.push(Buffer.alloc(65_536, 7));
      await arrived.count(1);
      const copied = set.mock.calls.reduce((sum, [source]) => sum + source.length, 0);
      expect(arrived.messages[0]?.byteLength).toBe(size);
      expect(copied).toBeGreaterThan(size / 2); // The spy sees the copies at all.
      expect(copied).toBeLessThanOrEqual(3 * size);
    } finally {
      set.mockRestore();
    }
  });

  it("does not copy a message that came in one piece", async () => {
    const { stream, channel } = open();
    const arrived = collect(channel);
    const chunk = Buffer.concat([frame([1, 2]), frame([]), frame([3])]);
    stream.push(chunk);
    await arrived.count(3);
    expect(arrived.messages.map((message) => [...message])).toEqual([[1, 2], [], [3]]);
    expect(arrived.messages[0]?.buffer).toBe(chunk.buffer);
    expect(arrived.messages[0]).not.toBeInstanceOf(Buffer);
  });

  it("breaks at a header of 4 GiB before anything else comes, after what came before", async () => {
    const { stream, channel } = open();
    const arrived = collect(channel);
    stream.push(Buffer.concat([frame([1]), Buffer.from([0xff, 0xff, 0xff, 0xff])]));
    expect(await channel.closed).toMatchObject({
      code: "CHANNEL_TOO_LARGE",
      details: { size: 0xffff_ffff, limit: 64 * 1024 * 1024 },
    });
    expect(arrived.messages).toHaveLength(1);
    expect(stream.destroyed).toBe(true);
  });

  it.each([
    ["inside a header", [5, 0]],
    ["behind a header", [5, 0, 0, 0]],
    ["inside a message", [5, 0, 0, 0, 1, 2]],
  ])("breaks with CHANNEL_MALFORMED where the stream ends %s", async (_, rest) => {
    const { stream, channel } = open();
    const arrived = collect(channel);
    stream.push(Buffer.concat([frame([1]), Buffer.from(rest)]));
    stream.push(null);
    expect(await channel.closed).toMatchObject({ code: "CHANNEL_MALFORMED" });
    expect(arrived.messages).toHaveLength(1);
  });

  it("closes in order when the peer does, and first sends what it has", async () => {
    const { stream, channel } = open();
    channel.receive((message) => void channel.send(message));
    stream.push(frame([42]));
    stream.push(null);
    expect(await channel.closed).toBeUndefined();
    expect(Buffer.concat(stream.writes.flat())).toEqual(frame([42]));
  });

  it("says CHANNEL_CLOSED and why when the stream fails", async () => {
    const { stream, channel } = open();
    collect(channel);
    const cause = new Error("seeded");
    stream.destroy(cause);
    expect(await channel.closed).toMatchObject({ code: "CHANNEL_CLOSED", cause });
    expect(() => channel.send(bytes(1))).toThrow(ChannelError);
  });

  it("says CHANNEL_CLOSED when the stream goes away without an end", async () => {
    const { stream, channel } = open();
    stream.destroy();
    expect(await channel.closed).toMatchObject({ code: "CHANNEL_CLOSED" });
  });

  it("abort() destroys the stream, and a later error of that goes nowhere", async () => {
    const { stream, channel } = open();
    channel.send(bytes(1));
    channel.abort(new ChannelError("CHANNEL_CLOSED"));
    expect(stream.destroyed).toBe(true);
    stream.emit("error", new Error("late"));
    await turn();
    expect(stream.writes).toEqual([]);
  });

  it("pause() stops reading the stream, and nothing is read before receive()", () => {
    const { stream, channel } = open();
    expect(stream.readableFlowing).toBeNull();
    channel.receive(() => {});
    expect(stream.readableFlowing).toBe(true);
    channel.pause();
    expect(stream.isPaused()).toBe(true);
    channel.resume();
    expect(stream.isPaused()).toBe(false);
  });
});
