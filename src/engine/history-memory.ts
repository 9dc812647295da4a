import type { Clock } from "../base/clock.ts";
import type { EngineEntry, EngineVersion, HistoryRule } from "./engine.ts";
import { HistoryRules } from "./history-rules.ts";
import type { Change, StoreHistory } from "./store.ts";

/** A version that is no longer the present one. */
export interface PastVersion extends EngineVersion {
  /** When another took its place; of a deletion, when it was made. */
  readonly until: number;
}

/** What a change turns into past: what was there before, and a deletion itself. */
export function pastOf({ event }: Change, previous: EngineEntry | undefined): PastVersion[] {
  const { time, path, revision, author } = event.entry;
  const past: PastVersion[] = previous === undefined ? [] : [{ ...previous, until: time }];
  if (event.type === "delete") {
    past.push({ path, value: undefined, revision, author, time, until: time });
  }
  return past;
}

/** Of more entries than these, those that were written first lose theirs. */
const MAX_ENTRIES = 100_000;

/** Past versions in memory, as exact as they are asked for. */
export class MemoryHistory implements StoreHistory {
  readonly rules = new HistoryRules();
  readonly #clock: Clock;
  /** By the path's text, oldest first. */
  readonly #past = new Map<string, PastVersion[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  record(change: Change, previous: EngineEntry | undefined): void {
    const { path } = change.event.entry;
    const rule = this.rules.for(path);
    const name = path.toString();
    const all = [...(this.#past.get(name) ?? []), ...pastOf(change, previous)];
    const kept = keptOf(all.toReversed(), rule, this.#clock.wall()).toReversed();
    if (kept.length === 0) {
      this.#past.delete(name);
      return;
    }
    this.#past.set(name, kept);
    if (this.#past.size <= MAX_ENTRIES) return;
    for (const [oldest] of this.#past) {
      this.#past.delete(oldest);
      return;
    }
  }

  async keep(rule: HistoryRule): Promise<void> {
    this.rules.set(rule);
  }

  /** Newest first. */
  past(path: EngineEntry["path"]): PastVersion[] {
    const all = this.#past.get(path.toString()) ?? [];
    return keptOf(all.toReversed(), this.rules.for(path), this.#clock.wall());
  }
}

/** Of versions, newest first, those that the rule keeps. */
export function keptOf(
  past: readonly PastVersion[],
  { versions, maxAgeMs }: HistoryRule,
  now: number,
): PastVersion[] {
  return past.slice(0, versions).filter(({ until }) => now - until <= maxAgeMs);
}
