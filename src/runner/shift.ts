import type { Clock } from "../base/clock.ts";
import { RunnerError } from "../base/errors.ts";
import { formatPath } from "../wire/path-text.ts";
import type { Decision } from "./decide.ts";
import { inputKey } from "./input-key.ts";
import type { GroupView } from "./group-view.ts";
import {
  DEFAULT_GROUP,
  groupOf,
  type JobEntry,
  type JobState,
  type Run,
  type Superseded,
} from "./job.ts";
import type { JobReports } from "./job-reports.ts";
import { JobRun } from "./job-run.ts";
import type { ActorFields } from "./kit/messages.ts";
import type { Incarnation } from "./held-lease.ts";
import type { OwnedJob, OwnedJobParts } from "./owned-job.ts";
import { endedRun, newRun, startedState } from "./run-records.ts";
import { errorRecordOf, type RunResult, settleRun, type StopCause } from "./settle.ts";

export interface ShiftParts extends OwnedJobParts {
  readonly marginMs: number;
  readonly reports: JobReports;
  readonly groups: GroupView;
  readonly keepRuns: number;
}

/** What is written into a state when it is settled, beside how the run ended. */
export interface Settling {
  /** The last request that was seen. */
  readonly request: number | undefined;
  /** When the job is due next, by the state it would have. */
  readonly next: (state: JobState) => number | undefined;
}

/** A job that was lost with its node works again when it has run for this long. */
const MENDED_MS = 5_000;

/** One run of an owned job with all that is kept of it: from "started" to "stopped" in its state. */
export class Shift {
  readonly job: OwnedJob;
  readonly entry: JobEntry;
  readonly codeKey: string;
  readonly #run: JobRun;
  readonly #record: Run;
  readonly #started: JobState;
  readonly #parts: ShiftParts;
  /** A write of the state is under way, which takes what is set meanwhile with it. */
  #storing = false;
  #reattaching: Promise<void> | undefined;
  /** What it was told of its group last. */
  #told: ActorFields | undefined;
  #recorded: Promise<unknown> = Promise.resolve();

  private constructor(job: OwnedJob, start: Start, parts: ShiftParts) {
    const { entry, codeKey, plan, started, request } = start;
    const { token, fence, state: before, at } = job;
    const facts = { node: parts.node, token, code: codeKey, reason: plan.reason, started };
    this.job = job;
    this.entry = entry;
    this.codeKey = codeKey;
    this.#parts = parts;
    this.#started = {
      ...startedState(before, facts),
      input: inputKey(entry),
      ...(request === undefined ? {} : { request }),
    };
    this.#record = newRun(at.path, entry, facts);
    const spec = { ...at, entry, token, fence, hold: job, codeKey, reason: plan.reason };
    this.#run = new JobRun(
      {
        ...spec,
        // It has blocked or ended a thread before: nobody else is to suffer from it again.
        alone: (this.#started.stalls ?? 0) > 0,
        suspected: this.#started.suspected ?? 0,
        onSetupDone: () => this.#works({ setup_done: true, backoff: 0 }),
        onProgress: (progress) => this.#update({ progress }),
        onOk: () => this.#works({ backoff: 0 }),
      },
      parts,
      parts.marginMs,
    );
  }

  /** Writes that it is started. After this the code must run, or be settled as lost by somebody. */
  static async open(job: OwnedJob, start: Start, parts: ShiftParts): Promise<Shift> {
    const shift = new Shift(job, start, parts);
    if (!(await job.persist(() => job.setState(shift.#started)))) {
      throw new RunnerError("RUNNER_FENCED", "the job was lost while it was being started");
    }
    parts.reports.usable(job.at.path);
    // Nobody misses the record before the run has ended, so nothing waits for it.
    shift.#recorded = job.persist(() => job.writeRun(shift.#record)).catch(() => false);
    return shift;
  }

  get state(): JobState {
    return this.job.state ?? this.#started;
  }

  get cause(): StopCause | undefined {
    return this.#run.cause;
  }

  /** Seconds since 1970. */
  get started(): number {
    return this.#started.started;
  }

  /** Runs the code to its end. Never rejects. */
  async work(): Promise<RunResult> {
    const { clock, reports } = this.#parts;
    // What went wrong before was no failure of the code: once it runs again, that is mended.
    const mended = clock.after(MENDED_MS, () => {
      const lost = this.#record.reason === "failover" || this.#started.losses !== undefined;
      if (lost) reports.working(this.job.at);
    });
    try {
      return await this.#run.run();
    } finally {
      mended[Symbol.dispose]();
    }
  }

  stop(cause: StopCause): void {
    this.#run.stop(cause);
  }

  /** The node's lease is over, and the run goes on. */
  detach(): void {
    this.job.detach();
    this.#run.detach();
  }

  /** The node has a lease again: the run has its job back, or it is told who has that. */
  reattach(incarnation: Incarnation): Promise<void> {
    this.#reattaching ??= this.#reattach(incarnation).finally(
      () => (this.#reattaching = undefined),
    );
    return this.#reattaching;
  }

  /** Tells the code how much of its group is there, where that is news. `trouble`: why there may be no lease. */
  tellGroup(trouble: "away" | "refuses"): void {
    const { groups } = this.#parts;
    const group = groupOf(this.entry.place) ?? DEFAULT_GROUP;
    const isNews = this.job.continues || this.#told !== undefined || groups.isExpected(group);
    if (!isNews) return;
    const state = groups.state(group, this.job.phase === "held" ? "ok" : trouble);
    if (state === this.#told) return;
    this.#told = state;
    this.#run.tell(state);
  }

  /** Tells people whether the run goes on with code that can't be started any more. */
  noteCode(error: unknown): void {
    const comment =
      error === undefined ? undefined : `running old version: ${errorRecordOf(error).message}`;
    if (comment === this.state.comment) return;
    const { comment: _old, ...state } = this.state;
    this.#write(comment === undefined ? state : { ...state, comment });
  }

  /** Writes how it ended. False where this node has no right to say so any more. */
  async settle(result: RunResult, settling: Settling): Promise<boolean> {
    try {
      return await this.#settle(result, settling);
    } catch (cause) {
      const text = "how the run ended can't be stored";
      const error = new RunnerError("RUNNER_BAD_RESULT", text, { cause });
      return this.#settle({ outcome: "error", error }, settling);
    }
  }

  async #settle(result: RunResult, settling: Settling): Promise<boolean> {
    if (!this.#run.hasRight) return false;
    const { clock, reports } = this.#parts;
    const stopped = wallSeconds(clock);
    if ((await this.job.settled()) === "over") return false;
    const { superseded } = this.job;
    if (superseded !== undefined) return this.#amend(result, { stopped, superseded });
    const settled = settleRun(this.state, result, { stopped, request: settling.request });
    const next = settling.next(settled);
    const state = next === undefined ? settled : { ...settled, next };
    const record = endedRun(this.#record, result, state.stopped ?? stopped);
    await this.#recorded;
    const kept = await this.job.persist(async () => {
      // The record first: if the node dies between the two, the next owner takes the end from there.
      await Promise.all([this.job.writeRun(record), this.#run.log.close()]);
      await this.job.setState(state);
    });
    if (!kept) return false;
    reports.ended(this.job.at, record, { result, state });
    return true;
  }

  async #reattach(incarnation: Incarnation): Promise<void> {
    await this.job.reattach(incarnation);
    const { superseded } = this.job;
    if (superseded === undefined) return;
    const job = formatPath(this.job.at.path);
    const { by, token } = superseded;
    this.#parts.log.warn(`${job}: another run began while this node was cut off`, { by, token });
    this.#run.tell({ type: "superseded", by, token });
  }

  /** Says in the run's own record how it ended; in all else another has its say. */
  async #amend(
    result: RunResult,
    { stopped, superseded }: { readonly stopped: number; readonly superseded: Superseded },
  ): Promise<false> {
    const { log, runs } = this.#parts;
    const run = { ...endedRun(this.#record, result, stopped), superseded };
    try {
      await Promise.all([runs.amend(this.job.at.slot, run), this.#run.log.close()]);
    } catch (error) {
      log.warn("how a run ended while its node was cut off can't be stored", { error });
    }
    return false;
  }

  #works(patch: Partial<JobState>): void {
    this.#update(patch);
    this.#parts.reports.working(this.job.at);
  }

  #update(patch: Partial<JobState>): void {
    this.#write({ ...this.state, ...patch });
  }

  #write(state: JobState): void {
    if (this.#storing && this.job.phase === "detached") this.job.keepState(state);
    else void this.#store(state);
  }

  async #store(state: JobState): Promise<void> {
    this.job.keepState(state);
    this.#storing = true;
    try {
      // As it is by then: it may have to wait.
      const kept = await this.job.persist(() => this.job.setState(this.state));
      if (!kept && this.job.phase !== "superseded") this.#run.stop("fenced");
    } catch (error) {
      this.#parts.log.warn("a job's state can't be stored", { error });
    } finally {
      this.#storing = false;
    }
  }
}

export type Start = Decision & { readonly type: "start" } & {
  /** Seconds since 1970. */
  readonly started: number;
  readonly request: number | undefined;
};

function wallSeconds(clock: Clock): number {
  return clock.wall() / 1000;
}
