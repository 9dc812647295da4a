import { createHash } from "node:crypto";

import { expect, it } from "vitest";

import { Frame, MAX_ATTACHMENTS } from "../../src/remote/protocol.ts";
import { connect, listen } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { hostile } from "./hostile-peer.ts";

const MANY = 300_000;

const sum = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const classes = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint32Array,
  Float64Array,
  BigInt64Array,
] as const;

function shown(value: ArrayBufferView | ArrayBuffer): unknown[] {
  const bytes =
    "buffer" in value
      ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
      : new Uint8Array(value);
  return [value.constructor.name, bytes.length, sum(bytes)];
}

it("V09 large arrays arrive as copies of their class in buffers of their own", async () => {
  await using pair = await sessionPair({
    far: { plain: "copy", exports: { echo: (...values: unknown[]) => values } },
  });
  const echo = pair.near.remote<(...values: unknown[]) => unknown[]>("echo");
  const bytes = Uint8Array.from({ length: MANY }, (_, i) => i * 7);
  const views = classes.map((Class) => new Class(bytes.buffer, 8, 20_000));
  const sent = [...views, new DataView(bytes.buffer, 1, MANY - 1), bytes.buffer, bytes, bytes];
  const before = structuredClone(sent);
  const back = echo(...sent);
  bytes.fill(0);
  const arrived = (await back) as unknown as (ArrayBufferView | ArrayBuffer)[];
  expect(arrived.map(shown)).toStrictEqual(before.map(shown));
  const buffers = arrived.map((value) => ("buffer" in value ? value.buffer : value));
  expect(new Set(buffers).size).toBe(sent.length);
  expect(buffers.map(({ byteLength }) => byteLength)).toStrictEqual(
    before.map(({ byteLength }) => byteLength),
  );
});

it("a call that fails to encode takes its attachments back", async () => {
  await using pair = await sessionPair({
    near: { limits: { maxMessageBytes: 1024 * 1024 } },
    far: { exports: { size: (bytes: Uint8Array) => bytes.length } },
  });
  const size = pair.near.remote<(...bytes: Uint8Array[]) => number>("size");
  const large = new Uint8Array(600_000);
  const first = size(new Uint8Array(MANY));
  await expect(size(large, large)).rejects.toMatchObject({ code: "WIRE_LIMIT" });
  expect(await first).toBe(MANY);
  expect(await size(large)).toBe(600_000);
});

it.each<[string, number[][]]>([
  ["none", [[Frame.attached, 0]]],
  ["too many", [[Frame.attached, 0xff, 0xff, 0x7f]]],
  ["some in front of a frame", [[Frame.attached, 1, Frame.bye]]],
  ["some for others", [[Frame.attached, 1], [1], [Frame.attached, 1]]],
  ["some that no value names", [[Frame.attached, 1], [1], [Frame.finish, 0]]],
])("a peer that attaches %s loses the session", async (_, messages) => {
  await using peer = await hostile();
  for (const message of messages) peer.sendBytes(...message);
  expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
});

it("a peer that attaches more than a message may hold loses the session", async () => {
  await using peer = await hostile({ limits: { maxMessageBytes: 100_000 } });
  peer.sendBytes(Frame.attached, 2);
  peer.send((writer) => writer.bytes(new Uint8Array(60_000)));
  peer.send((writer) => writer.bytes(new Uint8Array(60_000)));
  expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  expect(MAX_ATTACHMENTS).toBeLessThan(10_000);
});

it("large arrays that are sent again and again over a socket arrive as they were at the call", async () => {
  const exports = { sum, echo: (bytes: Uint8Array) => bytes };
  await using listener = await listen("tcp://127.0.0.1:0", {
    exports: { api: exports },
    plain: "copy",
  });
  await using session = await connect(listener.address, { plain: "copy" });
  const far = session.remote<typeof exports>("api");
  const bytes = new Uint8Array(1_000_000);
  for (let round = 0; round < 20; round++) {
    const calls: Promise<unknown>[] = [];
    const sent: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      bytes.fill(round * 4 + i);
      const part = bytes.subarray(i * 1000);
      sent.push(sum(part), sum(part));
      calls.push(far.sum(part), far.echo(part).then(sum));
    }
    bytes.fill(255);
    expect(await Promise.all(calls)).toStrictEqual(sent);
  }
});
