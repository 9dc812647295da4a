import { Lifecycle } from "../base/lifecycle.ts";
import type { Path } from "../wire/path.ts";
import { formatPath } from "../wire/path-text.ts";
import { type Decision, decide } from "./decide.ts";
import type { JobState } from "./job.ts";
import type { JobView } from "./job-views.ts";
import { forgetRetries, settleLeftOver } from "./left-over.ts";
import type { Incarnation } from "./held-lease.ts";
import type { NodeLease } from "./node-lease.ts";
import { runsInOldPlace } from "./moved-job.ts";
import { OwnedJob } from "./owned-job.ts";
import { type Candidate, rankDelayMs, rankNodes } from "./placement.ts";
import type { Roster } from "./roster.ts";
import type { RunRights } from "./run-rights.ts";
import { pendingRequest } from "./schedule.ts";
import { Sighting } from "./sighting.ts";
import type { RunResult, StopCause } from "./settle.ts";
import { Shift, type ShiftParts } from "./shift.ts";
import type { SlotPath } from "./slot-mirror.ts";
import type { StartGate } from "./start-gate.ts";
import { toJobState } from "./stored-state.ts";
import { type Present, whyStop } from "./why-stop.ts";

/** What the jobs of a node share. */
export interface JobRunnerParts extends ShiftParts {
  readonly lease: NodeLease;
  readonly roster: Roster;
  readonly view: (path: Path) => JobView;
  /** This node, as placement sees it. */
  readonly self: () => Candidate;
  readonly gate: StartGate;
  readonly rights: RunRights;
  readonly random: () => number;
  readonly draining: () => boolean;
  /** A slot of the node has become free. */
  readonly onFree: () => void;
  /** Does something that nobody waits for. */
  readonly spawn: (name: string, task: () => Promise<unknown>) => void;
}

type Phase = "idle" | "waiting" | "claiming" | "running" | "stopping" | "settling";

const MOVES: Readonly<Record<Phase, readonly Phase[]>> = {
  idle: ["waiting", "claiming"],
  waiting: ["idle", "claiming"],
  claiming: ["idle", "running"],
  running: ["stopping", "settling"],
  stopping: ["settling"],
  settling: ["idle"],
};

/** After a claim that failed, in case nothing else tells that it is worth another. */
const RECLAIM_MS = 500;
/** The schedule is looked at this often, for the wall clock may be set. */
const MAX_WAIT_MS = 60_000;
/** So many threads lost in a row, each within `QUICK_LOSS` seconds: it isn't the others. */
const MAX_LANE_LOSSES = 3;
const QUICK_LOSS = 10;

/**
 * One job in one slot on one node: decides whether this node is to start it, and looks after it while
 * it runs. `evaluate` is to be called whenever anything changed that this depends on. It decides
 * synchronously, on what is known at that moment; the claim settles who was right.
 */
export class JobRunner {
  readonly at: SlotPath;
  readonly #parts: JobRunnerParts;
  readonly #phase = new Lifecycle<Phase>("idle", MOVES);
  readonly #name: string;
  #timer: Disposable | undefined;
  /** Since when it is to be started, on the monotonic clock: ranks count from there. */
  #dueSince: number | undefined;
  /** Not before this moment, on the monotonic clock. */
  #restUntil = 0;
  #shift: Shift | undefined;
  #task: Promise<void> = Promise.resolve();
  #laneLosses = 0;
  readonly #sighting = new Sighting();
  /** The token of a run that this process ended, and had no right any more to say so. */
  #unsettled: number | undefined;
  /** The state as this node left it, until the mirror shows it. */
  #left: { readonly revision: number; readonly state: JobState | undefined } | undefined;

  constructor(at: SlotPath, parts: JobRunnerParts) {
    this.at = at;
    this.#parts = parts;
    this.#name = formatPath(at.path);
  }

  get phase(): Phase {
    return this.#phase.state;
  }

  /** Whether it takes up one of the node's slots. */
  get busy(): boolean {
    return this.phase !== "idle" && this.phase !== "waiting";
  }

  /** Whether it only waits for a free slot. */
  get wantsRoom(): boolean {
    return this.phase === "waiting" && this.#timer === undefined;
  }

  /** Whether there is nothing left to look after. */
  get unused(): boolean {
    const { exists } = this.#parts.view(this.at.path);
    const { ownership } = this.#parts;
    return (
      !this.busy && !exists && this.#state() === undefined && ownership.owner(this.at) === undefined
    );
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.busy) await this.#task;
  }

  /** Looks at everything again. */
  evaluate(): void {
    if (this.#shift?.job.phase === "detached") this.#holdOut(this.#shift);
    else if (this.#shift !== undefined) this.#checkRun(this.#shift);
    else if (!this.busy) this.#decide();
    // Otherwise it is looked at when what is under way has ended.
  }

  /** The lease is over: whatever runs must end, now, or goes on without the tree. */
  leaseLost(): void {
    const shift = this.#shift;
    if (shift?.job.continues === true) {
      shift.detach();
      shift.tellGroup(this.#parts.lease.trouble);
    } else if (shift !== undefined && this.phase !== "settling") this.#stop(shift, "lease");
    else if (!this.busy) this.#sleep();
  }

  /** Takes its timers off; what is under way is to be `settled` before. */
  close(): void {
    if (!this.busy) this.#sleep();
    this.#parts.gate.cancel(this);
    this.#parts.reports.forget(this.at);
  }

  #decide(): void {
    const { lease, clock, ownership, draining, gate } = this.#parts;
    const held = lease.held;
    this.#sleep();
    if (held?.isValid() !== true || draining()) return;
    const standing = ownership.standing(this.at, held);
    const decision = standing === "held" ? this.#leaveToOthers() : this.#judge(this.#state());
    if (decision.type === "none" || decision.type === "wait") {
      this.#dueSince = undefined;
      gate.cancel(this);
      if (decision.type === "wait") this.#wait(decision.ms);
      return;
    }
    this.#dueSince ??= clock.now();
    const first = this.#dueSince + this.#rankMs(standing === "mine", decision);
    const restMs = Math.max(first, this.#restUntil) - clock.now();
    if (restMs > 0) {
      this.#wait(restMs);
    } else if (gate.pass(this, decision.type === "start" ? decision.plan.at : 0)) {
      this.#phase.to("claiming");
      this.#task = this.#attempt(held);
    }
  }

  /** Another node has it, so that it is not for this one to say what it lacks. */
  #leaveToOthers(): Decision {
    this.#parts.reports.codeMissing(this.at, undefined);
    return { type: "none" };
  }

  #judge(state: JobState | undefined): Decision {
    const { ownership, reports, rights, clock } = this.#parts;
    const present = this.#present();
    const decision = decide({
      ...present,
      state: this.#sighting.of(state, clock, present.revision),
      owned: ownership.owner(this.at) !== undefined,
      slot: this.at.slot,
    });
    const missing = decision.type === "none" ? decision.missing : undefined;
    reports.codeMissing(this.at, missing);
    // Whoever missed it, and may be gone by now.
    if (present.codeKey !== undefined) reports.usable(this.at.path);
    const denied = decision.type === "start" && rights.isDenied(this.at.path, decision.entry.code);
    return denied ? { type: "none" } : decision;
  }

  /** How long better nodes go first. */
  #rankMs(mine: boolean, decision: Decision): number {
    const { self, roster, random, view, node } = this.#parts;
    const { entry } = view(this.at.path);
    if (entry === undefined || !("any" in entry.place) || mine) return 0;
    if (self().free <= 0) return Infinity;
    const ranks = rankNodes(this.#name, entry, roster.candidates());
    const rank = ranks.indexOf(node);
    // What this very node lost, another can go on with at once; here it counts as a failure.
    const restarted = decision.type === "lost" && this.#state()?.node === node;
    return rankDelayMs(rank < 0 || restarted ? ranks.length : rank, random());
  }

  async #attempt(held: Incarnation): Promise<void> {
    try {
      const job = (await this.#isElsewhere())
        ? undefined
        : await OwnedJob.claim(this.at, held, this.#parts);
      if (job === undefined) this.#restUntil = this.#parts.clock.now() + RECLAIM_MS;
      else await this.#use(job);
    } catch (error) {
      this.#restUntil = this.#parts.clock.now() + RECLAIM_MS;
      if (!this.#parts.signal.aborted) {
        this.#parts.log.warn(`${this.#name}: a run could not be started or settled`, { error });
      }
    }
    this.#shift = undefined;
    this.#phase.to("idle");
    this.#decide();
    if (!this.busy) this.#parts.onFree();
  }

  /** Whether it still runs in a place that it had before. */
  async #isElsewhere(): Promise<boolean> {
    const { entry, revision } = this.#parts.view(this.at.path);
    // What was claimed since the entry was written has been looked at then.
    if (entry === undefined || (this.#state()?.token ?? 0) > revision) return false;
    return runsInOldPlace(this.at, entry.place, this.#parts);
  }

  /** Does what the job's state, as it stays from the claim on, asks for. */
  async #use(job: OwnedJob): Promise<void> {
    if (job.phase !== "held") return;
    let decision = this.#judge(job.state);
    if (decision.type === "lost" && job.state !== undefined) {
      const left = { before: job.state, stopped: this.#now(), unsettled: this.#unsettled };
      await settleLeftOver(job, left, this.#parts);
      decision = this.#judge(job.state);
    }
    if (decision.type === "remove") {
      await this.#removeTraces(job);
    } else if (decision.type === "start" && !this.#parts.draining()) {
      // With each start: what was allowed with the last one may not be any more.
      const may = await this.#parts.rights.mayStart(this.at.path, decision.entry.code);
      await (may ? this.#work(job, decision) : this.#release(job));
    } else {
      if (decision.type === "forget" && job.state !== undefined) {
        await forgetRetries(job, job.state, this.#requestSeen(job.state));
      }
      await this.#release(job);
    }
  }

  /** Runs it, and does what has to be done afterwards. */
  async #work(job: OwnedJob, decision: Decision & { readonly type: "start" }): Promise<void> {
    const start = { ...decision, started: this.#now(), request: this.#requestSeen(job.state) };
    const shift = await Shift.open(job, start, this.#parts);
    this.#dueSince = undefined;
    this.#phase.to("running");
    this.#shift = shift;
    job.continues = shift.entry.partition === "continue";
    const working = shift.work();
    // What changed while it was being started; also whether the lease is still held.
    if (job.phase === "held") this.#checkRun(shift);
    else this.leaseLost();
    const result = await working;
    this.#phase.to("settling");
    if (!(await this.#settle(shift, this.#blame(result, shift)))) {
      this.#unsettled = job.token;
      return;
    }
    this.#parts.spawn("prune runs", () => this.#parts.runs.prune(this.at, this.#parts.keepRuns));
    const next = this.#judge(job.state);
    // Also where it was created anew meanwhile: that is another job, which never ran.
    const removed = next.type === "remove" || shift.cause === "removed";
    if (removed) await this.#removeTraces(job);
    else if (!this.#keeps(shift, next)) await this.#release(job);
    else this.#leave(job);
  }

  async #settle(shift: Shift, result: RunResult): Promise<boolean> {
    const request = this.#requestSeen(shift.state);
    return shift.settle(result, { request, next: (state) => this.#next(state) });
  }

  /** Whether this node goes on with the job at once, without giving others a turn. */
  #keeps({ cause }: Shift, next: Decision): boolean {
    const interrupted = cause === undefined || cause === "edit" || cause === "code-change";
    const again = next.type === "start" && next.plan.reason !== "repeat";
    return interrupted && again && !this.#parts.draining();
  }

  /** A thread that is lost again and again is lost through this job. */
  #blame(result: RunResult, shift: Shift): RunResult {
    const { outcome, cause, blame } = result;
    // Where it is known whose fault it was, or will be found out, nobody has to guess.
    const lane = outcome === "lost" && cause === undefined && blame === undefined;
    const quick = this.#now() - shift.started < QUICK_LOSS;
    this.#laneLosses = lane && quick ? this.#laneLosses + 1 : 0;
    return this.#laneLosses < MAX_LANE_LOSSES ? result : { ...result, outcome: "error" };
  }

  /** Looks after a run whose node is cut off, or was so until now. */
  #holdOut(shift: Shift): void {
    const { lease, draining, spawn } = this.#parts;
    const { held } = lease;
    if (draining()) {
      this.#stop(shift, "drain");
      // Nobody waits until the tree is back.
      shift.job.giveUp();
    } else if (held?.isValid() === true) {
      spawn("take a job up again", () => this.#reattach(shift, held));
    } else shift.tellGroup(lease.trouble);
  }

  async #reattach(shift: Shift, held: Incarnation): Promise<void> {
    await shift.reattach(held);
    if (shift.job.phase === "superseded") this.#stop(shift, "superseded");
    else this.evaluate();
  }

  #checkRun(shift: Shift): void {
    if (this.phase !== "running") return;
    shift.tellGroup(this.#parts.lease.trouble);
    if (this.#parts.draining()) return this.#stop(shift, "drain");
    const present = this.#present();
    const { entry, codeKey, state } = shift;
    const cause = whyStop({ entry, codeKey, state, slot: this.at.slot }, present);
    if (cause !== undefined) this.#stop(shift, cause);
    else shift.noteCode(this.#parts.code.errorOf(entry.code));
  }

  #stop(shift: Shift, cause: StopCause): void {
    if (this.phase === "running") this.#phase.to("stopping");
    shift.stop(cause);
  }

  async #release(job: OwnedJob): Promise<void> {
    this.#leave(job);
    await job.release();
  }

  async #removeTraces(job: OwnedJob): Promise<void> {
    await job.removeTraces();
    this.#parts.reports.removed(this.at.path);
    this.#leave(job);
  }

  #leave(job: OwnedJob): void {
    this.#left = { revision: job.revision, state: job.state };
  }

  /** The last request that this node has seen. */
  #requestSeen(state: JobState | undefined): number | undefined {
    const { request } = this.#parts.view(this.at.path);
    return pendingRequest({ state, request, now: this.#now() })?.revision ?? state?.request;
  }

  #next(state: JobState): number | undefined {
    const decision = this.#judge(state);
    if (decision.type === "wait") return this.#now() + decision.ms / 1000;
    return decision.type === "start" ? decision.plan.at : undefined;
  }

  #present(): Present & JobView {
    const { view, code, self } = this.#parts;
    const seen = view(this.at.path);
    const codeKey = seen.entry === undefined ? undefined : code.keyOf(seen.entry.code);
    return { ...seen, codeKey, node: self(), now: this.#now() };
  }

  #state(): JobState | undefined {
    const { states } = this.#parts;
    if (this.#left !== undefined && this.#left.revision > states.revision(this.at.slot)) {
      return this.#left.state;
    }
    this.#left = undefined;
    return toJobState(states.entry(this.at)?.value);
  }

  #wait(ms: number): void {
    // What waits for a free slot or another node is woken by what changes.
    if (this.phase === "idle") this.#phase.to("waiting");
    if (ms === Infinity) return;
    this.#timer = this.#parts.clock.after(Math.min(ms, MAX_WAIT_MS), () => this.evaluate());
  }

  #sleep(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.phase === "waiting") this.#phase.to("idle");
  }

  /** Seconds since 1970. */
  #now(): number {
    return this.#parts.clock.wall() / 1000;
  }
}
