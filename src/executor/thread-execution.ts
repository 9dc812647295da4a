import { deferred } from "../base/deferred.ts";
import type { Execution, RunEnd, RunRequest } from "./executor.ts";

/** What a `ThreadExecution` asks of the thread it runs on. */
export interface ExecutionOwner {
  cancel(execution: ThreadExecution, reason: unknown, graceMs: number): void;
  kill(execution: ThreadExecution): void;
}

const DEFAULT_GRACE_MS = 2_000;

/** One run as its starter holds it. It settles once; what comes after that is dropped. */
export class ThreadExecution implements Execution {
  readonly id: string;
  readonly name: string;
  /** The thread's own name for it. */
  readonly number: number;
  readonly ended: Promise<RunEnd>;
  readonly #ended = deferred<RunEnd>();
  readonly #owner: ExecutionOwner;
  #state: "running" | "cancelled" | "ended" = "running";

  constructor(request: RunRequest, number: number, owner: ExecutionOwner) {
    this.id = request.id;
    this.name = request.name;
    this.number = number;
    this.ended = this.#ended.promise;
    this.#owner = owner;
  }

  get cancelled(): boolean {
    return this.#state === "cancelled";
  }

  cancel(reason: unknown, options: { graceMs?: number } = {}): void {
    if (this.#state !== "running") return;
    this.#state = "cancelled";
    this.#owner.cancel(this, reason, options.graceMs ?? DEFAULT_GRACE_MS);
  }

  kill(): void {
    if (this.#state === "ended") return;
    this.#state = "cancelled";
    this.#owner.kill(this);
  }

  /** However a cancelled run ends, it ends as cancelled. */
  settle(end: RunEnd): void {
    if (this.#state === "ended") return;
    this.#ended.resolve(this.cancelled ? { type: "cancelled" } : end);
    this.#state = "ended";
  }
}
