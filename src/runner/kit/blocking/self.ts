import type { RunContext } from "../../../executor/executor.ts";
import { encodeTreeValue } from "../../../tree/entry.ts";
import { storableData } from "../../../tree/error-detail.ts";
import { toPath } from "../../../wire/path-text.ts";
import type { Path, PathLike } from "../../../wire/path.ts";
import type { RunReason } from "../../job.ts";
import type { RunSetOptions, RunSetResult } from "../host-api.ts";
import { ErrorRecorded } from "../messages.ts";
import { pickOptions } from "../options.ts";
import { rawOf, type SelfWatchOptions, watchOptionsOf } from "../self.ts";
import type { RunValues } from "../values.ts";
import type { BlockingClient } from "./client.ts";
import type { BlockingEvents, BlockingHost } from "./events-api.ts";
import { BlockingTimer, type RunningTimers } from "./timer.ts";

/** What a `BlockingSelf` is made of. */
export interface SelfParts {
  readonly context: RunContext;
  readonly values: RunValues;
  readonly host: BlockingHost;
  readonly events: BlockingEvents;
  readonly client: BlockingClient;
  readonly timers: RunningTimers;
}

/** Something that goes on until it is closed, or the run ends. */
interface OpenPart extends Disposable {
  readonly path: Path;
  /** Idempotent. */
  close(): void;
}

/**
 * `_self` of code that blocks: what a run does with and about itself, each call done when it returns. All it
 * starts ends with the run, and once the run is cancelled it starts no more: that throws the reason.
 */
export class BlockingSelf {
  readonly #parts: SelfParts;
  #lastTimer = 0;

  constructor(parts: SelfParts) {
    this.#parts = parts;
  }

  /** The path of the job. */
  get job(): Path {
    return this.#parts.values.job;
  }

  /** Rises from run to run of the job: whoever is given it can refuse those before. */
  get token(): number {
    return this.#parts.values.token;
  }

  /** The run's id. */
  get run(): string {
    return this.#parts.values.run;
  }

  /** The name of the node it runs on. */
  get node(): string {
    return this.#parts.values.node;
  }

  /** Why it was started. */
  get reason(): RunReason {
    return this.#parts.values.reason;
  }

  /** Aborts when the run is to stop; noticed when the code next waits for anything. */
  get signal(): AbortSignal {
    return this.#parts.context.signal;
  }

  /** Whether it is to stop; true at once, also in a loop that waits for nothing. */
  get cancelled(): boolean {
    return this.#parts.context.isCancelled();
  }

  /** Tells in `_info` how the entries at and below a path are, and then of each change. */
  watch(path: PathLike, options: SelfWatchOptions = {}): OpenPart {
    this.signal.throwIfAborted();
    const at = toPath(path);
    return this.#open(at, this.#parts.events.watch(at, watchOptionsOf(options)));
  }

  /** Puts what is published to a topic and below it into `_info`, from when this returns. */
  monitor(topic: PathLike, options: { readonly raw?: boolean } = {}): OpenPart {
    this.signal.throwIfAborted();
    const at = toPath(topic);
    const raw = pickOptions(options, ["raw"]).raw === true;
    return this.#open(at, this.#parts.events.monitor(at, { raw }));
  }

  /** A timer that runs out after `seconds`: then a `TimerMsg` is in `_info`. `wait()` on it sleeps. */
  timer(seconds: number): BlockingTimer {
    this.signal.throwIfAborted();
    const { events, timers } = this.#parts;
    const timer = new BlockingTimer(++this.#lastTimer, events, timers);
    timer.run(seconds);
    return timer;
  }

  /** Not here: @throws TypeError */
  spawn(): never {
    throw new TypeError(
      "code that blocks its thread (is_async: false) runs nothing beside itself: " +
        "store it with is_async: true, or make what it would spawn a job",
    );
  }

  /** Publishes a value, or `{ raw: bytes }` as they are. */
  send(topic: PathLike, value: unknown, options: { raw?: Uint8Array } = {}): void {
    const raw = rawOf(value, options);
    const { client } = this.#parts;
    if (raw === undefined) client.publish(topic, value);
    else client.publishRaw(topic, raw);
  }

  /** The value of an entry; `undefined` if there is none. */
  get(path: PathLike): unknown {
    return this.#parts.client.get(path);
  }

  /** Writes an entry, unless the job belongs to somebody else by now. */
  set(path: PathLike, value: unknown, options: RunSetOptions = {}): RunSetResult {
    return this.#parts.client.set(path, value, options);
  }

  /** The job works: its earlier failures are forgotten. */
  setupDone(): void {
    this.#parts.host.setupDone();
  }

  /** Shows people how far it is: a fraction, a text, any value. */
  progress(value: unknown): void {
    this.#parts.host.progress(encodeTreeValue(value));
  }

  /**
   * Puts a failure on record, with data for people, and ends the run by throwing `ErrorRecorded`,
   * which is not to be caught.
   */
  error(error: unknown, data: Readonly<Record<string, unknown>> = {}): never {
    const thrown = error instanceof Error ? error : new Error(String(error));
    this.#parts.host.recordError(thrown, storableData(data));
    throw new ErrorRecorded(thrown.message, { cause: thrown });
  }

  #open(path: Path, id: number): OpenPart {
    const close = (): void => this.#parts.events.close(id);
    return { path, close, [Symbol.dispose]: close };
  }
}
