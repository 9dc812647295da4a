import type { Clock } from "../base/clock.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { atEndOfTurn } from "../base/end-of-turn.ts";

export interface CommitTurnsOptions {
  /** Commits all that was asked for. */
  readonly commit: () => void;
  /** The flush that runs. */
  readonly flushing: () => Promise<void> | undefined;
  readonly clock: Clock;
}

/** How long commits may be held at the most, whoever asks for it. */
const HOLD_MS = 300;
/** So long after the last commit nobody else is expected to ask. */
const IDLE_MS = 1;

/** A time in which nothing is committed. */
interface Hold extends Deferred<void> {
  readonly since: number;
  readonly limit: Disposable;
  users: number;
}

/**
 * When a store commits: at the end of the turn of the event loop in which something was asked for, behind all
 * else that comes in by then; where there was nothing to commit for a while, as soon as what asked for it is
 * through, so that who watches hears of it before anybody is answered. What waits for the disk anyhow can only be in
 * the next flush: while another runs, it waits to become one commit with all that come meanwhile.
 */
export class CommitTurns {
  readonly #options: CommitTurnsOptions;
  #turn: NodeJS.Immediate | undefined;
  /** It is to be at the end of what runs now. */
  #isSoon = false;
  /** When the last one was. */
  #last = -Infinity;
  /** A flush is waited for, to commit behind it. */
  #isPatient = false;
  #hold: Hold | undefined;
  /** Something would have been committed since. */
  #isDue = false;

  constructor(options: CommitTurnsOptions) {
    this.#options = options;
  }

  /** Something is to be committed. `isPatient`: it waits for the disk. */
  ask(isPatient: boolean): void {
    const running = isPatient ? this.#options.flushing() : undefined;
    if (running !== undefined) {
      if (!this.#isPatient) void this.#after(running);
    } else if (this.#turn === undefined && !this.#isSoon) this.#ask();
  }

  #ask(): void {
    if (this.#options.clock.now() - this.#last < IDLE_MS) {
      this.#turn = setImmediate(() => this.#commit());
      return;
    }
    this.#isSoon = true;
    atEndOfTurn(this.#soon);
  }

  readonly #soon = (): void => {
    if (this.#isSoon) this.#commit();
  };

  /** Nothing is left to be committed. */
  cancel(): void {
    if (this.#turn !== undefined) clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#isSoon = false;
    this.#isDue = false;
  }

  /**
   * Resolves when nothing is committed, until what it gives is disposed of, or until the others have
   * waited for long enough.
   */
  async hold(): Promise<Disposable> {
    const { clock } = this.#options;
    while (this.#hold !== undefined && clock.now() - this.#hold.since > HOLD_MS / 2) {
      await this.#hold.promise;
    }
    this.#hold ??= {
      ...deferred<void>(),
      since: clock.now(),
      limit: clock.after(HOLD_MS, () => this.#release()),
      users: 0,
    };
    const hold = this.#hold;
    hold.users++;
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        if (--hold.users === 0 && this.#hold === hold) this.#release();
      },
    };
  }

  #release(): void {
    const hold = this.#hold;
    hold?.limit[Symbol.dispose]();
    this.#hold = undefined;
    if (this.#isDue) this.#commit();
    // Behind the commit: those who come next have to wait for it.
    hold?.resolve();
  }

  async #after(flush: Promise<void>): Promise<void> {
    this.#isPatient = true;
    // Who waits for it hears how it ended.
    await flush.catch(() => {});
    this.#isPatient = false;
    // Who waited for that flush is answered first.
    this.#turn ??= setImmediate(() => this.#commit());
  }

  #commit(): void {
    this.cancel();
    if (this.#hold === undefined) {
      // Who is told of this one may ask for another in the same step, which is not to begin within it, however long it takes.
      this.#last = Infinity;
      try {
        this.#options.commit();
      } finally {
        this.#last = this.#options.clock.now();
      }
    } else this.#isDue = true;
  }
}
