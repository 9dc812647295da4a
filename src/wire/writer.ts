import { WireError } from "../base/errors.ts";
import { lendCopy } from "./lent-bytes.ts";
import { DEFAULT_VALUE_LIMITS, type ValueLimits } from "./limits.ts";
import { atPlace, placeText } from "./place-text.ts";

const BLOCK_BYTES = 16 * 1024;
const SPARE_BYTES = 1024;
// Up to here a loop is quicker than a TextEncoder that was not used for a while (4 us, and 11), and not much slower than others.
const MAX_LOOPED_CHARS = 160;
// A string above this is encoded aside, so that the block needs no room for the worst case.
const MAX_IN_PLACE_CHARS = 64 * 1024;

/** Arrays of bytes from this size on leave beside the message, where that is possible. */
const MIN_ATTACHED_BYTES = 64 * 1024;

const NO_BLOCK = new Uint8Array(0);
const encoder = new TextEncoder();

/** How far a `Writer` has come. */
export interface WriterState {
  readonly length: number;
  readonly depth: number;
  readonly items: number;
  readonly attached: number;
}

/**
 * A growing buffer of messages. Small messages share blocks of 16 KiB, which are never written
 * twice: what `take` gave away stays as it is. Don't transfer the buffer of such a message.
 *
 * Integers are little-endian base 128; text is UTF-8, or UTF-16 where it has no UTF-8 form.
 */
export class Writer {
  /** What the values in one message may be at most. */
  readonly limits: ValueLimits;
  readonly #maxLoopedChars: number;
  #block: Uint8Array = NO_BLOCK;
  #view: DataView = new DataView(NO_BLOCK.buffer);
  #start = 0;
  #at = 0;
  /** The containers that are being written, outermost first, and where in each the writer is. */
  readonly #ancestors: unknown[] = [];
  readonly #places: (string | number | undefined)[] = [];
  #items = 0;
  readonly #canAttach: boolean;
  #attached: Uint8Array[] = [];
  #attachedBytes = 0;

  /** `canAttach`: whoever takes the messages takes along what is attached to them. */
  constructor(limits: ValueLimits = DEFAULT_VALUE_LIMITS, canAttach: boolean = false) {
    this.limits = limits;
    this.#canAttach = canAttach;
    this.#maxLoopedChars = Math.min(MAX_LOOPED_CHARS, limits.maxStringBytes);
  }

  /** Bytes written since the last `take`. */
  get length(): number {
    return this.#at - this.#start;
  }

  /** Bytes of the message and of what goes beside it. */
  get size(): number {
    return this.length + this.#attachedBytes;
  }

  /**
   * Takes a copy of `bytes` along, so that they need not become part of the message. False where they
   * had better be.
   *
   * @throws WireError `WIRE_LIMIT`
   */
  attach(bytes: Uint8Array): boolean {
    if (!this.#canAttach || bytes.length < MIN_ATTACHED_BYTES) return false;
    const size = this.size + bytes.length;
    if (size > this.limits.maxBytes) this.#tooLarge(size);
    this.#attached.push(lendCopy(bytes));
    this.#attachedBytes += bytes.length;
    return true;
  }

  /** What goes beside the message that is taken next, in the order in which it is read. */
  takeAttached(): readonly Uint8Array[] {
    const attached = this.#attached;
    if (attached.length > 0) this.#attached = [];
    this.#attachedBytes = 0;
    return attached;
  }

  /** The message, which nobody overwrites. The next one begins empty. */
  take(): Uint8Array {
    const message = this.#block.subarray(this.#start, this.#at);
    this.#start = this.#at;
    // A block that grew for one large message is not kept for the next.
    if (this.#block.length > BLOCK_BYTES) this.#use(NO_BLOCK);
    this.#items = 0;
    return message;
  }

  /** The message in a buffer of its own, of exactly its size. */
  takeCopy(): Uint8Array {
    const message = this.#block.slice(this.#start, this.#at);
    this.#at = this.#start;
    if (this.#block.length > BLOCK_BYTES) this.#use(NO_BLOCK);
    this.#items = 0;
    return message;
  }

  /** The last bytes that were written since then; as those of a message, nobody overwrites them. */
  last(count: number): Uint8Array {
    if (count > this.length) throw new RangeError(`there are no ${count} bytes yet`);
    return this.#block.subarray(this.#at - count, this.#at);
  }

  /** Changes one byte of what was written since the last `take`. */
  patch(position: number, byte: number): void {
    if (position >= this.length) throw new RangeError(`there is no byte ${position} yet`);
    this.#block[this.#start + position] = byte;
  }

  u8(byte: number): void {
    if (this.#at === this.#block.length) this.#grow(1);
    this.#block[this.#at++] = byte;
  }

  /** A whole number from 0 to 2^53-1. */
  varint(number: number): void {
    if ((number & 0x7f) === number) this.u8(number);
    else this.#longVarint(number);
  }

  /** A whole number from -(2^53-1) to 2^53-1; the sign is a bit of the first byte. */
  svarint(number: number): void {
    const size = Math.abs(number);
    const sign = number < 0 ? 0x40 : 0;
    if ((size & 0x3f) === size) {
      this.u8(sign | size);
      return;
    }
    checkSafe(size);
    this.u8(0x80 | sign | (size % 0x40));
    this.varint(Math.floor(size / 0x40));
  }

  i32(number: number): void {
    this.#room(4);
    this.#view.setInt32(this.#at, number, true);
    this.#at += 4;
  }

  i64(number: bigint): void {
    this.#room(8);
    this.#view.setBigInt64(this.#at, number, true);
    this.#at += 8;
  }

  f64(number: number): void {
    this.#room(8);
    this.#view.setFloat64(this.#at, number, true);
    this.#at += 8;
  }

  /** The bytes alone, without their number. */
  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#block.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Text and its length; lone surrogates are kept. */
  string(text: string): void {
    const length = text.length;
    if (length > this.#maxLoopedChars) return this.#longString(text);
    this.#room(length + 2);
    const start = this.#at;
    this.varint(length * 2);
    if (this.#asciiAt(text, this.#at)) this.#at += length;
    else {
      this.#at = start;
      this.#longString(text);
    }
  }

  /**
   * Writes text of at most 31 characters behind one byte, `tag` plus its length, if it is ASCII.
   *
   * @returns false, with nothing written, where it is not
   */
  shortAscii(tag: number, text: string): boolean {
    const length = text.length;
    if (length > this.#maxLoopedChars) return false;
    this.#room(length + 1);
    if (!this.#asciiAt(text, this.#at + 1)) return false;
    this.#block[this.#at] = tag + length;
    this.#at += length + 1;
    return true;
  }

  /**
   * Enters a container of `items` values; `undefined` stands for one that may contain itself.
   *
   * @throws WireError `WIRE_UNSUPPORTED` where it is being written already, `WIRE_LIMIT`
   */
  enter(container: unknown, items: number): void {
    const ancestors = this.#ancestors;
    for (let i = 0; i < ancestors.length; i++) {
      if (ancestors[i] === container && container !== undefined) {
        this.refuse("it contains itself; a cycle has no end by value");
      }
    }
    if (ancestors.length >= this.limits.maxDepth) {
      this.overLimit(`is nested deeper than ${this.limits.maxDepth} levels`, "maxDepth");
    }
    this.count(items);
    ancestors.push(container);
  }

  /**
   * Counts values that come without a container, as arguments do.
   *
   * @throws WireError `WIRE_LIMIT`
   */
  count(items: number): void {
    this.#items += items;
    if (this.#items > this.limits.maxItems) {
      this.overLimit(`holds more than ${this.limits.maxItems} items`, "maxItems");
    }
  }

  /**
   * Says which value of the innermost container comes next, for the text of an error; `undefined`
   * where it has no name.
   */
  place(key: string | number | undefined): void {
    this.#places[this.#ancestors.length] = key;
  }

  leave(): void {
    this.#ancestors.pop();
  }

  /** Where the writer is, for `restore`. */
  save(): WriterState {
    return {
      length: this.length,
      depth: this.#ancestors.length,
      items: this.#items,
      attached: this.#attached.length,
    };
  }

  /** Forgets what was written since: after a failure. */
  restore(state: WriterState): void {
    this.#at = this.#start + state.length;
    this.#ancestors.length = state.depth;
    this.#items = state.items;
    for (const bytes of this.#attached.splice(state.attached)) this.#attachedBytes -= bytes.length;
  }

  /** @throws WireError `WIRE_UNSUPPORTED`, always, with the place in the message and in the details */
  refuse(problem: string): never {
    const place = this.#placeText();
    throw new WireError(
      "WIRE_UNSUPPORTED",
      `the value${atPlace(place)} can't cross by value: ${problem}`,
      {
        details: { place },
      },
    );
  }

  /** @throws WireError `WIRE_LIMIT` where the message has outgrown `maxBytes`. */
  checkSize(): void {
    if (this.size > this.limits.maxBytes) this.#tooLarge(this.size);
  }

  /** @throws WireError `WIRE_LIMIT`, always, with the place in the message and in the details */
  overLimit(problem: string, limit: keyof ValueLimits): never {
    const place = this.#placeText();
    throw new WireError("WIRE_LIMIT", `the value${atPlace(place)} ${problem}`, {
      details: { place, limit: this.limits[limit] },
    });
  }

  #placeText(): string {
    return this.#places
      .slice(1, this.#ancestors.length + 1)
      .map((key) => (key === undefined ? "" : placeText(key)))
      .join("");
  }

  #tooLarge(size: number): never {
    const limit = this.limits.maxBytes;
    throw new WireError("WIRE_LIMIT", `the message takes more than ${limit} bytes`, {
      details: { size, limit },
    });
  }

  #room(bytes: number): void {
    if (this.#at + bytes > this.#block.length) this.#grow(bytes);
  }

  #grow(bytes: number): void {
    const { length } = this;
    const needed = length + bytes;
    if (needed > this.limits.maxBytes + BLOCK_BYTES) this.#tooLarge(needed);
    const before = this.#block.subarray(this.#start, this.#at);
    const size = Math.max(needed + SPARE_BYTES, length * 2);
    this.#use(new Uint8Array(Math.max(size, BLOCK_BYTES)));
    this.#block.set(before);
    this.#at = length;
  }

  #use(block: Uint8Array): void {
    this.#block = block;
    this.#view = new DataView(block.buffer);
    this.#start = 0;
    this.#at = 0;
  }

  #longVarint(number: number): void {
    checkSafe(number);
    let rest = number;
    while (rest >= 0x80) {
      this.u8(0x80 | (rest % 0x80));
      rest = Math.floor(rest / 0x80);
    }
    this.u8(rest);
  }

  #asciiAt(text: string, start: number): boolean {
    const block = this.#block;
    let seen = 0;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      seen |= unit;
      block[start + i] = unit;
    }
    return seen < 0x80;
  }

  #longString(text: string): void {
    if (text.length > this.limits.maxStringBytes) this.#stringTooLong();
    if (/\p{Surrogate}/u.test(text)) this.#utf16(text);
    else if (text.length > MAX_IN_PLACE_CHARS) this.#header(encoder.encode(text));
    else this.#utf8(text);
  }

  #header(encoded: Uint8Array): void {
    if (encoded.length > this.limits.maxStringBytes) this.#stringTooLong();
    this.varint(encoded.length * 2);
    this.bytes(encoded);
  }

  #utf8(text: string): void {
    // Three bytes for each UTF-16 unit is the worst case, four the longest header here.
    this.#room(text.length * 3 + 4);
    // Most text is ASCII, so the header of that size is right nearly always.
    const guess = varintBytes(text.length * 2);
    const start = this.#at + guess;
    const { written } = encoder.encodeInto(text, this.#block.subarray(start));
    if (written > this.limits.maxStringBytes) this.#stringTooLong();
    const needed = varintBytes(written * 2);
    if (needed !== guess) this.#block.copyWithin(this.#at + needed, start, start + written);
    this.varint(written * 2);
    this.#at += written;
  }

  #utf16(text: string): void {
    const size = text.length * 2;
    if (size > this.limits.maxStringBytes) this.#stringTooLong();
    this.varint(size * 2 + 1);
    this.#room(size);
    for (let i = 0; i < text.length; i++) {
      this.#view.setUint16(this.#at + 2 * i, text.charCodeAt(i), true);
    }
    this.#at += size;
  }

  #stringTooLong(): never {
    this.overLimit(
      `is a string of more than ${this.limits.maxStringBytes} bytes`,
      "maxStringBytes",
    );
  }
}

function checkSafe(number: number): void {
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new RangeError(`${number} is no whole number from 0 to 2^53-1`);
  }
}

function varintBytes(number: number): number {
  let bytes = 1;
  for (let rest = number; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}
