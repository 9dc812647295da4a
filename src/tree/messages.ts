import type { AbortOptions } from "../base/abort.ts";
import { BanyanError, TreeError, WireError } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import { ABORT_OPTIONS, checkOptions, type OptionNames } from "../base/options.ts";
import type { EngineMessage, EngineSubscription } from "../engine/engine.ts";
import type { Path } from "../wire/path.ts";
import { decodeValue, encodeValue } from "../wire/value.ts";

export interface SubscribeOptions extends AbortOptions {
  /** Leaves the bytes as they are. */
  readonly raw?: boolean | undefined;
  /** Messages that may wait for the reader before the oldest are dropped. Default 1,000; 64 MiB at the most. */
  readonly maxBacklog?: number | undefined;
  /** Shares the messages with the other subscriptions to this topic of that group: one gets each. */
  readonly group?: string | undefined;
}

const SUBSCRIBE_OPTIONS: OptionNames<SubscribeOptions> = {
  ...ABORT_OPTIONS,
  raw: true,
  maxBacklog: true,
  group: true,
};

/** @throws TypeError, RangeError for what are no options of a subscription */
export function checkSubscribeOptions(options: SubscribeOptions): void {
  checkOptions(options, SUBSCRIBE_OPTIONS, "tree.subscribe");
  const { group, maxBacklog } = options;
  if (group !== undefined && typeof group !== "string") {
    throw new TypeError(`the name of a group is a string, not ${kindOf(group)}`);
  }
  if (maxBacklog !== undefined && !(maxBacklog >= 1)) {
    throw new RangeError("`maxBacklog` of tree.subscribe is a number from 1 on");
  }
}

/** A message whose bytes are the reader's own affair. */
export interface RawMessage {
  readonly topic: Path;
  /** The bytes as they were sent. */
  readonly data: Uint8Array;
}

/** A message with its value decoded. */
export interface TreeMessage extends RawMessage {
  /** `undefined` also where there is an `error`. */
  readonly value: unknown;
  /** Why the bytes are no value: somebody published raw ones. */
  readonly error?: BanyanError;
}

/**
 * The messages of one subscription, for one reader: to its topic and all topics below it, in the
 * order of each publisher, from the moment `ready` resolves. Breaking out of the loop, the signal,
 * `close()` and closing the tree end it. A reader that falls behind loses the oldest messages.
 */
export class TreeSubscription<M extends RawMessage>
  implements AsyncIterableIterator<M>, AsyncDisposable
{
  readonly #source: EngineSubscription;
  readonly #convert: (message: EngineMessage) => M;
  readonly #onEnd: () => void;
  readonly #messages: AsyncGenerator<M, void>;

  /** Owns `source`. `onEnd` is called once or more when it has ended. */
  constructor(
    source: EngineSubscription,
    convert: (message: EngineMessage) => M,
    onEnd: () => void,
  ) {
    this.#source = source;
    this.#convert = convert;
    this.#onEnd = onEnd;
    this.#messages = this.#read();
  }

  /** How many messages were lost because the reader fell behind. */
  get dropped(): number {
    return this.#source.dropped;
  }

  /** Resolves when every message published from now on will be heard. */
  get ready(): Promise<void> {
    return this.#source.ready;
  }

  /** Of a group: another member gets it, as if this one had not taken it. */
  giveBack({ topic, data }: RawMessage): void {
    this.#source.giveBack({ topic, data });
  }

  next(): Promise<IteratorResult<M, void>> {
    return this.#messages.next();
  }

  async return(): Promise<IteratorResult<M, void>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Ends it: a pending `next()` is done. Idempotent. */
  async close(): Promise<void> {
    // The source first: it ends a pending pull, behind which the generator's own end would queue.
    await this.#source[Symbol.asyncDispose]();
    await this.#messages.return();
    this.#onEnd();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#read(): AsyncGenerator<M, void> {
    try {
      for await (const message of this.#source) yield this.#convert(message);
    } finally {
      this.#onEnd();
    }
  }
}

/** Never throws: bytes that are no value give a message with an `error`. */
export function toTreeMessage({ topic, data }: EngineMessage): TreeMessage {
  try {
    return { topic, data, value: decodeValue(data) };
  } catch (cause) {
    const error = BanyanError.is(cause)
      ? cause
      : new WireError("WIRE_MALFORMED", "the message is no value", { cause });
    return { topic, data, value: undefined, error };
  }
}

/** Unlike what is stored, what is asked and answered may be `undefined`. @throws TreeError `TREE_BAD_VALUE` */
export function encodeMessage(value: unknown): Uint8Array {
  try {
    return encodeValue(value);
  } catch (cause) {
    if (!BanyanError.is(cause)) throw cause;
    throw new TreeError("TREE_BAD_VALUE", cause.message, { cause });
  }
}
