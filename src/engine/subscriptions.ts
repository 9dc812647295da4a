import { onAbort } from "../base/abort.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import type { Path } from "../wire/path.ts";
import type { EngineMessage, EngineSubscription, SubscribeOptions } from "./engine.ts";
import { PrefixIndex } from "./prefix-index.ts";

const DEFAULT_MAX_BACKLOG = 1_000;

/** Everyone who listens within one engine. */
export class Subscriptions {
  readonly #byTopic = new PrefixIndex<TopicSubscription>();
  readonly #open = new Set<TopicSubscription>();

  open(topic: Path, { maxBacklog, signal }: SubscribeOptions = {}): EngineSubscription {
    const subscription: TopicSubscription = new TopicSubscription({
      maxBacklog,
      ready: Promise.resolve(),
      onEnd: () => {
        this.#open.delete(subscription);
        this.#byTopic.delete(topic, subscription);
      },
    });
    this.#open.add(subscription);
    this.#byTopic.add(topic, subscription);
    subscription.abortWith(signal);
    return subscription;
  }

  publish(message: EngineMessage): void {
    this.#byTopic.forEach(message.topic, (subscription) => subscription.push(message));
  }

  close(): void {
    for (const subscription of this.#open) subscription.end();
  }
}

export interface TopicSubscriptionOptions {
  readonly maxBacklog: number | undefined;
  readonly ready: Promise<void>;
  /** Called once, when it ends in whatever way. */
  readonly onEnd: () => void;
}

/** The messages of one reader, those that came last where it lags. */
export class TopicSubscription implements EngineSubscription, AsyncIterator<EngineMessage> {
  readonly ready: Promise<void>;
  readonly #maxBacklog: number;
  readonly #onEnd: () => void;
  readonly #queue: EngineMessage[] = [];
  #dropped = 0;
  #ended = false;
  #error: { reason: unknown } | undefined;
  #waiting: Deferred<void> | undefined;
  #listener: Disposable | undefined;

  constructor({ maxBacklog = DEFAULT_MAX_BACKLOG, ready, onEnd }: TopicSubscriptionOptions) {
    this.#maxBacklog = maxBacklog;
    this.ready = ready;
    this.#onEnd = onEnd;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Ends it with the signal's reason. */
  abortWith(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const listener = onAbort(signal, () => this.end({ reason: signal.reason }));
    if (!this.#ended) this.#listener = listener;
  }

  push(message: EngineMessage): void {
    if (this.#ended) return;
    this.#queue.push(message);
    if (this.#queue.length > this.#maxBacklog) {
      this.#queue.shift();
      this.#dropped++;
    }
    this.#wake();
  }

  /** Counts messages that were lost before they came here. */
  lose(count: number): void {
    this.#dropped += count;
  }

  end(error?: { reason: unknown }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#queue.length = 0;
    this.#listener?.[Symbol.dispose]();
    this.#onEnd();
    this.#wake();
  }

  async next(): Promise<IteratorResult<EngineMessage>> {
    while (this.#queue.length === 0 && !this.#ended) {
      this.#waiting ??= deferred();
      await this.#waiting.promise;
    }
    const message = this.#queue.shift();
    if (message !== undefined) return { done: false, value: message };
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error.reason;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<EngineMessage>> {
    this.end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
