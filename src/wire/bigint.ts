import { WireError } from "../base/errors.ts";
import type { Reader } from "./reader.ts";
import { TAG } from "./tags.ts";
import type { Writer } from "./writer.ts";

/** @throws WireError `WIRE_LIMIT` where it has more than `maxBigintBytes` */
export function writeBigint(writer: Writer, value: bigint): void {
  if (BigInt.asIntN(64, value) === value) {
    writer.u8(TAG.bigint64);
    writer.i64(value);
    return;
  }
  const limit = writer.limits.maxBigintBytes;
  const magnitude = value < 0n ? -value : value;
  // Before it is printed, which takes longer the longer it is.
  if (magnitude >> BigInt(limit * 8) !== 0n) {
    writer.overLimit(`is a bigint of more than ${limit} bytes`, "maxBigintBytes");
  }
  const digits = magnitude.toString(16);
  const hex = digits.length % 2 === 0 ? digits : `0${digits}`;
  const size = hex.length / 2;
  writer.u8(value < 0n ? TAG.negativeBigint : TAG.positiveBigint);
  writer.varint(size);
  for (let i = 0; i < size; i++) writer.u8(Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

/** What follows `TAG.positiveBigint`. */
export function readMagnitude(reader: Reader): bigint {
  const size = reader.varint();
  const limit = reader.limits.maxBigintBytes;
  if (size > limit) {
    throw new WireError("WIRE_LIMIT", `a bigint takes ${size} bytes, over the limit of ${limit}`, {
      details: { size, limit },
    });
  }
  let hex = "0x0";
  for (const byte of reader.view(size)) hex += byte.toString(16).padStart(2, "0");
  return BigInt(hex);
}
