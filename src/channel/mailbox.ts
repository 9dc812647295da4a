import { availableParallelism } from "node:os";

/** Something that messages for this thread come out of. */
export interface MailSource {
  /** Hands the next message to whoever it is for. False where there is none. */
  take(): boolean;
  /** The thread is about to end, and can tell its peers for the last time. */
  threadEnds(): void;
}

/** Since lib.es2024: Node 20 has it. */
interface AtomicsWithWaitAsync {
  waitAsync(
    words: Int32Array,
    index: number,
    value: number,
  ): { readonly async: false } | { readonly async: true; readonly value: Promise<string> };
}

const atomics = Atomics as unknown as AtomicsWithWaitAsync;

/** So often the bell is looked at before the thread sleeps: some 20 microseconds. */
const MAX_SPINS = 8_000;
/** Where looking was in vain so often that it came down to this, the thread sleeps at once. */
const MIN_SPINS = 500;
/** What was slow may be fast now: each so many times it is tried again. */
const SLEEPS_PER_PROBE = 32;
/** So many messages are handed out before the event loop gets its turn. */
const MAX_MESSAGES_PER_TURN = 1_000;

/** Counts everything that is put where a thread finds it, so that nobody sleeps through anything. */
export class Bell {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** To be called after something was put where the bell's thread looks. */
  ring(): void {
    Atomics.add(this.#words, 0, 1);
    // All of them: a thread may wait on its event loop and, since then, by blocking.
    Atomics.notify(this.#words, 0);
  }

  /** What `sleep` and `whenRung` want to know from before the caller last looked. */
  get count(): number {
    return Atomics.load(this.#words, 0);
  }

  /** Blocks until it was rung since `count`, at most so long. */
  sleep(count: number, ms: number): void {
    Atomics.wait(this.#words, 0, count, ms);
  }

  /** Calls `next` on the event loop, which this keeps from nothing, not even from ending. */
  whenRung(count: number, next: () => void): boolean {
    const waiting = atomics.waitAsync(this.#words, 0, count);
    if (!waiting.async) return false;
    void (async () => {
      await waiting.value;
      next();
    })();
    return true;
  }
}

/**
 * All that comes for this thread from others, whatever session it is for: there is only one place
 * where a thread can block, so everything has to come in there. While the thread doesn't block, the
 * event loop hands out what comes.
 *
 * No wake-up is lost: whoever puts something in rings the bell afterwards, and whoever sleeps has
 * looked after it read the bell's count. A thread that blocked leaves what it didn't need to its event
 * loop, which waits for the bell from before.
 */
class Mailbox {
  readonly bell = new Bell();
  readonly #sources = new Set<MailSource>();
  #listening = false;
  #spins = 0;
  #sleeps = 0;
  readonly #maxSpins = availableParallelism() > 1 ? MAX_SPINS : 0;
  readonly #listen = (): void => {
    this.#listening = false;
    this.#handOut();
  };

  constructor() {
    process.once("exit", () => {
      for (const source of this.#sources) source.threadEnds();
    });
  }

  /** What comes out of `source` is handed out from here on, never within this call. */
  add(source: MailSource): void {
    this.#sources.add(source);
    this.#awaitBell();
    this.bell.ring();
  }

  remove(source: MailSource): void {
    this.#sources.delete(source);
  }

  /**
   * Blocks the thread and hands out whatever comes until `done` says so. False where that didn't
   * happen before `deadline`, a time of `performance.now()`.
   */
  block(done: () => boolean, deadline: number): boolean {
    for (;;) {
      const { count } = this.bell;
      do {
        if (done()) return true;
      } while (this.#takeOne());
      if (this.#spin(count)) continue;
      const left = deadline - performance.now();
      if (left <= 0) return false;
      this.bell.sleep(count, left);
    }
  }

  #handOut(): void {
    for (let taken = 0; ;) {
      const { count } = this.bell;
      while (this.#takeOne()) {
        if (++taken < MAX_MESSAGES_PER_TURN) continue;
        setImmediate(() => this.#handOut());
        return;
      }
      if (this.#sources.size === 0) return;
      if (taken > 0 && this.#spin(count)) continue;
      if (this.#awaitBell(count)) return;
    }
  }

  #awaitBell(count = this.bell.count): boolean {
    if (this.#listening) return true;
    this.#listening = this.bell.whenRung(count, this.#listen);
    return this.#listening;
  }

  #takeOne(): boolean {
    for (const source of this.#sources) if (source.take()) return true;
    return false;
  }

  /** Waits a little without sleeping, where that has paid lately. */
  #spin(count: number): boolean {
    if (this.#spins === 0) {
      this.#sleeps = (this.#sleeps + 1) % SLEEPS_PER_PROBE;
      if (this.#sleeps === 0) this.#spins = this.#maxSpins;
    }
    const { bell } = this;
    for (let left = this.#spins; left > 0; left--) {
      if (bell.count === count) continue;
      this.#spins = this.#maxSpins;
      return true;
    }
    this.#spins = this.#spins > MIN_SPINS ? this.#spins >> 1 : 0;
    return false;
  }
}

/** This thread's. */
export const mailbox: Mailbox = new Mailbox();
