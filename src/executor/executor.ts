/**
 * The contract between the runner, which decides what runs, and whatever runs it.
 *
 * An executor runs stored code somewhere: on a shared worker thread, in a worker or process of its
 * own. It knows nothing of trees and jobs: it opens a remote session to the place where the code
 * runs, hands over what the run needs as remote objects and plain values, and tells how it ended.
 *
 * Promised: `ended` settles exactly once per run, whatever the code does; code that blocks its thread
 * never blocks the caller's; where a run's thread has to end, `ended` settles only when it is gone.
 * Not promised: that cancelled code stops by itself before `graceMs`, and that runs which share a
 * thread survive the one that blocks it (they end with "lost").
 */

/** What an executor is asked to run. */
export interface RunRequest {
  /** Unique among the runs of this executor. */
  readonly id: string;
  /** What people call it in errors and logs: the job's path. */
  readonly name: string;
  /**
   * The code in the form that the thread's entry file understands; plain values only. The executor
   * does not look into it.
   */
  readonly code: unknown;
  /** The objects the code may use, exported by reference under their names for this run alone. */
  readonly host: Readonly<Record<string, unknown>>;
  /** Plain values handed over with it. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** Where code was when its thread was found blocked. */
export interface StallPlace {
  /** The run that blocked the thread, where that could be told. */
  readonly runId: string | undefined;
  /** `tree:forty.two` style names with line and column, innermost first. */
  readonly frames: readonly string[];
}

export type RunEnd =
  | { readonly type: "returned"; readonly value: unknown }
  | { readonly type: "threw"; readonly error: unknown }
  /** It was cancelled and ended, by itself or with its thread. */
  | { readonly type: "cancelled" }
  /** This run blocked its thread and was stopped. */
  | { readonly type: "stalled"; readonly place: StallPlace }
  /** This run ended its thread: `process.exit()`, or out of memory and alone there. */
  | { readonly type: "crashed"; readonly error: unknown }
  /** Its thread ended, not for a reason known as its own; it may be started again at once. */
  | { readonly type: "lost"; readonly error: unknown; readonly blame?: LossBlame };

/**
 * What is known about why a thread was lost. "other": another run is known as the cause. "any": one of
 * the runs there was, and it can't be told which, so that they are best started apart from each other.
 * Nothing: perhaps none of them.
 */
export type LossBlame = "other" | "any";

export interface Execution {
  readonly id: string;
  /** Never rejects. */
  readonly ended: Promise<RunEnd>;
  /**
   * Asks the code to stop: its signal aborts with `reason`. After `graceMs` its thread is ended,
   * and whatever else runs there is lost. Idempotent.
   */
  cancel(reason: unknown, options?: { graceMs?: number }): void;
  /** Ends it now, with its thread if need be. */
  kill(): void;
}

export interface Executor extends AsyncDisposable {
  /** `lane`, `worker`, `process`, `inline`: as a job entry names it. */
  readonly kind: string;
  start(request: RunRequest): Execution;
  /** Ends every run as cancelled, then whatever they ran in. */
  close(): Promise<void>;
}

/** What the far side's entry file is given to run one request's code with. */
export interface RunContext {
  readonly id: string;
  readonly name: string;
  readonly code: unknown;
  readonly values: Readonly<Record<string, unknown>>;
  /** The request's host objects, as remote references. They are released when the run has ended. */
  readonly host: Readonly<Record<string, unknown>>;
  /** Aborts when the run is cancelled, and when it failed. */
  readonly signal: AbortSignal;
  /** Whether it was cancelled; true at once, also in a loop that never yields to the event loop. */
  isCancelled(): boolean;
  /** Ends the run with `error`, as if its code had thrown it: for failures beside its main line. */
  fail(error: unknown): void;
  /** Where its `console` output goes from now on, as whole lines. */
  onPrint(print: (level: PrintLevel, text: string) => void): void;
  /** Prints the lines that were begun and not ended: for the end of the run. */
  endLines(): void;
}

export type PrintLevel = "debug" | "info" | "warn" | "error";

/**
 * Runs the code of one request; resolves with what it returned, by value, or rejects with what it
 * threw. What it started has ended when it settles.
 */
export type RunCode = (context: RunContext) => Promise<unknown>;
