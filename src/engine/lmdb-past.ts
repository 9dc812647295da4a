/**
 * Past versions. A row of the log has the change and the entry whose place it took, with the revision at which that
 * was written: so the versions of an entry are a chain through the log, from the present one backwards. When
 * the log forgets a change, what it replaced gets a row of its own, if the rule still keeps it.
 *
 * The chain ends where an entry was made that had not been there. So deletions have rows of their own at once.
 */
import type { Clock } from "../base/clock.ts";
import type { Path } from "../wire/path.ts";
import type { EngineEntry, HistoryRule, Revision } from "./engine.ts";
import { entryOf, revisionOfRow } from "./entry-row.ts";
import { keptOf, type PastVersion, pastOf } from "./history-memory.ts";
import type { HistoryRules } from "./history-rules.ts";
import type { LmdbHistory, TrimPlace } from "./lmdb-history.ts";
import { treeKey } from "./lmdb-keys.ts";
import type { LmdbLog } from "./lmdb-log.ts";
import { changeTime, decodeChange, encodeHead, type Head } from "./lmdb-records.ts";
import { type LmdbTables, META_KEYS } from "./lmdb-tables.ts";
import type { LogRecord } from "./log-row.ts";
import { hashOf, RecentNames } from "./recent-names.ts";
import { type Change, compareBytes, type StoreHistory } from "./store.ts";

/** So much is moved at a time: some milliseconds of work. */
const STEP = { changes: 256, bytes: 1024 * 1024 } as const;
/** Where each page has to be found. */
const SMALL_STEP = { changes: 8, bytes: 16 * 1024 } as const;
/** What that takes: pages of the rows of past versions, and what is in them. */
export const SMALL_STEP_BYTES: number = 8 * 16 * 1024 + 4 * SMALL_STEP.bytes;

/** What is larger takes pages of its own wherever it is: better once than twice. */
export const MAX_PREVIOUS_BYTES: number = 1_024;
/** Of so many changes it is known which entries they are of. */
const MOST_KNOWN = 262_144;

export interface LmdbPastOptions {
  readonly tables: LmdbTables;
  readonly log: LmdbLog;
  readonly history: LmdbHistory;
  readonly clock: Clock;
  readonly head: Head;
  /** To be called before each transaction that makes room. @throws EngineError `ENGINE_FULL` */
  readonly requireRoom: () => void;
  /** To be waited for behind each: others go on meanwhile. */
  readonly pause: () => Promise<void>;
  /** The head of the store as it is now. */
  readonly now: () => Head;
  /** Whether pages are so scarce that nothing is moved but what must be. */
  readonly isFull: () => boolean;
  /** A transaction of its own for one `move`. */
  readonly moveSome: () => void;
}

/** A change whose previous version is to be moved. */
interface Moving {
  readonly change: Change;
  readonly previous: EngineEntry;
}

export class LmdbPast implements StoreHistory {
  readonly rules: HistoryRules;
  readonly #options: LmdbPastOptions;
  /** The changes since the store was opened, by their entries. */
  readonly #recent = new RecentNames();
  /** No earlier change is in `#recent`. */
  #since: Revision;
  /** All changes behind it are in the log, with what they replaced. */
  #made: Revision;
  /** Of the changes that the log has forgotten and still holds. */
  #held: number;
  /** What is not kept takes what is older along at once: it must not be seen again by a new rule. */
  #isExact = false;

  constructor(options: LmdbPastOptions) {
    this.rules = options.history.rules;
    this.#options = options;
    const { made, revision, forgotten } = options.head;
    this.#made = made;
    this.#since = revision;
    this.#held = forgotten > made ? Infinity : 0;
  }

  /** The log holds more than it should of what it has forgotten. */
  isDue({ forgotten, made }: Head, isFull: boolean = false): boolean {
    const most = isFull ? 1 : STEP.changes;
    return forgotten - made >= most || this.#held >= STEP.bytes;
  }

  /**
   * Gives the record of a change as it is to be in the log: what is large, and a deletion, get their rows at
   * once. Within a transaction.
   *
   * @param previous undefined where what is large is not to be kept
   */
  record(record: LogRecord, change: Change, previous: EngineEntry | undefined): LogRecord {
    const { history } = this.#options;
    const isLarge = (record.previous?.length ?? 0) > MAX_PREVIOUS_BYTES;
    if (isLarge) history.record(change, pastOf(change, previous));
    else if (change.event.type === "delete") history.record(change, pastOf(change, undefined));
    return isLarge ? { row: record.row, previous: undefined, isMade: true } : record;
  }

  /** Writes the head behind what the log forgets now. Within a transaction of the store. */
  put(head: Head): Head {
    const { tables, log, clock, isFull } = this.#options;
    const put = log.forget(head, clock.wall(), isFull());
    this.#held += head.bytes - put.bytes;
    tables.meta.putSync(META_KEYS.head, encodeHead(put));
    return put;
  }

  /** Whether that is more than a small step takes, and keeps the log from giving way. */
  isMuch({ forgotten, made }: Head): boolean {
    return forgotten - made > SMALL_STEP.changes;
  }

  /** One step, within a transaction of the store: gives the head as it is behind that. */
  move(head: Head, isScarce: boolean = false): Head {
    const records = this.#options.log.recordsBehind(head.made, isScarce ? SMALL_STEP : STEP);
    const moving: Moving[] = [];
    for (const record of records) {
      if (record.previous === undefined || record.isMade) continue;
      const change = decodeChange(record.row.revision, record.row.change);
      if (!this.#isKept(change)) {
        if (this.#isExact) this.#options.history.forget(change.key, revisionOfRow(record.previous));
        continue;
      }
      moving.push({ change, previous: entryOf(change.event.entry.path, record.previous) });
    }
    // Rows that lie together are written together.
    moving.sort((a, b) => compareBytes(a.change.key, b.change.key));
    for (const { change, previous } of moving) {
      this.#options.history.record(change, [{ ...previous, until: change.event.entry.time }]);
    }
    const made = records.at(-1)?.row.revision ?? head.revision;
    this.#held = made >= head.forgotten ? 0 : Math.max(0, this.#held - bytesOf(records));
    return { ...head, made };
  }

  /** A transaction with these changes is committed. */
  committed(changes: readonly Change[], { made, revision }: Head): void {
    this.#made = made;
    this.#since = Math.max(this.#since, made, revision - MOST_KNOWN);
    for (const { key, event } of changes) {
      this.#recent.add(event.entry.revision, hashOf(key), this.#since);
    }
  }

  /** Newest first. */
  past(path: Path, key: Uint8Array): PastVersion[] {
    const { tables, history, clock } = this.#options;
    tables.held.catchUp();
    const rule = this.rules.for(path);
    const rows = history.rows(path, key, rule.versions);
    const present = tables.tree.get(treeKey(key));
    const found = [...rows];
    const seen = new Set<Revision>();
    const starts = rows.map(({ revision }) => revision);
    if (present !== undefined) starts.unshift(revisionOfRow(present));
    for (const start of starts) {
      found.push(...this.#chain(path, start, { versions: rule.versions, seen }));
    }
    found.sort((a, b) => b.revision - a.revision);
    return keptOf(found, rule, clock.wall());
  }

  async keep(rule: HistoryRule): Promise<void> {
    const { history, requireRoom } = this.#options;
    this.#isExact = true;
    try {
      // What was written before the rule is not kept as that says.
      await this.#moveAll();
      await this.#trim(rule.prefix);
      await this.#moveAll();
      requireRoom();
      history.keep(rule);
    } finally {
      this.#isExact = false;
    }
    await this.#trim(rule.prefix);
  }

  /** Moves all past versions of now out of the log, which may be many: others write meanwhile, and may be faster. */
  async #moveAll(): Promise<void> {
    const { now, isFull, moveSome, pause } = this.#options;
    const { revision } = now();
    // On a full disk it is enough that they are kept as the new rule says.
    while (now().made < revision && !isFull()) {
      moveSome();
      await pause();
    }
  }

  async #trim(prefix: Path): Promise<void> {
    const { history, requireRoom, pause } = this.#options;
    for (let at: TrimPlace | undefined; ;) {
      await pause();
      requireRoom();
      at = history.trim(prefix, at);
      if (at === undefined) return;
    }
  }

  /** What was replaced by the change of a revision, and by those before it, as far as the log has them. */
  *#chain(
    path: Path,
    start: Revision,
    { versions, seen }: { versions: number; seen: Set<Revision> },
  ): Generator<PastVersion, void> {
    let at = start;
    for (let count = 0; count < versions && at > this.#made && !seen.has(at); count++) {
      seen.add(at);
      const { row, previous } = this.#options.log.record(at);
      if (previous === undefined) return;
      const version = { ...entryOf(path, previous), until: changeTime(row.change) };
      yield version;
      at = version.revision;
    }
  }

  /** Whether what a change replaced is one of the versions that the rule keeps, as far as that is known. */
  #isKept({ key, event }: Change): boolean {
    const { path, revision, time } = event.entry;
    const { versions, maxAgeMs } = this.rules.for(path);
    if (versions === 0 || this.#options.clock.wall() - time > maxAgeMs) return false;
    let newer = 0;
    // Each change behind it has replaced something.
    for (const _ of this.#recent.find(hashOf(key), Math.max(revision, this.#since))) {
      if (++newer >= versions) return false;
    }
    return true;
  }
}

function bytesOf(records: readonly LogRecord[]): number {
  return records.reduce((sum, { row }) => sum + row.change.length, 0);
}
