import { WireError } from "../base/errors.ts";

/** A frame is the message's length, 32 bits with the lowest byte first, and then the message. */
export const FRAME_HEADER_BYTES = 4;

/** Writes the header of a message of `size` bytes at `offset`. */
export function writeFrameHeader(into: Uint8Array, offset: number, size: number): void {
  into[offset] = size;
  into[offset + 1] = size >>> 8;
  into[offset + 2] = size >>> 16;
  into[offset + 3] = size >>> 24;
}

/** Reads what `writeFrameHeader` wrote; 0 for bytes that are not there. */
export function readFrameHeader(from: Uint8Array, offset: number): number {
  const low = (from[offset] ?? 0) | ((from[offset + 1] ?? 0) << 8);
  const high = (from[offset + 2] ?? 0) | ((from[offset + 3] ?? 0) << 8);
  return (low | (high << 16)) >>> 0;
}

/** Small parts of a message are gathered in pieces of this size. */
const PIECE_BYTES = 64 * 1024;
const NO_BYTES = new Uint8Array(0);

/**
 * Cuts a byte stream back into messages, in linear time whatever the sizes of the chunks, and with at
 * most twice the memory of what has arrived. A message that came in several chunks is all there is in
 * its buffer. After it threw, the stream has no meaning any more.
 */
export class FrameDecoder {
  readonly #maxMessageBytes: number;
  readonly #allocate: (size: number) => Uint8Array;
  #headerBytes = 0;
  #size = 0;
  /** What has come of a message that comes in several chunks; then how much of `#piece` belongs to it. */
  #parts: Uint8Array[] = [];
  #filled = 0;
  #piece: Uint8Array = NO_BYTES;
  #pieceFilled = 0;

  /** `allocate` gives memory of its own; what is in there is never shown. */
  constructor(
    { maxMessageBytes }: { readonly maxMessageBytes: number },
    allocate: (size: number) => Uint8Array = (size) => new Uint8Array(size),
  ) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#allocate = allocate;
  }

  /**
   * Calls `onMessage` with each message that `chunk` completes, oldest first. The chunk is taken
   * over: messages may be plain views of it, so nobody may write to it any more. What `onMessage`
   * throws goes through.
   *
   * @throws WireError `WIRE_LIMIT` at the header of a message over the limit, before its bytes are
   *   waited for: a peer must not make this side hold what it is going to refuse
   */
  push(chunk: Uint8Array, onMessage: (message: Uint8Array) => void): void {
    let at = 0;
    for (;;) {
      at = this.#readHeader(chunk, at);
      if (this.#headerBytes < FRAME_HEADER_BYTES) return;
      const missing = this.#size - this.#filled;
      if (chunk.length - at < missing) {
        this.#keep(chunk.subarray(at));
        return;
      }
      const last = view(chunk, at, at + missing);
      at += missing;
      onMessage(this.#complete(last));
    }
  }

  /** Whether all that came was whole messages. */
  get isBetween(): boolean {
    return this.#headerBytes === 0;
  }

  /** @throws WireError `WIRE_MALFORMED` where the stream ended inside a frame */
  end(): void {
    if (this.#headerBytes === 0) return;
    const missing = FRAME_HEADER_BYTES - this.#headerBytes + this.#size - this.#filled;
    throw new WireError("WIRE_MALFORMED", "the stream ended inside a message", {
      details: this.#headerBytes === FRAME_HEADER_BYTES ? { missing } : {},
    });
  }

  #readHeader(chunk: Uint8Array, start: number): number {
    if (this.#headerBytes === 0 && chunk.length - start >= FRAME_HEADER_BYTES) {
      this.#size = readFrameHeader(chunk, start);
      this.#headerBytes = FRAME_HEADER_BYTES;
      this.#checkSize();
      return start + FRAME_HEADER_BYTES;
    }
    let at = start;
    while (this.#headerBytes < FRAME_HEADER_BYTES && at < chunk.length) {
      const byte = chunk[at++] as number;
      this.#size = (this.#size | (byte << (8 * this.#headerBytes))) >>> 0;
      this.#headerBytes++;
      if (this.#headerBytes === FRAME_HEADER_BYTES) this.#checkSize();
    }
    return at;
  }

  #checkSize(): void {
    const size = this.#size;
    const limit = this.#maxMessageBytes;
    if (size <= limit) return;
    const says = `a message of ${size} bytes is over the limit of ${limit}`;
    throw new WireError("WIRE_LIMIT", says, { details: { size, limit } });
  }

  #keep(part: Uint8Array): void {
    this.#filled += part.length;
    if (part.length * 2 >= part.buffer.byteLength && part.length * 2 >= PIECE_BYTES) {
      this.#endPiece();
      this.#parts.push(part);
      return;
    }
    // A copy: many small chunks would cost more than what is in them, and a small part of a large
    // chunk would keep all of it.
    for (let at = 0; at < part.length;) {
      if (this.#pieceFilled === this.#piece.length) this.#beginPiece(part.length - at);
      const some = part.subarray(at, at + this.#piece.length - this.#pieceFilled);
      this.#piece.set(some, this.#pieceFilled);
      this.#pieceFilled += some.length;
      at += some.length;
    }
  }

  #beginPiece(needed: number): void {
    this.#endPiece();
    const rest = this.#size - this.#filled + needed;
    this.#piece = new Uint8Array(Math.min(rest, PIECE_BYTES));
  }

  #endPiece(): void {
    if (this.#pieceFilled > 0) this.#parts.push(this.#piece.subarray(0, this.#pieceFilled));
    this.#piece = NO_BYTES;
    this.#pieceFilled = 0;
  }

  /** Gives the message away and begins the next. */
  #complete(last: Uint8Array): Uint8Array {
    const message = this.#filled === 0 ? last : this.#join(last);
    this.#headerBytes = 0;
    this.#size = 0;
    this.#filled = 0;
    return message;
  }

  #join(last: Uint8Array): Uint8Array {
    this.#endPiece();
    const message = view(this.#allocate(this.#size), 0, this.#size);
    let at = 0;
    for (const part of this.#parts) {
      message.set(part, at);
      at += part.length;
    }
    message.set(last, at);
    this.#parts = [];
    return message;
  }
}

/** A plain view, also of a Buffer, whose `slice` would share instead of copy. */
function view(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}
