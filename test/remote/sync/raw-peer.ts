import { MessageChannel } from "node:worker_threads";

import { ChannelError } from "../../../src/base/errors.ts";
import type { BlockingChannel } from "../../../src/channel/channel.ts";
import { threadChannel } from "../../../src/channel/thread.ts";
import { encodeHello, type Hello } from "../../../src/remote/handshake.ts";
import { ReceivedNames } from "../../../src/remote/names.ts";
import { Frame, LAST_OPERATION, Operation, OPERATION_BITS } from "../../../src/remote/protocol.ts";
import { openSyncSession, type SyncSession } from "../../../src/remote/sync/session.ts";
import type { SyncSessionOptions } from "../../../src/remote/sync/options.ts";
import { Reader } from "../../../src/wire/reader.ts";
import { FIRST_EXTENSION_TAG, readValue, writeValue } from "../../../src/wire/value.ts";
import { Writer } from "../../../src/wire/writer.ts";

/** What the session with proxies asked for first in a message. */
export interface RawRequest {
  readonly id: number;
  readonly chain: number;
  readonly operation: number;
  readonly path: readonly string[];
  /** Of a reflection: which. */
  readonly reflection: number | undefined;
}

export type Write = (writer: Writer) => void;

export interface RawPeer extends AsyncDisposable {
  readonly near: SyncSession;
  readonly raw: BlockingChannel;
  /** Everything that was asked. */
  readonly asked: RawRequest[];
  readonly send: (...writes: Write[]) => void;
}

/** What says what a peer answers; nothing where it says nothing. */
export type Answering = (request: RawRequest, peer: RawPeer) => void;

const LIMITS = {
  maxBytes: 2 ** 24,
  maxDepth: 100,
  maxItems: 100_000,
  maxBigintBytes: 1024,
  maxStringBytes: 2 ** 24,
} as const;

/** A session with proxies, and a peer of it, in this thread, that answers what the test says. */
export function rawPeer(
  answering: Answering,
  options: SyncSessionOptions = {},
  hello: Partial<Hello> = {},
): RawPeer {
  const { port1, port2 } = new MessageChannel();
  const raw = threadChannel(port2);
  const names = new ReceivedNames();
  let greeted = false;
  let last = 0;
  raw.receive((message) => {
    if (!greeted) {
      greeted = true;
      return;
    }
    const request = readRequest(message, names, last);
    if (request === undefined) return;
    last = request.id;
    peer.asked.push(request);
    answering(request, peer);
  });
  raw.send(encodeHello({ name: "raw", maxMessageBytes: 2 ** 26, proxies: true, ...hello }));
  const near = openSyncSession(threadChannel(port1), options);
  const peer: RawPeer = {
    near,
    raw,
    asked: [],
    send: (...writes) => {
      const writer = new Writer();
      for (const write of writes) write(writer);
      raw.send(writer.takeCopy());
    },
    async [Symbol.asyncDispose]() {
      raw.abort(new ChannelError("CHANNEL_CLOSED", "the test is over"));
      near.close();
      await near.closed;
    },
  };
  return peer;
}

/** The first frame of a message, if it is a request. */
function readRequest(
  message: Uint8Array,
  names: ReceivedNames,
  last: number,
): RawRequest | undefined {
  const reader = new Reader(message, LIMITS);
  const kind = reader.left === 0 ? 0xff : reader.u8();
  if ((kind & OPERATION_BITS) > LAST_OPERATION) return undefined;
  const chain = reader.varint();
  reader.varint();
  const path: string[] = [];
  for (let left = reader.u8(); left > 0; left--) path.push(names.read(reader) ?? "");
  const operation = kind & OPERATION_BITS;
  const isReflection = operation === Operation.reflect && reader.varint() > 0;
  const reflection = isReflection ? (readValue(reader) as number) : undefined;
  return { id: last + 1, chain, operation, path, reflection };
}

/** An answer to a request. */
export function answer(id: number, write: Write): Write {
  return (writer) => {
    writer.u8(Frame.answer);
    writer.varint(id);
    write(writer);
  };
}

/** A plain value. */
export function plain(value: unknown): Write {
  return (writer) => {
    writeValue(writer, value);
  };
}

/** Types, as they stand in a described reference. */
export const type = {
  unknown: (writer: Writer): void => writer.varint(2),
  known:
    (number: number): Write =>
    (writer) =>
      writer.varint(4 + number),
  value:
    (value: Write): Write =>
    (writer) => {
      writer.varint(1);
      value(writer);
    },
  intrinsic:
    (name: string): Write =>
    (writer) => {
      writer.varint(3);
      writer.u8(0);
      writer.string(name);
    },
} as const;

/** A reference to something of the peer's. */
export function thing(id: number, of: Write = type.unknown, traits = 0): Write {
  return (writer) => {
    writer.u8(FIRST_EXTENSION_TAG + 10);
    writer.varint(id);
    writer.u8(traits);
    of(writer);
  };
}

/** The same, of which no type is told. */
export function reference(id: number): Write {
  return (writer) => {
    writer.u8(FIRST_EXTENSION_TAG);
    writer.varint(id * 4);
  };
}

/** Something of the other side's own, by its id or its name. */
export const theirs = {
  home:
    (id: number): Write =>
    (writer) => {
      writer.u8(FIRST_EXTENSION_TAG + 1);
      writer.varint(id);
    },
  intrinsic:
    (name: string): Write =>
    (writer) => {
      writer.u8(FIRST_EXTENSION_TAG + 11);
      writer.u8(0);
      writer.string(name);
    },
} as const;

/** Values one by one. */
export function list(...values: Write[]): Write {
  return (writer) => {
    writer.u8(FIRST_EXTENSION_TAG + 12);
    writer.varint(values.length);
    for (const value of values) value(writer);
  };
}

/** A request of the peer's: what is offered as `path` is called. */
export function call(path: string, chain: number, ...args: Write[]): Write {
  return (writer) => {
    writer.u8(Operation.call);
    writer.varint(chain);
    writer.varint(0);
    writer.u8(1);
    writer.u8(0);
    writer.string(path);
    writer.varint(args.length);
    for (const arg of args) arg(writer);
  };
}
