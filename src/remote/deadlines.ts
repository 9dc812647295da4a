import { onAbort } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { RemoteError } from "../base/errors.ts";
import type { IdTable } from "../base/id-table.ts";
import type { Call } from "./call.ts";

/** When to give a call up: after so many milliseconds, or when the signal aborts. */
export type CallLimit = number | AbortSignal;

/** What this needs of its session. */
export interface DeadlinesContext {
  readonly clock: Clock;
  /** Of calls without a limit of their own. */
  readonly defaultMs: number | undefined;
  /** Calls that wait, in the order in which they were made. */
  readonly pending: IdTable<Call>;
  readonly giveUp: (call: Call, reason: unknown) => void;
}

/**
 * Gives calls up that take too long. Those that have no limit of their own share one timer, so that
 * a session's default costs next to nothing for each call.
 */
export class Deadlines {
  readonly #context: DeadlinesContext;
  #timer: Disposable | undefined;

  constructor(context: DeadlinesContext) {
    this.#context = context;
  }

  /** A call has been sent. */
  begin(call: Call, limit: CallLimit | undefined): void {
    const { clock, defaultMs, giveUp } = this.#context;
    if (limit === undefined) {
      if (defaultMs === undefined || defaultMs === Infinity) return;
      call.deadline = clock.now() + defaultMs;
      this.#timer ??= clock.after(defaultMs, () => this.#look());
    } else if (typeof limit === "object") {
      (call.signals ??= []).push(onAbort(limit, () => giveUp(call, limit.reason)));
    } else if (limit !== Infinity) {
      const timer = clock.after(limit, () => giveUp(call, lateError(call, limit)));
      (call.signals ??= []).push(timer);
    }
  }

  /** Gives nothing up any more. */
  stop(): void {
    this.#timer?.[Symbol.dispose]();
  }

  #look(): void {
    const { clock, defaultMs = Infinity, pending, giveUp } = this.#context;
    const now = clock.now();
    this.#timer = undefined;
    for (const call of pending.values()) {
      if (call.deadline === undefined) continue;
      if (call.deadline > now) {
        this.#timer = clock.after(call.deadline - now, () => this.#look());
        return;
      }
      giveUp(call, lateError(call, defaultMs));
    }
  }
}

function lateError({ path }: Call, ms: number): RemoteError {
  const what = path.length === 0 ? "a call" : path.join(".");
  return new RemoteError("REMOTE_TIMEOUT", `no answer to ${what} within ${ms} ms`);
}
