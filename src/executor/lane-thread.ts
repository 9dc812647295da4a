import { Worker } from "node:worker_threads";

import type { Clock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { BanyanError, ExecutorError } from "../base/errors.ts";
import { randomId } from "../base/ids.ts";
import type { Log } from "../base/log.ts";
import type { Channel } from "../channel/channel.ts";
import { openSession, type Session } from "../remote/session.ts";
import type { Execution, LossBlame, RunEnd, RunRequest, StallPlace } from "./executor.ts";
import { inspectThread } from "./inspect.ts";
import { ThreadExecution, type ExecutionOwner } from "./thread-execution.ts";
import { V8_HEADROOM_MB } from "./memory-limit.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { StallWatch } from "./stall.ts";
import {
  OWNER,
  SharedState,
  THREAD,
  type OwnerApi,
  type ThreadApi,
  type ThreadBoot,
  type ThreadOutcome,
} from "./thread-protocol.ts";

export interface LaneThreadOptions {
  readonly entry: URL;
  readonly channel: (worker: Worker) => Channel;
  readonly stallMs: number;
  readonly memoryMb: number;
  readonly startMs: number;
  readonly showFrame: (frame: string) => string;
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Why the thread ends, and what that means for the runs on it. */
interface ThreadEnd {
  /** What everybody else is told. */
  readonly error: ExecutorError;
  readonly culprit?: ThreadExecution | undefined;
  readonly culpritEnd?: RunEnd;
  /** Where there is no culprit: whether it must be one of them. */
  readonly blame?: LossBlame;
}

/**
 * Longer than most native calls block: until such a call is over the thread can't be ended either, so
 * that waiting for the culprit's name costs nothing.
 */
const INSPECT_MS = 5_000;

/** The wait before a thread that is still there is terminated once more; it doubles. */
const FIRST_TERMINATE_MS = 100;

/** One worker thread of a lane, from its start to its end. It is never restarted. */
export class LaneThread implements ExecutionOwner {
  /** Resolves when the thread is gone and every run on it has been told. */
  readonly gone: Promise<void>;
  /** Resolves when the thread answers; rejects where it never did. */
  readonly ready: Promise<void>;
  readonly #options: LaneThreadOptions;
  readonly #threadName = `banyan-${randomId()}`;
  readonly #shared = new SharedState();
  readonly #worker: Worker;
  readonly #session: Promise<Session>;
  readonly #gone = deferred<void>();
  readonly #watch: StallWatch;
  readonly #memory: MemoryWatch;
  readonly #executions = new Map<string, ThreadExecution>();
  #end: ThreadEnd | undefined;
  #runNumber = 0;
  /** The beat at which it was found blocked by nobody's code. */
  #doubtedAt: number | undefined;

  constructor(options: LaneThreadOptions) {
    this.#options = options;
    this.gone = this.#gone.promise;
    this.#worker = new Worker(options.entry, {
      name: this.#threadName,
      workerData: {
        shared: this.#shared.buffer,
        memoryMb: options.memoryMb,
      } satisfies ThreadBoot,
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: options.memoryMb + V8_HEADROOM_MB },
    });
    this.#worker.unref();
    this.#worker.on("error", (error) => this.#finish(this.#endOfCrash(error)));
    this.#worker.on("exit", (code) => this.#onExit(code));
    for (const stream of [this.#worker.stdout, this.#worker.stderr]) {
      stream.on("data", (chunk) => this.#log(`printed: ${String(chunk).trimEnd()}`));
    }
    this.#watch = new StallWatch({
      clock: options.clock,
      read: () => this.#shared.beat,
      limitMs: options.stallMs,
      onStall: () => void this.#onStall(),
    });
    this.#memory = new MemoryWatch({
      clock: options.clock,
      limitMb: options.memoryMb,
      beat: () => this.#shared.beat,
      heldMb: () => this.#shared.heldMb,
      processMb: () => process.memoryUsage.rss() / 2 ** 20,
      onOver: (heldMb) => this.#finish(this.#endOfMemory(`${heldMb} MB`)),
    });
    this.#session = this.#open();
    this.ready = this.#session.then(() => undefined);
    this.ready.catch((error: unknown) =>
      this.#finish({ error: lost("the thread did not start", error) }),
    );
  }

  get runs(): number {
    return this.#executions.size;
  }

  /** Whether it takes no more runs. */
  get ending(): boolean {
    return this.#end !== undefined;
  }

  run(request: RunRequest): Execution {
    if (this.#executions.has(request.id)) {
      throw new TypeError(`a run "${request.id}" is under way on this thread`);
    }
    const execution = new ThreadExecution(request, ++this.#runNumber, this);
    this.#executions.set(execution.id, execution);
    this.#worker.ref();
    void this.#drive(execution, request);
    return execution;
  }

  cancel(execution: ThreadExecution, reason: unknown, graceMs: number): void {
    this.#shared.setCancelled(execution.number);
    void this.#tell(execution, reason);
    const grace = this.#options.clock.after(graceMs, () => this.kill(execution));
    void execution.ended.then(() => grace[Symbol.dispose]());
  }

  kill(execution: ThreadExecution): void {
    this.#finish({
      error: lost(`its thread was ended with "${execution.name}", which had to stop`),
      culprit: execution,
      culpritEnd: { type: "cancelled" },
    });
  }

  async close(): Promise<void> {
    for (const execution of this.#executions.values()) execution.kill();
    this.#finish({ error: new ExecutorError("EXECUTOR_CLOSED") });
    await this.gone;
  }

  async references(): Promise<number> {
    const session = await this.#session;
    const thread = session.remote<ThreadApi, "copy">(THREAD);
    // Releases travel behind the calls of the same turn: the second call finds them carried out.
    await thread.stats();
    const { references } = await thread.stats();
    const { exports, imports } = session.stats();
    return references + exports + imports;
  }

  async #open(): Promise<Session> {
    const owner: OwnerApi = {
      fatal: (error) => this.#finish({ error: lost("the thread failed", error) }),
      warn: (message, error) => this.#log(message, error),
    };
    const session = await openSession(this.#options.channel(this.#worker), {
      name: this.#options.name,
      exports: { [OWNER]: owner },
      plain: "copy",
      limits: { helloMs: this.#options.startMs },
    });
    void session.closed.then((error) =>
      this.#finish({ error: lost("the session with the thread ended", error) }),
    );
    return session;
  }

  async #tell(execution: ThreadExecution, reason: unknown): Promise<void> {
    try {
      const session = await this.#session;
      await session.remote<ThreadApi, "copy">(THREAD).abort(execution.id, reason);
    } catch {
      // The thread is going, and that ends the run as well.
    }
  }

  async #drive(execution: ThreadExecution, request: RunRequest): Promise<void> {
    try {
      const session = await this.#session;
      // Cancelled before it began.
      if (execution.cancelled) return this.#settle(execution, { type: "cancelled" });
      this.#watch.start();
      this.#memory.start();
      const { id, name, code, values } = request;
      const order = { id, number: execution.number, name, code, values };
      this.#onOutcome(
        execution,
        await session.remote<ThreadApi, "copy">(THREAD).run(order, request.host),
      );
    } catch (error) {
      if (this.#end !== undefined) return;
      if (isBroken(error))
        this.#finish({ error: lost("the session with the thread ended", error) });
      else this.#settle(execution, { type: "threw", error });
    }
  }

  #onOutcome(execution: ThreadExecution, outcome: ThreadOutcome): void {
    if (outcome.type === "returned") {
      return this.#settle(execution, { type: "returned", value: outcome.value });
    }
    const end: RunEnd = { type: "threw", error: outcome.error };
    if (!outcome.lingering) return this.#settle(execution, end);
    const error = lost(`its thread was ended with "${execution.name}", which failed and went on`);
    this.#finish({ error, culprit: execution, culpritEnd: end });
  }

  #settle(execution: ThreadExecution, end: RunEnd): void {
    execution.settle(end);
    this.#executions.delete(execution.id);
    if (this.#executions.size > 0) return;
    this.#stopWatches();
    this.#worker.unref();
  }

  async #onStall(): Promise<void> {
    const found = await this.#inspect();
    if (this.#end !== undefined) return;
    const frames = (found?.frames ?? []).map((frame) => this.#options.showFrame(frame));
    const named = [...this.#executions.values()].find(({ id }) => id === found?.runId);
    // Stopped in code of nobody's: it may only have been slow. It is, if it goes on now.
    if (named === undefined && frames.length === 0 && this.#doubtedAt !== this.#shared.beat) {
      this.#doubtedAt = this.#shared.beat;
      this.#watch.start();
      return;
    }
    this.#finishStalled(named ?? this.#onlyRun(), frames);
  }

  async #inspect(): Promise<StallPlace | undefined> {
    try {
      return await inspectThread({
        threadName: this.#threadName,
        timeoutMs: INSPECT_MS,
        isTelling: (frame) => !this.#isOurs(frame),
      });
    } catch (error) {
      this.#log("a blocked thread can't be looked into", error);
      return undefined;
    }
  }

  #finishStalled(culprit: ThreadExecution | undefined, frames: readonly string[]): void {
    const place: StallPlace = { runId: culprit?.id, frames };
    const where = `${culprit?.name ?? "a run"} blocked it at ${frames[0] ?? "an unknown place"}`;
    const error = new ExecutorError("EXECUTOR_STALLED", `the thread was ended because ${where}`, {
      details: { frames },
    });
    this.#finish({ error, culprit, culpritEnd: { type: "stalled", place }, blame: "any" });
  }

  #finish(end: ThreadEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#stopWatches();
    // The runs are told when it is gone: until then their code may still act.
    this.#terminate(FIRST_TERMINATE_MS);
  }

  /** V8 now and then loses a termination in a promise hook, after a debugger was there. */
  #terminate(againMs: number): void {
    void this.#worker.terminate();
    const again = setTimeout(() => this.#terminate(againMs * 2), againMs);
    void this.gone.then(() => clearTimeout(again));
  }

  #onExit(code: number): void {
    const end = (this.#end ??= this.#endOfExit(code));
    const blame = end.culprit === undefined ? end.blame : "other";
    const others: RunEnd = { type: "lost", error: end.error, ...(blame && { blame }) };
    for (const execution of this.#executions.values()) {
      execution.settle(execution === end.culprit ? (end.culpritEnd ?? others) : others);
    }
    this.#executions.clear();
    this.#stopWatches();
    void this.#session.then(
      (session) => session.abort(end.error),
      () => {},
    );
    this.#gone.resolve();
  }

  /** It ended by itself. */
  #endOfExit(code: number): ThreadEnd {
    const { exit } = this.#shared;
    const known = [...this.#executions.values()].find(({ number }) => number === exit?.run);
    const culprit = known ?? this.#onlyRun();
    const who = culprit === undefined ? "a run" : `"${culprit.name}"`;
    const did = `${who} called process.exit(${exit?.code ?? code})`;
    const own = lost(`${did}, which ends its thread: let it return or throw`);
    const error = lost(`${did}, which ended the thread`);
    return { error, culprit, culpritEnd: { type: "crashed", error: own }, blame: "any" };
  }

  #endOfCrash(cause: Error): ThreadEnd {
    const isMemory = (cause as { code?: unknown }).code === "ERR_WORKER_OUT_OF_MEMORY";
    if (!isMemory) return { error: lost("the thread crashed", cause) };
    return this.#endOfMemory("more than V8 allows", cause);
  }

  #endOfMemory(held: string, cause?: Error): ThreadEnd {
    const { memoryMb } = this.#options;
    const culprit = this.#onlyRun();
    const who = culprit === undefined ? `${this.runs} runs on one thread` : `"${culprit.name}"`;
    const message =
      `${who} held ${held}, and may hold ${memoryMb} MB: ` +
      "let it hold less, or give its node more with --memory";
    const error = new ExecutorError("EXECUTOR_MEMORY", message, { cause });
    this.#log(message);
    return { error, culprit, culpritEnd: { type: "crashed", error }, blame: "any" };
  }

  #stopWatches(): void {
    this.#watch.stop();
    this.#memory.stop();
  }

  /** Where there is no other, it was this one. */
  #onlyRun(): ThreadExecution | undefined {
    const [first, second] = this.#executions.values();
    return second === undefined ? first : undefined;
  }

  /** Frames of Node itself and of this package, by their URLs. */
  #isOurs(frame: string): boolean {
    return frame.startsWith("node:") || frame.startsWith(new URL("..", this.#options.entry).href);
  }

  #log(message: string, error?: unknown): void {
    const lane = this.#options.name;
    this.#options.log.warn(message, error === undefined ? { lane } : { lane, error });
  }
}

function lost(message: string, cause?: unknown): ExecutorError {
  return new ExecutorError("EXECUTOR_LOST", message, { cause });
}

function isBroken(error: unknown): boolean {
  if (!BanyanError.is(error)) return false;
  return ["REMOTE_BROKEN", "REMOTE_CLOSED", "CHANNEL_CLOSED"].includes(error.code);
}
