import { Readable, Writable } from "node:stream";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { release } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

/** Counts what is asked of it. */
function source(pieces: number, size: number) {
  const seen = { pulled: 0, cancelled: deferred<unknown>() };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        if (seen.pulled === pieces) controller.close();
        else controller.enqueue(new Uint8Array(size).fill(seen.pulled++));
      },
      cancel: (reason) => seen.cancelled.resolve(reason),
    },
    { highWaterMark: 0 },
  );
  return { stream, seen };
}

async function read(given: ReadableStream<Uint8Array>, more?: unknown): Promise<number> {
  let count = more === undefined ? 0 : 1;
  for await (const piece of given) count += piece.length;
  return count;
}

describe("a readable stream", () => {
  it("arrives as one, and brings everything in order", async () => {
    const { stream } = source(100, 1000);
    await using pair = await sessionPair({ far: { exports: { get: () => stream } } });
    const got = await pair.near.remote<() => ReadableStream<Uint8Array>>("get")();
    expect(got).toBeInstanceOf(ReadableStream);
    const pieces: number[] = [];
    for await (const piece of got) pieces.push(piece[0] ?? -1);
    expect(pieces).toEqual(Array.from({ length: 100 }, (_, i) => i));
    await pair.fence();
    expect(pair.far.stats().exports).toBe(0);
  });

  it("B02 is read no further than its reader asks for, and lets other calls pass", async () => {
    const { stream, seen } = source(100, 1024 * 1024);
    const api = { get: () => stream, ping: () => 1 };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const reader = (await remote.get()).getReader();
    let bytes = 0;
    for (let i = 0; i < 100; i++) {
      const { value } = await reader.read();
      bytes += value?.length ?? 0;
      expect(await remote.ping()).toBe(1);
      expect(seen.pulled - i).toBeLessThanOrEqual(33);
    }
    expect(bytes).toBe(100 * 1024 * 1024);
    expect((await reader.read()).done).toBe(true);
  });

  it("B04 is cancelled over there when it is cancelled, or let go unread", async () => {
    const first = source(10, 10);
    const second = source(10, 10);
    const api = { first: () => first.stream, second: () => second.stream };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const got = await remote.first();
    await got.cancel("enough");
    expect(await first.seen.cancelled.promise).toBe("enough");
    release(await remote.second());
    await second.seen.cancelled.promise;
    await pair.fence();
    expect(pair.far.stats().exports).toBe(0);
  });

  it("fails where it fails, and when the session ends", async () => {
    const failing = new ReadableStream({ pull: () => Promise.reject(new RangeError("dry")) });
    const { stream, seen } = source(10, 10);
    const api = { failing: () => failing, stream: () => stream };
    const pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const broken = (await remote.failing()).getReader();
    await expect(broken.read()).rejects.toThrow(new RangeError("dry"));
    const reader = (await remote.stream()).getReader();
    await reader.read();
    await pair[Symbol.asyncDispose]();
    await seen.cancelled.promise;
  });

  it("passed to a call that fails to encode stays as it was", async () => {
    const { stream, seen } = source(3, 10);
    await using pair = await sessionPair({ far: { exports: { read } } });
    const remote = pair.near.remote<typeof read>("read");
    await expect(remote(stream, 2n ** 200_000n)).rejects.toMatchObject({ code: "WIRE_LIMIT" });
    expect(await Promise.race([seen.cancelled.promise, pair.fence()])).toBeUndefined();
  });

  it("of Node is iterated, or wrapped", async () => {
    const api = { lines: () => Readable.from(["a", "b", "c"]) };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const lines = await pair.near.remote<typeof api>("api").lines();
    const found: unknown[] = [];
    for await (const line of Readable.from(lines)) found.push(line);
    expect(found).toEqual(["a", "b", "c"]);
  });
});

describe("a writable stream", () => {
  it("takes what is written, no faster than it can, and closes", async () => {
    const written: number[] = [];
    const gate = deferred<void>();
    const closed = deferred<void>();
    const stream = new WritableStream<number>({
      write: async (piece) => {
        await gate.promise;
        written.push(piece);
      },
      close: () => closed.resolve(),
    });
    await using pair = await sessionPair({ far: { exports: { get: () => stream } } });
    const writer = (await pair.near.remote<() => WritableStream<number>>("get")()).getWriter();
    const first = writer.write(1);
    await pair.fence();
    expect(writer.desiredSize).toBe(0);
    gate.resolve();
    await first;
    await writer.write(2);
    await writer.close();
    await closed.promise;
    expect(written).toEqual([1, 2]);
    await pair.fence();
    expect(pair.far.stats().exports).toBe(0);
  });

  it("is aborted with its writer's reason, and when the session ends", async () => {
    const reasons: unknown[] = [];
    const aborted = [deferred<void>(), deferred<void>()];
    const make = (i: number) =>
      new WritableStream({
        abort: (reason) => {
          reasons.push(reason);
          aborted[i]?.resolve();
        },
      });
    const pair = await sessionPair({ far: { exports: { make } } });
    const remote = pair.near.remote<typeof make>("make");
    await (await remote(0)).abort(new RangeError("stop"));
    await aborted[0]?.promise;
    expect(reasons[0]).toEqual(new RangeError("stop"));
    const writer = (await remote(1)).getWriter();
    await writer.write("x");
    await pair[Symbol.asyncDispose]();
    await aborted[1]?.promise;
    await expect(writer.write("y")).rejects.toMatchObject({ code: "REMOTE_CLOSED" });
  });

  it("of Node crosses as a web stream does", async () => {
    const chunks: string[] = [];
    const sink = new Writable({
      write: (chunk: Buffer, _, done) => {
        chunks.push(chunk.toString());
        done();
      },
    });
    await using pair = await sessionPair({ far: { exports: { get: () => Writable.toWeb(sink) } } });
    const stream = await pair.near.remote<() => WritableStream<string>>("get")();
    const writer = stream.getWriter();
    await writer.write("hello");
    await writer.close();
    expect(chunks).toEqual(["hello"]);
  });
});
