import { fdatasyncSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { Clock } from "../base/clock.ts";
import type { Revision } from "./engine.ts";
import { Journal, type JournalRow } from "./journal.ts";
import type { LmdbTables } from "./lmdb-tables.ts";
import { DATA_FILE } from "./lmdb-file.ts";
import { type LmdbMeta, newestMeta } from "./lmdb-meta.ts";
import { Rounds } from "./rounds.ts";
import { SafePointFile } from "./safe-point.ts";
import { markUnflushed } from "./unflushed.ts";

/** How long a commit may wait for the disk where nobody waits for it. */
const FLUSH_AFTER_MS = 100;
/**
 * How many may wait. The pages they free can't be used again until then, about 50 KB each: this is
 * what the file grows by.
 */
const FLUSH_AFTER_COMMITS = 256;
/**
 * How long a flush may take for this thread to wait for it itself. Another thread would do it no sooner, and
 * to be woken by it, four times a flush, takes longer than many disks.
 */
const QUICK_MS = 2;
/** How many commits it may hold then: it is for who waits, not for what has gathered. */
const FEW_COMMITS = 4;
/**
 * How long another thread does it after one that took longer, and after many in a row: a slow disk costs
 * everybody little, and a moment's load is soon forgotten.
 */
const SLOW_FOR_MS = 200;
const MOST_SLOW_FOR_MS = 12_800;

/** Keeps pages as they are in the state that it sees. */
interface Pin {
  done(): void;
}

export interface LmdbFlusherOptions {
  readonly directory: string;
  /** See `SafePointFile`. */
  readonly boot: string;
  readonly clock: Clock;
}

/**
 * Brings commits to the disk in the background, one flush for all that came meanwhile, and makes each
 * state that is there a safe point. A read transaction on the last one keeps LMDB from overwriting its
 * pages. Who waits gets it sooner: what was changed goes to a journal. Belongs to the thread that commits.
 */
export class LmdbFlusher {
  /** Called once when the disk has refused; nothing is flushed any more. */
  onFailed: ((error: unknown) => void) | undefined;
  readonly #tables: LmdbTables;
  readonly #directory: string;
  readonly #boot: string;
  readonly #clock: Clock;
  readonly #data: FileHandle;
  readonly #safe: SafePointFile;
  readonly #journal: Journal;
  readonly #safePoints = new Rounds(
    (gathered) => this.#makeSafe(gathered),
    () => this.#commits > 0 && this.#schedule(),
  );
  readonly #journaled = new Rounds((gathered) => this.#writeJournal(gathered));
  #pin: Pin | undefined;
  /** The head that the last safe point names. */
  #safeMeta: LmdbMeta | undefined;
  #commits = 0;
  #timer: Disposable | undefined;
  #othersGo = false;
  /** Until when the disk counts as slow. */
  #slowUntil = 0;
  #slowFor = SLOW_FOR_MS;
  #stopped = false;

  private constructor(
    tables: LmdbTables,
    options: LmdbFlusherOptions & { data: FileHandle; safe: SafePointFile; journal: Journal },
  ) {
    this.#tables = tables;
    this.#directory = options.directory;
    this.#boot = options.boot;
    this.#clock = options.clock;
    this.#data = options.data;
    this.#safe = options.safe;
    this.#journal = options.journal;
  }

  /** Resolves when what is in the store is a safe point. Nothing may be written before. */
  static async open(tables: LmdbTables, options: LmdbFlusherOptions): Promise<LmdbFlusher> {
    const data = await open(join(options.directory, DATA_FILE), "r");
    let safe: SafePointFile | undefined;
    let journal: Journal | undefined;
    try {
      safe = await SafePointFile.create(options.directory, options.boot);
      journal = await Journal.create(options.directory, options.boot);
      const flusher = new LmdbFlusher(tables, { ...options, data, safe, journal });
      await flusher.#flush();
      return flusher;
    } catch (error) {
      await safe?.close();
      await journal?.close();
      await data.close();
      throw error;
    }
  }

  /**
   * Leaves what the transaction of that number is about to commit with the system: whoever takes the store over makes it
   * again, should this process end before it has. To be called behind all else that can fail.
   *
   * @returns whether that could be done; if so `committed` is not to be told of them
   */
  writeAhead(rows: readonly JournalRow[], transaction: number): boolean {
    return !this.#stopped && this.#journal.writeAhead(rows, transaction);
  }

  /** Whether `writeAhead` may be able to. */
  get keepsAhead(): boolean {
    return !this.#stopped && this.#journal.isWhole;
  }

  /** To be called after each commit that changed something. */
  committed(rows: readonly JournalRow[]): void {
    this.#journal.add(rows);
    this.#commits++;
    this.#schedule();
  }

  /**
   * To be called when the store is ours, at this revision: no safe point of another's is needed behind the
   * next one.
   */
  takenOver(revision: Revision): void {
    this.#othersGo = true;
    // Elsewhere a kill would look like a power failure, and each safe point says that it was none.
    if (this.#boot !== "") this.#journal.begin(revision);
    this.committed([]);
  }

  /** Ends with what those wait for who ask now, if that is under way: only the next can be theirs. */
  get running(): Promise<void> | undefined {
    return this.#journal.isWhole ? this.#journaled.running : this.#safePoints.running;
  }

  /** Resolves when everything committed by now is on the disk. */
  flush(): Promise<void> {
    return this.#journal.isWhole ? this.#journaled.ask() : this.#safePoints.ask();
  }

  /** Resolves when pages that were given up by now are kept for nobody but those who read. */
  makeSafe(): Promise<void> {
    return this.#safePoints.ask();
  }

  /** As `flush`; to be called where nothing will be committed any more, by anybody, before `close`. */
  async end(): Promise<void> {
    await this.#safePoints.ask();
    if (this.#safeMeta !== undefined) await this.#safe.write(this.#safeMeta, true);
  }

  /** Writes nothing more: what the journal holds of a transaction that failed must stay. */
  abandon(): void {
    this.#stop();
  }

  /** Lets go of the store as it is, on the disk or not. */
  async close(): Promise<void> {
    this.#stop();
    for (const rounds of [this.#journaled, this.#safePoints]) await rounds.running?.catch(() => {});
    this.#pin?.done();
    this.#pin = undefined;
    await this.#safe.close();
    await this.#journal.close();
    await this.#data.close();
  }

  async #makeSafe(gathered: () => void): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    await this.#attempt(async () => {
      gathered();
      await this.#flush();
    });
  }

  async #writeJournal(gathered: () => void): Promise<void> {
    await this.#attempt(async () => {
      gathered();
      if (this.#journal.isWhole) {
        try {
          // What a safe point writes goes first.
          const isBusy = this.#safePoints.running !== undefined;
          if (isBusy || this.#clock.now() < this.#slowUntil) return await this.#journal.write();
          return this.#here(() => this.#journal.writeSync());
        } catch (error) {
          // A disk that has no room for the journal may have all pages of the store already.
          if (!isFull(error)) throw error;
        }
      }
      await this.#safePoints.ask();
    });
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      // Who watches hears of the commit first, and what has come meanwhile can be in it.
      await nextTurn();
      if (this.#stopped) throw new Error("the store is closed");
      await work();
    } catch (error) {
      if (!this.#stopped) {
        this.#stop();
        markUnflushed(this.#directory);
        this.onFailed?.(error);
      }
      throw error;
    }
  }

  #schedule(): void {
    if (this.#safePoints.running !== undefined || this.#stopped) return;
    if (this.#commits >= FLUSH_AFTER_COMMITS) void this.#safePoints.start();
    else this.#timer ??= this.#clock.after(FLUSH_AFTER_MS, () => void this.#safePoints.start());
  }

  async #flush(): Promise<void> {
    const few = this.#commits <= FEW_COMMITS;
    this.#commits = 0;
    const othersGo = this.#othersGo;
    const { root } = this.#tables;
    // What is in the journal as of a transaction that is still open would be overwritten there.
    this.#tables.held.end();
    root.resetReadTxn();
    const pin: Pin = root.useReadTransaction();
    const isSafe = this.#journal.turn();
    try {
      // Between two commits of the only writer, the newest head is the state that was pinned.
      const meta = this.#meta();
      if (few && this.#clock.now() >= this.#slowUntil) this.#here(() => this.#flushSync(meta));
      else {
        await this.#data.datasync();
        await this.#safe.write(meta);
      }
      this.#safeMeta = meta;
    } catch (error) {
      pin.done();
      markUnflushed(this.#directory);
      throw error;
    }
    this.#pin?.done();
    this.#pin = pin;
    isSafe();
    if (!othersGo) return;
    this.#othersGo = false;
    await this.#safe.removeOthers();
    await this.#journal.removeOthers();
  }

  #flushSync(meta: LmdbMeta): void {
    fdatasyncSync(this.#data.fd);
    this.#safe.writeSync(meta);
  }

  /** Waits for the disk on this thread, and takes note of how long that took. */
  #here(work: () => void): void {
    const since = performance.now();
    work();
    if (performance.now() - since <= QUICK_MS) {
      this.#slowFor = SLOW_FOR_MS;
      return;
    }
    this.#slowUntil = this.#clock.now() + this.#slowFor;
    this.#slowFor = Math.min(this.#slowFor * 2, MOST_SLOW_FOR_MS);
  }

  #meta(): LmdbMeta {
    const meta = newestMeta((offset, length) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(this.#data.fd, bytes, 0, length, offset));
    });
    if (meta === undefined) throw new Error("neither head of the data file is whole");
    return meta;
  }

  #stop(): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}

function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
}
