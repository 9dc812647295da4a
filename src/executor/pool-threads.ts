import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { MessagePort, Worker } from "node:worker_threads";

import type { Piscina } from "piscina";

import { onAbort } from "../base/abort.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { V8_HEADROOM_MB } from "./memory-limit.ts";
import type { PoolLingering, PoolTask } from "./pool-protocol.ts";

export interface PoolThreadsOptions {
  readonly entry: URL;
  readonly maxThreads: number;
  readonly idleMs: number;
  readonly memoryMb: number;
  /** A thread failed that had nothing to do, or could not start. */
  readonly onError: (error: unknown) => void;
  /** A run is over whose code is not, so that its thread has to end. */
  readonly onLingering: (told: PoolLingering) => void;
}

/** A task on its way through the pool. */
export interface PoolJob {
  /** What the entry's function returned. Rejects where the thread ended; after `end`, always. */
  readonly result: Promise<unknown>;
  /** Takes it out of the queue, or ends its thread. Resolves when that is gone. */
  end(): Promise<void>;
}

/** The wait before a thread that is still there is terminated once more; it doubles. */
const FIRST_TERMINATE_MS = 100;

/** Flags with which a process has no first file of its own: a thread would take them for its own. */
const FLAGS_OF_TEXT = /^(?:--input-type|--eval|-e|--print|-p|-pe)(?:=|$)/;

/** The threads of a pool: piscina's, with an end that can be waited for. */
export class PoolThreads {
  readonly #piscina: Piscina;
  /** Turns that nobody has. */
  #free: number;
  readonly #waiting: Deferred<void>[] = [];

  private constructor(piscina: Piscina) {
    this.#piscina = piscina;
    this.#free = piscina.maxThreads;
  }

  static async open(options: PoolThreadsOptions): Promise<PoolThreads> {
    // Loaded when something is run: most processes never have code that blocks.
    const { Piscina: ThePool } = await import("piscina");
    const piscina = new ThePool({
      filename: fileURLToPath(options.entry),
      name: "execute",
      minThreads: 0,
      maxThreads: options.maxThreads,
      idleTimeout: options.idleMs,
      // A thread between two runs must still see that a session has ended.
      atomics: "disabled",
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: options.memoryMb + V8_HEADROOM_MB },
      ...(process.execArgv.some((flag) => FLAGS_OF_TEXT.test(flag)) ? { execArgv: [] } : {}),
    });
    piscina.on("error", options.onError);
    piscina.on("message", options.onLingering);
    return new PoolThreads(piscina);
  }

  get count(): number {
    return this.#piscina.threads.length;
  }

  run(task: PoolTask, transfer: readonly MessagePort[]): PoolJob {
    const controller = new AbortController();
    const result = this.#run(task, transfer, controller.signal);
    result.catch(() => {});
    let ending: Promise<void> | undefined;
    const end = async (): Promise<void> => {
      const before = this.#piscina.threads;
      // What it ends is out of the list when this returns, and not yet gone.
      controller.abort();
      const left = new Set(this.#piscina.threads);
      await Promise.all(before.filter((thread) => !left.has(thread)).map(gone));
    };
    return { result, end: () => (ending ??= end()) };
  }

  thread(id: number): Worker | undefined {
    return this.#piscina.threads.find(({ threadId }) => threadId === id);
  }

  async close(): Promise<void> {
    await this.#piscina.destroy();
  }

  async #run(
    task: PoolTask,
    transfer: readonly MessagePort[],
    signal: AbortSignal,
  ): Promise<unknown> {
    await this.#turn(signal);
    try {
      return await this.#piscina.run(task, { signal, transferList: [...transfer] });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next.resolve();
    }
  }

  /** Resolves when there is a thread for it: piscina's own queue has no order. */
  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const turn = deferred<void>();
    this.#waiting.push(turn);
    using _ = onAbort(signal, () => {
      const index = this.#waiting.indexOf(turn);
      if (index >= 0) this.#waiting.splice(index, 1);
      turn.reject(signal.reason);
    });
    await turn.promise;
  }
}

/** V8 now and then loses a termination. */
async function gone(thread: Worker): Promise<void> {
  let wait = FIRST_TERMINATE_MS;
  let timer: ReturnType<typeof setTimeout>;
  const again = (): void => {
    void thread.terminate();
    timer = setTimeout(again, (wait *= 2));
  };
  timer = setTimeout(again, wait);
  try {
    // Terminated before it has begun, it has no id and says nothing any more.
    if (thread.threadId !== -1) await once(thread, "exit");
  } finally {
    clearTimeout(timer);
  }
}
