import { RunnerError } from "../base/errors.ts";
import type { Path, PathLike } from "../wire/path.ts";

/** Who runs a job: one node of a group, one node by name, or every node of a group. */
export type JobPlace =
  | { readonly any: string }
  | { readonly node: string; readonly group?: string }
  | { readonly all: string };

/**
 * What becomes of a job's run while its node is cut off from the tree, longer than its lease: it ends in
 * time before another may begin, or it goes on, and may be there twice until the node is back.
 */
type PartitionPolicy = "stop" | "continue";

/**
 * A job as people write it: which code, with what, where and when. Durations are in seconds, moments
 * in seconds since 1970. What is left out has the default of `JobEntry`.
 */
export interface JobInput {
  /** The procedure. */
  readonly code: PathLike;
  /** Named values for the procedure: its `vars`, and further names it can see. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly place?: JobPlace;
  /** When to run; `null`: never by itself. A moment that is past means: at once, unless it ran since. */
  readonly target?: number | Date | null;
  /** Runs again this long after each success; 0: it doesn't. */
  readonly repeat?: number;
  /** The wait after a failure: `delay * backoff ** failures`. */
  readonly delay?: number;
  readonly backoff?: number;
  /** No wait after a failure is longer. */
  readonly max_delay?: number;
  /** The share of that wait which is random, 0 to 1. */
  readonly jitter?: number;
  /** A run that lasted this long counts as a success while it goes on; 0: only when it returns. */
  readonly ok_after?: number;
  /** A run is stopped after this long, which counts as a failure. */
  readonly timeout?: number;
  /** What becomes of its run while its node is cut off. */
  readonly partition?: PartitionPolicy;
  /** What runs it. */
  readonly executor?: "lane";
  /** Labels a node must have, with these values. */
  readonly labels?: Readonly<Record<string, string>>;
  /** For people. Changing it disturbs no run. */
  readonly info?: string;
  /** `false` stops the job and keeps its entry. */
  readonly enabled?: boolean;
}

/** A job entry with every default filled in. */
export interface JobEntry {
  readonly code: Path;
  readonly data: Readonly<Record<string, unknown>>;
  readonly place: JobPlace;
  readonly target: number | null;
  readonly repeat: number;
  readonly delay: number;
  readonly backoff: number;
  readonly max_delay: number;
  readonly jitter: number;
  readonly ok_after: number;
  readonly timeout: number | undefined;
  readonly partition: PartitionPolicy;
  readonly executor: "lane";
  readonly labels: Readonly<Record<string, string>>;
  readonly info: string;
  readonly enabled: boolean;
}

export const DEFAULT_GROUP = "default";

/** What a job entry means where it says nothing: DistKV's figures, with a cap and some jitter. */
export const JOB_DEFAULTS = {
  data: {},
  place: { any: DEFAULT_GROUP },
  target: 0,
  repeat: 0,
  delay: 100,
  backoff: 1.1,
  max_delay: 3600,
  jitter: 0.1,
  ok_after: 0,
  timeout: undefined,
  partition: "stop",
  executor: "lane",
  labels: {},
  info: "",
  enabled: true,
} as const satisfies Omit<JobEntry, "code">;

/** Why a run was started. */
export type RunReason =
  /** It was due, by its target. */
  | "first"
  /** It was due, `repeat` after the last one. */
  | "repeat"
  /** The last one failed. */
  | "retry"
  /** The node that ran it is gone, and its run with it. */
  | "failover"
  /** The node that ran it gave it up in order. */
  | "takeover"
  /** Its code or its entry changed while it ran. */
  | "code-change"
  /** The thread it shared was lost through no fault of its own. */
  | "lane"
  /** Somebody asked for it. */
  | "manual";

/**
 * How a run ended. "stalled": it blocked its thread; "crashed": it ended its thread. "error", "timeout" and
 * these two count as failures, "cancelled" and "lost" do not.
 */
export type RunOutcome = "ok" | "error" | "timeout" | "cancelled" | "stalled" | "crashed" | "lost";

/** What code did to the thread that it shared. */
export type ThreadHarm =
  /** It never gave it back. */
  | "stall"
  /** It ended it, by `process.exit()`. */
  | "exit"
  /** It held more memory than it may. */
  | "memory";

/**
 * What a runner knows about a job in one slot. Written only by the run that owns the job at that
 * moment: every write is fenced by its token. Times are seconds since 1970.
 */
export interface JobState {
  readonly started: number;
  /** `null` while it runs; then always later than `started`. */
  readonly stopped: number | null;
  /** Who ran it last. */
  readonly node: string;
  /** The token of that run: rises from run to run. */
  readonly token: number;
  /** That run's id. */
  readonly run: string;
  /** Failures in a row. */
  readonly backoff: number;
  /** What the last successful run returned. */
  readonly result: unknown;
  /** The key of the code that ran last: its text and all it imports. */
  readonly code: string;
  /** The key of what it was started with by the entry. */
  readonly input?: string;
  /** Why the last run was started. */
  readonly reason: RunReason;
  /** When it is due next, for people; the schedule decides by the entry. */
  readonly next?: number;
  /** What people should know, as "running old version: ...". */
  readonly comment?: string;
  readonly progress?: unknown;
  /** The running code said that it works. */
  readonly setup_done?: boolean;
  /** The last run was interrupted and is to be started again at once, for this reason. */
  readonly again?: RunReason;
  /** How often the code under this key blocked its thread, or ended it. */
  readonly stalls?: number;
  /** What it did the last time. */
  readonly harm?: ThreadHarm;
  /**
   * How many times in a row it was lost with others through one of them, it can't be told which: it runs
   * apart from them, until it has ended otherwise.
   */
  readonly suspected?: number;
  /** So many runs in a row were lost with their node; those lost late count once. */
  readonly losses?: number;
  /** The revision of the last request ("run", "cancel") that was seen to. */
  readonly request?: number;
}

/** One execution of a job, kept as history. Times are seconds since 1970. */
export interface Run {
  /** The token it ran under, as text. */
  readonly id: string;
  readonly job: Path;
  readonly node: string;
  readonly token: number;
  /** The key of the code that ran. */
  readonly code: string;
  readonly reason: RunReason;
  readonly started: number;
  readonly stopped?: number;
  readonly outcome?: RunOutcome;
  /** Why it was stopped, where it was: as "edit", "request", "drain". */
  readonly cause?: string;
  readonly result?: unknown;
  readonly error?: RunErrorRecord;
  /** Another run began while this one's node was cut off: of this one, nothing else counts. */
  readonly superseded?: Superseded;
  /** The job's data at the time. */
  readonly params: Readonly<Record<string, unknown>>;
}

/** Who has a job instead of a run that went on while its node was cut off. */
export interface Superseded {
  /** The node; `undefined` where the job was deleted. */
  readonly by: string | undefined;
  /** The token of its run, larger than that of the one it replaces. */
  readonly token: number;
}

/** What is kept of the error a run ended with. */
export interface RunErrorRecord {
  readonly name: string;
  readonly code?: string;
  readonly message: string;
  readonly stack?: string;
}

/** One line of a run's log. */
export interface LogLine {
  /** Seconds since 1970. */
  readonly time: number;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** What people ask a job to do. Its revision tells a runner whether it was seen to already. */
export interface JobRequest {
  readonly action: "run" | "cancel";
  readonly time: number;
}

/** The slot of a job that any node may run. Other jobs have one slot per node, by its name. */
export const ANY_SLOT = "-";

/** Whose state, owner and runs a job has on this node. */
export function slotOf(place: JobPlace, node: string): string {
  return "any" in place ? ANY_SLOT : node;
}

/** The group a job belongs to; `undefined` for a named node of whatever group. */
export function groupOf(place: JobPlace): string | undefined {
  if ("any" in place) return place.any;
  if ("all" in place) return place.all;
  return place.group;
}

export function badJob(message: string, details: Record<string, unknown> = {}): RunnerError {
  return new RunnerError("RUNNER_BAD_JOB", message, { details });
}
