import type { Clock } from "../base/clock.ts";

export interface MemoryWatchOptions {
  readonly clock: Clock;
  readonly limitMb: number;
  /** The counter that the watched thread keeps moving. */
  readonly beat: () => number;
  /** What the thread held at its last beat. */
  readonly heldMb: () => number;
  /** What the whole process holds. */
  readonly processMb: () => number;
  /** Called once, and the watch is over then. */
  readonly onOver: (heldMb: number) => void;
}

/** Code can take 300 MB in this time; V8's own limit is much further away. */
const INTERVAL_MS = 100;

/** A thread that blocks can't collect its garbage on request, and others of the process grow too. */
const BLOCKED_FACTOR = 2;

/**
 * Tells that a thread holds more than it may. A thread whose event loop turns says what it holds; to one
 * that blocks is counted what the process grows by meanwhile.
 */
export class MemoryWatch implements Disposable {
  readonly #options: MemoryWatchOptions;
  #timer: Disposable | undefined;
  #seen = -1;
  /** Of the process, when the thread was first seen to stand still. */
  #baseMb: number | undefined;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  /** A second call changes nothing. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#baseMb = undefined;
    this.#arm();
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #arm(): void {
    this.#timer = this.#options.clock.after(INTERVAL_MS, () => this.#check());
  }

  #check(): void {
    const { limitMb, heldMb, onOver } = this.#options;
    const grownMb = this.#grownMb();
    const held = heldMb() + grownMb;
    if (held <= (grownMb > 0 ? BLOCKED_FACTOR : 1) * limitMb) return this.#arm();
    this.#timer = undefined;
    onOver(Math.round(held));
  }

  /** What the process has grown by since the thread stands still. */
  #grownMb(): number {
    const { beat, processMb } = this.#options;
    const count = beat();
    if (count !== this.#seen) {
      this.#seen = count;
      this.#baseMb = undefined;
      return 0;
    }
    // Asking costs much more than looking at the beat, so that it is left until it matters.
    const now = processMb();
    this.#baseMb ??= now;
    return Math.max(0, now - this.#baseMb);
  }
}
