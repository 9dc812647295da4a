import { Feed } from "../base/iteration.ts";
import { formatPath } from "../wire/path-format.ts";
import type { Path, PathElement } from "../wire/path.ts";
import type { EngineMessage, EngineSubscription, SubscribeOptions } from "./engine.ts";
import { MAX_BACKLOG_BYTES, SubscriptionGroup } from "./subscription-group.ts";
import { checkTopic, patternOf, TopicIndex } from "./topic-index.ts";

const DEFAULT_MAX_BACKLOG = 1_000;

/** Who gets what is published: one reader, or one out of a group. */
interface Taker {
  push(message: EngineMessage): void;
}

/** Everyone who listens within one engine. */
export class Subscriptions {
  readonly #byTopic = new TopicIndex<Taker>();
  readonly #groups = new Map<string, SubscriptionGroup[]>();
  readonly #open = new Set<TopicSubscription>();

  open(topic: Path, options: SubscribeOptions = {}): EngineSubscription {
    const { maxBacklog, group: name, signal } = options;
    const pattern = patternOf(topic);
    const group = name === undefined ? undefined : this.#group(name, pattern);
    const subscription: TopicSubscription = new TopicSubscription({
      maxBacklog,
      ready: Promise.resolve(),
      group,
      onEnd: () => {
        this.#open.delete(subscription);
        if (group === undefined) this.#byTopic.delete(pattern, subscription);
      },
    });
    this.#open.add(subscription);
    if (group === undefined) this.#byTopic.add(pattern, subscription);
    else group.join(subscription);
    subscription.abortWith(signal);
    return subscription;
  }

  /** @throws EngineError `ENGINE_BAD_TOPIC` */
  publish(message: EngineMessage): void {
    checkTopic(message.topic);
    for (const taker of this.#byTopic.find(message.topic)) taker.push(message);
  }

  close(): void {
    for (const subscription of this.#open) subscription.end();
  }

  #group(name: string, pattern: readonly PathElement[]): SubscriptionGroup {
    const groups = this.#groups.get(name) ?? [];
    const there = groups.find((group) => isSame(group.pattern, pattern));
    if (there !== undefined) return there;
    const group: SubscriptionGroup = new SubscriptionGroup(pattern, () => {
      this.#byTopic.delete(pattern, group);
      groups.splice(groups.indexOf(group), 1);
      if (groups.length === 0) this.#groups.delete(name);
    });
    groups.push(group);
    this.#groups.set(name, groups);
    this.#byTopic.add(pattern, group);
    return group;
  }
}

function isSame(a: readonly PathElement[], b: readonly PathElement[]): boolean {
  return formatPath(a) === formatPath(b);
}

export interface TopicSubscriptionOptions {
  readonly maxBacklog: number | undefined;
  readonly ready: Promise<void>;
  /** Where its messages come from, one for each that its reader waits for; and where unread ones go. */
  readonly group?: SubscriptionGroup | undefined;
  /** Called with each message that the reader takes. */
  readonly onTaken?: ((message: EngineMessage) => void) | undefined;
  /** Called once, when it ends in whatever way. */
  readonly onEnd: () => void;
}

/** The messages of one reader, those that came last where it lags. */
export class TopicSubscription extends Feed<EngineMessage> implements EngineSubscription {
  readonly ready: Promise<void>;
  readonly maxBacklog: number;
  readonly #group: SubscriptionGroup | undefined;
  readonly #onTaken: ((message: EngineMessage) => void) | undefined;
  readonly #onEnd: () => void;
  readonly #queue: EngineMessage[] = [];
  #queueBytes = 0;
  #dropped = 0;

  constructor(options: TopicSubscriptionOptions) {
    super();
    this.maxBacklog = options.maxBacklog ?? DEFAULT_MAX_BACKLOG;
    this.ready = options.ready;
    this.#group = options.group;
    this.#onTaken = options.onTaken;
    this.#onEnd = options.onEnd;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** What came and was not taken is forgotten. */
  clear(): void {
    this.#queue.length = 0;
    this.#queueBytes = 0;
  }

  giveBack(message: EngineMessage): void {
    this.#group?.giveBack([message], this);
  }

  push(message: EngineMessage): void {
    if (this.ended) return;
    this.#queue.push(message);
    this.#queueBytes += message.data.length;
    while (this.#queue.length > this.maxBacklog || this.#queueBytes > MAX_BACKLOG_BYTES) {
      this.#shift();
      this.#dropped++;
    }
    this.wake();
  }

  /** Counts messages that were lost before they came here. */
  lose(count: number): void {
    this.#dropped += count;
  }

  protected override take(): EngineMessage | undefined {
    const message = this.#shift();
    if (message !== undefined) this.#onTaken?.(message);
    return message;
  }

  protected override whenAsked(): void {
    this.#group?.ask(this);
  }

  protected override whenEnded(): void {
    this.#group?.leave(this, this.#queue);
    this.clear();
    this.#onEnd();
  }

  #shift(): EngineMessage | undefined {
    const message = this.#queue.shift();
    this.#queueBytes -= message?.data.length ?? 0;
    return message;
  }
}
