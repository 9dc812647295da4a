import type { Clock } from "../base/clock.ts";
import type { Revision } from "./engine.ts";

/** How soon it is looked whether there is little to do. */
const LOOK_MS = 20;
/** So many changes in that time are little. */
const FEW_CHANGES = 64;

export interface SpareTimeOptions {
  readonly clock: Clock;
  /** Of the last change. */
  readonly revision: () => Revision;
  /** There is time. */
  readonly onTime: () => void;
}

/** Finds the time for work that can wait, between the writes to a store. */
export class SpareTime {
  readonly #options: SpareTimeOptions;
  #timer: Disposable | undefined;

  constructor(options: SpareTimeOptions) {
    this.#options = options;
  }

  /** There is work: `onTime` will be called once, when few changes are made. */
  ask(): void {
    if (this.#timer !== undefined) return;
    const { clock, revision, onTime } = this.#options;
    const before = revision();
    this.#timer = clock.after(LOOK_MS, () => {
      this.#timer = undefined;
      if (revision() - before <= FEW_CHANGES) onTime();
      else this.ask();
    });
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
