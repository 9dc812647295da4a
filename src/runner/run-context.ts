import type { Clock } from "../base/clock.ts";
import type { RunnerError } from "../base/errors.ts";
import type { Executor } from "../executor/executor.ts";
import type { Tree } from "../tree/tree.ts";
import type { Path } from "../wire/path.ts";
import type { JobEntry, LogLine, RunReason } from "./job.ts";
import type { RunEvent } from "./kit/messages.ts";
import type { Fence } from "./ownership.ts";

/** What the objects that a run's code gets are made of. */
export interface RunContext {
  /** The node's tree; what code does with it goes through `check` and `fence`. */
  readonly tree: Tree;
  readonly clock: Clock;
  /** The job. */
  readonly path: Path;
  readonly entry: JobEntry;
  readonly slot: string;
  readonly node: string;
  /** The run's id: its token as text. */
  readonly run: string;
  readonly token: number;
  readonly reason: RunReason;
  /** The condition of every write. */
  readonly fence: Fence;
  /**
   * To be called before every operation: the deadline check, on this process's own clock.
   *
   * @throws RunnerError `RUNNER_LEASE_LOST`, `RUNNER_FENCED`, `RUNNER_DETACHED`
   */
  check(): void;
  /** Whether the run is to be told what happens, also where it may not act at this moment. */
  mayGoOn(): boolean;
  /** To be called when a write met `ENGINE_CONDITION`: somebody else owns the job. */
  onFenced(): void;
  /** Lines whose fields can be stored. */
  log(lines: readonly LogLine[]): void;
  /** The code says that it is set up. */
  setupDone(): void;
  /** The code says how far it is; anything that can be stored. */
  progress(value: unknown): void;
  /** Aborts when the run is to end. */
  readonly signal: AbortSignal;
  /** Whether the code may block its thread, so that nothing can be pushed to it. */
  readonly blocks: boolean;
}

/** The objects of one run. */
export interface RunObjects {
  /** As `RunRequest.host`. */
  readonly host: Readonly<Record<string, unknown>>;
  /** As `RunRequest.values`. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Ends what they opened: watches, timers. After the run, however it ended. */
  close(): void | Promise<void>;
  /** The node is cut off: what waits for the tree fails with `error`. */
  detach(error: RunnerError): void;
  /** Puts an event into the code's `_info`. */
  tell(event: RunEvent): void;
  /** What may be shown of what the run ended with: not the secrets that it has read. */
  redact?<T>(said: T): T;
  /** Whether the code has put the failure it ended with on record itself. */
  errorRecorded?(): boolean;
}

export type OpenRunObjects = (context: RunContext) => RunObjects;

/** The code, as far as running it goes. `CodeLibrary` is one. */
export interface CodeSource {
  /** Changes whenever the procedure, or anything it imports, does; `undefined`: none can be run. */
  keyOf(path: Path): string | undefined;
  /** What is wrong with what is stored now. */
  errorOf(path: Path): unknown;
  /** As it is stored: false where its code may block its thread. */
  modeOf(path: Path): boolean | null;
  /** As `RunRequest.code`. */
  shipment(path: Path): unknown;
  /** Calls `listener` after each switch to new code. */
  onSwitch(listener: () => void): Disposable;
  /** Resolves when all code that had arrived can be used; one without it has nothing to wait for. */
  settled?(): Promise<void>;
}

/** Where code runs. */
export interface RunExecutors {
  /** What the jobs of a node share. */
  readonly shared: Executor;
  /** The same for those that go on while the node is cut off: what has to end then may take its thread with it. */
  readonly continuing: Executor;
  /** What gives each run a thread on which its code may block. */
  readonly blocking: Executor;
  /** One for a single run, of code that has blocked or ended its thread before. Its caller closes it. */
  own(): Executor;
  /**
   * One for a single run that was lost with others `round` times, through one of them; it may share a
   * thread with some of them. Its caller closes it.
   */
  apart(round: number): Executor;
}
