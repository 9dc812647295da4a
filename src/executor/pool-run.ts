import { MessageChannel, type MessagePort } from "node:worker_threads";

import type { Clock } from "../base/clock.ts";
import { ChannelError, ExecutorError } from "../base/errors.ts";
import type { Channel } from "../channel/channel.ts";
import { openSession, type Session } from "../remote/session.ts";
import { stubOf } from "../remote/stub-handle.ts";
import { decodeValue, encodeValue } from "../wire/value.ts";
import type { Execution, RunEnd, RunRequest } from "./executor.ts";
import { MemoryWatch } from "./memory-watch.ts";
import {
  HOST,
  OWNER,
  RUN,
  type PoolCode,
  type PoolOwner,
  type PoolRunApi,
  type PoolTask,
} from "./pool-protocol.ts";
import type { PoolJob, PoolThreads } from "./pool-threads.ts";
import { type ExecutionOwner, ThreadExecution } from "./thread-execution.ts";
import { SharedState, type ThreadOutcome } from "./thread-protocol.ts";

export interface PoolRunParts {
  readonly name: string;
  readonly clock: Clock;
  readonly memoryMb: number;
  readonly channel: (port: MessagePort) => Channel;
  readonly threads: () => Promise<PoolThreads>;
  readonly encodeCode: (code: unknown) => PoolCode;
  /** It may hold more than it may. */
  readonly onOver: (run: PoolRun, heldMb: number) => void;
}

/** The run's number in its `SharedState`. */
const NUMBER = 1;
/** A run may wait long for a thread, and only that says hello. */
const HELLO_MS = 2 ** 31 - 1;

/** One run in the pool, from its start to its end, as this side sees it. */
export class PoolRun implements ExecutionOwner {
  readonly execution: Execution;
  readonly name: string;
  readonly #held: ThreadExecution;
  readonly #request: RunRequest;
  readonly #parts: PoolRunParts;
  readonly #shared = SharedState.forOneRun();
  readonly #memory: MemoryWatch;
  #job: PoolJob | undefined;
  #channel: Channel | undefined;
  #session: Promise<Session> | undefined;
  /** Set where its thread has to end: how the run ends when that is gone. */
  #end: RunEnd | undefined;
  #answer: unknown;

  constructor(request: RunRequest, parts: PoolRunParts) {
    this.#request = request;
    this.#parts = parts;
    this.name = request.name;
    this.#held = new ThreadExecution(request, NUMBER, this);
    this.execution = this.#held;
    const shared = this.#shared;
    this.#memory = new MemoryWatch({
      clock: parts.clock,
      limitMb: parts.memoryMb,
      beat: () => shared.beat,
      heldMb: () => shared.heldMb,
      // Only to code that is at work can be counted what the process grows by.
      processMb: () => (shared.computes ? process.memoryUsage.rss() / 2 ** 20 : 0),
      onOver: (heldMb) => parts.onOver(this, heldMb),
    });
  }

  /** What its thread held when it last said so. */
  get toldMb(): number {
    return this.#shared.heldMb;
  }

  get computes(): boolean {
    return this.#shared.computes;
  }

  /** 0 as long as no thread has begun with it. */
  get threadId(): number {
    return this.#shared.threadId;
  }

  /** Runs it to its end. Never rejects. */
  async drive(): Promise<void> {
    try {
      const { channel, ...order } = this.#order();
      const threads = await this.#parts.threads();
      if (this.#end !== undefined) return this.#held.settle(this.#end);
      const port = channel?.port2;
      const task: PoolTask = port === undefined ? order : { ...order, port };
      this.#job = threads.run(task, port === undefined ? [] : [port]);
      this.#memory.start();
      const bytes = await this.#job.result;
      const outcome = await this.#outcome(bytes);
      if (this.#end === undefined) this.#held.settle(this.#endOf(outcome));
    } catch (error) {
      if (this.#end === undefined) this.#held.settle(this.#endOfFailure(error));
    } finally {
      this.#memory.stop();
      if (this.#end !== undefined && this.#job !== undefined) await this.#job.end();
      this.#channel?.abort(new ChannelError("CHANNEL_CLOSED", "the run has ended"));
      if (this.#end !== undefined) this.#held.settle(this.#end);
    }
  }

  cancel(execution: ThreadExecution, reason: unknown, graceMs: number): void {
    this.#shared.setCancelled(NUMBER);
    if (graceMs <= 0) return this.kill();
    void this.#tell(reason);
    const grace = this.#parts.clock.after(graceMs, () => this.kill());
    void execution.ended.then(() => grace[Symbol.dispose]());
  }

  kill(): void {
    this.finish({ type: "cancelled" });
  }

  /** Ends its thread; the run has ended so when that is gone. */
  finish(end: RunEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    // What waits for its result goes on from there.
    void this.#job?.end();
  }

  /** It has failed, and its code goes on. */
  lingers(outcome: Uint8Array): void {
    this.finish(this.#endOf(decodeValue(outcome) as ThreadOutcome));
  }

  /** It was not its memory after all. */
  watchAgain(): void {
    if (this.#end === undefined && this.#job !== undefined) this.#memory.start();
  }

  #order(): Omit<PoolTask, "port"> & { readonly channel: MessageChannel | undefined } {
    const { id, name, code, values, host } = this.#request;
    const { encodeCode, memoryMb } = this.#parts;
    const order = {
      id,
      name,
      memoryMb,
      shared: this.#shared.buffer,
      code: encodeCode(code),
      values: encodeValue(values),
    };
    if (Object.keys(host).length === 0) return { ...order, channel: undefined };
    return { ...order, channel: this.#openSession(host) };
  }

  #openSession(host: RunRequest["host"]): MessageChannel {
    const channel = new MessageChannel();
    this.#channel = this.#parts.channel(channel.port1);
    const owner: PoolOwner = { answer: (outcome) => (this.#answer = { outcome }) };
    this.#session = openSession(this.#channel, {
      name: this.#parts.name,
      exports: { [HOST]: host, [OWNER]: owner },
      policy: "trusted",
      plain: "copy",
      peerBlocks: true,
      limits: { helloMs: HELLO_MS },
    });
    this.#session.catch(() => {});
    return channel;
  }

  async #tell(reason: unknown): Promise<void> {
    try {
      const session = await this.#session;
      await session?.remote<PoolRunApi, "copy">(RUN).abort(reason);
    } catch {
      // It ends just now, or its thread does.
    }
  }

  async #outcome(bytes: unknown): Promise<ThreadOutcome> {
    if (bytes instanceof Uint8Array) return decodeValue(bytes) as ThreadOutcome;
    const { outcome } = this.#answer as { readonly outcome: ThreadOutcome };
    if (outcome.type === "returned" && holdsReference(outcome.value, await this.#session)) {
      const what = `what ${this.name} returned holds something that stays in its thread`;
      const message = `${what}: return plain values, and objects that it was given`;
      throw new ExecutorError("EXECUTOR_BAD_RESULT", message);
    }
    return outcome;
  }

  #endOf(outcome: ThreadOutcome): RunEnd {
    return outcome.type === "returned"
      ? { type: "returned", value: outcome.value }
      : { type: "threw", error: outcome.error };
  }

  #endOfFailure(error: unknown): RunEnd {
    const { exit } = this.#shared;
    if (exit !== undefined) {
      const did = `"${this.name}" called process.exit(${exit.code}), which ends its thread`;
      const own = new ExecutorError("EXECUTOR_LOST", `${did}: let it return or throw`);
      return { type: "crashed", error: own };
    }
    if ((error as { code?: unknown }).code === "ERR_WORKER_OUT_OF_MEMORY") {
      return { type: "crashed", error: this.memoryError("more than V8 allows", error) };
    }
    // It never began, for what it is made of can't be sent.
    if (this.#job === undefined || error instanceof ExecutorError) return { type: "threw", error };
    const cause = new ExecutorError("EXECUTOR_LOST", "the thread ended", { cause: error });
    return { type: "lost", error: cause };
  }

  memoryError(held: string, cause?: unknown): ExecutorError {
    const { memoryMb } = this.#parts;
    const message =
      `"${this.name}" held ${held}, and may hold ${memoryMb} MB: let it hold less, or give more ` +
      "(a node: --memory)";
    return new ExecutorError("EXECUTOR_MEMORY", message, { cause });
  }
}

/** Whether a value holds something of the other side's of `session`. What came from elsewhere may stay. */
function holdsReference(value: unknown, session: unknown): boolean {
  const todo = [value];
  const seen = new Set<unknown>();
  while (todo.length > 0) {
    const next = todo.pop();
    if (next === null || seen.has(next)) continue;
    if (typeof next !== "object" && typeof next !== "function") continue;
    seen.add(next);
    const stub = stubOf(next);
    if (stub !== undefined) {
      if (stub.caller === session) return true;
      continue;
    }
    const prototype: unknown = Object.getPrototypeOf(next);
    if (Array.isArray(next) || prototype === Object.prototype) todo.push(...Object.values(next));
  }
  return false;
}
