import { AsyncLocalStorage } from "node:async_hooks";
import { type MessagePort, parentPort, threadId } from "node:worker_threads";

import { ExecutorError } from "../base/errors.ts";
import type { BlockingChannel } from "../channel/channel.ts";
import { openSyncSession, type SyncSession } from "../remote/sync/session.ts";
import { fromErrorRecord, toErrorRecord } from "../wire/error-record.ts";
import { decodeValue, encodeValue } from "../wire/value.ts";
import type { RunCode } from "./executor.ts";
import {
  HOST,
  OWNER,
  RUN,
  type PoolCode,
  type PoolLingering,
  type PoolOwner,
  type PoolRunApi,
  type PoolTask,
} from "./pool-protocol.ts";
import { guardExit, guardUncaught } from "./thread-guards.ts";
import { MemoryMeter } from "./thread-memory.ts";
import { captureOutput } from "./thread-output.ts";
import { SharedState, type ThreadOutcome } from "./thread-protocol.ts";
import { ThreadRun } from "./thread-run.ts";
import { ownTimers } from "./thread-timers.ts";

export interface ServePoolOptions {
  /** Makes a channel of this side's end of a pair of ports. */
  readonly channel: (port: MessagePort) => BlockingChannel;
  /** What to do with a request's code. Its host objects are used like local ones. */
  readonly run: RunCode;
  /** Makes an error of the code fit to be shown; default: as it is. */
  readonly present?: (error: unknown) => unknown;
}

const BEAT_MS = 50;
/** So many codes a thread keeps decoded. */
const MAX_CODES = 256;

/**
 * The far side of a pool: takes the thread over for stored code, one run after the other. Gives the
 * function that does one task: it resolves with the outcome, encoded, or, where the owner has been told
 * it already, with nothing.
 */
export function servePool(options: ServePoolOptions): (task: PoolTask) => Promise<unknown> {
  const context = new AsyncLocalStorage<ThreadRun>();
  const current = (): ThreadRun | undefined => context.getStore();
  const thread = new PoolThread(options, (run) => context.run(run, () => run.execute(options.run)));
  // Kept from the replacement below, whose timers belong to the runs.
  const setBeat = globalThis.setInterval;
  captureOutput(current);
  ownTimers(current);
  guardExit(current);
  guardUncaught(current, {
    fatal: (error) => {
      complain("the thread failed", error);
      process.exit(1);
    },
    warn: complain,
  });
  setBeat(() => thread.beat(), BEAT_MS).unref();
  return (task) => thread.execute(task);
}

/** Goes to the standard error of the process. */
function complain(message: string, error: unknown): void {
  process.stderr.write(`${message}: ${error instanceof Error ? error.stack : String(error)}\n`);
}

class PoolThread {
  readonly #options: ServePoolOptions;
  readonly #execute: (run: ThreadRun) => Promise<ThreadOutcome>;
  /** By their ids. */
  readonly #codes = new Map<number, unknown>();
  #shared: SharedState | undefined;
  #memory: MemoryMeter | undefined;

  constructor(options: ServePoolOptions, execute: (run: ThreadRun) => Promise<ThreadOutcome>) {
    this.#options = options;
    this.#execute = execute;
  }

  /** Shows that the event loop turns. */
  beat(): void {
    this.#shared?.moveBeat();
    this.#memory?.look();
  }

  async execute(task: PoolTask): Promise<unknown> {
    const shared = new SharedState(task.shared);
    this.#shared = shared;
    this.#memory ??= new MemoryMeter(task.memoryMb, (heldMb) => this.#shared?.setHeldMb(heldMb));
    shared.setThreadId(threadId);
    shared.setComputes(true);
    let run: ThreadRun | undefined;
    const session = task.port && this.#openSession(task.port, shared, (why) => run?.abort(why));
    try {
      const host = session?.remote<Record<string, unknown>>(HOST) ?? {};
      run = new ThreadRun(this.#orderOf(task), host, shared);
      return await this.#send(task, await this.#execute(run), session);
    } catch (error) {
      // What it was given could not be had, or what it returned not be sent.
      return encodeThrown({ type: "threw", error, lingering: false });
    } finally {
      shared.setComputes(false);
      this.#shared = undefined;
      session?.close();
    }
  }

  #openSession(
    port: MessagePort,
    shared: SharedState,
    abort: (reason: unknown) => void,
  ): SyncSession {
    const channel = this.#options.channel(port);
    const block = channel.block.bind(channel);
    channel.block = (done, deadline) => {
      this.#memory?.look();
      shared.setComputes(false);
      try {
        block(done, deadline);
      } finally {
        shared.setComputes(true);
      }
    };
    const api: PoolRunApi = { abort };
    return openSyncSession(channel, {
      name: "pool thread",
      exports: { [RUN]: api },
      policy: "trusted",
      plain: "copy",
      // Waiting is what it is here for; the run's own end is what limits it.
      timeoutMs: Infinity,
    });
  }

  #orderOf({ id, name, code, values }: PoolTask): ConstructorParameters<typeof ThreadRun>[0] {
    const decoded = decodeValue(values) as Readonly<Record<string, unknown>>;
    return { id, name, number: 1, code: this.#codeOf(code), values: decoded };
  }

  #codeOf({ id, bytes }: PoolCode): unknown {
    if (this.#codes.has(id)) return this.#codes.get(id);
    // What can be decoded is no shared memory.
    const code = decodeValue(new Uint8Array(bytes).slice());
    const [oldest] = this.#codes.keys();
    if (this.#codes.size >= MAX_CODES && oldest !== undefined) this.#codes.delete(oldest);
    this.#codes.set(id, code);
    return code;
  }

  async #send(
    { id }: PoolTask,
    outcome: ThreadOutcome,
    session: SyncSession | undefined,
  ): Promise<unknown> {
    if (outcome.type === "threw") {
      const { present = (error: unknown) => error } = this.#options;
      const bytes = encodeThrown({ ...outcome, error: present(outcome.error) });
      if (!outcome.lingering) return bytes;
      parentPort?.postMessage({ id, outcome: bytes } satisfies PoolLingering);
      // Whoever is told that ends the thread.
      return await new Promise<never>(() => {});
    }
    try {
      return encodeValue(outcome);
    } catch (error) {
      if (session === undefined) {
        const message = `the result can't leave its thread: ${(error as Error).message}`;
        throw new ExecutorError("EXECUTOR_BAD_RESULT", message, { cause: error });
      }
      // What it was given comes home as what it is.
      session.remote<PoolOwner>(OWNER).answer(outcome);
      return undefined;
    }
  }
}

function encodeThrown(outcome: ThreadOutcome & { readonly type: "threw" }): Uint8Array {
  try {
    return encodeValue(outcome);
  } catch {
    // Anything can be thrown; its record can always be sent.
    return encodeValue({ ...outcome, error: fromErrorRecord(toErrorRecord(outcome.error)) });
  }
}
