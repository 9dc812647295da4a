import { deferred } from "../../base/deferred.ts";

/** Something that a run does beside its main line. It ends with the run at the latest. */
export class Task<T = unknown> {
  readonly #controller = new AbortController();
  readonly #result = deferred<T>();
  /** Resolves when it is over, however. */
  readonly settled: Promise<void>;
  #awaited = false;
  #done = false;

  /** `onFailed` hears of a failure that nobody asked the result of. */
  constructor(work: (signal: AbortSignal) => Promise<T>, onFailed: (error: unknown) => void) {
    this.#result.promise.catch((error: unknown) => {
      if (!this.#awaited && !this.#controller.signal.aborted) onFailed(error);
    });
    this.settled = work(this.#controller.signal)
      .finally(() => (this.#done = true))
      .then(this.#result.resolve, this.#result.reject);
  }

  /** What it returned. Asking for it takes its failure over; otherwise that fails the run. */
  get result(): Promise<T> {
    this.#awaited = true;
    return this.#result.promise;
  }

  get done(): boolean {
    return this.#done;
  }

  /** Aborts its signal; false if it is over or was told before. */
  cancel(reason?: unknown): boolean {
    if (this.#done || this.#controller.signal.aborted) return false;
    this.#controller.abort(reason);
    return true;
  }
}
