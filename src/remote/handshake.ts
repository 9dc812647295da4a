import { BanyanError, RemoteError } from "../base/errors.ts";
import { Reader } from "../wire/reader.ts";
import { decodeValue, encodeValue } from "../wire/value.ts";
import { Writer } from "../wire/writer.ts";
import { VERSIONS } from "./protocol.ts";

/**
 * The first message of each side: "BNYN", the versions it speaks (varints), then a plain value with
 * what else it has to say. A side that can't go on answers with "BNYX", a code and a text, and closes.
 * The two words and the versions stay as they are in every version to come.
 */
export interface Hello {
  readonly name: string;
  readonly maxMessageBytes: number;
}

const HELLO = [0x42, 0x4e, 0x59, 0x4e] as const;
const REFUSAL = [0x42, 0x4e, 0x59, 0x58] as const;
const LIMITS = {
  maxBytes: 16 * 1024,
  maxDepth: 8,
  maxItems: 64,
  maxStringBytes: 1024,
  maxBigintBytes: 16,
};

export function encodeHello(hello: Hello): Uint8Array {
  const writer = new Writer();
  for (const byte of HELLO) writer.u8(byte);
  writer.varint(VERSIONS.min);
  writer.varint(VERSIONS.max);
  writer.bytes(encodeValue({ ...hello }));
  return writer.take();
}

/** Tells the peer why it is turned away. */
export function encodeRefusal(error: RemoteError): Uint8Array {
  const writer = new Writer();
  for (const byte of REFUSAL) writer.u8(byte);
  writer.string(error.code);
  writer.string(error.message);
  return writer.take();
}

/**
 * The peer's hello.
 *
 * @throws RemoteError `REMOTE_PROTOCOL` for garbage, `REMOTE_VERSION` where there is no version in
 *   common, or what the peer says in its refusal
 */
export function decodeHello(message: Uint8Array): Hello {
  try {
    return readHello(message);
  } catch (error) {
    if (error instanceof RemoteError) throw error;
    if (!BanyanError.is(error)) throw error;
    throw new RemoteError("REMOTE_PROTOCOL", "the peer's first message is no hello of Banyan's", {
      cause: error,
    });
  }
}

function readHello(message: Uint8Array): Hello {
  const reader = new Reader(message, LIMITS);
  if (startsWith(message, REFUSAL)) throw readRefusal(reader);
  if (!startsWith(message, HELLO)) {
    throw new RemoteError("REMOTE_PROTOCOL", "the peer doesn't speak Banyan's protocol");
  }
  reader.view(HELLO.length);
  const min = reader.varint();
  const max = reader.varint();
  if (min > VERSIONS.max || max < VERSIONS.min || min > max) {
    throw new RemoteError(
      "REMOTE_VERSION",
      `the peer speaks versions ${min} to ${max} of the protocol, this side ${VERSIONS.min} to ${VERSIONS.max}`,
      { details: { min, max } },
    );
  }
  return checkHello(decodeValue(reader.view(reader.left), LIMITS));
}

function readRefusal(reader: Reader): RemoteError {
  reader.view(REFUSAL.length);
  const code = reader.string();
  const text = `the peer refused the session: ${reader.string()}`;
  return new RemoteError(code === "REMOTE_VERSION" ? code : "REMOTE_PROTOCOL", text);
}

function checkHello(value: unknown): Hello {
  const { name, maxMessageBytes } = Object(value) as Partial<Record<keyof Hello, unknown>>;
  if (
    typeof name !== "string" ||
    typeof maxMessageBytes !== "number" ||
    !Number.isSafeInteger(maxMessageBytes) ||
    maxMessageBytes < LIMITS.maxBytes
  ) {
    throw new RemoteError("REMOTE_PROTOCOL", "the peer's hello lacks what belongs in it");
  }
  return { name, maxMessageBytes };
}

function startsWith(message: Uint8Array, word: readonly number[]): boolean {
  return word.every((byte, i) => message[i] === byte);
}
