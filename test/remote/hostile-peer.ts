import { expect } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { ChannelError } from "../../src/base/errors.ts";
import type { Channel } from "../../src/channel/channel.ts";
import { memoryChannelPair } from "../../src/channel/memory.ts";
import { encodeHello, type Hello } from "../../src/remote/handshake.ts";
import { Operation, OPERATION_BITS } from "../../src/remote/protocol.ts";
import { openSession, type Session, type SessionOptions } from "../../src/remote/session.ts";
import { Writer } from "../../src/wire/writer.ts";

const offered = { add: (a: number, b: number) => a + b, list: [1], echo: (x: unknown) => x };

interface HostilePeer extends AsyncDisposable {
  /** The peer's end of the channel. */
  readonly raw: Channel;
  readonly session: Session;
  /** The first message after the hello. */
  readonly answer: Promise<Uint8Array>;
  send(write: (writer: Writer) => void): void;
  sendBytes(...bytes: number[]): void;
}

/** A session, and a peer of it that says what the test makes it say. */
export async function hostile(
  options: SessionOptions = {},
  hello: Partial<Hello> = {},
): Promise<HostilePeer> {
  const [raw, channel] = memoryChannelPair();
  const answered = deferred<Uint8Array>();
  let greeted = false;
  raw.receive((message) => {
    if (greeted) answered.resolve(message);
    greeted = true;
  });
  raw.send(encodeHello({ name: "hostile", maxMessageBytes: 1024 * 1024, ...hello }));
  const session = await openSession(channel, { exports: { offered }, ...options });
  return {
    raw,
    session,
    answer: answered.promise,
    send: (write: (writer: Writer) => void): void => {
      const writer = new Writer();
      write(writer);
      raw.send(writer.take());
    },
    sendBytes: (...bytes: number[]): void => void raw.send(Uint8Array.from(bytes)),
    [Symbol.asyncDispose]: async (): Promise<void> => {
      raw.abort(new ChannelError("CHANNEL_CLOSED", "the test is over"));
      await session.closed;
      expect(session.stats()).toMatchObject({ exports: 0, imports: 0, pending: 0, waiting: 0 });
    },
  };
}

interface RequestHead {
  readonly kind?: number;
  readonly target?: number;
  readonly path?: readonly string[];
  readonly count?: number;
}

/** Kind, chain, target, path and, for calls, the number of arguments. */
export function request(
  writer: Writer,
  { kind = Operation.call, target = 0, path = [], count = 0 }: RequestHead,
): void {
  writer.u8(kind);
  writer.varint(0);
  writer.varint(target);
  writer.u8(path.length);
  for (const name of path) {
    writer.u8(0);
    writer.string(name);
  }
  if ((kind & OPERATION_BITS) <= Operation.construct) writer.varint(count);
}
