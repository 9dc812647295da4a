/**
 * Whether there is room for a transaction. None is begun that could fail for want of it: what LMDB leaves behind of
 * many that failed ends the process, and a deletion that needs a page to free a hundred must find it.
 *
 * So the data file is longer than what is in it. Where the disk is scarce, room for a transaction is taken from it
 * before that begins, and a spare piece of the file is kept for what makes room again: deletions, and rules for past
 * versions. When the disk gives no more, what is written goes to pages that are free again, and the spare piece.
 */
import { appendFileSync, statSync } from "node:fs";
import { join } from "node:path";

import type { Clock } from "../base/clock.ts";
import { EngineError } from "../base/errors.ts";
import { type FreePages, readFreePages } from "./free-pages.ts";
import { lmdbError } from "./lmdb-errors.ts";
import { DATA_FILE } from "./lmdb-file.ts";
import { liveReaders } from "./lmdb-readers.ts";
import type { LmdbTables } from "./lmdb-tables.ts";
import {
  freeBytes,
  shareReserve,
  hasReserve,
  makeReserve,
  RESERVE_BYTES,
  saysFull,
} from "./reserve.ts";
import type { WriteRequest } from "./store.ts";

interface Write {
  readonly request: WriteRequest;
  reject(reason: unknown): void;
}

/** What of a batch of writes is for the next transaction, and what has to wait for others to give up pages. */
export interface Admission<W extends Write> {
  readonly now: readonly W[];
  readonly later: readonly W[];
  /** What the transaction takes, where that was looked at. */
  readonly bytes: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
/** A disk with so much is not looked at again for a moment. */
const PLENTY_BYTES = 64 * MIB;
const PLENTY_MS = 100;
/** The spare piece, and how much the file grows by where less is left. */
const SPARE_BYTES = MIB;
/** What of it no value is written to: it is for deletions. */
const FOR_DELETIONS = 512 * KIB;
/** What of it not even they get: it is for what makes the log give way. */
const FOR_STEPS = 384 * KIB;
/** What of it is for rules alone, and for the next hub. */
const FOR_RULES = 64 * KIB;
/** What a transaction takes besides its writes: the paths to its rows, the log, the list of free pages. */
const PAGES_BYTES = 128 * KIB;
/** What a write takes besides its values: pages of the entry, the log, what is made of that. */
const WRITE_BYTES = 16 * KIB;
/** A value is in the entry and in the log. */
const TIMES = 2;
/** What is larger gets pages of its own, which lie together. */
const MAX_SMALL_BYTES = KIB;
/** What one transaction takes where pages have to be found, or more where there are many: those it gives up come later. */
const MOST_AT_A_TIME = 256 * KIB;
/** How many writes are one transaction where pages are counted. */
const MOST_WRITES = 1_000;
/** How often transactions that only give up pages are waited for. */
const MOST_WAITS = 8;
/** How long who was refused is refused at once, and how often one that might fail is tried in a process. */
const RETRY_MS = 500;
const MOST_FAILURES = 100;

/** What a transaction takes, and how much of that in pieces of a size. */
interface Need {
  readonly bytes: number;
  readonly largest: number;
  readonly inPieces: number;
}

const NOTHING: Need = { bytes: 0, largest: 0, inPieces: 0 };

type KeptBytes = (request: WriteRequest) => number;

export interface DiskRoomOptions {
  readonly directory: string;
  readonly tables: LmdbTables;
  readonly clock: Clock;
}

export class DiskRoom {
  readonly #options: DiskRoomOptions;
  #hasReserve: boolean;
  /** Why writes are refused, where they are. */
  #full: EngineError | undefined;
  #failedAt = -Infinity;
  #failures = 0;
  #plentyUntil = -Infinity;
  /** Of the data file; others may have made it longer. */
  #size = 0;
  #free: FreePages | undefined;
  #waits = 0;
  #refusedUntil = -Infinity;
  /** Until when it is not tried again to make the file longer for what can do without. */
  #shortUntil = -Infinity;

  constructor(options: DiskRoomOptions) {
    this.#options = options;
    this.#hasReserve = hasReserve(options.directory);
    if (!this.#hasPlenty(0)) this.keepReserve();
  }

  /** Whether nothing can be written but where pages are free. */
  get isFull(): boolean {
    return this.#full !== undefined;
  }

  /** Whether the disk has so much that no pages need be counted. Not where the system does not say. */
  get hasPlenty(): boolean {
    try {
      return this.#full === undefined && this.#hasPlenty(0);
    } catch {
      return false;
    }
  }

  /**
   * Whether the file has so much behind what is in it, besides the spare piece, made longer where it has to be: what then
   * goes there can't fail for a limit that the system does not tell. Not within a transaction.
   */
  covers(bytes: number): boolean {
    const wanted = bytes + SPARE_BYTES;
    if (this.#spare() >= wanted) return true;
    const now = this.#options.clock.now();
    if (now < this.#shortUntil) return false;
    try {
      if (this.#grow(wanted)) return true;
    } catch {
      // What is wrong with the file is LMDB's to say, for the writes that it can't make.
    }
    this.#shortUntil = now + RETRY_MS;
    return false;
  }

  /** Whether pages have to be counted. */
  get isScarce(): boolean {
    return this.isFull || this.#plentyUntil === -Infinity;
  }

  /**
   * Says which of `writes` are for the next transaction; refuses those for which there is no room.
   *
   * @param keptBytes how much of what is there now a write keeps elsewhere
   * @throws what the system does where it does not say how much room there is: nothing is admitted then
   */
  admit<W extends Write>(writes: readonly W[], keptBytes: KeptBytes): Admission<W> {
    if (this.#full === undefined && this.#hasPlenty(roughly(writes))) {
      return { now: writes, later: [], bytes: 0 };
    }
    this.#free = undefined;
    const some = writes.length > MOST_WRITES ? writes.slice(0, MOST_WRITES) : writes;
    const all = some.reduce(
      (need, { request }) => plus(need, request, keptBytes(request)),
      NOTHING,
    );
    if (this.#take(all)) {
      return { now: some, later: writes.slice(some.length), bytes: all.bytes };
    }
    return this.#find(writes, keptBytes);
  }

  /** Goes as far as there are pages for a transaction. */
  #find<W extends Write>(writes: readonly W[], keptBytes: KeptBytes): Admission<W> {
    const now: W[] = [];
    let need = NOTHING;
    const most = Math.max(MOST_AT_A_TIME, this.#freePages().bytes / 8);
    for (const [index, write] of writes.entries()) {
      const { request } = write;
      const isFirst = now.length === 0;
      const next = this.#with(need, request, { keptBytes, most: isFirst ? Infinity : most });
      if (next !== undefined) {
        need = next;
        now.push(write);
      } else if (!isFirst || this.#maySoon()) {
        if (!isFirst) this.gaveWay();
        return { now, later: writes.slice(index), bytes: need.bytes };
      } else if (this.#mayTry(request)) now.push(write);
      else write.reject(this.refusal);
    }
    if (now.length > 0) this.gaveWay();
    return { now, later: [], bytes: need.bytes };
  }

  /** What is needed with one write more, if that can be had. */
  #with(
    need: Need,
    request: WriteRequest,
    { keptBytes, most }: { keptBytes: KeptBytes; most: number },
  ): Need | undefined {
    const isDeletion = request.value === undefined;
    const left = isDeletion ? FOR_STEPS : FOR_DELETIONS;
    let next = plus(need, request, keptBytes(request));
    if (next.bytes > most) return undefined;
    if (this.#has(next, left)) return next;
    if (this.#full === undefined) {
      this.#full = this.refusal;
      // From now on less is kept.
      next = plus(need, request, keptBytes(request));
      if (this.#has(next, left)) return next;
    }
    return isDeletion && most === Infinity && this.#giveUp(next) ? next : undefined;
  }

  /** Whether there is room for a transaction that writes so much besides, for one that makes room itself. */
  allows(bytes: number, left: number = FOR_RULES): boolean {
    this.#free = undefined;
    if (this.#full === undefined && this.#hasPlenty(bytes)) return true;
    return this.#has({ ...NOTHING, bytes }, left);
  }

  /** @throws EngineError `ENGINE_FULL` where there is no room for even a rule, `ENGINE_UNAVAILABLE` where the system does not say */
  requireForRules(): void {
    let allows: boolean;
    try {
      allows = this.allows(0, 0);
    } catch (error) {
      throw lmdbError(error, this.#options.directory);
    }
    if (!allows) throw this.refusal;
  }

  /** Why what waits is refused. */
  get refusal(): EngineError {
    const { directory } = this.#options;
    const says = `there is no room on the disk of ${directory}: make some, or delete entries`;
    return this.#full ?? new EngineError("ENGINE_FULL", says);
  }

  /** To be told when the log gave way: who waits for pages may find some. */
  gaveWay(): void {
    this.#waits = 0;
    this.#refusedUntil = -Infinity;
  }

  /** To be told of each transaction that failed. */
  failed(reason: unknown): void {
    if (!(reason instanceof EngineError) || reason.code !== "ENGINE_FULL") return;
    this.#full = reason;
    this.#failedAt = this.#options.clock.now();
    this.#failures += 1;
  }

  /**
   * Keeps room for the next hub, and a spare piece of the file, from now on; where it is not kept and there is room. To
   * be called again and again: where the system does not say, that is the next call's to find out.
   */
  keepReserve(): void {
    this.#hasReserve ||= makeReserve(this.#options.directory);
    try {
      this.#keepSpare();
    } catch {
      // Who writes is told.
    }
  }

  #keepSpare(): void {
    const isFine = this.#full === undefined && this.#hasPlenty(0);
    // Also where there is plenty: of a quota, or of the largest size of a file, the system says nothing.
    if (isFine && this.#spare() >= FOR_DELETIONS) return;
    if (!this.#take(NOTHING)) this.#full ??= this.refusal;
  }

  #hasPlenty(bytes: number): boolean {
    const { clock, directory } = this.#options;
    const now = clock.now();
    if (now < this.#plentyUntil && bytes < PLENTY_BYTES / 4) return true;
    this.#plentyUntil = -Infinity;
    const has = freeBytes(directory) >= PLENTY_BYTES + 4 * bytes;
    if (has) this.#plentyUntil = now + PLENTY_MS;
    return has;
  }

  /** Makes the data file so long that a transaction has room behind what is in it, and the spare piece, too. */
  #take({ bytes }: Need): boolean {
    if (!this.#grow(PAGES_BYTES + bytes + SPARE_BYTES)) return false;
    this.#full = undefined;
    this.#waits = 0;
    return true;
  }

  #spare(): number {
    return this.#size - this.#options.tables.count.usedBytes;
  }

  /** Makes what is behind the last page in use so large. */
  #grow(wanted: number): boolean {
    if (this.#spare() >= wanted) return true;
    const { directory } = this.#options;
    this.#size = statSync(join(directory, DATA_FILE)).size;
    const missing = wanted - this.#spare();
    if (missing <= 0) return true;
    // What was given up for a hub to start is not for what is written.
    const kept = this.#hasReserve ? 0 : RESERVE_BYTES;
    if (freeBytes(directory) < missing + kept) return false;
    const { pageSize } = this.#options.tables.count;
    const size = Math.ceil((this.#size + Math.max(missing, SPARE_BYTES)) / pageSize) * pageSize;
    this.#append(size - this.#size);
    return this.#spare() >= wanted;
  }

  /** As much of it as there is room for. */
  #append(bytes: number): void {
    const path = join(this.#options.directory, DATA_FILE);
    try {
      // Nobody's pages are written over: a former owner that knows nothing of it may be making the file longer.
      appendFileSync(path, Buffer.alloc(bytes));
    } catch (error) {
      if (!saysFull(error)) throw error;
    }
    this.#size = statSync(path).size;
  }

  /** Whether a transaction has room, and leaves so much behind what is in the file. */
  #has(need: Need, left: number): boolean {
    return this.#grow(PAGES_BYTES + need.bytes + SPARE_BYTES) || this.#holds(need, left);
  }

  /** The same where the file does not get longer: there, or where pages are free. */
  #holds({ bytes, largest, inPieces }: Need, left: number): boolean {
    const spare = this.#spare() - left;
    const wanted = PAGES_BYTES + bytes;
    if (spare >= wanted) return true;
    const free = this.#freePages();
    // Where it could do without them, they only have to be there for the most part.
    const isSafe = this.#spare() >= wanted + FOR_STEPS;
    if (free.bytes < (isSafe ? PAGES_BYTES / 2 + bytes : 2 * wanted)) return false;
    return spare >= inPieces || free.bytesIn(largest) >= 2 * inPieces;
  }

  /** Takes a part of what is kept for the next hub. */
  #giveUp(need: Need): boolean {
    if (!shareReserve(this.#options.directory)) return false;
    this.#append(RESERVE_BYTES / 2);
    return this.#holds(need, 0);
  }

  #freePages(): FreePages {
    const { directory, tables } = this.#options;
    const readers = liveReaders(tables.root);
    const oldest = Math.min(...readers.map(({ transaction = Infinity }) => transaction));
    this.#free ??= readFreePages(directory, oldest);
    return this.#free;
  }

  /** Whether what others give up may be waited for. */
  #maySoon(): boolean {
    const { clock } = this.#options;
    if (clock.now() < this.#refusedUntil) return false;
    if (++this.#waits <= MOST_WAITS) return true;
    this.#waits = 0;
    this.#refusedUntil = clock.now() + RETRY_MS;
    return false;
  }

  /** Whether a deletion is tried for which no pages were found, where no spare piece could be kept: it may need less. */
  #mayTry({ value }: WriteRequest): boolean {
    if (value !== undefined || this.#spare() >= FOR_RULES) return false;
    const { clock } = this.#options;
    return this.#failures < MOST_FAILURES && clock.now() - this.#failedAt >= RETRY_MS;
  }
}

/** What writes take besides what is there now. */
function roughly(writes: readonly Write[]): number {
  let bytes = writes.length * WRITE_BYTES;
  for (const { request } of writes) bytes += TIMES * (request.value?.length ?? 0);
  return bytes;
}

function plus({ bytes, largest, inPieces }: Need, { value }: WriteRequest, kept: number): Need {
  const size = value?.length ?? 0;
  let pieces = inPieces;
  if (size > MAX_SMALL_BYTES) pieces += TIMES * size;
  if (kept > MAX_SMALL_BYTES) pieces += kept;
  return {
    bytes: bytes + WRITE_BYTES + TIMES * size + kept,
    largest: Math.max(largest, size, kept),
    inPieces: pieces,
  };
}
