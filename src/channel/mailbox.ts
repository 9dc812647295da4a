import { atEndOfTurn } from "../base/end-of-turn.ts";
import { canLook, Patience } from "./patience.ts";

/** Something that messages for this thread come out of. */
export interface MailSource {
  /** Hands the next message to whoever it is for. False where there is none. */
  take(): boolean;
  /**
   * Takes a message from where the thread has to look for it, or looks until `isRung`. False where it
   * doesn't look: all comes with the bell then.
   */
  look?(isRung: () => boolean): boolean;
  /** From here on nobody looks. */
  leave?(): void;
  /** Looks whether the other side ended without a word; called every so often while the thread sleeps. */
  stillThere?(): void;
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

/**
 * So often the bell is looked at before the thread sleeps: for about as long as it takes to be woken.
 * Whoever looks longer takes the time from those it waits for.
 */
const SPINS = 3_000;
/** So long the event loop is kept from turning, asleep, by what may come next. */
const LINGER_MS = 0.1;
/** And so long altogether before it turns. */
const MAX_TURN_MS = 2;
/** How often a thread that sleeps looks whether whoever it waits for is still there. */
const STILL_THERE_MS = 20;
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

  /** Blocks until it was rung since `count`, at most so long. False where it was not. */
  sleep(count: number, ms: number): boolean {
    return Atomics.wait(this.#words, 0, count, ms) !== "timed-out";
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
  #lookedInto: MailSource | undefined;
  #listening = false;
  /** Looks for more at the end of this turn, instead of listening. */
  #looking = false;
  /** The bell's count when it was last looked whether there is something. */
  #lookedAt = 0;
  #takenInTurn = 0;
  #turnBegan = 0;
  readonly #spinning = new Patience();
  readonly #lingering = new Patience();
  readonly #spins = canLook ? SPINS : 0;
  /**
   * Whether the thread waits a little for what comes next when it has handed something out, before its
   * event loop turns. Not for one that the answer comes to by its event loop.
   */
  lingers = true;
  readonly #goOn = (): void => {
    this.#takenInTurn = 0;
    this.#turnBegan = performance.now();
    this.#handOut();
  };
  readonly #listen = (): void => {
    this.#listening = false;
    this.#goOn();
  };
  readonly #look = (): void => {
    this.#looking = false;
    this.#lookOnlyAt(undefined);
    if (performance.now() - this.#turnBegan > MAX_TURN_MS) setImmediate(this.#goOn);
    else if (this.#linger(this.#lookedAt) || !this.#awaitBell(this.#lookedAt)) this.#handOut();
  };

  constructor() {
    process.once("exit", () => {
      for (const source of this.#sources) source.threadEnds();
    });
  }

  /** What comes out of `source` is handed out from here on, never within this call. */
  add(source: MailSource): void {
    this.#sources.add(source);
    // Others may ring already, while this is about to listen.
    while (!this.#awaitBell());
    this.bell.ring();
  }

  remove(source: MailSource): void {
    this.#sources.delete(source);
  }

  /**
   * Blocks the thread and hands out whatever comes until `done` says so, `source` first of all. False
   * where that didn't happen before `deadline`, a time of `performance.now()`.
   */
  block(done: () => boolean, deadline: number, source?: MailSource): boolean {
    for (;;) {
      const { count } = this.bell;
      let taken = 0;
      do {
        if (done()) return true;
        // Who sends without end keeps nobody waiting for ever.
        if (taken++ > 1 && performance.now() >= deadline) return false;
      } while (this.#takeOne());
      if (!this.#wait(count, deadline, source)) return done();
    }
  }

  /** Waits until something has come since `count`, or for a while. False behind `deadline`. */
  #wait(count: number, deadline: number, source: MailSource | undefined): boolean {
    // What was done meanwhile may have waited for another.
    this.#lookOnlyAt(source);
    const hasCome = source?.look?.(() => this.bell.count !== count) === true || this.#spin(count);
    const left = deadline - performance.now();
    if (left <= 0) return false;
    if (hasCome || this.bell.sleep(count, Math.min(left, STILL_THERE_MS))) return true;
    source?.stillThere?.();
    return true;
  }

  #handOut(): void {
    for (;;) {
      const { count } = this.bell;
      this.#lookOnlyAt(undefined);
      let isIdle = true;
      while (this.#takeOne()) {
        isIdle = false;
        if (++this.#takenInTurn < MAX_MESSAGES_PER_TURN) continue;
        setImmediate(this.#goOn);
        return;
      }
      if (this.#sources.size === 0) return;
      if (!isIdle && this.lingers && this.#lingering.pays) {
        // Not before the answers to what came have left: it is those that whoever asks next waits for.
        this.#looking = true;
        this.#lookedAt = count;
        atEndOfTurn(this.#look);
        return;
      }
      if (this.#awaitBell(count)) return;
    }
  }

  /** One source at a time can be looked at, and only by a thread that does nothing else. */
  #lookOnlyAt(source: MailSource | undefined): void {
    if (this.#lookedInto === source) return;
    this.#lookedInto?.leave?.();
    this.#lookedInto = source;
  }

  #awaitBell(count = this.bell.count): boolean {
    if (this.#listening || this.#looking) return true;
    this.#listening = this.bell.whenRung(count, this.#listen);
    return this.#listening;
  }

  #takeOne(): boolean {
    for (const source of this.#sources) if (source.take()) return true;
    return false;
  }

  /** True where the bell has rung since `count`. */
  #linger(count: number): boolean {
    return this.#spin(count) || this.#lingering.learn(this.bell.sleep(count, LINGER_MS));
  }

  /** The same, without sleeping: for a moment, where that has paid lately. */
  #spin(count: number): boolean {
    if (this.#spins === 0 || !this.#spinning.pays) return false;
    const { bell } = this;
    let left = this.#spins;
    while (left > 0 && bell.count === count) left--;
    return this.#spinning.learn(left > 0);
  }
}

/** This thread's. */
export const mailbox: Mailbox = new Mailbox();
