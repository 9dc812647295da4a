import type { Clock } from "../base/clock.ts";
import type { Path } from "../wire/path.ts";
import type { EventFields, RunEventsApi } from "./kit/blocking/events-api.ts";
import { EventQueue } from "./kit/event-queue.ts";
import type { RunHostApi, RunMessage, RunWatchOptions, StreamItem } from "./kit/host-api.ts";
import { MessageMsg, type RunEvent, TimerMsg, toRunnerMsg } from "./kit/messages.ts";
import { RunWatch } from "./kit/run-watch.ts";
import { type OpenStream, StreamReader, Streams } from "./kit/streams.ts";
import { Timer } from "./kit/timer.ts";

const DEFAULT_BACKLOG = 1_000;

export interface RunEventsOptions {
  /** The run's own. */
  readonly host: RunHostApi;
  readonly clock: Clock;
  /** Events that may wait in `_info`. Default 1,000. */
  readonly backlog?: number | undefined;
  /** Aborts when the run is to end. */
  readonly signal: AbortSignal;
}

/**
 * What happens around a run whose code blocks, kept until it asks: its `_info`, watches, timers. Exported
 * by reference to where the code runs, for that run alone.
 */
export class RunEvents implements RunEventsApi {
  readonly #host: RunHostApi;
  readonly #clock: Clock;
  readonly #streams: Streams;
  readonly #info: EventQueue;
  readonly #open = new Map<number, OpenStream>();
  readonly #readers = new Map<number, StreamReader<StreamItem>>();
  /** Those that run. */
  readonly #timers = new Map<number, Timer>();
  readonly #timerIds = new WeakMap<object, number>();
  readonly #running = new Set<(reason: unknown) => void>();
  #attached: Promise<void> | undefined;
  #end: { readonly reason: unknown } | undefined;
  #lastId = 0;

  constructor({ host, clock, backlog, signal }: RunEventsOptions) {
    this.#host = host;
    this.#clock = clock;
    this.#streams = new Streams(host, (event) => this.tell(event));
    this.#info = new EventQueue(backlog ?? DEFAULT_BACKLOG);
    signal.addEventListener("abort", () => this.end(signal.reason), { once: true });
    if (signal.aborted) this.end(signal.reason);
  }

  /** Nothing more comes: whoever waits is thrown the reason. Idempotent. */
  end(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    this.#info.end(reason);
    for (const reader of this.#readers.values()) reader.end(reason);
    for (const stop of this.#running) stop(reason);
    this.#running.clear();
    this.#streams.closeAll();
  }

  /** Puts what the node tells by itself into `_info`. */
  tell(event: RunEvent): void {
    this.#info.push(toRunnerMsg(event));
  }

  async next(): Promise<EventFields | undefined> {
    const { value } = await this.#info.next();
    if (value === undefined) return undefined;
    const { type } = value;
    if (value instanceof TimerMsg) return { type, timer: this.#timerIds.get(value.timer) };
    return { ...Object.fromEntries(Object.entries(value)), type };
  }

  waiting(): number {
    return this.#info.length;
  }

  async watch(path: Path, options: RunWatchOptions): Promise<number> {
    const watch = new RunWatch(path, this.#info, {
      tellsReady: options.current !== false,
      onError: (error) => this.#info.end(error),
    });
    const stream = await this.#begin(watch, (id) => this.#host.watch(id, path, options));
    watch.attach(stream);
    return this.#keep(watch);
  }

  async monitor(topic: Path, options: { readonly raw: boolean }): Promise<number> {
    const put = (items: readonly StreamItem[]): void => {
      for (const message of items as readonly RunMessage[]) {
        this.#info.push(new MessageMsg(message.topic, message.value, message.data));
      }
    };
    const end = (error?: unknown): void => {
      if (error !== undefined) this.#info.end(error);
    };
    return this.#keep(
      await this.#begin({ put, end }, (id) => this.#host.subscribe(id, topic, options)),
    );
  }

  async close(id: number): Promise<void> {
    const open = this.#open.get(id);
    this.#open.delete(id);
    this.#readers.delete(id);
    await open?.close();
  }

  readWatch(path: Path, options: RunWatchOptions): Promise<number> {
    return this.#openReader((id) => this.#host.watch(id, path, options));
  }

  readTopic(topic: Path, options: { readonly raw: boolean }): Promise<number> {
    return this.#openReader((id) => this.#host.subscribe(id, topic, options));
  }

  async read(id: number): Promise<StreamItem | undefined> {
    const item = await this.#readers.get(id)?.next();
    return item?.done === false ? item.value : undefined;
  }

  startTimer(id: number, seconds: number): void {
    this.#check();
    let timer = this.#timers.get(id);
    if (timer === undefined) {
      timer = new Timer({
        clock: this.#clock,
        onTimer: (ended) => {
          this.#timers.delete(id);
          this.#info.push(new TimerMsg(ended));
        },
        own: (end) => {
          this.#running.add(end);
          return () => this.#running.delete(end);
        },
      });
      this.#timers.set(id, timer);
      this.#timerIds.set(timer, id);
    }
    timer.run(seconds);
  }

  cancelTimer(id: number): boolean {
    const timer = this.#timers.get(id);
    this.#timers.delete(id);
    return timer?.cancel() === true;
  }

  async waitTimer(id: number): Promise<void> {
    this.#check();
    await this.#timers.get(id);
  }

  async #openReader(begin: (id: number) => Promise<void>): Promise<number> {
    await this.#attach();
    const reader = await StreamReader.open<StreamItem>(this.#streams, begin);
    const id = this.#keep(reader);
    this.#readers.set(id, reader);
    return id;
  }

  async #begin(
    target: Parameters<Streams["open"]>[0],
    begin: (id: number) => Promise<void>,
  ): Promise<OpenStream> {
    await this.#attach();
    return this.#streams.open(target, begin);
  }

  #attach(): Promise<void> {
    this.#check();
    this.#attached ??= this.#host.attach(this.#streams);
    return this.#attached;
  }

  #keep(stream: OpenStream): number {
    const id = ++this.#lastId;
    this.#open.set(id, stream);
    return id;
  }

  #check(): void {
    if (this.#end !== undefined) throw this.#end.reason;
  }
}
