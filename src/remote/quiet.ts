import type { Call } from "./call.ts";
import { suggestCollection } from "./suggest-collection.ts";

/** From so many on, the peer is asked to answer again, with references. */
const MAX_QUIET = 65_536;
/** Each time so many more stay with the peer, it is looked whether they could be let go. */
const SUGGEST_EVERY = 32_768;
/** Calls that are let go together: one that is in use keeps the results of the others. */
const TOGETHER = 16;

/**
 * Calls whose results nobody here has asked for: later calls use them, as in `a.b().c()`. They are not
 * answered. The results stay with the peer until nothing here can ask for them any more, which the
 * garbage collector tells.
 */
export class QuietCalls {
  readonly #unreachable: FinalizationRegistry<readonly number[]>;
  #hold: object = {};
  #ids: number[] | undefined;
  #size = 0;
  #suggestAt = SUGGEST_EVERY;

  /** `onUnreachable` gets the numbers of requests whose results the peer need not keep. */
  constructor(onUnreachable: (ids: readonly number[]) => void) {
    this.#unreachable = new FinalizationRegistry((ids) => {
      this.#size -= ids.length;
      this.#suggestAt = this.#size + SUGGEST_EVERY;
      onUnreachable(ids);
    });
  }

  get hasRoom(): boolean {
    return this.#size < MAX_QUIET;
  }

  /** One that is not going to be answered. */
  add(call: Call): void {
    if (this.#ids === undefined || this.#ids.length === TOGETHER) this.#beginGroup();
    call.hold = this.#hold;
    this.#ids?.push(call.id);
    if (++this.#size < this.#suggestAt) return;
    this.#suggestAt += SUGGEST_EVERY;
    suggestCollection();
  }

  #beginGroup(): void {
    this.#hold = {};
    this.#ids = [];
    this.#unreachable.register(this.#hold, this.#ids);
  }
}
