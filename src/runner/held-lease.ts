import type { Clock } from "../base/clock.ts";
import { RunnerError } from "../base/errors.ts";
import type { LeaseTimes } from "./node-entry.ts";

/** One unbroken spell of holding the lease. Never comes back once it is over. */
export interface Incarnation {
  /** The lease's, by which others know what belongs to it. The next spell has the same if nobody ended it. */
  readonly id: string;
  /** Whether it holds at this moment, by this process's own clock: no read, nobody else's clock. */
  isValid(): boolean;
}

/** A lease that was just taken. */
export interface Taken {
  readonly id: string;
  readonly beat: number;
  readonly revision: number;
  readonly sentAt: number;
}

/** The arithmetic of one incarnation. */
export class Held implements Incarnation {
  readonly id: string;
  revision: number;
  /** When the last renewal that counts was sent. */
  renewedAt: number;
  lastBeat: number;
  readonly #over = new AbortController();
  readonly #clock: Clock;
  readonly #lengthMs: number;
  readonly #onOver: () => void;
  /** When each renewal was sent whose answer has not come. */
  readonly #sent = new Map<number, number>();
  #timer: Disposable | undefined;

  constructor(options: {
    readonly clock: Clock;
    readonly times: LeaseTimes;
    readonly taken: Taken;
    readonly onOver: () => void;
  }) {
    const { clock, times, taken, onOver } = options;
    this.id = taken.id;
    this.revision = taken.revision;
    this.lastBeat = taken.beat;
    this.renewedAt = taken.sentAt;
    this.#clock = clock;
    this.#lengthMs = (times.length - times.margin) * 1000;
    this.#onOver = onOver;
  }

  /** Aborts when it is over. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  isValid(): boolean {
    return !this.#over.signal.aborted && this.#clock.now() < this.renewedAt + this.#lengthMs;
  }

  /** Notes that a renewal leaves now, and names it. */
  send(now: number): number {
    this.lastBeat += 1;
    this.#sent.set(this.lastBeat, now);
    return this.lastBeat;
  }

  /** A renewal is in the store. */
  renewed(beat: number, revision: number): void {
    this.revision = revision;
    const sentAt = this.#sent.get(beat);
    if (sentAt !== undefined) this.renewedAt = Math.max(this.renewedAt, sentAt);
    for (const older of this.#sent.keys()) if (older <= beat) this.#sent.delete(older);
    this.arm();
  }

  arm(): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#over.signal.aborted) return;
    const restMs = this.renewedAt + this.#lengthMs - this.#clock.now();
    // A deadline that has passed is passed, whatever answer comes in late.
    if (restMs <= 0) this.expire();
    else this.#timer = this.#clock.after(restMs, () => this.expire());
  }

  expire(): void {
    if (this.#over.signal.aborted) return;
    this.#timer?.[Symbol.dispose]();
    this.#over.abort(new RunnerError("RUNNER_LEASE_LOST"));
    this.#onOver();
  }
}

/** Gives an attempt up after a while, or when `parent` aborts. */
export class Attempt implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: Disposable;
  readonly #parent: AbortSignal | undefined;
  readonly #give = (): void => this.#controller.abort(this.#parent?.reason);

  constructor(clock: Clock, ms: number, parent?: AbortSignal) {
    this.#parent = parent;
    this.#timer = clock.after(ms, () =>
      this.#controller.abort(new RunnerError("RUNNER_LEASE_LOST", "no answer in time")),
    );
    if (parent?.aborted === true) this.#give();
    else parent?.addEventListener("abort", this.#give);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    this.#parent?.removeEventListener("abort", this.#give);
  }
}
