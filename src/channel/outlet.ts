import { writeSync } from "node:fs";
import { Socket, type SocketConstructorOpts } from "node:net";

import { FRAME_HEADER_BYTES, writeFrameHeader } from "../wire/frame.ts";
import type { DialOptions } from "./channel.ts";
import { InletOwner } from "./inlet.ts";

/** Where in the shared memory each number is. */
const Word = { turn: 0, relayed: 1, rest: 2 };
const MEMORY_BYTES = 16;

/** Whose turn it is to write to the socket. Behind `shut` comes nothing. */
const Turn = { free: 0, near: 1, owner: 2, shut: 3 };

/** Larger messages go by the owner. */
const MAX_FRAME_BYTES = 16 * 1024;
/** How often the owner looks whether a system call of the other thread's is over. */
const LOOK_MS = 1;

/** Of a channel to be shared with another thread. */
export interface SharedDialOptions extends DialOptions {
  readonly outlet?: OutletOwner | undefined;
}

/** What the owner of a socket tells the other thread. */
export interface OutletPass {
  readonly fd: number;
  readonly memory: SharedArrayBuffer;
  /** Of `InletOwner`. */
  readonly inlet: SharedArrayBuffer;
}

/**
 * A way out for a thread that sends by a socket of another thread's: small messages are written here and
 * now, which spares the waking of that thread. It goes on reading, and writes what can't be written at
 * once. Only one of the two writes at a time, and a message is written here only when all before it
 * have left.
 */
export class Outlet {
  readonly #frame = new Uint8Array(MAX_FRAME_BYTES);
  #fd = -1;
  #words: Int32Array = new Int32Array(0);

  /** From now on it is used, if there is a way. */
  open({ fd, memory }: OutletPass): void {
    this.#words = new Int32Array(memory);
    this.#fd = fd;
  }

  /**
   * Writes `message`, behind `sent` messages that went by the owner. Answers with what has to go by the
   * owner all the same: all, nothing, or the rest of its frame.
   */
  write(message: Uint8Array, sent: number): Uint8Array | undefined {
    const size = FRAME_HEADER_BYTES + message.length;
    const words = this.#words;
    if (this.#fd < 0 || size > MAX_FRAME_BYTES) return message;
    if (Atomics.load(words, Word.relayed) !== sent) return message;
    if (Atomics.compareExchange(words, Word.turn, Turn.free, Turn.near) !== Turn.free) {
      return message;
    }
    const frame = this.#frame;
    writeFrameHeader(frame, 0, message.length);
    frame.set(message, FRAME_HEADER_BYTES);
    const written = this.#writeFrame(size);
    const isPart = written > 0 && written < size;
    // Nobody may write anything before the rest, which is the owner's next message.
    if (isPart) Atomics.store(words, Word.rest, (sent + 1) | 0);
    Atomics.store(words, Word.turn, isPart ? Turn.owner : Turn.free);
    if (written === size) return undefined;
    return isPart ? frame.slice(written, size) : message;
  }

  #writeFrame(size: number): number {
    try {
      return writeSync(this.#fd, this.#frame, 0, size);
    } catch (error) {
      // Whatever else is wrong with it, its owner will find out, and tell.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") this.#fd = -1;
      return 0;
    }
  }
}

/** The owner's side of an `Outlet`: gives the socket away for a moment, and never once it is closed. */
export class OutletOwner {
  readonly #memory = new SharedArrayBuffer(MEMORY_BYTES);
  readonly #words: Int32Array = new Int32Array(this.#memory);
  #taken = 0;
  #pass: OutletPass | undefined;
  /** The same for what comes in. */
  readonly inlet: InletOwner = new InletOwner();

  /** To be connected, and used for one channel. */
  createSocket(): Socket {
    return new SharedSocket(this);
  }

  /** To be called when the socket is connected. */
  opened(socket: Socket): void {
    const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: unknown } | null };
    const fd = handle?.fd;
    if (typeof fd !== "number" || fd < 0) return;
    this.#pass = { fd, memory: this.#memory, inlet: this.inlet.memory };
    this.inlet.open(socket);
  }

  /** For the other thread. `undefined` where the system has no way to write to a socket from elsewhere. */
  get pass(): OutletPass | undefined {
    return this.#pass;
  }

  /** Counts a message that came for the socket. True where it is the rest of a frame. */
  take(): boolean {
    this.#taken = (this.#taken + 1) | 0;
    return Atomics.load(this.#words, Word.rest) === this.#taken;
  }

  /** The same, where nobody writes or has begun to at the moment. */
  tryEnter(): boolean {
    const words = this.#words;
    return Atomics.compareExchange(words, Word.turn, Turn.free, Turn.owner) === Turn.free;
  }

  /** To be called before something is written. */
  enter(): void {
    this.#move(Turn.free, Turn.owner);
  }

  /** To be called when all that came for the socket is with the system. */
  leave(): void {
    Atomics.store(this.#words, Word.relayed, this.#taken);
    Atomics.compareExchange(this.#words, Word.turn, Turn.owner, Turn.free);
  }

  get bytesRead(): number {
    return this.inlet.bytesRead;
  }

  /** To be called when what came is passed on, where all of it was whole messages. */
  afterRead(): void {
    this.inlet.mayGive();
  }

  /** To be called before the socket is closed: its number may be another's right after. */
  shut(): void {
    this.inlet.shut();
    this.#move(Turn.free, Turn.shut);
    Atomics.compareExchange(this.#words, Word.turn, Turn.owner, Turn.shut);
  }

  /** Waits for the other thread's system call to be over. */
  #move(from: number, to: number): void {
    while (Atomics.compareExchange(this.#words, Word.turn, from, to) === Turn.near) {
      Atomics.wait(this.#words, Word.turn, Turn.near, LOOK_MS);
    }
  }
}

const READ_BYTES = 64 * 1024;

/** Reads nothing any more from the moment on in which it is paused, as a socket does with a buffer of its own. */
class SharedSocket extends Socket {
  readonly #owner: OutletOwner;

  constructor(owner: OutletOwner) {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const callback = (size: number): boolean =>
      this.emit("data", Buffer.from(buffer.subarray(0, size)));
    super({ allowHalfOpen: true, onread: { buffer, callback } } as SocketConstructorOpts);
    this.#owner = owner;
    // Nobody keeps what comes before somebody listens.
    this.pause();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#owner.shut();
    // oxlint-disable-next-line no-underscore-dangle -- what streams call it
    super._destroy(error, callback);
  }
}
