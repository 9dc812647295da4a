import { WireError } from "../base/errors.ts";
import { decodeKey, decodeUtf16, decodeUtf8, keyOf, type Key } from "./text.ts";
import { DEFAULT_VALUE_LIMITS, type ValueLimits } from "./limits.ts";

const scratch = new Uint8Array(8);
const scratchView = new DataView(scratch.buffer);

/**
 * Reads what a `Writer` wrote, and believes none of it: whatever the bytes are, its methods return or
 * throw a `WireError`, `WIRE_MALFORMED` or `WIRE_LIMIT`, and nothing is allocated for a size that the
 * bytes don't back.
 */
export class Reader {
  readonly limits: ValueLimits;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #attached: readonly Uint8Array[];
  #nextAttached = 0;
  #at = 0;
  #depth = 0;
  #items = 0;

  /**
   * `attached` came beside the bytes, and is the reader's from here on.
   *
   * @throws WireError `WIRE_LIMIT` for more than `maxBytes`
   */
  constructor(
    bytes: Uint8Array,
    limits: ValueLimits = DEFAULT_VALUE_LIMITS,
    attached: readonly Uint8Array[] = [],
  ) {
    if (bytes.length > limits.maxBytes) overLimit("message", bytes.length, limits.maxBytes);
    this.#bytes = bytes;
    this.#end = bytes.length;
    this.limits = limits;
    this.#attached = attached;
  }

  /** Bytes that are not read yet. */
  get left(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    if (this.#at >= this.#end) tooShort();
    return this.#bytes[this.#at++] as number;
  }

  varint(): number {
    const first = this.u8();
    return first < 0x80 ? first : this.#longVarint(first & 0x7f, 0x80);
  }

  svarint(): number {
    const first = this.u8();
    let size = first & 0x3f;
    if (first >= 0x80) {
      size += this.varint() * 0x40;
      if (size > Number.MAX_SAFE_INTEGER) malformed("a number is over 2^53-1");
    }
    return (first & 0x40) === 0 || size === 0 ? size : -size;
  }

  i32(): number {
    this.#scratch(4);
    return scratchView.getInt32(0, true);
  }

  i64(): bigint {
    this.#scratch(8);
    return scratchView.getBigInt64(0, true);
  }

  f64(): number {
    this.#scratch(8);
    return scratchView.getFloat64(0, true);
  }

  /** A view of the next bytes: copy what is to outlive the message. */
  view(length: number): Uint8Array {
    if (length > this.#end - this.#at) tooShort();
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  /** A copy of the next bytes, in a buffer of its own. */
  copy(length: number): Uint8Array<ArrayBuffer> {
    const view = this.view(length);
    const copy = new Uint8Array(length);
    copy.set(view);
    return copy;
  }

  /** The next of what came beside the message, `length` bytes, in a buffer of its own. */
  attachment(length: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#attached[this.#nextAttached++];
    if (bytes?.length !== length) return malformed("what came beside them is not what they name");
    const { buffer } = bytes;
    // A part of a larger buffer would let whoever gets it see, or hand away, what is not theirs.
    if (buffer instanceof ArrayBuffer && buffer.byteLength === length)
      return new Uint8Array(buffer);
    const copy = new Uint8Array(length);
    copy.set(bytes);
    return copy;
  }

  string(): string {
    const header = this.varint();
    const size = (header - (header & 1)) / 2;
    return header % 2 === 0 ? this.utf8(size) : this.#utf16(size);
  }

  /** The next `size` bytes as UTF-8. */
  utf8(size: number): string {
    const start = this.#textStart(size);
    return decodeUtf8(this.#bytes, start, this.#at);
  }

  /** The name of a property: as `string`, and quicker for names that come again. */
  key(): Key {
    const header = this.varint();
    const size = (header - (header & 1)) / 2;
    const start = this.#textStart(size);
    return header % 2 === 0
      ? decodeKey(this.#bytes, start, this.#at)
      : keyOf(decodeUtf16(this.#bytes, start, this.#at));
  }

  /**
   * Enters a container of `items` values which take at least `itemBytes` each.
   *
   * @throws WireError `WIRE_LIMIT`, `WIRE_MALFORMED` where so many can't be in what is left
   */
  enter(items: number, itemBytes: number): void {
    if (items * itemBytes > this.#end - this.#at) tooShort();
    this.count(items);
    if (++this.#depth > this.limits.maxDepth) {
      overLimit("nesting", this.#depth, this.limits.maxDepth);
    }
  }

  leave(): void {
    this.#depth--;
  }

  /**
   * Counts values that come without a container, as arguments do.
   *
   * @throws WireError `WIRE_LIMIT`
   */
  count(items: number): void {
    this.#items += items;
    if (this.#items > this.limits.maxItems) {
      overLimit("number of items", this.#items, this.limits.maxItems);
    }
  }

  /** @throws WireError `WIRE_MALFORMED` where bytes, or what came beside them, are left */
  expectEnd(): void {
    if (this.#nextAttached < this.#attached.length) malformed("something beside them is not named");
    if (this.#at < this.#end) malformed(`${this.left} bytes are left over`);
  }

  #scratch(length: number): void {
    if (length > this.#end - this.#at) tooShort();
    for (let i = 0; i < length; i++) scratch[i] = this.#bytes[this.#at++] as number;
  }

  #textStart(size: number): number {
    if (size > this.limits.maxStringBytes) {
      overLimit("size of a string", size, this.limits.maxStringBytes);
    }
    if (size > this.#end - this.#at) tooShort();
    const start = this.#at;
    this.#at += size;
    return start;
  }

  #utf16(size: number): string {
    const start = this.#textStart(size);
    return decodeUtf16(this.#bytes, start, this.#at);
  }

  #longVarint(low: number, scale: number): number {
    let number = low;
    let factor = scale;
    for (;;) {
      const byte = this.u8();
      number += (byte & 0x7f) * factor;
      if (number > Number.MAX_SAFE_INTEGER) malformed("a number is over 2^53-1");
      if (byte < 0x80) return number;
      factor *= 0x80;
      if (factor > 2 ** 56) malformed("a number has too many bytes");
    }
  }
}

function tooShort(): never {
  malformed("they end too early");
}

function malformed(problem: string): never {
  throw new WireError("WIRE_MALFORMED", `the bytes are no value: ${problem}`);
}

function overLimit(what: string, size: number, limit: number): never {
  throw new WireError("WIRE_LIMIT", `the ${what} is ${size}, over the limit of ${limit}`, {
    details: { size, limit },
  });
}
