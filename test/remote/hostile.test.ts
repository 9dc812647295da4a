import { describe, expect, it } from "vitest";

import { memoryChannelPair } from "../../src/channel/memory.ts";
import { encodeHello } from "../../src/remote/handshake.ts";
import { Frame, KEEP, Operation } from "../../src/remote/protocol.ts";
import { openSession } from "../../src/remote/session.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { FIRST_EXTENSION_TAG, writeValue } from "../../src/wire/value.ts";
import { Writer } from "../../src/wire/writer.ts";
import { hostile, request } from "./hostile-peer.ts";

const hello = encodeHello({ name: "other", maxMessageBytes: 1024 * 1024 });

describe("a hello", () => {
  it.each([
    ["garbage", [1, 2, 3, 4, 5]],
    ["nothing", []],
    ["half a hello", [0x42, 0x4e]],
    ["a hello of another protocol", [0x42, 0x4e, 0x59, 0x5a, ...hello.subarray(4)]],
    ["a hello that ends early", [0x42, 0x4e, 0x59, 0x4e, 1]],
    ["a hello with rubbish in it", [0x42, 0x4e, 0x59, 0x4e, 1, 1, 0xff]],
  ])("of %s is refused, and the channel closed", async (_, bytes) => {
    const [raw, channel] = memoryChannelPair();
    const messages: Uint8Array[] = [];
    raw.receive((message) => messages.push(message));
    raw.send(Uint8Array.from(bytes));
    await expect(openSession(channel)).rejects.toMatchObject({ code: "REMOTE_PROTOCOL" });
    void raw.close();
    await raw.closed;
    expect(new TextDecoder().decode(messages.at(-1))).toContain("REMOTE_PROTOCOL");
  });

  it("without a version in common is refused on both sides", async () => {
    const [raw, channel] = memoryChannelPair();
    raw.receive(() => {});
    raw.send(Uint8Array.from([0x42, 0x4e, 0x59, 0x4e, 7, 9, 0xc0]));
    await expect(openSession(channel)).rejects.toMatchObject({ code: "REMOTE_VERSION" });
    await raw.close();
    const [other, second] = memoryChannelPair();
    other.receive(() => {});
    const refusal = new Writer();
    for (const byte of [0x42, 0x4e, 0x59, 0x58]) refusal.u8(byte);
    refusal.string("REMOTE_VERSION");
    refusal.string("too old");
    other.send(refusal.take());
    await expect(openSession(second)).rejects.toMatchObject({ code: "REMOTE_VERSION" });
    await other.close();
  });

  it("that never comes is waited for as long as helloMs, or the signal, says", async () => {
    const clock = new ManualClock();
    const [, channel] = memoryChannelPair();
    const opening = openSession(channel, { clock, limits: { helloMs: 50 } });
    clock.advance(50);
    await expect(opening).rejects.toMatchObject({ code: "REMOTE_TIMEOUT" });
    const [, second] = memoryChannelPair();
    const reason = new Error("stop");
    await expect(openSession(second, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe("a peer that breaks the protocol", () => {
  it.each<[string, (writer: Writer) => void]>([
    ["a frame of an unknown kind", (w) => w.u8(0x60)],
    ["an operation of an unknown kind", (w) => w.u8(0)],
    ["a request that ends early", (w) => w.u8(Operation.call)],
    ["a name that was never sent", (w) => [Operation.get, 0, 0, 1, 77].forEach((b) => w.u8(b))],
    ["a path of 200 steps", (w) => [Operation.get, 0, 0, 200].forEach((b) => w.u8(b))],
    ["an answer nobody waits for", (w) => [Frame.answer, 9, 1].forEach((b) => w.u8(b))],
    ["a failure nobody waits for", (w) => [Frame.failure, 9, 1].forEach((b) => w.u8(b))],
    ["a promise nobody waits for", (w) => [Frame.settled, 9, 1, 1].forEach((b) => w.u8(b))],
    ["a release of what it never had", (w) => [Frame.release, 1, 9, 1].forEach((b) => w.u8(b))],
    ["a finish of what is not kept", (w) => [Frame.finish, 1, 9].forEach((b) => w.u8(b))],
    [
      "a reference home that never left",
      (w) => {
        request(w, { path: ["offered", "echo"], count: 1 });
        w.u8(FIRST_EXTENSION_TAG + 1);
        w.varint(3);
      },
    ],
    [
      "an endless number of arguments",
      (w) => {
        request(w, { path: ["offered", "echo"], count: 2 ** 40 });
      },
    ],
    [
      "the same promise twice",
      (w) => {
        request(w, { path: ["offered", "echo"], count: 2 });
        for (let i = 0; i < 2; i++) {
          w.u8(FIRST_EXTENSION_TAG + 3);
          w.varint(2);
        }
      },
    ],
    [
      "a node outside of a graph",
      (w) => {
        request(w, { path: ["offered", "echo"], count: 1 });
        w.u8(FIRST_EXTENSION_TAG + 9);
        w.u8(0);
        w.varint(0);
      },
    ],
    [
      "a graph within itself without end",
      (w) => {
        request(w, { path: ["offered", "echo"], count: 1 });
        for (let i = 0; i < 10_000; i++) w.u8(FIRST_EXTENSION_TAG + 8);
      },
    ],
    [
      "a bigint of a million digits",
      (w) => {
        request(w, { path: ["offered", "echo"], count: 1 });
        w.u8(0xcd);
        w.varint(400_000);
        w.bytes(new Uint8Array(400_000).fill(1));
      },
    ],
  ])("by %s loses the session, with REMOTE_PROTOCOL", async (_, write) => {
    await using peer = await hostile();
    peer.send(write);
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
    const told = await peer.answer;
    expect(told[0]).toBe(Frame.broken);
  });

  it.each<[string, (writer: Writer) => void]>([
    ["can't be read", (w) => [Frame.answer, 1, 0xd3].forEach((b) => w.u8(b))],
    ["ends early", (w) => [Frame.answer, 1].forEach((b) => w.u8(b))],
    ["is followed by rubbish", (w) => [Frame.failure, 1, 0xc0, 0x7f].forEach((b) => w.u8(b))],
  ])("fails the very call whose answer %s", async (_, write) => {
    await using peer = await hostile();
    const call = peer.session.remote<() => Promise<unknown>>("f")();
    const failed = call.catch((error: { readonly code: string } | null) => error?.code ?? null);
    await peer.answer;
    peer.send(write);
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
    // One was read as far as its end, and is what it says.
    expect([null, "REMOTE_BROKEN"]).toContain(await failed);
  });

  it.each([1, 2 ** 31, Number.MAX_SAFE_INTEGER / 2 - 0.5])(
    "by guessing export %d is told that there is none",
    async (id) => {
      await using peer = await hostile();
      peer.send((writer) => request(writer, { target: Math.floor(id) * 2 }));
      const answer = await peer.answer;
      expect(answer[0]).toBe(Frame.failure);
      expect(new TextDecoder().decode(answer)).toContain("REMOTE_NOT_FOUND");
    },
  );

  it("by referring to a result that is not kept is told so", async () => {
    await using peer = await hostile();
    peer.send((writer) => request(writer, { target: 2 * 5 + 1 }));
    expect(new TextDecoder().decode(await peer.answer)).toContain("REMOTE_NOT_FOUND");
  });

  it.each([
    [["__proto__", "polluted"]],
    [["offered", "__proto__"]],
    [["offered", "add", "constructor"]],
    [["offered", "list", "constructor", "prototype"]],
  ])("by setting %j is denied", async (path) => {
    await using peer = await hostile();
    peer.send((writer) => {
      request(writer, { kind: Operation.set, path });
      writeValue(writer, "yes");
    });
    expect(new TextDecoder().decode(await peer.answer)).toMatch(/REMOTE_(DENIED|NOT_FOUND)/);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("by more requests in one message than maxRequestsPerMessage loses the session", async () => {
    await using peer = await hostile({ limits: { maxRequestsPerMessage: 10 } });
    peer.send((writer) => {
      for (let i = 0; i < 11; i++) request(writer, { kind: Operation.get, path: ["offered"] });
    });
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("by keeping results without end is refused more than maxExports", async () => {
    await using peer = await hostile({ limits: { maxExports: 10 } });
    peer.send((writer) => {
      for (let i = 0; i < 11; i++) {
        request(writer, { kind: Operation.get | KEEP, path: ["offered", "list", "length"] });
      }
    });
    const answers = await peer.answer;
    expect(new TextDecoder().decode(answers)).toContain("REMOTE_LIMIT");
  });
});
