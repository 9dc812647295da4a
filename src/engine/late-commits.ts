/**
 * Commits behind the answers. What is in the journal outlives every process, and so may be answered and told of before
 * LMDB has committed it; LMDB takes many of such batches in one transaction, which stays open meanwhile. It touches each
 * page once for all of them, and nobody waits for it.
 *
 * Who reads the store in place would not see them: what the file says of them sends those to the owner (see
 * `told-revision.ts`), and once one comes, each batch is committed before it is answered, for a while.
 */
import { isMainThread } from "node:worker_threads";

import type { Clock } from "../base/clock.ts";
import type { DiskRoom } from "./disk-room.ts";
import type { Revision } from "./engine.ts";
import type { LargeRows } from "./large-rows.ts";
import type { Changed } from "./lmdb-changes.ts";
import type { LmdbFlusher } from "./lmdb-flusher.ts";
import type { LmdbTables } from "./lmdb-tables.ts";
import type { Outcome, PendingWrite } from "./pending-write.ts";

const KIB = 1024;
/** A batch that is larger gains nothing by it, and would be written twice before it is answered. */
const MOST_BATCH_BYTES = 128 * KIB;
/** For what takes more with it the file is not made longer ahead. */
const MOST_REPLACED_BYTES = 512 * KIB;
/**
 * What a change may take besides its value: pages of the entry, of the past and of names, on the way to them, and of the
 * log. A value is in the entry and in the log, and a large one that is replaced as a past version and with a name.
 */
const CHANGE_BYTES = 12 * KIB;
const TIMES = 2;
/** What moving past versions out of the log takes. */
const MOVE_BYTES = 4 * 1024 * KIB;
/** What the file has room for before a transaction begins: at first, and where that is often not enough. */
const FIRST_ROOM = 512 * KIB;
const MOST_ROOM = 16 * 1024 * KIB;
/** How long it stays open where nothing more comes. */
const IDLE_MS = 10;
/** How long it stays open where more comes, but a safe point does not end it. */
const MOST_MS = 200;
/** How long nothing is left open behind a read of somebody who could read in place. */
const WATCHED_MS = 200;

export interface LateCommitsOptions {
  readonly tables: LmdbTables;
  readonly room: DiskRoom;
  readonly large: LargeRows;
  readonly flusher: LmdbFlusher;
  readonly clock: Clock;
  /** What somebody was told of was not committed, and whoever opens the store next makes it again. */
  readonly onLost: (cause: unknown) => void;
}

export class LateCommits {
  readonly #options: LateCommitsOptions;
  /** What the file was made sure to have room for, how much of that is taken, and how much is asked for. */
  #room = 0;
  #hasRoom = false;
  #taken = 0;
  #wanted: number = FIRST_ROOM;
  /** What somebody was told of, or is just to be, that is in the transaction. */
  #told: Revision | undefined;
  #since = -Infinity;
  #last = -Infinity;
  #timer: Disposable | undefined;
  #watchedUntil = -Infinity;

  constructor(options: LateCommitsOptions) {
    this.#options = options;
    const { held } = options.tables;
    held.onCommit = () => this.#committing();
    held.onEnd = (error) => this.#ended(error);
  }

  /** Whether what was prepared last has room, so that a lone write may be told of before it is committed. */
  get hasRoom(): boolean {
    return this.#hasRoom;
  }

  /**
   * To be called before a batch. Where it may be answered before it is committed, the open transaction has room for it
   * in the file, or is ended; where it may not, none is open behind this.
   *
   * @param isMoving whether past versions are moved with it
   */
  prepare(writes: readonly PendingWrite[], isMoving: boolean): boolean {
    const { tables, room } = this.#options;
    const { bytes, isSmall, needed } = this.#sizeOf(writes, isMoving);
    const mayBeLate = isSmall && bytes <= MOST_BATCH_BYTES && this.#mayBeLate();
    this.#taken += needed;
    if (tables.held.isOpen) {
      if (mayBeLate && this.#taken <= this.#room) return true;
      if (mayBeLate) this.#wanted = Math.min(2 * this.#wanted, MOST_ROOM);
      this.end();
    }
    if (!mayBeLate) {
      this.#hasRoom = isSmall && writes.length === 1 && room.covers(needed);
      return false;
    }
    this.#taken = needed;
    this.#room = [this.#wanted, needed].find((size) => size >= needed && room.covers(size)) ?? 0;
    this.#hasRoom = this.#room > 0;
    return this.#hasRoom;
  }

  /** What a batch brings, whether what it replaces is little, and what it may take in the file. */
  #sizeOf(
    writes: readonly PendingWrite[],
    isMoving: boolean,
  ): { bytes: number; isSmall: boolean; needed: number } {
    let bytes = 0;
    let replaced = 0;
    for (const { request } of writes) {
      bytes += request.value?.length ?? 0;
      replaced += this.#options.large.replacedBy(request);
    }
    const moved = isMoving ? MOVE_BYTES : 0;
    const needed = writes.length * CHANGE_BYTES + TIMES * (bytes + replaced) + moved;
    return { bytes, isSmall: replaced <= MOST_REPLACED_BYTES, needed };
  }

  /** A worker thread may be ended at any moment, and would not let LMDB's lock go. */
  #mayBeLate(): boolean {
    const { room, flusher, clock } = this.#options;
    if (!isMainThread || clock.now() < this.#watchedUntil) return false;
    return flusher.keepsAhead && room.hasPlenty;
  }

  /** To be called before anybody is told of what the open transaction holds, up to this revision. */
  tells(revision: Revision): void {
    const isFirst = this.#told === undefined;
    // Before anything can fail: the journal has it, and no other write may become what it was.
    this.#told = revision;
    // Whatever is told of in this transaction, none of it is where others read before its end.
    if (isFirst) this.#options.tables.told.write(Infinity);
  }

  #committing(): void {
    if (this.#told === undefined) return;
    try {
      this.#options.tables.told.write(this.#told);
    } catch {
      // Who reads in place goes on asking.
    }
  }

  /**
   * Whether the transaction may stay open behind this batch. `isTold`: all that it has changed is in the journal. What
   * became of a write whose caller named it, and which changed nothing, is nowhere else.
   */
  leaves(outcomes: readonly Outcome[], { changes }: Changed, isTold: boolean): boolean {
    if (!isTold && (changes.length > 0 || this.#told === undefined)) return false;
    if (outcomes.length > changes.length && outcomes.some(isNamed)) return false;
    const { clock } = this.#options;
    this.#last = clock.now();
    if (this.#timer === undefined) {
      this.#since = this.#last;
      this.#timer = clock.after(IDLE_MS, this.#look);
    }
    return true;
  }

  /** Somebody asks who could read the store in place, if all that was told of were there. */
  watched(): void {
    this.#watchedUntil = this.#options.clock.now() + WATCHED_MS;
    this.end();
  }

  /** Commits what was left. Where LMDB refuses, whom that concerns has been told. */
  end(): void {
    try {
      this.#options.tables.held.end();
    } catch {
      // See `#ended`.
    }
  }

  /** A transaction failed on its way: gives up all that was made in it. */
  giveUp(cause: unknown): void {
    const { tables, onLost } = this.#options;
    const isLost = this.#told !== undefined;
    try {
      tables.held.giveUp();
    } catch {
      // Nothing of it is kept either way.
    }
    if (isLost) onLost(cause);
  }

  #ended(error: unknown): void {
    const isLost = error !== undefined && this.#told !== undefined;
    this.#room = 0;
    this.#told = undefined;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (isLost) this.#options.onLost(error);
  }

  readonly #look = (): void => {
    const { clock } = this.#options;
    const now = clock.now();
    const idle = now - this.#last;
    if (idle < IDLE_MS && now - this.#since < MOST_MS) {
      this.#timer = clock.after(IDLE_MS - idle, this.#look);
    } else this.end();
  };
}

/** Whether its caller gave it a name, by which it may be sent again. */
function isNamed({ write }: Outcome): boolean {
  const { operation, repeats } = write.request;
  return operation !== undefined && repeats === undefined;
}
