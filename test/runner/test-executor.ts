import type { Clock } from "../../src/base/clock.ts";
import { deferred } from "../../src/base/deferred.ts";
import type {
  Execution,
  Executor,
  RunCode,
  RunContext,
  RunEnd,
  RunRequest,
} from "../../src/executor/executor.ts";

/** Runs code on the test's own thread, and ends it in whatever way a test wants. */
export class TestExecutor implements Executor {
  readonly kind = "lane";
  readonly active = new Map<string, TestExecution>();
  readonly #code: RunCode;
  readonly #clock: Clock;
  #closed = false;

  constructor(code: RunCode, clock: Clock) {
    this.#code = code;
    this.#clock = clock;
  }

  start(request: RunRequest): Execution {
    if (this.#closed) throw new Error("the executor is closed");
    const execution = new TestExecution(request, this.#clock, () => this.active.delete(request.id));
    this.active.set(request.id, execution);
    execution.run(this.#code);
    return execution;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const execution of this.active.values()) execution.kill();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

export class TestExecution implements Execution {
  readonly request: RunRequest;
  readonly #ended = deferred<RunEnd>();
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  #grace: Disposable | undefined;
  #over = false;

  constructor(request: RunRequest, clock: Clock, onEnd: () => void) {
    this.request = request;
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  get id(): string {
    return this.request.id;
  }

  get ended(): Promise<RunEnd> {
    return this.#ended.promise;
  }

  run(code: RunCode): void {
    const { id, name, values, host } = this.request;
    const context: RunContext = {
      id,
      name,
      values,
      host,
      code: this.request.code,
      signal: this.#controller.signal,
      isCancelled: () => this.#controller.signal.aborted,
      fail: (error) => this.end({ type: "threw", error }),
      onPrint: () => {},
      endLines: () => {},
    };
    code(context).then(
      (value) => this.end({ type: "returned", value }),
      (error: unknown) =>
        this.end(
          this.#controller.signal.aborted ? { type: "cancelled" } : { type: "threw", error },
        ),
    );
  }

  cancel(reason: unknown, { graceMs = 0 }: { graceMs?: number } = {}): void {
    if (this.#over || this.#controller.signal.aborted) return;
    this.#grace = this.#clock.after(graceMs, () => this.kill());
    this.#controller.abort(reason);
  }

  kill(): void {
    this.end({ type: "cancelled" });
  }

  /** As a lane would end it. */
  end(end: RunEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#grace?.[Symbol.dispose]();
    // Code that goes on running is none of the node's business any more.
    this.#controller.abort(new Error("killed"));
    this.#onEnd();
    this.#ended.resolve(end);
  }
}
