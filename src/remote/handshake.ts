import { BanyanError, RemoteError } from "../base/errors.ts";
import { Reader } from "../wire/reader.ts";
import { decodeValue, encodeValue } from "../wire/value.ts";
import { Writer } from "../wire/writer.ts";
import { VERSIONS } from "./protocol.ts";

/**
 * The first message of each side: "BNYN", the versions it speaks (varints), then a plain value with
 * what else it has to say. A side that can't go on answers with "BNYX", a code and a text, and closes.
 * The two words and the versions stay as they are in every version to come.
 *
 * A side whose hello says `asks` looks at the credentials in the other's, and answers with "BNYW" where
 * it lets the other in. Until then the other says nothing more.
 */
export interface Hello {
  readonly name: string;
  readonly maxMessageBytes: number;
  readonly asks?: boolean | undefined;
  readonly credentials?: unknown;
  /** The names of the value classes that it knows. */
  readonly values?: readonly string[] | undefined;
  /** Whether it uses proxies, and wants references described. */
  readonly proxies?: boolean | undefined;
  /** Whether it uses stubs, and tells and wants to be told the types of what is referred to. */
  readonly types?: boolean | undefined;
  /** How often it wants to hear from the other, in milliseconds: an empty message is enough. */
  readonly beatMs?: number | undefined;
}

const HELLO = [0x42, 0x4e, 0x59, 0x4e] as const;
const REFUSAL = [0x42, 0x4e, 0x59, 0x58] as const;
const WELCOME = [0x42, 0x4e, 0x59, 0x57] as const;
/** What a side may say of why it turns the other away. */
const TOLD = ["REMOTE_VERSION", "REMOTE_DENIED", "REMOTE_LIMIT"] as const;
const LIMITS = {
  maxBytes: 16 * 1024,
  maxDepth: 8,
  maxItems: 1024,
  maxStringBytes: 8 * 1024,
  maxBigintBytes: 16,
};

export function encodeHello(hello: Hello): Uint8Array {
  const writer = new Writer();
  for (const byte of HELLO) writer.u8(byte);
  writer.varint(VERSIONS.min);
  writer.varint(VERSIONS.max);
  const { name, maxMessageBytes, asks, credentials, values = [], beatMs = 0 } = hello;
  const { proxies, types } = hello;
  const said = {
    name,
    maxMessageBytes,
    ...(asks === true ? { asks } : {}),
    ...(credentials === undefined ? {} : { credentials }),
    ...(values.length === 0 ? {} : { values }),
    ...(proxies === true ? { proxies } : {}),
    ...(types === true ? { types } : {}),
    ...(beatMs === 0 ? {} : { beatMs }),
  };
  writer.bytes(encodeValue(said, LIMITS));
  return writer.take();
}

/** Lets the peer in. */
export function encodeWelcome(): Uint8Array {
  return Uint8Array.from(WELCOME);
}

/** @throws RemoteError `REMOTE_DENIED` where the peer does not let this side in, `REMOTE_PROTOCOL` */
export function checkWelcome(message: Uint8Array): void {
  if (startsWith(message, REFUSAL)) throw readRefusal(new Reader(message, LIMITS));
  if (startsWith(message, WELCOME) && message.length === WELCOME.length) return;
  throw new RemoteError("REMOTE_PROTOCOL", "the peer went on before it let this side in");
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
  const known = TOLD.find((told) => told === code);
  return new RemoteError(known ?? "REMOTE_PROTOCOL", text);
}

function checkHello(value: unknown): Hello {
  const { name, maxMessageBytes, asks, credentials, values, proxies, types, beatMs } = Object(
    value,
  ) as Partial<Record<keyof Hello, unknown>>;
  if (
    typeof name !== "string" ||
    typeof maxMessageBytes !== "number" ||
    !Number.isSafeInteger(maxMessageBytes) ||
    maxMessageBytes < LIMITS.maxBytes
  ) {
    throw new RemoteError("REMOTE_PROTOCOL", "the peer's hello lacks what belongs in it");
  }
  const names = Array.isArray(values) ? values.filter((item) => typeof item === "string") : [];
  return {
    name,
    maxMessageBytes,
    asks: asks === true ? true : undefined,
    credentials,
    values: names.length > 0 ? names : undefined,
    proxies: proxies === true ? true : undefined,
    types: types === true ? true : undefined,
    beatMs: typeof beatMs === "number" && beatMs > 0 ? beatMs : undefined,
  };
}

function startsWith(message: Uint8Array, word: readonly number[]): boolean {
  return word.every((byte, i) => message[i] === byte);
}
