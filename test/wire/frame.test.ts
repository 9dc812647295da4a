import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import { FRAME_HEADER_BYTES, FrameDecoder, writeFrameHeader } from "../../src/wire/frame.ts";

const LIMIT = { maxMessageBytes: 1_000 };

function framed(messages: readonly Uint8Array[]): Uint8Array {
  const parts = messages.flatMap((message) => {
    const header = new Uint8Array(FRAME_HEADER_BYTES);
    writeFrameHeader(header, 0, message.length);
    return [header, message];
  });
  return new Uint8Array(Buffer.concat(parts));
}

/** What the decoder makes of `stream`, cut into chunks of the sizes in turn. */
function decoded(stream: Uint8Array, sizes: readonly number[], limit = LIMIT): Uint8Array[] {
  const decoder = new FrameDecoder(limit);
  const messages: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; at < stream.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    decoder.push(stream.slice(at, at + size), (message) => messages.push(message));
    at += size;
  }
  decoder.end();
  return messages;
}

function failure(action: () => unknown): BanyanError | undefined {
  try {
    action();
  } catch (error) {
    return BanyanError.is(error) ? error : undefined;
  }
  return undefined;
}

describe("FrameDecoder", () => {
  it("gives the messages back however the stream is cut", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 });
    const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(messages, sizes, (all, cuts) => {
        expect(decoded(framed(all), cuts)).toStrictEqual(all);
      }),
      { numRuns: 1_000 },
    );
  });

  it("takes empty chunks and empty messages", () => {
    const decoder = new FrameDecoder(LIMIT);
    const messages: Uint8Array[] = [];
    decoder.push(new Uint8Array(0), (message) => messages.push(message));
    decoder.push(new Uint8Array(8), (message) => messages.push(message));
    expect(messages).toStrictEqual([new Uint8Array(0), new Uint8Array(0)]);
    decoder.end();
  });

  it("gives plain bytes for a Buffer, which nothing overwrites", () => {
    const whole = Uint8Array.from({ length: 300 }, (_, i) => i & 255);
    const stream = framed([whole, whole, whole]);
    const decoder = new FrameDecoder(LIMIT);
    const messages: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += 400) {
      const chunk = Buffer.from(stream.subarray(at, at + 400));
      decoder.push(chunk, (message) => messages.push(message));
    }
    expect(messages).toStrictEqual([whole, whole, whole]);
    for (const message of messages) {
      expect(Object.getPrototypeOf(message)).toBe(Uint8Array.prototype);
    }
  });

  it("refuses a message over the limit at its header, before its bytes", () => {
    const header = new Uint8Array(FRAME_HEADER_BYTES);
    writeFrameHeader(header, 0, 1_001);
    const decoder = new FrameDecoder(LIMIT);
    decoder.push(header.subarray(0, 3), () => expect.unreachable());
    const error = failure(() => decoder.push(header.subarray(3), () => expect.unreachable()));
    expect(error?.code).toBe("WIRE_LIMIT");
    expect(error?.details).toStrictEqual({ size: 1_001, limit: 1_000 });
  });

  it("refuses the largest size a header can hold", () => {
    const decoder = new FrameDecoder(LIMIT);
    const error = failure(() => decoder.push(new Uint8Array(4).fill(255), () => undefined));
    expect(error?.details).toStrictEqual({ size: 2 ** 32 - 1, limit: 1_000 });
  });

  it("takes a message of just the limit", () => {
    const message = new Uint8Array(1_000).fill(1);
    expect(decoded(framed([message]), [7])).toStrictEqual([message]);
  });

  it("keeps no more than twice what has come of an announced message", () => {
    const size = 64 * 1024 * 1024;
    const header = new Uint8Array(FRAME_HEADER_BYTES);
    writeFrameHeader(header, 0, size);
    const decoders = Array.from({ length: 200 }, () => new FrameDecoder({ maxMessageBytes: size }));
    const before = process.memoryUsage().arrayBuffers;
    for (const decoder of decoders) {
      decoder.push(header, () => undefined);
      decoder.push(Uint8Array.of(1), () => undefined);
    }
    // 200 announcements of 64 MiB each would be 12.5 GiB.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
    expect(failure(() => decoders[0]?.end())?.code).toBe("WIRE_MALFORMED");
  });

  it("puts 64 MiB together from small chunks in linear time", () => {
    const size = 64 * 1024 * 1024;
    const stream = framed([new Uint8Array(size).fill(7)]);
    // 16,384 chunks: copying all of it for each chunk would be 512 GiB.
    const [message] = decoded(stream, [4_096], { maxMessageBytes: size });
    expect(message?.length).toBe(size);
    expect(message?.[size - 1]).toBe(7);
    expect(message?.buffer.byteLength).toBe(size);
  });

  it.each([1, 3, 4, 5, 9])("end() refuses a stream that ends after %d bytes", (length) => {
    const decoder = new FrameDecoder(LIMIT);
    decoder.push(framed([new Uint8Array(6)]).subarray(0, length), () => undefined);
    expect(failure(() => decoder.end())?.code).toBe("WIRE_MALFORMED");
  });

  it("lets through what the receiver throws, and has given the messages before", () => {
    const decoder = new FrameDecoder(LIMIT);
    const own = new Error("mine");
    const seen: number[] = [];
    const push = (): void =>
      decoder.push(framed([Uint8Array.of(1), Uint8Array.of(2)]), (message) => {
        seen.push(message[0] as number);
        if (message[0] === 2) throw own;
      });
    expect(push).toThrow(own);
    expect(seen).toStrictEqual([1, 2]);
  });
});
