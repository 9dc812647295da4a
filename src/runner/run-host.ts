import { type Clock, systemClock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import { BanyanError, RunnerError } from "../base/errors.ts";
import type { Shipment } from "../code/unit.ts";
import type { Revision } from "../engine/engine.ts";
import type { DepthOptions } from "../tree/depth.ts";
import { encodeTreeValue, type TreeEntry } from "../tree/entry.ts";
import { Redactor } from "../tree/secrets/redactor.ts";
import { Tree } from "../tree/tree.ts";
import { decodeValue } from "../wire/value.ts";
import type { Path } from "../wire/path.ts";
import type { LogLine } from "./job.ts";
import { encodeMessage } from "../tree/messages.ts";
import type {
  RunAnswer,
  RunDeleteOptions,
  RunHostApi,
  RunMessage,
  RunRequestOptions,
  RunSetOptions,
  RunSetResult,
  RunWatchOptions,
  StreamItem,
  StreamSink,
} from "./kit/host-api.ts";
import type { RunEvent } from "./kit/messages.ts";
import { type HostStream, PageStream, PushStream } from "./run-streams.ts";

/** What the runner hears of a run. None of them may throw. */
interface RunHostEvents {
  log(lines: readonly LogLine[]): void | Promise<void>;
  /** The code says that it works. */
  setupDone(): void | Promise<void>;
  progress(value: unknown): void | Promise<void>;
  /** A write was refused because the job belongs to somebody else: the run must stop. */
  fenced(error: RunnerError): void;
}

export interface RunHostOptions {
  /** The node's own tree. The run gets one of its own over the same engine. */
  readonly tree: Tree;
  readonly job: Path;
  /** The run's id. */
  readonly run: string;
  readonly node: string;
  /** The owner record at the revision that made this run its owner; every write depends on it. */
  readonly fence?: { readonly path: Path; readonly revision: Revision } | undefined;
  /** The deadline check: throws RunnerError `RUNNER_FENCED` once the node can't be sure any more. */
  readonly check: () => void;
  /** Whether the run is to be told what happens, also where `check` throws. Default: as `check`. */
  readonly mayGoOn?: (() => boolean) | undefined;
  readonly shipment: (path: Path) => Shipment | Promise<Shipment>;
  readonly on: RunHostEvents;
  readonly clock?: Clock | undefined;
}

/** Over this many streams at once, a run leaks them. */
const MAX_STREAMS = 10_000;

/**
 * What the node does for the code of one run, and refuses once it has lost its job. Every call passes
 * the deadline check; every write carries the fence. Exported by reference to where the code runs,
 * for that run alone; `close()` ends what the run left open, and refuses what comes later.
 */
export class RunHost implements RunHostApi {
  readonly #options: RunHostOptions;
  readonly #tree: Tree;
  readonly #streams = new Map<number, HostStream>();
  #sink: StreamSink | undefined;
  /** What was told before there was a sink. */
  #told: RunEvent[] = [];
  /** What waits for the tree. */
  readonly #waiting = new Set<(error: RunnerError) => void>();
  readonly #redactor = new Redactor();
  #errorRecorded = false;
  #closing: Promise<void> | undefined;

  constructor(options: RunHostOptions) {
    this.#options = options;
    this.#tree = Tree.over(options.tree.engine, {
      author: `${options.node} run ${options.run}`,
      system: String(options.tree.system.root.name),
      ownsEngine: false,
      clock: options.clock ?? systemClock,
    });
  }

  /** Whether the code has put the failure it ends with on record itself. */
  get errorRecorded(): boolean {
    return this.#errorRecorded;
  }

  /** Streams that are open. */
  get open(): number {
    return this.#streams.size;
  }

  async attach(sink: StreamSink): Promise<void> {
    this.#checkRuns();
    this.#sink = sink;
    for (const event of this.#told.splice(0)) this.tell(event);
  }

  /** Puts an event into the code's `_info`. */
  tell(event: RunEvent): void {
    if (this.#sink === undefined) this.#told.push(event);
    // Where that thread is gone, nobody is there to be told.
    else Promise.resolve(this.#sink.tell(event)).catch(() => {});
  }

  /** What waits for the tree fails: it may be away for long. Streams go on when it is back. */
  detach(error: RunnerError): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const refuse of waiting) refuse(error);
  }

  async entry(path: Path): Promise<TreeEntry | undefined> {
    return this.#ask(() => this.#tree.entry(path));
  }

  async secret(path: Path): Promise<Uint8Array | undefined> {
    // The node's own, which has the keys or is the one whom the hub knows.
    const value = await this.#ask(() => this.#options.tree.secrets.get(path));
    if (value === undefined) return undefined;
    this.#redactor.hide(value);
    return encodeTreeValue(value);
  }

  /** What may be shown of something that the run has said. */
  redact<T>(said: T): T {
    return this.#redactor.apply(said);
  }

  async set(path: Path, value: Uint8Array, options: RunSetOptions): Promise<RunSetResult> {
    return this.#write((condition) =>
      this.#tree.set(path, decodeValue(value), { ...options, condition }),
    );
  }

  async delete(path: Path, options: RunDeleteOptions): Promise<RunSetResult> {
    return this.#write((condition) => this.#tree.delete(path, { ...options, condition }));
  }

  async publish(topic: Path, data: Uint8Array): Promise<void> {
    return this.#ask(() => this.#tree.publishRaw(topic, data));
  }

  async request(
    stream: number,
    topic: Path,
    value: Uint8Array,
    options: RunRequestOptions,
  ): Promise<unknown> {
    const asked = new AbortController();
    const ended = new RunnerError("RUNNER_CANCELLED", "the request was given up");
    this.#keep(stream, { close: async () => asked.abort(ended) });
    try {
      const { signal } = asked;
      const asking = { ...options, signal };
      return await this.#ask(() => this.#tree.peers.request(topic, decodeValue(value), asking));
    } finally {
      this.#streams.delete(stream);
    }
  }

  async respond(stream: number, topic: Path, answer: RunAnswer): Promise<void> {
    this.#check();
    const offer = this.#tree.peers.respond(topic, async (value: unknown, request) => {
      this.#check();
      return decodeValue(await answer(request.topic, encodeMessage(value)));
    });
    const close = async (): Promise<void> => {
      await offer.close();
      (answer as Partial<Disposable>)[Symbol.dispose]?.();
    };
    this.#keep(stream, { close });
    await this.#ask(() => offer.ready);
  }

  async watch(stream: number, path: Path, options: RunWatchOptions): Promise<void> {
    this.#push(stream, this.#tree.watch(path, options));
  }

  async subscribe(stream: number, topic: Path, options: { readonly raw: boolean }): Promise<void> {
    this.#check();
    const subscription = options.raw
      ? this.#tree.subscribe(topic, { raw: true })
      : this.#tree.subscribe(topic);
    await this.#ask(() => subscription.ready);
    this.#push(stream, messagesOf(subscription, options.raw), () => subscription.close());
  }

  async list(stream: number, path: Path): Promise<void> {
    this.#keep(stream, new PageStream(this.#tree.list(path)));
  }

  async walk(stream: number, path: Path, options: DepthOptions): Promise<void> {
    this.#keep(stream, new PageStream(this.#tree.walk(path, options)));
  }

  async nextPage(stream: number): Promise<readonly unknown[]> {
    this.#check();
    const pages = this.#streams.get(stream);
    if (!(pages instanceof PageStream)) throw new TypeError(`there is no listing ${stream}`);
    const page = await this.#ask(() => pages.next());
    if (page.length === 0) this.#streams.delete(stream);
    return page;
  }

  /** Also after the deadline: whoever gives something up is not hindered. */
  async closeStream(stream: number): Promise<void> {
    const open = this.#streams.get(stream);
    this.#streams.delete(stream);
    await open?.close();
  }

  /** Also after the deadline: people want to know what happened then. */
  async log(lines: readonly LogLine[]): Promise<void> {
    await this.#options.on.log(this.redact(lines));
  }

  /** While the node is cut off it is kept, and written later; so is progress. */
  async setupDone(): Promise<void> {
    this.#checkRuns();
    await this.#options.on.setupDone();
  }

  async progress(value: Uint8Array): Promise<void> {
    this.#checkRuns();
    await this.#options.on.progress(this.redact(decodeValue(value)));
  }

  async recordError(error: unknown, data: Readonly<Record<string, unknown>>): Promise<void> {
    const { job, node } = this.#options;
    const shown = { error: this.redact(error), data: this.redact(data) };
    const record = { subsystem: "run", path: job, node, ...shown };
    await this.#ask(() => this.#tree.errors.record(record));
    this.#errorRecorded = true;
  }

  async shipment(path: Path): Promise<Shipment> {
    this.#checkRuns();
    return this.#options.shipment(path);
  }

  /** Ends what is open. Everything but the log is refused from now on. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const open = [...this.#streams.values()];
    this.#streams.clear();
    await Promise.all(open.map((stream) => stream.close()));
    // A remote reference is released so; a sink in this process is nothing to dispose of.
    (this.#sink as Partial<Disposable> | undefined)?.[Symbol.dispose]?.();
    this.#sink = undefined;
    await this.#tree.close();
  }

  #check(): void {
    this.#checkOpen();
    this.#options.check();
  }

  /** For what needs no tree at this moment. */
  #checkRuns(): void {
    this.#checkOpen();
    if (this.#options.mayGoOn?.() !== true) this.#options.check();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) {
      throw new RunnerError("RUNNER_FENCED", "the run has ended and may not act any more");
    }
  }

  /** Asks the tree, for no longer than the node is in contact or may be. */
  async #ask<T>(ask: () => Promise<T>): Promise<T> {
    this.#check();
    const refused = deferred<never>();
    this.#waiting.add(refused.reject);
    try {
      const answer = ask();
      // Nobody may be there any more to hear of its failure.
      answer.catch(() => {});
      return await Promise.race([answer, refused.promise]);
    } finally {
      this.#waiting.delete(refused.reject);
    }
  }

  async #write<T>(write: (condition: RunHostOptions["fence"]) => Promise<T>): Promise<T> {
    const condition = this.#options.fence && { ...this.#options.fence };
    try {
      return await this.#ask(() => write(condition));
    } catch (cause) {
      if (!BanyanError.has(cause, "ENGINE_CONDITION")) throw cause;
      const message = "the job belongs to another run now, so this one may not write";
      const error = new RunnerError("RUNNER_FENCED", message, { cause });
      this.#options.on.fenced(error);
      throw error;
    }
  }

  #push(
    stream: number,
    source: AsyncIterable<StreamItem> & { close?(): Promise<void> },
    close = () => source.close?.() ?? Promise.resolve(),
  ): void {
    const sink = this.#sink;
    if (sink === undefined) throw new TypeError("a run attaches its sink before it opens streams");
    const open = new PushStream({
      source,
      close,
      put: (items) => {
        this.#checkRuns();
        return sink.put(stream, items);
      },
      end: (error) => {
        this.#streams.delete(stream);
        if (this.#closing === undefined) sink.end(stream, error);
      },
    });
    this.#keep(stream, open);
    open.start();
  }

  #keep(stream: number, open: HostStream): void {
    try {
      this.#check();
      if (this.#streams.has(stream)) throw new TypeError(`there is a stream ${stream} already`);
      if (this.#streams.size >= MAX_STREAMS) {
        throw new RangeError(`a run has at most ${MAX_STREAMS} watches and listings at once`);
      }
    } catch (error) {
      void open.close();
      throw error;
    }
    this.#streams.set(stream, open);
  }
}

async function* messagesOf(
  subscription: AsyncIterable<RunMessage & { readonly error?: unknown }>,
  raw: boolean,
): AsyncGenerator<RunMessage, void> {
  for await (const { topic, data, value, error } of subscription) {
    yield raw || error !== undefined ? { topic, data } : { topic, data, value };
  }
}
