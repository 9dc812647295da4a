import type { Clock } from "../base/clock.ts";

/** What the contract promises: a write's name is remembered for at least this long. */
export const OPERATION_MEMORY_MS = 120_000;

/**
 * What became of named writes, in two generations: when the younger is two minutes old it becomes the
 * older, and the older is forgotten. So nothing is kept for longer than twice the time, and
 * forgetting costs nothing per name.
 */
export class OperationMemory<T> {
  readonly #clock: Clock;
  #young = new Map<string, T>();
  #old = new Map<string, T>();
  #since: number;

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  get(operation: string): T | undefined {
    this.#turn();
    return this.#young.get(operation) ?? this.#old.get(operation);
  }

  set(operation: string, outcome: T): void {
    this.#turn();
    this.#young.set(operation, outcome);
  }

  delete(operation: string): void {
    this.#young.delete(operation);
    this.#old.delete(operation);
  }

  #turn(): void {
    const age = this.#clock.now() - this.#since;
    if (age < OPERATION_MEMORY_MS) return;
    this.#old = age < 2 * OPERATION_MEMORY_MS ? this.#young : new Map();
    this.#young = new Map();
    this.#since = this.#clock.now();
  }
}
