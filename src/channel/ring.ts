import type { PeerPresence } from "./channel.ts";

/** Where in the shared memory each number is. Those before `read`, and from `beatMs` on, are the writer's. */
const Word = {
  written: 0, sent: 1, ended: 2, attached: 3,
  read: 4, readBytes: 5, wantsRoom: 6, leftSent: 7, leftEnd: 8,
  beatMs: 9, watchMs: 10, silence: 11,
}; // prettier-ignore
const PRESENCES: readonly PeerPresence[] = ["busy", "gone", "unknown"];
const HEADER_BYTES = 64;
const ENTRY_BYTES = 8;

/**
 * How the writer ended: not at all, in order, because its thread ends, or by breaking off, which
 * drops what the reader hasn't had.
 */
export const RingEnd = { open: 0, closed: 1, gone: 2, aborted: 3 } as const;
export type RingEnd = (typeof RingEnd)[keyof typeof RingEnd];

/**
 * Messages on their way from one thread to one other, in shared memory that the reader made. Nobody
 * ever waits in here: what doesn't fit has to take another way, and keeps its place in the order,
 * because every message is counted and the ring says which number each of its own has.
 *
 * Numbers wrap at 32 bits and are compared by difference only.
 */
export class Ring {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #entries: Int32Array;
  readonly #capacity: number;

  /** Over memory of `Ring.create`. */
  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.#bytes = new Uint8Array(memory, HEADER_BYTES);
    this.#entries = new Int32Array(memory, HEADER_BYTES);
    this.#capacity = this.#bytes.length;
  }

  /** `capacity` is a power of two. */
  static create(capacity: number): Ring {
    return new Ring(new SharedArrayBuffer(HEADER_BYTES + capacity));
  }

  /** The writer has found the ring, and everything it sends is counted. */
  get attached(): boolean {
    return Atomics.load(this.#words, Word.attached) === 1;
  }

  /** How many messages the writer has sent, in whatever way. */
  get sent(): number {
    return Atomics.load(this.#words, Word.sent);
  }

  get end(): RingEnd {
    return Atomics.load(this.#words, Word.ended) as RingEnd;
  }

  /** How many bytes of messages the reader has had, in whatever way. */
  get readBytes(): number {
    return Atomics.load(this.#words, Word.readBytes);
  }

  /**
   * How the reader ended, where it did before it knew the writer, and how many messages it had sent the
   * other way by then.
   */
  get left(): { readonly end: RingEnd; readonly sent: number } {
    const end = Atomics.load(this.#words, Word.leftEnd) as RingEnd;
    return { end, sent: Atomics.load(this.#words, Word.leftSent) };
  }

  /** Writer: puts message `number` in. False where there is no room for it. */
  write(message: Uint8Array, number: number): boolean {
    const size = paddedSize(message.length);
    if (size > this.#capacity / 2) return false;
    const written = Atomics.load(this.#words, Word.written);
    const used = (written - Atomics.load(this.#words, Word.read)) | 0;
    if (used + size > this.#capacity) return false;
    this.#putWord(written, message.length);
    this.#putWord(written + 4, number);
    this.#copyIn(written + ENTRY_BYTES, message);
    Atomics.store(this.#words, Word.written, (written + size) | 0);
    return true;
  }

  /** Writer: `number` messages are on their way, of which this ring may hold the last. */
  tellSent(number: number): void {
    Atomics.store(this.#words, Word.sent, number);
  }

  /** Writer: asks the reader to say something for it every so often. */
  askForBeats(everyMs: number): void {
    Atomics.store(this.#words, Word.beatMs, everyMs);
  }

  /** Reader: how often it is to say something; 0 where it need not. Asks only once. */
  takeBeatMs(): number {
    if (Atomics.load(this.#words, Word.beatMs) === 0) return 0;
    return Atomics.exchange(this.#words, Word.beatMs, 0);
  }

  /** Writer: asks the reader to end where nothing comes from beyond it for so long. */
  askToWatch(silentMs: number): void {
    Atomics.store(this.#words, Word.watchMs, silentMs);
  }

  /** Reader: for how long nothing may come; 0 where that was not said. Asks only once. */
  takeWatchMs(): number {
    if (Atomics.load(this.#words, Word.watchMs) === 0) return 0;
    return Atomics.exchange(this.#words, Word.watchMs, 0);
  }

  /** Writer: it is going to end because nothing came. */
  tellSilence(presence: PeerPresence): void {
    Atomics.store(this.#words, Word.silence, 1 + PRESENCES.indexOf(presence));
  }

  /** What the writer knew of whoever said nothing, where it ended because of that. */
  get silence(): PeerPresence | undefined {
    return PRESENCES[Atomics.load(this.#words, Word.silence) - 1];
  }

  /** Writer: says that it found the ring. */
  attach(sent: number): void {
    this.tellSent(sent);
    Atomics.store(this.#words, Word.attached, 1);
  }

  /** Writer: nothing follows what was sent. */
  tellEnd(end: RingEnd): void {
    Atomics.store(this.#words, Word.ended, end);
  }

  /** Writer: wants to hear when the reader has read on. */
  askForRoom(): void {
    Atomics.store(this.#words, Word.wantsRoom, 1);
  }

  /** Reader: leaves word of its end for a writer that comes later. */
  leave(end: RingEnd, sent: number): void {
    Atomics.store(this.#words, Word.leftSent, sent);
    Atomics.store(this.#words, Word.leftEnd, end);
  }

  /** Reader: takes message `number` out, if it is the next in here. The copy is the caller's. */
  read(number: number): Uint8Array | undefined {
    const read = Atomics.load(this.#words, Word.read);
    if (read === Atomics.load(this.#words, Word.written)) return undefined;
    if (this.#wordAt(read + 4) !== number) return undefined;
    const length = this.#wordAt(read);
    const message = this.#copyOut(read + ENTRY_BYTES, length);
    Atomics.store(this.#words, Word.read, (read + paddedSize(length)) | 0);
    return message;
  }

  /** Reader: has had `bytes` more. True where the writer has asked to hear of it. */
  tellRead(bytes: number): boolean {
    Atomics.add(this.#words, Word.readBytes, bytes);
    return (
      Atomics.load(this.#words, Word.wantsRoom) === 1 &&
      Atomics.exchange(this.#words, Word.wantsRoom, 0) === 1
    );
  }

  // Entries begin at multiples of eight, so that no number is torn by the end of the memory.
  #putWord(at: number, value: number): void {
    this.#entries[this.#offset(at) / 4] = value;
  }

  #wordAt(at: number): number {
    return this.#entries[this.#offset(at) / 4] as number;
  }

  #copyIn(at: number, message: Uint8Array): void {
    const start = this.#offset(at);
    const first = this.#capacity - start;
    if (message.length <= first) {
      this.#bytes.set(message, start);
    } else {
      this.#bytes.set(message.subarray(0, first), start);
      this.#bytes.set(message.subarray(first), 0);
    }
  }

  #copyOut(at: number, length: number): Uint8Array {
    const start = this.#offset(at);
    const first = this.#capacity - start;
    const message = new Uint8Array(length);
    if (length <= first) {
      message.set(this.#bytes.subarray(start, start + length));
    } else {
      message.set(this.#bytes.subarray(start));
      message.set(this.#bytes.subarray(0, length - first), first);
    }
    return message;
  }

  #offset(at: number): number {
    return at & (this.#capacity - 1);
  }
}

function paddedSize(length: number): number {
  return ENTRY_BYTES + ((length + 7) & ~7);
}
