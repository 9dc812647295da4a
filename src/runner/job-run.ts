import type { Clock } from "../base/clock.ts";
import { BanyanError, ExecutorError, RunnerError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { cleanStack } from "../code/source-url.ts";
import type { Execution, Executor, RunEnd } from "../executor/executor.ts";
import { encodeTreeValue } from "../tree/entry.ts";
import type { Tree } from "../tree/tree.ts";
import { formatPath } from "../wire/path-text.ts";
import type { JobEntry, LogLine, RunReason } from "./job.ts";
import type { Hold } from "./hold.ts";
import type { RunEvent } from "./kit/messages.ts";
import type { Fence } from "./ownership.ts";
import type {
  CodeSource,
  OpenRunObjects,
  RunContext,
  RunExecutors,
  RunObjects,
} from "./run-context.ts";
import { LogWriter } from "./log-writer.ts";
import type { RunStore } from "./run-store.ts";
import { CAUSE_TEXT, type RunResult, type StopCause } from "./settle.ts";
import type { SlotPath } from "./slot-mirror.ts";

/** What all runs of a node share. */
export interface RunParts {
  readonly tree: Tree;
  readonly clock: Clock;
  readonly log: Log;
  readonly node: string;
  readonly code: CodeSource;
  readonly executors: RunExecutors;
  readonly openObjects: OpenRunObjects;
  readonly runs: RunStore;
  /** Called when a run that had to end is still there when others may begin. */
  readonly onStuck: (run: string) => void;
}

/** One run, as decided. */
export interface RunSpec extends SlotPath {
  readonly entry: JobEntry;
  readonly token: number;
  readonly fence: Fence;
  readonly hold: Hold;
  readonly reason: RunReason;
  readonly codeKey: string;
  /** It has blocked or ended its thread before, so that it gets one of its own. */
  readonly alone: boolean;
  /** How often it was lost with others, through one of them: it runs apart from them. */
  readonly suspected: number;
  readonly onSetupDone: () => void;
  readonly onProgress: (value: unknown) => void;
  /** It has run for the entry's `ok_after`. */
  readonly onOk: () => void;
}

/** How long code may take to end after it was asked to. */
const GRACE_MS = 5_000;

/** The same where the run has lost its right to act: of the lease's margin, which is all there is. */
const URGENT_GRACE_SHARE = 0.5;
/** The same where only its writes are refused: the others on its thread are worth more. */
const FENCED_GRACE_MS = 500;

/**
 * One execution of a job's code, from its start to its end: the deadline check and the fence of what it
 * does, its log, its time limits. It decides nothing about the job.
 */
export class JobRun {
  readonly spec: RunSpec;
  readonly #parts: RunParts;
  readonly #marginMs: number;
  readonly #controller = new AbortController();
  readonly #timers: Disposable[] = [];
  readonly log: LogWriter;
  #execution: Execution | undefined;
  #cause: StopCause | undefined;
  #objects: RunObjects | undefined;
  /** The code has ended; tidying up may still be under way. */
  #over = false;

  /** `marginMs`: of the node's lease. */
  constructor(spec: RunSpec, parts: RunParts, marginMs: number) {
    this.spec = spec;
    this.#parts = parts;
    this.#marginMs = marginMs;
    this.log = new LogWriter({
      clock: parts.clock,
      write: (index, lines) => this.#writeLines(index, lines),
      drop: (index) => parts.runs.deleteLines(spec, spec.token, index),
      onError: (error) => this.#onLogError(error),
    });
  }

  /** Why it was stopped, where it was. */
  get cause(): StopCause | undefined {
    return this.#cause;
  }

  /** Whether it may act at this moment. */
  get hasRight(): boolean {
    return !isUrgent(this.#cause) && this.spec.hold.phase !== "over";
  }

  /** Runs the code to its end. Never rejects. */
  async run(): Promise<RunResult> {
    let executor: Executor | undefined;
    let objects: RunObjects | undefined;
    try {
      this.check();
      const blocks = this.#parts.code.modeOf(this.spec.entry.code) === false;
      objects = this.#parts.openObjects(this.#context(blocks));
      this.#objects = objects;
      executor = this.#executor(blocks);
      this.#execution = executor.start({
        id: `${this.spec.slot}/${this.spec.token}`,
        name: formatPath(this.spec.path),
        code: this.#parts.code.shipment(this.spec.entry.code),
        host: objects.host,
        values: objects.values,
      });
      this.#armTimers();
      if (this.#cause !== undefined) this.#cancel(this.#cause);
      const result = shownOf(this.#toResult(await this.#execution.ended), objects);
      return objects.errorRecorded?.() === true ? { ...result, recorded: true } : result;
    } catch (error) {
      return this.#toResult({ type: "threw", error });
    } finally {
      this.#over = true;
      for (const timer of this.#timers) timer[Symbol.dispose]();
      this.#controller.abort(new RunnerError("RUNNER_CANCELLED", "the run has ended"));
      await this.#tidy(objects, executor);
    }
  }

  #executor(blocks: boolean): Executor {
    const { executors } = this.#parts;
    const { alone, suspected } = this.spec;
    // There each has a thread for itself anyway.
    if (blocks) return executors.blocking;
    if (alone) return executors.own();
    if (suspected > 0) return executors.apart(suspected);
    return this.spec.entry.partition === "continue" ? executors.continuing : executors.shared;
  }

  /** Asks it to end, or, where it has lost its right to run, sees to it that it does. Idempotent. */
  stop(cause: StopCause): void {
    const urgent = isUrgent(cause);
    if (this.#cause !== undefined && (!urgent || isUrgent(this.#cause))) return;
    this.#cause = cause;
    if (urgent) this.log.abandon();
    this.#cancel(cause);
  }

  /** Refuses what is under way in the tree: it may be answered when nobody waits for it any more. */
  detach(): void {
    this.#objects?.detach(detached());
  }

  /** Tells the code something, in its `_info`. */
  tell(event: RunEvent): void {
    this.#objects?.tell(event);
  }

  /** The job has another owner. */
  fenced(): void {
    // Otherwise it learns who that is when its node is back.
    if (this.spec.hold.phase !== "detached") this.stop("fenced");
  }

  /** The deadline check. @throws RunnerError `RUNNER_LEASE_LOST`, `RUNNER_FENCED`, `RUNNER_DETACHED` */
  check(): void {
    const { phase } = this.spec.hold;
    if (this.#cause === "fenced" || phase === "superseded") throw new RunnerError("RUNNER_FENCED");
    if (phase === "detached") throw detached();
    if (phase === "over") {
      throw new RunnerError("RUNNER_LEASE_LOST", "the node's lease is over, and with it this run");
    }
  }

  #cancel(cause: StopCause): void {
    const { clock, onStuck } = this.#parts;
    const details = { cause, ...this.spec.hold.superseded };
    const reason = new RunnerError(cancelCode(cause), CAUSE_TEXT[cause], { details });
    this.#controller.abort(reason);
    const execution = this.#execution;
    if (execution === undefined || this.#over) return;
    if (!isUrgent(cause)) return execution.cancel(reason, { graceMs: GRACE_MS });
    // Not killed at once: that would cost every other run on its thread, and it can do no harm.
    const graceMs = cause === "fenced" ? FENCED_GRACE_MS : this.#marginMs * URGENT_GRACE_SHARE;
    execution.cancel(reason, { graceMs });
    // It may have been cancelled before, with a longer grace.
    this.#timers.push(clock.after(graceMs, () => execution.kill()));
    if (cause !== "lease") return;
    this.#timers.push(clock.after(this.#marginMs, () => onStuck(formatPath(this.spec.path))));
  }

  #armTimers(): void {
    const { clock } = this.#parts;
    const { timeout, ok_after: okAfter } = this.spec.entry;
    if (timeout !== undefined) {
      this.#timers.push(clock.after(timeout * 1000, () => this.stop("timeout")));
    }
    if (okAfter > 0) this.#timers.push(clock.after(okAfter * 1000, () => this.spec.onOk()));
  }

  #context(blocks: boolean): RunContext {
    const { tree, clock, node } = this.#parts;
    const { path, entry, slot, token, reason, fence } = this.spec;
    return {
      tree,
      clock,
      node,
      path,
      entry,
      slot,
      token,
      reason,
      fence,
      run: String(token),
      check: () => this.check(),
      mayGoOn: () => isHeldOrDetached(this.spec.hold),
      onFenced: () => this.fenced(),
      log: (lines) => this.log.add(lines),
      setupDone: () => this.spec.onSetupDone(),
      progress: (value) => this.spec.onProgress(value),
      signal: this.#controller.signal,
      blocks,
    };
  }

  #toResult(end: RunEnd): RunResult {
    const cause = this.#cause;
    if (!this.hasRight) return { outcome: "lost", cause: cause ?? "lease" };
    if (end.type === "stalled") {
      const frames = end.place.frames.map(cleanStack);
      const where = frames[0] === undefined ? "" : ` at ${frames[0]}`;
      const error = new ExecutorError("EXECUTOR_STALLED", `the code blocked its thread${where}`, {
        details: { frames, procedure: formatPath(this.spec.entry.code) },
      });
      return { outcome: "stalled", error, frames };
    }
    if (cause === "timeout") {
      const error = new RunnerError(
        "RUNNER_CANCELLED",
        `the run took longer than ${this.spec.entry.timeout} s`,
      );
      return { outcome: "timeout", cause, error };
    }
    // Also where the code returned or threw because it was asked to end.
    if (cause !== undefined) return { outcome: "cancelled", cause };
    switch (end.type) {
      case "returned":
        return returned(end.value);
      case "threw":
        return { outcome: "error", error: end.error };
      case "crashed":
        return { outcome: "crashed", error: end.error };
      case "cancelled":
        return { outcome: "cancelled", cause: "drain" };
      case "lost":
        break;
    }
    return { outcome: "lost", error: end.error, blame: end.blame };
  }

  async #tidy(objects: RunObjects | undefined, executor: Executor | undefined): Promise<void> {
    try {
      await objects?.close();
      const { shared, continuing, blocking } = this.#parts.executors;
      const kept = [shared, continuing, blocking].some((one) => one === executor);
      if (!kept) await executor?.close();
    } catch (error) {
      this.#parts.log.warn("what a run had opened could not be closed", { error });
    }
  }

  async #writeLines(index: number, lines: readonly LogLine[]): Promise<void> {
    const { hold, token } = this.spec;
    for (;;) {
      // Nobody else writes below this run's token, so that what it said meanwhile can be kept.
      const fence = (await hold.settled()) === "superseded" ? undefined : { ...this.spec.fence };
      try {
        return await this.#parts.runs.writeLines(this.spec, token, { index, lines, fence });
      } catch (error) {
        if (!BanyanError.has(error, "ENGINE_CONDITION")) throw error;
        const phase = await hold.settled();
        const resumed = phase === "held" && this.spec.fence.revision !== fence?.revision;
        if (phase !== "superseded" && !resumed) throw error;
      }
    }
  }

  #onLogError(error: unknown): void {
    if (BanyanError.has(error, "ENGINE_CONDITION")) this.fenced();
    else this.#parts.log.warn("lines of a run's log are lost", { error });
  }
}

function cancelCode(cause: StopCause): "RUNNER_FENCED" | "RUNNER_LEASE_LOST" | "RUNNER_CANCELLED" {
  if (cause === "lease") return "RUNNER_LEASE_LOST";
  return cause === "fenced" || cause === "superseded" ? "RUNNER_FENCED" : "RUNNER_CANCELLED";
}

function isHeldOrDetached({ phase }: Hold): boolean {
  return phase === "held" || phase === "detached";
}

function detached(): RunnerError {
  const message =
    "the node is cut off from the tree: the run goes on, and may try again when a state says so";
  return new RunnerError("RUNNER_DETACHED", message);
}

/** The result as people may read it. */
function shownOf(result: RunResult, objects: RunObjects): RunResult {
  const redact = <T>(said: T): T => objects.redact?.(said) ?? said;
  const { value, error } = result;
  return {
    ...result,
    ...(value === undefined ? {} : { value: redact(value) }),
    ...(error === undefined ? {} : { error: redact(error) }),
  };
}

/** The run has lost its right to act, and must be gone before another begins. */
function isUrgent(cause: StopCause | undefined): boolean {
  return cause === "fenced" || cause === "lease";
}

function returned(value: unknown): RunResult {
  if (value === undefined) return { outcome: "ok" };
  try {
    encodeTreeValue(value);
    return { outcome: "ok", value };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "unknown";
    const error = new RunnerError("RUNNER_BAD_RESULT", `the result can't be stored: ${why}`, {
      cause,
    });
    return { outcome: "error", error };
  }
}
