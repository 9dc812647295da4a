import { encodeTreeValue } from "../../tree/entry.ts";
import { storableData } from "../../tree/error-detail.ts";
import { formatPath, toPath } from "../../wire/path-text.ts";
import type { Path, PathLike } from "../../wire/path.ts";
import type { RunReason } from "../job.ts";
import type {
  RunMessage,
  RunSetOptions,
  RunSetResult,
  RunWatchOptions,
  StreamItem,
} from "./host-api.ts";
import { ErrorRecorded, MessageMsg } from "./messages.ts";
import { pickOptions } from "./options.ts";
import type { RunScope } from "./run-scope.ts";
import { RunWatch } from "./run-watch.ts";
import type { OpenStream } from "./streams.ts";
import { Task } from "./task.ts";
import { Timer } from "./timer.ts";
import { runProcedure, variablesOf } from "./variables.ts";

export interface SelfWatchOptions extends RunWatchOptions {
  /** DistKV's word for `current`. */
  readonly fetch?: boolean | undefined;
}

/**
 * `_self`: what the code of a run does with and about itself. All it starts ends with the run, and
 * once the run is cancelled it starts no more: that throws the reason.
 */
export class Self {
  readonly #scope: RunScope;
  readonly #signal: AbortSignal;

  /** `signal`: of the run, or of the part of it that this is for. */
  constructor(scope: RunScope, signal: AbortSignal) {
    this.#scope = scope;
    this.#signal = signal;
  }

  /** The path of the job. */
  get job(): Path {
    return this.#scope.values.job;
  }

  /** Rises from run to run of the job: whoever is given it can refuse those before. */
  get token(): number {
    return this.#scope.values.token;
  }

  /** The run's id. */
  get run(): string {
    return this.#scope.values.run;
  }

  /** The name of the node it runs on. */
  get node(): string {
    return this.#scope.values.node;
  }

  /** Why it was started. */
  get reason(): RunReason {
    return this.#scope.values.reason;
  }

  /** Aborts when the run is to stop. */
  get signal(): AbortSignal {
    return this.#signal;
  }

  /** Whether it is to stop; for loops that give nobody else a turn. */
  get cancelled(): boolean {
    return this.#signal.aborted || this.#scope.context.isCancelled();
  }

  /**
   * Tells in `_info` how an entry is and when it changes; with `maxDepth` or
   * `minDepth` also those below it; without either, it alone, as in DistKV. When all watches begun so far have told how things are, one `ReadyMsg` says
   * so, and changes follow. Resolves when it is begun.
   */
  async watch(path: PathLike, options: SelfWatchOptions = {}): Promise<RunWatch> {
    this.#signal.throwIfAborted();
    const at = toPath(path);
    const begin = watchOptionsOf(options);
    const watch = new RunWatch(at, this.#scope.info, {
      tellsReady: begin.current !== false,
      onError: (error) => this.#scope.context.fail(error),
    });
    const { streams, host } = this.#scope;
    watch.attach(await streams.open(watch, (stream) => host.watch(stream, at, begin)));
    return watch;
  }

  /** Puts what is published to a topic and below it into `_info`, from when it resolves. */
  async monitor(topic: PathLike, options: { readonly raw?: boolean } = {}): Promise<OpenStream> {
    this.#signal.throwIfAborted();
    const at = toPath(topic);
    const raw = pickOptions(options, ["raw"]).raw === true;
    const { streams, host, info, context } = this.#scope;
    const put = (items: readonly StreamItem[]): void => {
      for (const message of items as readonly RunMessage[]) {
        info.push(new MessageMsg(message.topic, message.value, message.data));
      }
    };
    const end = (error?: unknown): void => {
      if (error !== undefined) context.fail(error);
    };
    return streams.open({ put, end }, (stream) => host.subscribe(stream, at, { raw }));
  }

  /** A timer that runs out after `seconds`: then a `TimerMsg` is in `_info`. Await it to sleep. */
  timer(seconds: number): Timer {
    this.#signal.throwIfAborted();
    const timer = new Timer(this.#scope);
    timer.run(seconds);
    return timer;
  }

  /**
   * Runs something beside the main line: a stored procedure, with named values, or a function, with
   * arguments after the signal that ends it. If it fails and nobody asked for its `result`, the run
   * fails.
   */
  async spawn(
    work: PathLike | ((signal: AbortSignal, ...args: readonly never[]) => unknown),
    ...args: readonly unknown[]
  ): Promise<Task> {
    this.#signal.throwIfAborted();
    if (typeof work === "function") {
      return this.#begin(async (signal) => work(signal, ...(args as readonly never[])));
    }
    const path = toPath(work);
    const named = toNamed(path, args);
    const procedure = await this.#scope.procedure(await this.#scope.host.shipment(path));
    return this.#begin(async (signal) =>
      runProcedure(procedure, named, {
        ...variablesOf(this.#scope),
        self: new Self(this.#scope, signal),
      }),
    );
  }

  /** Publishes a value, or `{ raw: bytes }` as they are. */
  async send(topic: PathLike, value: unknown, options: { raw?: Uint8Array } = {}): Promise<void> {
    const raw = rawOf(value, options);
    const { client } = this.#scope;
    await (raw === undefined ? client.publish(topic, value) : client.publishRaw(topic, raw));
  }

  /** The value of an entry; `undefined` if there is none. */
  async get(path: PathLike): Promise<unknown> {
    return this.#scope.client.get(path);
  }

  /** Writes an entry, unless the job belongs to somebody else by now. */
  async set(path: PathLike, value: unknown, options: RunSetOptions = {}): Promise<RunSetResult> {
    return this.#scope.client.set(path, value, options);
  }

  /** The job works: its earlier failures are forgotten. */
  async setupDone(): Promise<void> {
    await this.#scope.host.setupDone();
  }

  /** Shows people how far it is: a fraction, a text, any value. */
  async progress(value: unknown): Promise<void> {
    await this.#scope.host.progress(encodeTreeValue(value));
  }

  /**
   * Puts a failure on record, with data for people, and ends the run by throwing `ErrorRecorded`,
   * which is not to be caught.
   */
  async error(error: unknown, data: Readonly<Record<string, unknown>> = {}): Promise<never> {
    const thrown = error instanceof Error ? error : new Error(String(error));
    await this.#scope.host.recordError(thrown, storableData(data));
    throw new ErrorRecorded(thrown.message, { cause: thrown });
  }

  #begin(work: (signal: AbortSignal) => Promise<unknown>): Task {
    const task = new Task(work, (error) => this.#scope.context.fail(error));
    const disown = this.#scope.own((reason) => task.cancel(reason));
    void task.settled.then(disown);
    return task;
  }
}

/** What a watch without depths sees is its entry alone, as in DistKV. */
export function watchOptionsOf(options: SelfWatchOptions): RunWatchOptions {
  const names = ["minDepth", "maxDepth", "current", "fetch"] as const;
  const { fetch, ...rest } = pickOptions(options, names);
  return {
    ...(rest.minDepth === undefined ? { maxDepth: 0 } : {}),
    ...(fetch === undefined ? {} : { current: fetch }),
    ...rest,
  };
}

/** The bytes to be sent as they are; `undefined` where it is the value. */
export function rawOf(value: unknown, options: { raw?: Uint8Array }): Uint8Array | undefined {
  const raw = options.raw ?? rawIn(value);
  if (options.raw !== undefined && value !== undefined) {
    throw new TypeError("send takes a value or raw bytes, not both");
  }
  if (raw === undefined && value === undefined) {
    throw new TypeError("send takes a value, or { raw: bytes }; null is a value");
  }
  return raw;
}

function rawIn(value: unknown): Uint8Array | undefined {
  if (typeof value !== "object" || value === null || Object.keys(value).length !== 1) {
    return undefined;
  }
  const { raw } = value as { raw?: unknown };
  return raw instanceof Uint8Array ? raw : undefined;
}

function toNamed(path: Path, args: readonly unknown[]): Readonly<Record<string, unknown>> {
  const [named = {}, ...more] = args;
  if (typeof named !== "object" || named === null || Array.isArray(named) || more.length > 0) {
    throw new TypeError(`spawn takes one object with the named values of ${formatPath(path)}`);
  }
  return named as Readonly<Record<string, unknown>>;
}
