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

/**
 * Cuts a byte stream back into messages, whatever the pieces it comes in. A byte is copied once at
 * most: messages within one chunk are views of it, the others are joined when their last byte came.
 */
export class FrameDecoder {
  readonly #maxMessageBytes: number;
  /** The beginning of a frame that goes on in the next chunk. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  /** How many bytes that frame has in all; while its header is not whole, as many as the header. */
  #frameBytes = FRAME_HEADER_BYTES;

  constructor({ maxMessageBytes }: { readonly maxMessageBytes: number }) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * Calls `onMessage` for every message that `chunk` completes, oldest first. Takes the chunk over:
   * the messages are plain views of it. What `onMessage` throws goes through, and the decoder can't
   * be used any more.
   *
   * @throws WireError `WIRE_LIMIT` at the header of a message over the limit, before its bytes are
   *   waited for: a peer must not make this side hold what it is going to refuse
   */
  push(chunk: Uint8Array, onMessage: (message: Uint8Array) => void): void {
    let offset = this.#partBytes === 0 ? 0 : this.#complete(chunk, onMessage);
    const end = chunk.byteLength;
    while (end - offset >= FRAME_HEADER_BYTES) {
      const frameBytes = this.#readHeader(chunk, offset);
      if (end - offset < frameBytes) {
        this.#frameBytes = frameBytes;
        break;
      }
      onMessage(view(chunk, offset + FRAME_HEADER_BYTES, offset + frameBytes));
      offset += frameBytes;
    }
    if (offset < end) this.#keep(view(chunk, offset, end));
  }

  /** @throws WireError `WIRE_MALFORMED` where the stream ended inside a frame */
  end(): void {
    if (this.#partBytes === 0) return;
    const details = { missing: this.#frameBytes - this.#partBytes };
    throw new WireError("WIRE_MALFORMED", "the stream ended inside a message", { details });
  }

  /** Goes on with the frame that was begun; returns how much of `chunk` belongs to it. */
  #complete(chunk: Uint8Array, onMessage: (message: Uint8Array) => void): number {
    let offset = 0;
    if (this.#partBytes < FRAME_HEADER_BYTES) {
      offset = this.#take(chunk, 0);
      if (this.#partBytes < FRAME_HEADER_BYTES) return offset;
      const header = join(this.#parts, FRAME_HEADER_BYTES);
      this.#parts = [header];
      this.#frameBytes = this.#readHeader(header, 0);
    }
    offset = this.#take(chunk, offset);
    if (this.#partBytes < this.#frameBytes) return offset;
    const frame = join(this.#parts, this.#frameBytes);
    this.#parts = [];
    this.#partBytes = 0;
    this.#frameBytes = FRAME_HEADER_BYTES;
    onMessage(view(frame, FRAME_HEADER_BYTES, frame.byteLength));
    return offset;
  }

  /** Keeps as much of `chunk` from `offset` on as the frame misses; returns where that ends. */
  #take(chunk: Uint8Array, offset: number): number {
    const missing = this.#frameBytes - this.#partBytes;
    const end = Math.min(offset + missing, chunk.byteLength);
    if (end > offset) this.#keep(view(chunk, offset, end));
    return end;
  }

  #keep(part: Uint8Array): void {
    this.#parts.push(part);
    this.#partBytes += part.byteLength;
  }

  #readHeader(bytes: Uint8Array, offset: number): number {
    const low = byteAt(bytes, offset) | (byteAt(bytes, offset + 1) << 8);
    const high = byteAt(bytes, offset + 2) | (byteAt(bytes, offset + 3) << 8);
    const size = low + high * 0x1_0000;
    if (size > this.#maxMessageBytes) {
      const limit = this.#maxMessageBytes;
      const says = `a message of ${size} bytes is over the limit of ${limit}`;
      throw new WireError("WIRE_LIMIT", says, { details: { size, limit } });
    }
    return FRAME_HEADER_BYTES + size;
  }
}

function byteAt(bytes: Uint8Array, offset: number): number {
  return bytes[offset] as number;
}

/** A plain view, also of a Buffer, whose `slice` would share instead of copy. */
function view(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

function join(parts: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}
