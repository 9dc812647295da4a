import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

import type { Clock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import type { Log } from "../base/log.ts";
import { childChannel } from "../channel/child.ts";
import { checkAnswer } from "../code/rules/rule-answer.ts";
import type { BenchWorker } from "../code/rules/rule-bench.ts";
import {
  HEAP_MB,
  LIMIT_MS,
  type RuleWork,
  type RuleWorker,
  tooLong,
  WorkerLost,
} from "../code/rules/rule-work.ts";
import { BLOCKED_SIGNAL, MEMORY_SIGNAL } from "../gateway/watchdog.ts";
import { openSession, type Session } from "../remote/session.ts";
import type { Remote } from "../remote/types.ts";
import type { RuleOutcome, RuleUnit } from "../tree/rules/rule-runner.ts";

export interface RuleProcessOptions {
  readonly clock: Clock;
  readonly log: Log;
}

/** The one two-way pipe of the child. */
const PIPE = 3;
/** How long an answer may take: what code may take at the most, and much more for a busy machine. */
const ANSWER_S = 6;

/**
 * A process that runs the code of rules, from its start to its end. It keeps the process that started it
 * while an answer is waited for, and no longer.
 */
export class RuleProcess implements BenchWorker {
  readonly #options: RuleProcessOptions;
  readonly #child: ChildProcess;
  readonly #session: Promise<Session>;
  readonly #gone = deferred<never>();
  #isGone = false;

  constructor(options: RuleProcessOptions) {
    this.#options = options;
    const script = fileURLToPath(new URL("../entry/rules.js", import.meta.url));
    this.#child = spawn(
      process.execPath,
      [`--max-old-space-size=${HEAP_MB}`, script],
      // What code prints is for nobody: it may be endless.
      { cwd: "/", stdio: ["ignore", "ignore", "ignore", "pipe"], windowsHide: true },
    );
    this.#gone.promise.catch(() => {});
    this.#child.once("error", (error) => this.#lost(`it can't be started: ${error.message}`));
    this.#child.once("exit", (code, signal) => {
      if (signal === BLOCKED_SIGNAL) this.#lost(tooLong(LIMIT_MS), { why: "timeout" });
      else if (isOfMemory(signal)) this.#lost("its code took too much memory");
      else this.#lost(`it ended with ${signal ?? code}`);
    });
    this.#session = this.#open();
    this.#session.catch(() => {});
  }

  /** Whether nothing more can come of it. */
  get gone(): boolean {
    return this.#isGone;
  }

  /** One call at a time. @throws WorkerLost */
  async work(
    units: readonly RuleUnit[],
    tasks: readonly RuleWork[],
    forget: boolean,
  ): Promise<readonly RuleOutcome[]> {
    this.#child.ref();
    try {
      const session = await Promise.race([this.#session, this.#gone.promise]);
      using _ = this.#limit();
      const machine = session.remote<RuleWorker, "copy">("machine") as Remote<RuleWorker, "copy">;
      const answer = Promise.resolve(machine.work(units, tasks, forget));
      // Who is gone does not answer any more, and nobody listens for that.
      answer.catch(() => {});
      return checkAnswer(await Promise.race([answer, this.#gone.promise]), tasks);
    } catch (error) {
      if (error instanceof WorkerLost) this.end(error.message);
      throw error instanceof WorkerLost ? error : await this.#failed(error);
    } finally {
      this.#child.unref();
    }
  }

  /** Ends it at once, whatever it does. Idempotent. */
  end(why: string, options?: { readonly why: "timeout" }): void {
    this.#lost(why, options);
    this.#child.kill("SIGKILL");
    void this.#session.then((session) => session.abort(new WorkerLost(why))).catch(() => {});
  }

  /**
   * Ends it where it does not answer. In steps: this thread may be busy itself for longer than that, and
   * hears the answer after one of them.
   */
  #limit(): Disposable {
    let seconds = 0;
    const step = (): Disposable =>
      this.#options.clock.after(1_000, () => {
        if (++seconds < ANSWER_S) timer = step();
        else this.end(`what runs it did not answer within ${ANSWER_S} s`, { why: "timeout" });
      });
    let timer = step();
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
  }

  /** A pipe that breaks, or whatever else is wrong with it, says less than how the process ended. */
  async #failed(cause: unknown): Promise<WorkerLost> {
    this.#child.kill("SIGKILL");
    const [ended] = await Promise.allSettled([this.#gone.promise]);
    const { reason } = ended as PromiseRejectedResult;
    if (reason instanceof WorkerLost && reason.why === "timeout") return reason;
    return new WorkerLost(`it failed: ${String(cause)}`, { cause });
  }

  #lost(why: string, options?: { readonly why: "timeout" }): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#options.log.debug("the process for rules is gone", { why });
    this.#gone.reject(new WorkerLost(why, options));
  }

  async #open(): Promise<Session> {
    const channel = childChannel(this.#child, { fd: PIPE, label: `rules:${this.#child.pid}` });
    return openSession(channel, { plain: "copy", name: "rules", heartbeat: false, unref: true });
  }
}

/** V8 ends a process whose heap is full by a signal of its own. */
function isOfMemory(signal: NodeJS.Signals | null): boolean {
  return (
    signal !== "SIGKILL" &&
    (signal === MEMORY_SIGNAL || signal === "SIGABRT" || signal === "SIGTRAP")
  );
}
