/** What the two sides of a thread that runs stored code say to each other. Internal to executor/. */

/** What the thread is started with. */
export interface ThreadBoot {
  /** Written by both sides; see `SharedState`. */
  readonly shared: SharedArrayBuffer;
  /** What the thread may hold. */
  readonly memoryMb: number;
}

/** A run as it is sent: the host objects follow as an argument of their own. */
export interface ThreadOrder {
  readonly id: string;
  /** Counts from 1 within a thread; shared memory knows runs by it. */
  readonly number: number;
  readonly name: string;
  readonly code: unknown;
  readonly values: Readonly<Record<string, unknown>>;
}

export type ThreadOutcome =
  | { readonly type: "returned"; readonly value: unknown }
  /** `lingering`: parts of the run did not stop when they were told to, so the thread must end. */
  | { readonly type: "threw"; readonly error: unknown; readonly lingering: boolean };

/** What the thread exports under `THREAD`. */
export interface ThreadApi {
  run(order: ThreadOrder, host: Readonly<Record<string, unknown>>): Promise<ThreadOutcome>;
  abort(id: string, reason: unknown): void;
  stats(): ThreadStats;
}

export interface ThreadStats {
  /** Runs it has, those that are ending included. */
  readonly runs: number;
  /** Entries of its session's tables, the fixed ones included. */
  readonly references: number;
}

/** What the thread's owner exports under `OWNER`. */
export interface OwnerApi {
  /** An error that belongs to no run: the thread is of no use any more. */
  fatal(error: unknown): void;
  /** Something people should see and no run is there to be told. */
  warn(message: string, error: unknown): void;
}

export const THREAD = "thread";
export const OWNER = "owner";

/**
 * The expression that tells, evaluated in the stopped thread, whose code is running there: the id of
 * the run, or undefined.
 */
export const CURRENT_RUN_SYMBOL = "banyan.thread.current-run";

const BEAT = 0;
const EXIT_RUN = 1;
const EXIT_CODE = 2;
const HELD_MB = 3;
const THREAD_ID = 4;
const COMPUTES = 5;
const CANCELLED = 6;
/** More runs at once only lose the early notice: their signal still aborts. */
const CANCELLED_SLOTS = 1021;

/** The memory both sides see also while the thread is blocked. */
export class SharedState {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Int32Array;

  constructor(buffer = new SharedArrayBuffer((CANCELLED + CANCELLED_SLOTS) * 4)) {
    this.buffer = buffer;
    this.#cells = new Int32Array(buffer);
  }

  /** Of a thread that has one run at a time. */
  static forOneRun(): SharedState {
    return new SharedState(new SharedArrayBuffer((CANCELLED + 1) * 4));
  }

  /** The thread moves it while its event loop turns. */
  get beat(): number {
    return Atomics.load(this.#cells, BEAT);
  }

  moveBeat(): void {
    Atomics.add(this.#cells, BEAT, 1);
  }

  /** What the thread held when its event loop last turned. */
  get heldMb(): number {
    return Atomics.load(this.#cells, HELD_MB);
  }

  setHeldMb(heldMb: number): void {
    Atomics.store(this.#cells, HELD_MB, heldMb);
  }

  /** The number of the run that ended the thread by `process.exit(code)`. */
  get exit(): { readonly run: number; readonly code: number } | undefined {
    const run = Atomics.load(this.#cells, EXIT_RUN);
    return run === 0 ? undefined : { run, code: Atomics.load(this.#cells, EXIT_CODE) };
  }

  setExit(run: number, code: number): void {
    Atomics.store(this.#cells, EXIT_CODE, code);
    Atomics.store(this.#cells, EXIT_RUN, run);
  }

  /** The thread that has begun with the run, as Node numbers them; 0: none has. */
  get threadId(): number {
    return Atomics.load(this.#cells, THREAD_ID);
  }

  setThreadId(id: number): void {
    Atomics.store(this.#cells, THREAD_ID, id);
  }

  /** Whether code of the run may be at work: it waits for nothing of the other side's. */
  get computes(): boolean {
    return Atomics.load(this.#cells, COMPUTES) === 1;
  }

  setComputes(on: boolean): void {
    Atomics.store(this.#cells, COMPUTES, on ? 1 : 0);
    this.moveBeat();
  }

  /** Whether the run was cancelled, readable in a loop that never yields. */
  isCancelled(run: number): boolean {
    return Atomics.load(this.#cells, this.#slotOf(run)) === run;
  }

  setCancelled(run: number): void {
    Atomics.store(this.#cells, this.#slotOf(run), run);
  }

  #slotOf(run: number): number {
    return CANCELLED + (run % (this.#cells.length - CANCELLED));
  }
}
