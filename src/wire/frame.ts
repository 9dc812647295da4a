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

const FIRST_BUFFER_BYTES = 64 * 1024;
const NO_BYTES = new Uint8Array(0);

/**
 * Cuts a byte stream back into messages, in linear time whatever the sizes of the chunks, and with at
 * most twice the memory of what has arrived. After it threw, the stream has no meaning any more.
 */
export class FrameDecoder {
  readonly #maxMessageBytes: number;
  #headerBytes = 0;
  #size = 0;
  /** Where the parts of a message that came in several chunks are put together. */
  #message: Uint8Array = NO_BYTES;
  #filled = 0;

  constructor({ maxMessageBytes }: { readonly maxMessageBytes: number }) {
    this.#maxMessageBytes = maxMessageBytes;
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

  /** @throws WireError `WIRE_MALFORMED` where the stream ended inside a frame */
  end(): void {
    if (this.#headerBytes === 0) return;
    const missing = FRAME_HEADER_BYTES - this.#headerBytes + this.#size - this.#filled;
    throw new WireError("WIRE_MALFORMED", "the stream ended inside a message", {
      details: this.#headerBytes === FRAME_HEADER_BYTES ? { missing } : {},
    });
  }

  #readHeader(chunk: Uint8Array, start: number): number {
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
    const needed = this.#filled + part.length;
    if (needed > this.#message.length) {
      // Not the whole size at once: the peer has only announced it. Doubling keeps it linear.
      const doubled = Math.max(needed, this.#message.length * 2, FIRST_BUFFER_BYTES);
      const larger = new Uint8Array(Math.min(doubled, this.#size));
      larger.set(this.#message.subarray(0, this.#filled));
      this.#message = larger;
    }
    this.#message.set(part, this.#filled);
    this.#filled = needed;
  }

  /** Gives the message away and begins the next. */
  #complete(last: Uint8Array): Uint8Array {
    const whole = this.#filled === 0;
    if (!whole) this.#keep(last);
    const message = whole ? last : this.#message;
    this.#headerBytes = 0;
    this.#size = 0;
    this.#filled = 0;
    this.#message = NO_BYTES;
    return message;
  }
}

/** A plain view, also of a Buffer, whose `slice` would share instead of copy. */
function view(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}
