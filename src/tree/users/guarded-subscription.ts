import { Iteration } from "../../base/iteration.ts";
import type { Path } from "../../wire/path.ts";
import type { EngineMessage, EngineSubscription } from "../../engine/engine.ts";
import { sameBytes } from "../same-bytes.ts";
import type { Rights } from "./rights.ts";

export interface GuardedSubscriptionOptions {
  readonly rights: Rights;
  /** Whether it is one of a group: only such a one gives messages back. */
  readonly isShared: boolean;
  /** Whether the reader may hear a message of this topic, now. */
  readonly hears: (topic: Path) => boolean;
  /** Throws where nothing may be heard here any more. */
  readonly check: () => void;
}

/** Messages that were handed out and may be given back. */
const MAX_TAKEN = 256;

/** A subscription that gives only what its reader may hear, by the rights of that moment. */
export class GuardedSubscription extends Iteration<EngineMessage> implements EngineSubscription {
  readonly #source: EngineSubscription;
  readonly #messages: AsyncIterator<EngineMessage>;
  readonly #options: GuardedSubscriptionOptions;
  readonly #listener: Disposable;
  /** What the reader may still give back: it can't put words into others' mouths. */
  readonly #taken: EngineMessage[] = [];
  /** Given back here because it is not for this reader; who gets it once more is the only one there. */
  readonly #passedOn = new WeakSet<EngineMessage>();
  #error: { readonly reason: unknown } | undefined;

  /** Owns `source`. */
  constructor(source: EngineSubscription, options: GuardedSubscriptionOptions) {
    super();
    this.#source = source;
    this.#messages = source[Symbol.asyncIterator]();
    this.#options = options;
    this.#listener = options.rights.subscribe(() => {
      try {
        options.check();
      } catch (reason) {
        this.#error = { reason };
        void this[Symbol.asyncDispose]();
      }
    });
  }

  get dropped(): number {
    return this.#source.dropped;
  }

  get ready(): Promise<void> {
    return this.#source.ready;
  }

  override async next(): Promise<IteratorResult<EngineMessage>> {
    for (;;) {
      const result = await this.#messages.next();
      const error = this.#error;
      this.#error = undefined;
      if (error !== undefined) throw error.reason;
      if (result.done === true) return result;
      const message = result.value;
      if (this.#options.hears(message.topic)) {
        if (this.#options.isShared) this.#taken.push(message);
        if (this.#taken.length > MAX_TAKEN) this.#taken.shift();
        return result;
      }
      if (this.#passedOn.has(message)) continue;
      this.#passedOn.add(message);
      this.#source.giveBack(message);
    }
  }

  giveBack({ topic, data }: EngineMessage): void {
    const index = this.#taken.findIndex(
      (message) => message.topic.equals(topic) && sameBytes(message.data, data),
    );
    const [message] = index < 0 ? [] : this.#taken.splice(index, 1);
    if (message !== undefined) this.#source.giveBack(message);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.#listener[Symbol.dispose]();
    await this.#source[Symbol.asyncDispose]();
  }
}
