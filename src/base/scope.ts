import { deferred } from "./deferred.ts";

/**
 * What a long-lived thing owns: things to dispose of and tasks that run meanwhile. Closing aborts
 * `signal`, disposes in reverse order, and waits for the tasks.
 */
export class Scope implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #owned: (() => void | Promise<void>)[] = [];
  readonly #tasks = new Set<Promise<void>>();
  readonly #onError: (error: unknown, task: string) => void;
  #closing: Promise<void> | undefined;

  /** `onError` hears of tasks and disposals that failed; an abort of this scope is no failure. */
  constructor(options: { onError: (error: unknown, task: string) => void }) {
    this.#onError = options.onError;
  }

  /** Aborts when the scope is closed. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Runs `dispose` when the scope closes; at once if that began already, and `close` waits for it. */
  defer(dispose: () => void | Promise<void>): void {
    if (this.closed) this.#track(this.#run("dispose", dispose));
    else this.#owned.push(dispose);
  }

  /** Owns `resource` from here on, and returns it. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.defer(() =>
      Symbol.asyncDispose in resource
        ? Promise.resolve(resource[Symbol.asyncDispose]())
        : resource[Symbol.dispose](),
    );
    return resource;
  }

  /** Runs `task` until it ends or the scope closes; `name` tells people which one failed. */
  spawn(name: string, task: (signal: AbortSignal) => Promise<void>): void {
    if (this.closed) return;
    this.#track(this.#run(name, () => task(this.signal)));
  }

  /** Idempotent; resolves when everything owned is disposed of and every task has ended. */
  close(reason?: unknown): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    const done = deferred<void>();
    this.#closing = done.promise;
    this.#controller.abort(reason);
    void this.#drain().then(done.resolve);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #drain(): Promise<void> {
    for (let dispose = this.#owned.pop(); dispose !== undefined; dispose = this.#owned.pop()) {
      await this.#run("dispose", dispose);
    }
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  /** `running` never rejects: `#run` told `#onError`. */
  #track(running: Promise<void>): void {
    const tracked: Promise<void> = running.finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }

  async #run(name: string, task: () => void | Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (this.signal.aborted && error === this.signal.reason) return;
      this.#onError(error, name);
    }
  }
}
