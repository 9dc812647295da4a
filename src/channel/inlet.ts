import { readSync } from "node:fs";
import type { Socket } from "node:net";
import { getSystemErrorName } from "node:util";

import { FRAME_HEADER_BYTES, readFrameHeader } from "../wire/frame.ts";
import type { Bell } from "./mailbox.ts";
import { canLook, Patience } from "./patience.ts";

/** Where in the shared memory each number is. What was read, and is no whole message, is behind them. */
const Word = { reader: 0, start: 1, end: 2, failed: 3, bytes: 4 };
const HEADER_BYTES = 32;
const BUFFER_BYTES = 64 * 1024;

/**
 * Whose turn it is to read from the socket: its owner's, whom the other thread may have asked for it; the
 * other thread's, which does or does not read at the moment; or the owner's again, which has not seen
 * that yet. Nobody's behind `shut`.
 */
const Reader = { owner: 0, wanted: 1, near: 2, reading: 3, returned: 4, shut: 5 } as const;

/** An answer that takes longer is as well waited for asleep. */
const QUICK_MS = 0.4;
/** After so many in a row that were quick, this thread reads. */
const MIN_QUICK = 8;
/** For so long it looks for the next message. */
const LOOK_MS = 0.2;
/** How often the owner looks whether the other thread has looked. */
const OWNER_LOOK_MS = 1;

/** What the owner of a socket tells the other thread. */
export interface InletPass {
  readonly fd: number;
  readonly memory: SharedArrayBuffer;
}

/**
 * A way in for a thread that blocks until something comes by a socket of another thread's: where answers
 * come so fast that waking the two would take most of the time, it reads them itself. It gives the
 * socket back before it sleeps or its event loop turns; so nothing that comes is overlooked.
 */
export class Inlet {
  #fd = -1;
  #words: Int32Array = new Int32Array(1);
  #bytes: Uint8Array = new Uint8Array(0);
  #quick = 0;
  readonly #patience = new Patience();
  readonly #canLook: boolean;

  /** `looks`: whether there is another processor, for whoever is looked for. */
  constructor(looks: boolean = canLook) {
    this.#canLook = looks;
  }

  /** From now on it is used, if there is a way. */
  open({ fd, memory }: InletPass): void {
    this.#words = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.#bytes = new Uint8Array(memory, HEADER_BYTES);
    if (this.#canLook) this.#fd = fd;
  }

  /** Whether nobody reads if this thread doesn't. */
  get isMine(): boolean {
    return Atomics.load(this.#words, Word.reader) === Reader.near;
  }

  /** Learns how long an answer was waited for; asks for the socket where that may pay. */
  waited(ms: number): void {
    this.#quick = ms < QUICK_MS ? this.#quick + 1 : 0;
    if (this.#quick < MIN_QUICK || this.#fd < 0) return;
    this.#quick = 0;
    if (this.#patience.pays) this.#move(Reader.owner, Reader.wanted);
  }

  /**
   * The next message, if it comes in a moment. Where it doesn't, or `isRung` says that something has come
   * elsewhere, `undefined`. What else has come is the owner's, as is the socket then; `onReturned` tells it.
   */
  look(isRung: () => boolean, onReturned: () => void): Uint8Array | undefined {
    if (!this.#move(Reader.near, Reader.reading)) return undefined;
    const { stackTraceLimit } = Error;
    // Each look in vain is an error, which is dear with a stack.
    Error.stackTraceLimit = 0;
    try {
      const filled = this.#fill(isRung);
      const end = FRAME_HEADER_BYTES + readFrameHeader(this.#bytes, 0);
      const isWhole = filled >= FRAME_HEADER_BYTES && filled >= end;
      const message = isWhole ? this.#bytes.slice(FRAME_HEADER_BYTES, end) : undefined;
      this.#patience.learn(isWhole);
      if (filled === end || (filled === 0 && isRung() && !this.#hasFailed)) {
        Atomics.store(this.#words, Word.reader, Reader.near);
      } else {
        this.#return(isWhole ? end : 0, filled);
        onReturned();
      }
      return message;
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  }

  /** Before this thread sleeps, or leaves off. False where it had nothing to give back. */
  giveBack(): boolean {
    if (this.#move(Reader.wanted, Reader.owner)) return false;
    if (!this.#move(Reader.near, Reader.reading)) return false;
    this.#return(0, 0);
    return true;
  }

  /** Reads until there is a whole message, or something else to do. Answers with what there is. */
  #fill(isRung: () => boolean): number {
    const begun = performance.now();
    this.#patience.begin(begun);
    let filled = 0;
    for (;;) {
      const read = this.#read(filled);
      if (read < 0) return filled;
      filled += read;
      if (read > 0) Atomics.add(this.#words, Word.bytes, read);
      if (filled >= FRAME_HEADER_BYTES) {
        const end = FRAME_HEADER_BYTES + readFrameHeader(this.#bytes, 0);
        if (filled >= end || end > BUFFER_BYTES) return filled;
      }
      const now = performance.now();
      if (!this.#patience.goesOn(now) || now - begun > LOOK_MS) return filled;
      if (filled === 0 && isRung()) return filled;
    }
  }

  /** 0 where nothing is there, below that where nothing is going to come this way. */
  #read(filled: number): number {
    try {
      const read = readSync(this.#fd, this.#bytes, filled, BUFFER_BYTES - filled, null);
      // The owner sees the end for itself.
      return read === 0 ? this.#fail(0) : read;
    } catch (error) {
      const { code, errno } = error as NodeJS.ErrnoException;
      return code === "EAGAIN" ? 0 : this.#fail(errno ?? 0);
    }
  }

  #fail(errno: number): number {
    Atomics.store(this.#words, Word.failed, errno);
    this.#fd = -1;
    return -1;
  }

  get #hasFailed(): boolean {
    return this.#fd < 0;
  }

  #return(start: number, end: number): void {
    Atomics.store(this.#words, Word.start, start);
    Atomics.store(this.#words, Word.end, end);
    Atomics.store(this.#words, Word.reader, Reader.returned);
  }

  #move(from: number, to: number): boolean {
    return Atomics.compareExchange(this.#words, Word.reader, from, to) === from;
  }
}

/** The owner's side of an `Inlet`: gives the socket to the other thread, and takes it back. */
export class InletOwner {
  readonly memory: SharedArrayBuffer = new SharedArrayBuffer(HEADER_BYTES + BUFFER_BYTES);
  readonly #words = new Int32Array(this.memory, 0, HEADER_BYTES / 4);
  #socket: Socket | undefined;
  #bell: Pick<Bell, "ring"> | undefined;

  /** Where the socket can be read from elsewhere. */
  open(socket: Socket): void {
    this.#socket = socket;
  }

  /** To be rung when the other thread may read. */
  ringWhenGiven(bell: Pick<Bell, "ring">): void {
    this.#bell = bell;
  }

  /** How many bytes the other thread has read, 32 bits of them. */
  get bytesRead(): number {
    return Atomics.load(this.#words, Word.bytes);
  }

  /** To be called when all that was read has been passed on, in whole messages. */
  mayGive(): void {
    if (Atomics.load(this.#words, Word.reader) !== Reader.wanted) return;
    // It reads no more from here on, at once: it is such a socket.
    this.#socket?.pause();
    if (this.#move(Reader.wanted, Reader.near)) this.#bell?.ring();
    else this.#socket?.resume();
  }

  /** Takes the socket back where the other thread has given it back. Answers with what that has read. */
  takeReturned(): Uint8Array | undefined {
    const words = this.#words;
    if (Atomics.load(words, Word.reader) !== Reader.returned) return undefined;
    const start = HEADER_BYTES + Atomics.load(words, Word.start);
    const bytes = new Uint8Array(this.memory).slice(
      start,
      HEADER_BYTES + Atomics.load(words, Word.end),
    );
    const errno = Atomics.load(words, Word.failed);
    this.#goOn(Reader.returned, errno);
    return bytes;
  }

  /** Takes the socket back where the other thread has it, and doesn't look. */
  takeUnused(): void {
    this.#goOn(Reader.near, 0);
  }

  /** To be called before the socket is closed: its number may be another's right after. */
  shut(): void {
    for (;;) {
      const reader = Atomics.load(this.#words, Word.reader);
      if (reader === Reader.reading) {
        Atomics.wait(this.#words, Word.reader, Reader.reading, OWNER_LOOK_MS);
      } else if (this.#move(reader, Reader.shut)) {
        return;
      }
    }
  }

  #goOn(from: number, errno: number): void {
    if (!this.#move(from, Reader.owner)) return;
    if (errno === 0) this.#socket?.resume();
    else
      this.#socket?.destroy(new Error(`it can't be read any more: ${getSystemErrorName(errno)}`));
  }

  #move(from: number, to: number): boolean {
    return Atomics.compareExchange(this.#words, Word.reader, from, to) === from;
  }
}
