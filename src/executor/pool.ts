import type { MessagePort } from "node:worker_threads";

import { systemClock, type Clock } from "../base/clock.ts";
import { ExecutorError } from "../base/errors.ts";
import { silentLog, type Log } from "../base/log.ts";
import type { Channel } from "../channel/channel.ts";
import { encodeValue } from "../wire/value.ts";
import type { Execution, Executor, RunRequest } from "./executor.ts";
import { defaultMemoryMb } from "./memory-limit.ts";
import type { PoolCode } from "./pool-protocol.ts";
import { PoolRun, type PoolRunParts } from "./pool-run.ts";
import { PoolThreads } from "./pool-threads.ts";
import { heapOf } from "./worker-heap.ts";

export interface PoolOptions {
  /** The built entry file of the threads: `dist/entry/pool.js`. */
  readonly entry: URL;
  /** Makes the channel to a thread that may block, of this side's end of a pair of ports. */
  readonly channel: (port: MessagePort) => Channel;
  /** Runs beyond this wait for a thread. */
  readonly maxThreads: number;
  /** So many runs may wait. Default 10,000. */
  readonly maxWaiting?: number;
  /** A thread that has nothing to do for so long ends. Default 10,000. */
  readonly idleMs?: number | undefined;
  /** As of a lane, for each thread. */
  readonly memoryMb?: number | undefined;
  /** For people, in logs. Default "pool". */
  readonly name?: string;
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface PoolStats {
  /** Threads that are there. */
  readonly threads: number;
  /** Runs that have not ended. */
  readonly runs: number;
}

/**
 * Runs each thing it is given on a worker thread that it has for itself meanwhile, so that it may
 * block: that is no stall. Threads are started when they are needed, used again, and end when they
 * are idle; one whose code has to be stopped ends with it, and only that run is affected.
 */
export class Pool implements Executor {
  readonly kind = "pool";
  readonly #options: PoolOptions & Required<Pick<PoolOptions, "maxWaiting">>;
  readonly #log: Log;
  readonly #parts: PoolRunParts;
  readonly #runs = new Map<string, PoolRun>();
  /** What all runs of the same code share, encoded. */
  readonly #codes = new WeakMap<object, PoolCode>();
  #lastCode = 0;
  #threads: Promise<PoolThreads> | undefined;
  #open: PoolThreads | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: PoolOptions) {
    this.#options = { maxWaiting: 10_000, ...options };
    this.#log = options.log ?? silentLog;
    const memoryMb = options.memoryMb ?? defaultMemoryMb();
    if (!(memoryMb > 0)) throw new RangeError(`memoryMb is more than 0, not ${memoryMb}`);
    this.#parts = {
      memoryMb,
      name: options.name ?? "pool",
      clock: options.clock ?? systemClock,
      channel: options.channel,
      threads: () => (this.#threads ??= this.#openThreads(memoryMb)),
      encodeCode: (code) => this.#encode(code),
      onOver: (run, heldMb) => void this.#onOver(run, heldMb),
    };
  }

  /** @throws ExecutorError `EXECUTOR_CLOSED`, `EXECUTOR_BUSY` */
  start(request: RunRequest): Execution {
    const { maxThreads, maxWaiting } = this.#options;
    if (this.#closing !== undefined) {
      throw new ExecutorError("EXECUTOR_CLOSED", `the pool "${this.#parts.name}" is closed`);
    }
    if (this.#runs.has(request.id)) {
      throw new TypeError(`a run "${request.id}" is under way in this pool`);
    }
    if (this.#runs.size >= maxThreads + maxWaiting) {
      const message = `${maxThreads} threads are busy, and ${maxWaiting} runs wait for one`;
      throw new ExecutorError("EXECUTOR_BUSY", message);
    }
    const run = new PoolRun(request, this.#parts);
    this.#runs.set(request.id, run);
    void run.drive();
    void run.execution.ended.then(() => this.#runs.delete(request.id));
    return run.execution;
  }

  stats(): PoolStats {
    return { threads: this.#open?.count ?? 0, runs: this.#runs.size };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const runs = [...this.#runs.values()];
    for (const { execution } of runs) execution.kill();
    await Promise.all(runs.map(({ execution }) => execution.ended));
    const [threads] = await Promise.allSettled([this.#threads]);
    if (threads.status === "fulfilled") await threads.value?.close();
  }

  async #openThreads(memoryMb: number): Promise<PoolThreads> {
    const { entry, maxThreads, idleMs = 10_000 } = this.#options;
    this.#open = await PoolThreads.open({
      entry,
      maxThreads,
      idleMs,
      memoryMb,
      onError: (error) => this.#onError(error),
      onLingering: ({ id, outcome }) => this.#runs.get(id)?.lingers(outcome),
    });
    return this.#open;
  }

  #encode(code: unknown): PoolCode {
    const known = typeof code === "object" && code !== null ? this.#codes.get(code) : undefined;
    if (known !== undefined) return known;
    const encoded = encodeValue(code);
    const bytes = new SharedArrayBuffer(encoded.length);
    new Uint8Array(bytes).set(encoded);
    const made = { id: ++this.#lastCode, bytes };
    if (typeof code === "object" && code !== null) this.#codes.set(code, made);
    return made;
  }

  /** Without a thread, what waits for one would wait for ever. */
  #onError(cause: unknown): void {
    this.#log.warn("a thread failed", { pool: this.#parts.name, error: cause });
    if (this.stats().threads > 0) return;
    const error = new ExecutorError("EXECUTOR_LOST", "no thread could be started", { cause });
    for (const run of this.#runs.values()) {
      if (run.threadId === 0) run.finish({ type: "lost", error });
    }
  }

  /** Whose memory it is can't be told from outside where several compute at once, but by asking. */
  async #onOver(run: PoolRun, heldMb: number): Promise<void> {
    const suspects = [...this.#runs.values()].filter(({ computes }) => computes);
    if (suspects.length < 2 || run.toldMb > this.#parts.memoryMb) return this.#end(run, heldMb);
    const held = await Promise.all(
      suspects.map(async (one) => heapOf(this.#open?.thread(one.threadId))),
    );
    const over = suspects.filter((_, i) => (held[i] ?? Infinity) > this.#parts.memoryMb);
    if (over.length === 0) return run.watchAgain();
    if (over.length === 1) return this.#end(over[0] as PoolRun, held[suspects.indexOf(over[0] as PoolRun)] ?? heldMb); // prettier-ignore
    for (const one of over) {
      const error = one.memoryError(`up to ${heldMb} MB, as did others that ran beside it`);
      one.finish({ type: "lost", error, blame: "any" });
    }
  }

  #end(run: PoolRun, heldMb: number): void {
    const error = run.memoryError(`${Math.round(heldMb)} MB`);
    this.#log.warn(error.message);
    run.finish({ type: "crashed", error });
  }
}
