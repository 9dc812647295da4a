import { type Clock, systemClock } from "../base/clock.ts";
import { NodeError } from "../base/errors.ts";

/** What a process ends with that met what it can't stand, as a damaged page of the store. */
const CRASHES = new Set<NodeJS.Signals>(["SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE"]);
/** So many hubs in a row are enough to know what becomes of the next. */
const MAX_CRASHES = 3;
/** One that lived longer has served its clients. */
const CRASH_MS = 5_000;

/** The hubs that one client started: those that end by what they are asked are not started again for ever. */
export class StartedHubs {
  readonly #clock: Clock;
  #failures = 0;
  #crashes = 0;
  #last: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** One could not start; that somebody killed it says nothing of the next. @returns how many that makes in a row */
  failed(signal: NodeJS.Signals | null): { inRow: number } {
    this.#failures = signal === null || CRASHES.has(signal) ? this.#failures + 1 : 0;
    return { inRow: this.#failures };
  }

  /** One has come up. */
  came(): void {
    this.#failures = 0;
  }

  /** One that was started at `since` has ended. */
  ended(since: number, signal: NodeJS.Signals | null): void {
    const at = this.#clock.now();
    const isNext = this.#last !== undefined && at - this.#last.at < CRASH_MS;
    if (signal === null || !CRASHES.has(signal) || at - since > CRASH_MS) this.#crashes = 0;
    else {
      this.#crashes = isNext ? this.#crashes + 1 : 1;
      this.#last = { signal, at };
    }
  }

  /** @throws NodeError `NODE_HUB_FAILED` where there should be no other for now; once, so that it is tried again later */
  check(log: string): void {
    if (this.#crashes < MAX_CRASHES || this.#last === undefined) return;
    const inRow = this.#crashes;
    const { signal } = this.#last;
    this.#crashes = 0;
    const says = `${inRow} hubs in a row were ended by ${signal} as soon as they were asked`;
    throw new NodeError(
      "NODE_HUB_FAILED",
      `${says}; most likely the store is damaged: banyan doctor looks`,
      { details: { log, signal, inRow } },
    );
  }
}
