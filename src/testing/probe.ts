import type { Hello } from "../remote/handshake.ts";
import { Operation } from "../remote/protocol.ts";
import { FIRST_EXTENSION_TAG, writeValue } from "../wire/value.ts";
import { Writer } from "../wire/writer.ts";

/** What one message has to lead to, whatever came before it. */
export interface Probe {
  readonly name: string;
  /** What the answer says, or that the session ends by it. */
  readonly expects: RegExp | "end";
  readonly messages: readonly Uint8Array[];
  /** What the peer says of itself, besides what it has to. */
  readonly hello?: Partial<Hello>;
}

/** The limits of the sessions that are probed. */
export const PROBED_LIMITS = {
  maxExports: 16,
  maxPendingCalls: 32,
  maxItems: 2_000,
  maxMessageBytes: 64 * 1024,
  maxRequestsPerMessage: 64,
  maxUnsentBytes: 1024 * 1024,
  maxDepth: 32,
  helloMs: 1_000,
  closeGraceMs: 1,
} as const;

/** The first tag of what only sessions know. */
export const TAG: number = FIRST_EXTENSION_TAG;

/** Writes a part of a message. */
export type Write = (writer: Writer) => void;

/** One message. */
export function message(write: Write): Uint8Array {
  const writer = new Writer();
  write(writer);
  return writer.takeCopy();
}

export interface Head {
  readonly kind?: number;
  readonly target?: number;
  readonly path?: string;
  readonly count?: number;
}

/** A request as far as its operands. */
export function head(
  writer: Writer,
  { kind = Operation.call, target = 0, path, count }: Head,
): void {
  writer.u8(kind);
  writer.varint(0);
  writer.varint(target);
  const names = path === undefined ? [] : path.split(".");
  writer.u8(names.length);
  for (const name of names) {
    writer.u8(0);
    writer.string(name);
  }
  const operation = kind & 0x3f;
  if (operation <= Operation.construct || operation === Operation.reflect)
    writer.varint(count ?? 0);
}

/** What another request of ours would answer with, as an operand. */
export function expression(writer: Writer, path: string, target = 0): void {
  writer.u8(TAG + 2);
  writer.u8(1);
  writer.varint(target);
  const names = path === "" ? [] : path.split(".");
  writer.u8(names.length);
  for (const name of names) {
    writer.u8(0);
    writer.string(name);
  }
}

/** A plain value, or what writes one. */
export type Operand = number | string | undefined | null | Write;

/** A request with its operands. */
export function ask(head_: Head, ...operands: Operand[]): Uint8Array {
  return message((writer) => {
    head(writer, { ...head_, count: operands.length });
    for (const operand of operands) {
      if (typeof operand === "function") operand(writer);
      else writeValue(writer, operand);
    }
  });
}

/** A probe by name. */
export function one(name: string, expects: RegExp | "end", ...messages: Uint8Array[]): Probe {
  return { name, expects, messages };
}
