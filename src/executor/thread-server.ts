import { AsyncLocalStorage } from "node:async_hooks";

import type { Channel } from "../channel/channel.ts";
import { openSession, type Session } from "../remote/session.ts";
import type { RunCode } from "./executor.ts";
import { guardExit, guardUncaught } from "./thread-guards.ts";
import { MemoryMeter } from "./thread-memory.ts";
import { captureOutput } from "./thread-output.ts";
import {
  CURRENT_RUN_SYMBOL,
  OWNER,
  SharedState,
  THREAD,
  type OwnerApi,
  type ThreadApi,
  type ThreadBoot,
  type ThreadOrder,
  type ThreadOutcome,
  type ThreadStats,
} from "./thread-protocol.ts";
import { ThreadRun } from "./thread-run.ts";
import { ownTimers } from "./thread-timers.ts";

export interface ServeThreadOptions {
  readonly channel: Channel;
  readonly boot: ThreadBoot;
  /** What to do with a request's code. */
  readonly run: RunCode;
  /** Makes an error of the code fit to be shown; default: as it is. */
  readonly present?: (error: unknown) => unknown;
}

/** How often the thread shows that its event loop turns. */
const BEAT_MS = 50;

/**
 * The far side of a lane: takes the thread over for stored code. Every run has its own asynchronous
 * context, by which its output, its timers, its uncaught errors and, when the thread is found
 * blocked, the blocking statement are known as its own.
 */
export async function serveThread(options: ServeThreadOptions): Promise<void> {
  const context = new AsyncLocalStorage<ThreadRun>();
  const shared = new SharedState(options.boot.shared);
  // Kept from the replacements below, which belong to the runs.
  const setBeat = globalThis.setInterval;
  Object.defineProperty(globalThis, Symbol.for(CURRENT_RUN_SYMBOL), {
    value: () => context.getStore()?.id,
  });
  captureOutput(() => context.getStore());
  ownTimers(() => context.getStore());
  guardExit(() => context.getStore());

  const server = new ThreadServer(context, shared, options);
  const session = await openSession(options.channel, {
    name: "lane thread",
    exports: { [THREAD]: server },
    plain: "copy",
  });
  server.session = session;
  const memory = new MemoryMeter(options.boot.memoryMb, (heldMb) => shared.setHeldMb(heldMb));
  setBeat(() => {
    shared.moveBeat();
    memory.look();
  }, BEAT_MS);
  const owner = session.remote<OwnerApi>(OWNER);
  guardUncaught(() => context.getStore(), owner);
}

class ThreadServer implements ThreadApi {
  session: Session | undefined;
  readonly #context: AsyncLocalStorage<ThreadRun>;
  readonly #shared: SharedState;
  readonly #options: ServeThreadOptions;
  readonly #runs = new Map<string, ThreadRun>();

  constructor(
    context: AsyncLocalStorage<ThreadRun>,
    shared: SharedState,
    options: ServeThreadOptions,
  ) {
    this.#context = context;
    this.#shared = shared;
    this.#options = options;
  }

  async run(order: ThreadOrder, host: Readonly<Record<string, unknown>>): Promise<ThreadOutcome> {
    const run = new ThreadRun(order, host, this.#shared);
    this.#runs.set(run.id, run);
    try {
      const outcome = await this.#context.run(run, () => run.execute(this.#options.run));
      const present = this.#options.present ?? ((error: unknown) => error);
      return outcome.type === "threw" ? { ...outcome, error: present(outcome.error) } : outcome;
    } finally {
      this.#runs.delete(run.id);
      for (const object of Object.values(host)) (object as Disposable)[Symbol.dispose]?.();
    }
  }

  abort(id: string, reason: unknown): void {
    this.#runs.get(id)?.abort(reason);
  }

  stats(): ThreadStats {
    const { exports = 0, imports = 0 } = this.session?.stats() ?? {};
    return { runs: this.#runs.size, references: exports + imports };
  }
}
