import type { Clock } from "../base/clock.ts";
import type { LogLine } from "./job.ts";

export interface LogWriterOptions {
  readonly clock: Clock;
  /** Stores one batch. */
  readonly write: (index: number, lines: readonly LogLine[]) => Promise<void>;
  /** Deletes a batch that is over the limit. */
  readonly drop: (index: number) => Promise<void>;
  /** Hears of a batch that could not be stored; it is lost. */
  readonly onError: (error: unknown) => void;
}

/** Lines wait this long for company, in milliseconds. */
const FLUSH_MS = 200;
/** A batch is stored at once when it is this long. */
const BATCH_LINES = 100;
/** Of one run, the last batches with so many lines are kept. */
const MAX_LINES = 2_000;
/** And no more batches than this, which a run that logs a line now and then fills. */
const MAX_BATCHES = 500;
/** Lines that wait while the store is slow; more are counted, not kept. */
const MAX_WAITING = 1_000;

/**
 * The lines of one run, stored in batches, in order. Bounded in every direction: a run that logs
 * without end keeps its last 2,000 lines or so, one that logs a line now and then its last 500, and
 * one that logs faster than the store takes loses lines and says how many.
 */
export class LogWriter {
  readonly #options: LogWriterOptions;
  #waiting: LogLine[] = [];
  #dropped = 0;
  #next = 0;
  /** The batches that are stored, oldest first. */
  readonly #kept: { readonly index: number; readonly count: number }[] = [];
  #keptLines = 0;
  #timer: Disposable | undefined;
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(options: LogWriterOptions) {
    this.#options = options;
  }

  /** Takes lines whose fields can be stored. */
  add(lines: readonly LogLine[]): void {
    if (this.#closed || lines.length === 0) return;
    const room = Math.max(0, MAX_WAITING - this.#waiting.length);
    this.#dropped += Math.max(0, lines.length - room);
    this.#waiting.push(...lines.slice(0, room));
    if (this.#waiting.length >= BATCH_LINES) this.#flush();
    else this.#timer ??= this.#options.clock.after(FLUSH_MS, () => this.#flush());
  }

  /** Stores what waits, and takes no more. Resolves when that is done; never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    while (this.#waiting.length > 0 || this.#writing !== undefined) {
      this.#flush();
      await this.#writing;
    }
  }

  /** Forgets what waits, and takes no more: the run has no right to write. */
  abandon(): void {
    this.#closed = true;
    this.#waiting = [];
    this.#dropped = 0;
    this.#timer?.[Symbol.dispose]();
  }

  #flush(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined));
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting.splice(0, BATCH_LINES);
      if (this.#dropped > 0 && this.#waiting.length === 0) lines.push(this.#droppedLine());
      const index = this.#next++;
      try {
        await this.#options.write(index, lines);
        this.#kept.push({ index, count: lines.length });
        this.#keptLines += lines.length;
        await this.#dropOld();
      } catch (error) {
        this.#options.onError(error);
      }
    }
  }

  async #dropOld(): Promise<void> {
    for (;;) {
      const [oldest] = this.#kept;
      if (oldest === undefined || !this.#isOver(oldest.count)) return;
      this.#kept.shift();
      this.#keptLines -= oldest.count;
      await this.#options.drop(oldest.index);
    }
  }

  /** Whether there is enough without the oldest batch, or there are too many. */
  #isOver(oldest: number): boolean {
    return this.#keptLines - oldest >= MAX_LINES || this.#kept.length > MAX_BATCHES;
  }

  #droppedLine(): LogLine {
    const text = `${this.#dropped} lines were lost: they came faster than they could be stored`;
    this.#dropped = 0;
    return { time: this.#options.clock.wall() / 1000, level: "warn", text };
  }
}
