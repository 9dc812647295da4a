import { deferred } from "../base/deferred.ts";
import type { PrintLevel, RunCode, RunContext } from "./executor.ts";
import type { SharedState, ThreadOrder, ThreadOutcome } from "./thread-protocol.ts";

/** How long a failed run's code may take to notice, before its thread has to end. */
const FAILED_GRACE_MS = 2_000;

/** A line over this is cut, so that a run that never ends its line keeps no more. */
const MAX_LINE_LENGTH = 16_384;

/** One run inside its thread. */
export class ThreadRun implements RunContext {
  readonly id: string;
  readonly name: string;
  readonly number: number;
  readonly code: unknown;
  readonly values: Readonly<Record<string, unknown>>;
  readonly host: Readonly<Record<string, unknown>>;
  readonly #shared: SharedState;
  readonly #controller = new AbortController();
  readonly #failed = deferred<{ error: unknown }>();
  readonly #timers = new Set<Disposable>();
  /** By level, what was written of a line so far. */
  readonly #begun = new Map<PrintLevel, string>();
  #print: ((level: PrintLevel, text: string) => void) | undefined;
  #ended = false;

  constructor(order: ThreadOrder, host: Readonly<Record<string, unknown>>, shared: SharedState) {
    this.id = order.id;
    this.name = order.name;
    this.number = order.number;
    this.code = order.code;
    this.values = order.values;
    this.host = host;
    this.#shared = shared;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What it left behind may still act, but nobody waits for it. */
  get ended(): boolean {
    return this.#ended;
  }

  isCancelled(): boolean {
    return this.signal.aborted || this.#shared.isCancelled(this.number);
  }

  fail(error: unknown): void {
    this.#failed.resolve({ error });
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** It ends its thread by `process.exit(code)`. */
  exits(code: number): void {
    this.#shared.setExit(this.number, code);
  }

  /** Whether somebody takes what it prints. */
  get isListenedTo(): boolean {
    return this.#print !== undefined && !this.#ended;
  }

  onPrint(print: (level: PrintLevel, text: string) => void): void {
    this.#print = print;
  }

  /** False where nobody listens. */
  print(level: PrintLevel, text: string): boolean {
    if (this.#print === undefined || this.#ended) return false;
    this.#print(level, text);
    return true;
  }

  /** Prints the lines that `text` ends, and keeps the beginning of the next. */
  write(level: PrintLevel, text: string): void {
    const lines = ((this.#begun.get(level) ?? "") + text).split("\n");
    this.#begun.set(level, (lines.pop() ?? "").slice(0, MAX_LINE_LENGTH));
    for (const line of lines) this.print(level, line);
  }

  endLines(): void {
    for (const [level, text] of this.#begun) if (text !== "") this.print(level, text);
    this.#begun.clear();
  }

  /** Disposes of `timer` with the run; dispose of the result when the timer is over. */
  own(timer: Disposable): Disposable {
    if (this.#ended) timer[Symbol.dispose]();
    else this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }

  /** Never rejects. */
  async execute(code: RunCode): Promise<ThreadOutcome> {
    const main = settle(code, this);
    const first = await Promise.race([main, this.#failed.promise]);
    try {
      if ("type" in first) return first;
      this.abort(first.error);
      const lingering = (await Promise.race([main, later(FAILED_GRACE_MS)])) === undefined;
      return { type: "threw", error: first.error, lingering };
    } finally {
      this.#ended = true;
      for (const timer of this.#timers) timer[Symbol.dispose]();
      this.#timers.clear();
    }
  }
}

async function settle(code: RunCode, run: ThreadRun): Promise<ThreadOutcome> {
  try {
    return { type: "returned", value: await code(run) };
  } catch (error) {
    return { type: "threw", error, lingering: false };
  }
}

function later(delayMs: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), delayMs).unref();
  });
}
