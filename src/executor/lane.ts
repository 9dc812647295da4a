import type { Worker } from "node:worker_threads";

import { systemClock, type Clock } from "../base/clock.ts";
import { ExecutorError } from "../base/errors.ts";
import { silentLog, type Log } from "../base/log.ts";
import type { Channel } from "../channel/channel.ts";
import type { Execution, Executor, RunRequest } from "./executor.ts";
import { LaneThread } from "./lane-thread.ts";
import { defaultMemoryMb } from "./memory-limit.ts";

export interface LaneOptions {
  /** The built entry file of the thread: `dist/entry/lane.js`. */
  readonly entry: URL;
  /** Makes the channel to a started worker; closing it need not end the worker. */
  readonly channel: (worker: Worker) => Channel;
  /** How long code may block the thread before it is stopped. Default 2,000, at least 200. */
  readonly stallMs?: number;
  /**
   * What the runs on the thread may hold together, buffers included, before it is ended; code that
   * blocks it may get to twice as much and more. Default: 512, and no more than a quarter of the machine's.
   */
  readonly memoryMb?: number | undefined;
  /** How long the thread may take to answer for the first time. Default 30,000. */
  readonly startMs?: number;
  /** Makes a stack frame (`url:line:column`) fit to be shown; default: as it is. */
  readonly showFrame?: (frame: string) => string;
  /** For people, in logs. Default "lane". */
  readonly name?: string;
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface LaneStats {
  /** Threads that were started so far. */
  readonly started: number;
  /** Runs that have not ended. */
  readonly runs: number;
  /** Remote references alive on both sides of the present thread. */
  readonly references: number;
}

/** The thread shows that it turns every 50 ms; the machine may be busy. */
const MIN_STALL_MS = 200;

/**
 * Runs all it is given on one worker thread, which is started with the first run and replaced when
 * it had to end. Code that blocks the thread is found, named, and stopped together with the thread;
 * the others there end as "lost". Making one costs nothing until it runs something, so code that is
 * known as bad can be given a lane of its own. The same goes for code that ends the thread, or holds
 * more than it may.
 */
export class Lane implements Executor {
  readonly kind = "lane";
  readonly #options: Required<LaneOptions> & { readonly memoryMb: number };
  readonly #threads = new Set<LaneThread>();
  #thread: LaneThread | undefined;
  #started = 0;
  #closing: Promise<void> | undefined;

  constructor(options: LaneOptions) {
    this.#options = {
      stallMs: 2_000,
      startMs: 30_000,
      name: "lane",
      showFrame: (frame) => frame,
      clock: systemClock,
      log: silentLog,
      ...options,
      memoryMb: options.memoryMb ?? defaultMemoryMb(),
    };
    if (!(this.#options.stallMs >= MIN_STALL_MS)) {
      throw new RangeError(`stallMs is at least ${MIN_STALL_MS}, not ${this.#options.stallMs}`);
    }
    if (!(this.#options.memoryMb > 0)) {
      throw new RangeError(`memoryMb is more than 0, not ${this.#options.memoryMb}`);
    }
  }

  /** @throws ExecutorError `EXECUTOR_CLOSED` */
  start(request: RunRequest): Execution {
    return this.#openThread().run(request);
  }

  /** Starts the thread ahead of its first run, and resolves when it answers. */
  async warm(): Promise<void> {
    await this.#openThread().ready;
  }

  async stats(): Promise<LaneStats> {
    const runs = [...this.#threads].reduce((sum, thread) => sum + thread.runs, 0);
    const references = (await this.#thread?.references()) ?? 0;
    return { started: this.#started, runs, references };
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all([...this.#threads].map((thread) => thread.close())).then(
      () => undefined,
    );
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #openThread(): LaneThread {
    if (this.#closing !== undefined) {
      throw new ExecutorError("EXECUTOR_CLOSED", `the lane "${this.#options.name}" is closed`);
    }
    if (this.#thread !== undefined && !this.#thread.ending) return this.#thread;
    const thread = new LaneThread(this.#options);
    this.#started++;
    this.#thread = thread;
    this.#threads.add(thread);
    void this.#forget(thread);
    return thread;
  }

  async #forget(thread: LaneThread): Promise<void> {
    await thread.gone;
    this.#threads.delete(thread);
    if (this.#thread === thread) this.#thread = undefined;
  }
}
