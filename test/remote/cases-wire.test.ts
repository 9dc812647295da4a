/** The acceptance cases L (limits) and Z (security) that a peer of another make, broken or hostile, is to meet. */
import { once } from "node:events";
import { connect as dial } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";

import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";

import { listen } from "../../src/remote.ts";
import { encodeHello } from "../../src/remote/handshake.ts";
import { Frame, Operation } from "../../src/remote/protocol.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { FIRST_EXTENSION_TAG, writeValue } from "../../src/wire/value.ts";
import type { Writer } from "../../src/wire/writer.ts";
import { hostile, request } from "./hostile-peer.ts";

const REFERENCE = FIRST_EXTENSION_TAG;
const GRAPH = FIRST_EXTENSION_TAG + 8;

async function answerTo(write: (writer: Writer) => void): Promise<Uint8Array> {
  await using peer = await hostile();
  peer.send(write);
  return await peer.answer;
}

async function textOf(answer: Promise<Uint8Array>): Promise<string> {
  return new TextDecoder().decode(await answer);
}

/** The echo of one value, which the test writes. */
function echo(write: (writer: Writer) => void): (writer: Writer) => void {
  return (writer) => {
    request(writer, { path: ["offered", "echo"], count: 1 });
    write(writer);
  };
}

function frame(bytes: Uint8Array, length: number = bytes.length): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(length);
  return Buffer.concat([head, bytes]);
}

describe("a stream of bytes", () => {
  it.each<[string, number[]]>([
    ["L01 with a length of 4 GiB", [0xff, 0xff, 0xff, 0xff]],
    ["L01 with a length over the limit", [0x01, 0x00, 0x00, 0x10]],
  ])("%s is dropped before anything is allocated for it", async (_, header) => {
    const folder = mkdtempSync(join(tmpdir(), "banyan-l-"));
    const path = join(folder, "s");
    await using listener = await listen(`unix:${path}`, {
      exports: {},
      limits: { maxMessageBytes: 1024 * 1024 },
    });
    expect(listener.address).toBe(`unix:${path}`);
    const socket = dial(path);
    socket.on("error", () => {});
    await once(socket, "connect");
    const before = process.memoryUsage().arrayBuffers;
    socket.resume();
    socket.write(Uint8Array.from(header));
    await once(socket, "close");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
    rmSync(folder, { recursive: true, force: true });
  });

  it("X08 that ends in the middle of a message breaks the session, and nothing of it is obeyed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "banyan-x-"));
    const path = join(folder, "s");
    const calls: unknown[] = [];
    const ended: Promise<Error | undefined>[] = [];
    await using _listener = await listen(`unix:${path}`, {
      exports: { note: (x: unknown) => calls.push(x) },
      onSession: (session) => ended.push(session.closed),
    });
    const socket = dial(path);
    await once(socket, "connect");
    socket.resume();
    const hello = encodeHello({ name: "raw", maxMessageBytes: 1024 * 1024 });
    socket.write(frame(hello));
    await expect.poll(() => ended.length).toBe(1);
    // A call in full, but its message says that there is more.
    socket.end(frame(Uint8Array.from([1, 0, 0, 1, 0, 8, 0x6e, 0x6f, 0x74, 0x65, 1, 5]), 100));
    expect(await ended[0]).toMatchObject({
      code: "REMOTE_BROKEN",
      cause: { code: "CHANNEL_MALFORMED" },
    });
    expect(calls).toEqual([]);
    rmSync(folder, { recursive: true, force: true });
  });
});

describe("what is in a message", () => {
  it.each<[string, (writer: Writer) => void]>([
    ["L02 nested 1,000 deep", (w) => Array.from({ length: 1_000 }, () => w.u8(0x91))],
    [
      "L03 a bigint of ten million digits",
      (w) => (w.u8(0xcd), w.varint(4_200_000), w.bytes(new Uint8Array(4_200_000).fill(1))),
    ],
    [
      "L03 a bigint that says more digits than there are",
      (w) => (w.u8(0xce), w.varint(16_000), w.u8(1)),
    ],
    ["L04 an array that says a billion elements", (w) => (w.u8(0xc8), w.varint(1e9))],
    ["L04 a text that says more bytes than there are", (w) => (w.u8(0xc7), w.varint(2 * 1e9))],
    ["L06 text that is no UTF-8", (w) => [0xa2, 0xc0, 0xaf].forEach((byte) => w.u8(byte))],
    [
      "L11 eight-byte elements in nine bytes",
      (w) => (w.u8(0xcb), w.u8(9), w.varint(9), w.bytes(new Uint8Array(9))),
    ],
    [
      "L11 a typed array of an unknown class",
      (w) => (w.u8(0xcb), w.u8(99), w.varint(8), w.bytes(new Uint8Array(8))),
    ],
    [
      "L12 a path key that is none",
      (w) => (w.u8(0xd0), w.varint(3), w.bytes(Uint8Array.from([99, 1, 2]))),
    ],
    ["L14 more arguments than there may be", (w) => w.u8(0xd5)],
  ])("%s ends the session with REMOTE_PROTOCOL, at once", async (_, write) => {
    await using peer = await hostile();
    peer.send(echo(write));
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("L03 a bigint at the limit is taken", async () => {
    const answer = await answerTo(
      echo((writer) => {
        writer.u8(0xce);
        writer.varint(16 * 1024);
        writer.bytes(new Uint8Array(16 * 1024).fill(0xff));
      }),
    );
    expect(answer[0]).toBe(Frame.answer);
    expect(answer.length).toBeGreaterThan(16 * 1024);
  });

  it.each([1, 7, 2 ** 31, 2 ** 51])("L05 export %d, guessed, is none", async (id) => {
    const answer = textOf(answerTo((writer) => request(writer, { target: id * 2 })));
    expect(await answer).toContain("REMOTE_NOT_FOUND");
  });

  it("L05 an id is not used again", async () => {
    const exports = { make: () => ({}) };
    await using pair = await sessionPair({ far: { exports } });
    const ids = new Set<string>();
    for (let i = 0; i < 20; i++) {
      using made = await pair.near.remote<typeof exports.make>("make")();
      ids.add(inspect(made));
    }
    await pair.fence();
    expect(ids.size).toBe(20);
    expect(pair.far.stats().exports).toBe(0);
  });

  it("L07 a million calls without an answer are refused from the limit on, and the session goes on", async () => {
    const limits = { maxPendingCalls: 100, maxExports: 50 };
    const api = { never: () => new Promise(() => {}), make: () => ({}), quick: () => 1 };
    await using pair = await sessionPair({
      near: { limits: { maxPendingCalls: 1_000 } },
      far: { exports: { api }, limits },
    });
    const remote = pair.near.remote<typeof api>("api");
    const calls = Array.from({ length: 200 }, () => remote.never());
    const refused = await Promise.race(calls).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "REMOTE_LIMIT" });
    pair.far.abort(new Error("enough"));
    await Promise.allSettled(calls);

    await using other = await sessionPair({ far: { exports: { api }, limits } });
    const held: unknown[] = [];
    const take = async (): Promise<void> => {
      for (let i = 0; i < 60; i++) held.push(await other.near.remote<typeof api>("api").make());
    };
    await expect(take()).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
    expect(held).toHaveLength(50);
    expect(await other.near.remote<typeof api>("api").quick()).toBe(1);
  });

  it("L09 an answer to what was answered, or was never asked, ends the session and holds nothing", async () => {
    await using peer = await hostile();
    const call = peer.session.remote<() => number>("x")();
    await peer.answer;
    peer.send((writer) => {
      for (const byte of [Frame.answer, 1, 5]) writer.u8(byte);
      for (const byte of [Frame.answer, 1, REFERENCE, 4]) writer.u8(byte);
    });
    expect(await call).toBe(5);
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
    expect(peer.session.stats().imports).toBe(0);
  });

  it("L10 a promise that is settled twice ends the session", async () => {
    await using peer = await hostile();
    peer.send((writer) => {
      request(writer, { path: ["offered", "echo"], count: 1 });
      writer.u8(FIRST_EXTENSION_TAG + 3);
      writer.varint(2);
      for (const byte of [Frame.settled, 1, 1, 5, Frame.settled, 1, 0, 5]) writer.u8(byte);
    });
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("L13 nothing is compressed, so that nothing unpacks to more than was sent", async () => {
    await using listener = await listen("ws://127.0.0.1:0", { exports: {} });
    const socket = new WebSocket(listener.address, { perMessageDeflate: true });
    await once(socket, "open");
    expect(socket.extensions).toBe("");
    socket.terminate();
  });
});

describe("what a peer gets at", () => {
  it.each([
    [["offered", "add", "prototype", "__proto__", "polluted"]],
    [["__proto__", "polluted"]],
    [["offered", "__proto__", "polluted"]],
    [["offered", "list", "__proto__", "polluted"]],
    [["offered", "constructor", "prototype", "polluted"]],
  ])("Z02 setting %j is denied, and pollutes nothing", async (path) => {
    const text = await textOf(
      answerTo((writer) => {
        request(writer, { kind: Operation.set, path });
        writeValue(writer, "yes");
      }),
    );
    expect(text).toMatch(/REMOTE_(DENIED|NOT_FOUND)/);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(([] as unknown as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it.each(["value", "graph"])(
    "Z04 a %s with keys __proto__, toJSON and then is inert data",
    async (how) => {
      const seen: unknown[] = [];
      const take = (value: unknown): number => seen.push(value);
      await using peer = await hostile({ exports: { take } });
      peer.send((writer) => {
        request(writer, { path: ["take"], count: 1 });
        const keys = ["__proto__", "toJSON", "then", "constructor"];
        if (how === "graph") {
          for (const byte of [GRAPH, 0, GRAPH + 1, 1, keys.length]) writer.u8(byte);
        } else writer.u8(0x98 + keys.length);
        for (const key of keys) {
          writer.string(key);
          writeValue(writer, { polluted: 1 });
        }
      });
      expect((await peer.answer)[0]).toBe(Frame.answer);
      const [value] = seen as [Record<string, unknown>];
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
      expect(Object.keys(value)).toEqual(["__proto__", "toJSON", "then", "constructor"]);
      expect(value["polluted"]).toBeUndefined();
    },
  );

  it("Z06 an error's properties never take the place of what every object has", async () => {
    const caught: Error[] = [];
    const take = (error: Error): number => caught.push(error);
    await using peer = await hostile({ exports: { take } });
    const names = [
      "toString",
      "valueOf",
      "hasOwnProperty",
      "toJSON",
      "__proto__",
      "constructor",
      "then",
      "fine",
    ];
    peer.send((writer) => {
      request(writer, { path: ["take"], count: 1 });
      for (const byte of [FIRST_EXTENSION_TAG + 5, 2, 0xd1]) writer.u8(byte);
      writeValue(writer, {
        type: "TypeError",
        name: "TypeError",
        message: "m",
        props: Object.fromEntries(names.map((name) => [name, "x"])),
      });
    });
    expect((await peer.answer)[0]).toBe(Frame.answer);
    const [error] = caught as [Error];
    expect(error).toBeInstanceOf(TypeError);
    expect(Object.getPrototypeOf(error)).toBe(TypeError.prototype);
    expect(typeof error.toString).toBe("function");
    expect(typeof error.valueOf).toBe("function");
    expect(Object.hasOwn(error, "constructor")).toBe(false);
    expect(String(error)).toBe("TypeError: m");
    expect((error as Error & { fine: string }).fine).toBe("x");
  });

  it("Z06 an error of an unknown class makes nothing by its name", async () => {
    const caught: Error[] = [];
    await using peer = await hostile({ exports: { take: (error: Error) => caught.push(error) } });
    peer.send((writer) => {
      request(writer, { path: ["take"], count: 1 });
      for (const byte of [FIRST_EXTENSION_TAG + 5, 2, 0xd1]) writer.u8(byte);
      writeValue(writer, { type: "Function", name: "Function", message: "return process" });
    });
    expect((await peer.answer)[0]).toBe(Frame.answer);
    expect(caught[0]?.constructor).toBe(Error);
  });

  it.each(["get", "call", "set", "delete", "construct"] as const)(
    "Z10 nothing that a peer sends is compiled or looked up by name here: %s",
    async (operation) => {
      const text = await textOf(
        answerTo((writer) => {
          request(writer, {
            kind: Operation[operation],
            path: ["offered", "add", "constructor"],
            count: 0,
          });
          if (operation === "set") writeValue(writer, 1);
        }),
      );
      expect(text).toContain("REMOTE_DENIED");
    },
  );

  it("Z16 a listener binds to this machine alone, unless it is told otherwise, and knows its origins", async () => {
    await expect(listen("tcp://0.0.0.0:0", {})).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    await expect(listen("ws://0.0.0.0:0", {})).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    await using listener = await listen("ws://127.0.0.1:0", { exports: {} });
    const foreign = new WebSocket(listener.address, { origin: "https://evil.example" });
    const [error] = (await once(foreign, "error")) as [Error];
    expect(error.message).toMatch(/403|401|400/);
  });
});
