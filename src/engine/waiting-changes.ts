import type { Revision } from "./engine.ts";
import { ownBytes } from "./own-bytes.ts";
import { type Change, type PageLimits, type Store, weightOf } from "./store.ts";

/** Of what waits for slow readers, all of them together, so much is kept in memory: the rest is in the log. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;

/** A change that has to be told to some readers. */
export interface WaitingChange {
  readonly revision: Revision;
  readonly weight: number;
  /** Undefined where it has to be read again. */
  change: Change | undefined;
  readers: number;
}

export function waitingChange(change: Change): WaitingChange {
  return { revision: change.event.entry.revision, weight: weightOf(change), change, readers: 0 };
}

/**
 * What waits in the queues of all watches of one store. A change that waits in several counts once, and when
 * there is too much the oldest are let go of, which are those of readers that don't read.
 */
export class WaitingChanges {
  readonly #source: Pick<Store, "changes">;
  /** The oldest first. */
  readonly #kept = new Set<WaitingChange>();
  #bytes = 0;

  constructor(source: Pick<Store, "changes">) {
    this.#source = source;
  }

  /** What of a commit its readers have not taken at once. */
  keep(waiting: readonly WaitingChange[]): void {
    for (const one of waiting) {
      if (one.readers === 0) continue;
      one.change = one.change && ofItsOwn(one.change);
      this.#kept.add(one);
      this.#bytes += one.weight;
    }
    for (const oldest of this.#kept) {
      if (this.#bytes <= MAX_KEPT_BYTES) return;
      this.#forget(oldest);
      oldest.change = undefined;
    }
  }

  /** One of its readers has it, or is not going to. */
  done(waiting: WaitingChange): void {
    if (--waiting.readers === 0) this.#forget(waiting);
  }

  /**
   * Reads what has been let go of: the change at `from` of a queue, and some of those behind it if they are
   * next to each other in the log. Empty where the log has it no more.
   */
  again(queue: readonly WaitingChange[], from: number, limits: PageLimits): readonly Change[] {
    const first = queue[from]?.revision ?? 0;
    let count = 0;
    for (let bytes = 0; count < limits.entries && bytes < limits.bytes; count++) {
      const next = queue[from + count];
      if (next?.change !== undefined || next?.revision !== first + count) break;
      bytes += next.weight;
    }
    return this.#source.changes(first - 1, count) ?? [];
  }

  #forget(waiting: WaitingChange): void {
    if (this.#kept.delete(waiting)) this.#bytes -= waiting.weight;
  }
}

function ofItsOwn(change: Change): Change {
  const { key, event } = change;
  if (event.type === "delete") return change;
  const { entry } = event;
  const value = ownBytes(entry.value);
  return value === entry.value
    ? change
    : { key, event: { type: "put", entry: { ...entry, value } } };
}
