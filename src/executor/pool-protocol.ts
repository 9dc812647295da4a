/** What the two sides of a pool's thread say to each other. Internal to executor/. */
import type { MessagePort } from "node:worker_threads";

/** What a thread of the pool is given to do. */
export interface PoolTask {
  readonly id: string;
  readonly name: string;
  /** A `SharedState` for this run alone. */
  readonly shared: SharedArrayBuffer;
  readonly code: PoolCode;
  /** The request's values, encoded. */
  readonly values: Uint8Array;
  readonly memoryMb: number;
  /** Leads to the request's host objects; missing where it has none. */
  readonly port?: MessagePort;
}

/** A request's code, encoded once: threads that have had it know it by its id. */
export interface PoolCode {
  readonly id: number;
  readonly bytes: SharedArrayBuffer;
}

/** What a thread posts beside its results, before it waits for its end. */
export interface PoolLingering {
  /** The run's. */
  readonly id: string;
  /** The outcome, encoded. */
  readonly outcome: Uint8Array;
}

/** What the owner of a run exports: the request's host objects, and itself. */
export const HOST = "host";
export const OWNER = "owner";

export interface PoolOwner {
  /** Takes an outcome that holds references. */
  answer(outcome: unknown): void;
}

/** What the thread exports. */
export const RUN = "run";

export interface PoolRunApi {
  abort(reason: unknown): void;
}
