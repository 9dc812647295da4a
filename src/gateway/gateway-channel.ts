import { abortable, type AbortOptions } from "../base/abort.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { GatewayError } from "../base/errors.ts";
import { RemotePromise } from "../remote/call.ts";
import type { GatewaySide } from "./side.ts";

/** What a channel needs of the other side. */
export interface ChannelWire {
  /** Answered when there is room for more. Boxed, so that it is no operand, which may have to wait. */
  item(id: number, boxed: readonly [unknown]): PromiseLike<unknown>;
  end(id: number, error: Error | undefined): PromiseLike<unknown>;
}

/** What a channel belongs to. */
export interface ChannelOwner {
  readonly side: GatewaySide;
  readonly wire: ChannelWire;
  /** This end was closed by this side, and the other has been told. */
  ended(id: number, told: PromiseLike<unknown>): void;
}

/** So much may be under way before `send` waits, and be unread before the sender has to. */
const WINDOW = 256;
/** A string or bytes of this size count for one item more. */
const UNIT_BYTES = 16 * 1024;

/** The state that a channel ends in. */
interface End {
  readonly error: Error | undefined;
}

interface Item<T> {
  readonly value: T;
  readonly cost: number;
}

export interface CallbackOptions {
  /** What the callback gets after the last item, where it is given. */
  readonly endMarker?: unknown;
}

/**
 * One end of a channel between the two sides of a gateway: items go both ways, each way in order, until
 * either side closes it. Plain data is copied; functions and instances are references; a channel of the
 * same gateway, wherever in an item, arrives as the other end of that channel. After execnet's.
 */
export class GatewayChannel<T = unknown> implements AsyncIterable<T> {
  readonly id: number;
  /** The side of the gateway that this end is on. */
  readonly gateway: GatewaySide;
  /**
   * Settles when it has ended, and never rejects: `undefined` where it was closed in order by either
   * side, else what the other side closed it with, or what broke the gateway.
   */
  readonly closed: Promise<Error | undefined>;
  readonly #owner: ChannelOwner;
  readonly #closed = deferred<Error | undefined>();
  readonly #items: Item<T>[] = [];
  readonly #receivers = new Set<Deferred<IteratorResult<T>>>();
  #unread = 0;
  #unanswered = 0;
  /** Whether the other side may send more. */
  #taken: Deferred<void> | undefined;
  #room: Deferred<void> | undefined;
  #callback: ((item: T) => unknown) | undefined;
  #options: CallbackOptions = {};
  #end: End | undefined;
  #controller: AbortController | undefined;

  /** @private */
  constructor(id: number, owner: ChannelOwner) {
    this.id = id;
    this.gateway = owner.side;
    this.#owner = owner;
    this.closed = this.#closed.promise;
  }

  /** Whether it belongs to this side of this gateway. @private */
  isOf(owner: ChannelOwner): boolean {
    return this.#owner === owner;
  }

  get isClosed(): boolean {
    return this.#end !== undefined;
  }

  /** Aborts when the channel ends otherwise than by this side, so that code of this side can stop. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#end !== undefined) this.#controller.abort(this.#end.error ?? ended(this.id));
    }
    return this.#controller.signal;
  }

  /**
   * Sends one item, in the order of calls. Await it where many are sent: it resolves at once as long as
   * the other side keeps up, and else when that has room.
   *
   * @throws GatewayError `GATEWAY_CHANNEL_CLOSED`; WireError for what can't cross. Not by the promise,
   *   which never rejects
   */
  send(item: unknown): Promise<void> {
    if (this.#end !== undefined) {
      const says = `channel ${this.id} is closed: nothing can be sent`;
      throw new GatewayError("GATEWAY_CHANNEL_CLOSED", says, { cause: this.#end.error });
    }
    const call = RemotePromise.callOf(this.#owner.wire.item(this.id, [item]));
    if (call === undefined) throw new TypeError("a wire answers by calls");
    if (call.state === "rejected") throw call.outcome as Error;
    const cost = costOf(item);
    this.#unanswered += cost;
    // Somebody waits for the answer: it is what makes room.
    call.observe();
    call.whenSettled(() => {
      this.#unanswered -= cost;
      if (this.#unanswered >= WINDOW) return;
      this.#room?.resolve();
      this.#room = undefined;
    });
    if (this.#unanswered < WINDOW) return RESOLVED;
    return (this.#room ??= deferred()).promise;
  }

  /**
   * Waits for the next item.
   *
   * @throws what the other side closed the channel with, again at each call; GatewayError
   *   `GATEWAY_CHANNEL_CLOSED` where it was closed in order and all items are received; the signal's
   *   reason
   */
  async receive(options: AbortOptions = {}): Promise<T> {
    const next = await this.#next(options);
    if (next.done !== true) return next.value;
    throw ended(this.id);
  }

  /** The items to come, until it is closed; leaving the loop leaves the channel open. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const next = await this.#next({});
      if (next.done === true) return;
      yield next.value;
    }
  }

  /**
   * Has each item given to `callback`, those that wait already at once, instead of being received.
   * `endMarker`, if given, comes last. What the callback returns counts as taken when it settles; if it
   * throws, the channel is closed with the error. Can be set once.
   */
  setCallback(callback: (item: T) => unknown, options: CallbackOptions = {}): void {
    if (this.#callback !== undefined) throw new TypeError("the channel has a callback already");
    if (this.#receivers.size > 0) throw new TypeError("somebody waits in receive()");
    this.#callback = callback;
    this.#options = options;
    for (const { value } of this.#items.splice(0)) void this.#call(callback, value);
    this.#take(this.#unread);
    if (this.#end !== undefined) this.#callEnd();
  }

  /** Ends it for both sides; with an error, the other side's `receive` throws that. Idempotent. */
  close(error?: Error): void {
    if (this.#end !== undefined) return;
    this.#finish({ error: undefined });
    this.#owner.ended(this.id, this.#owner.wire.end(this.id, error));
  }

  /**
   * Waits until it has ended.
   *
   * @throws what the other side closed it with, or broke it; the signal's reason
   */
  async waitClosed({ signal }: AbortOptions = {}): Promise<void> {
    const error = await abortable(this.closed, signal);
    if (error !== undefined) throw error;
  }

  /** An item has come. A promise where the sender has to wait. @private */
  deliver(value: T): unknown {
    if (this.#end !== undefined) return undefined;
    if (this.#callback !== undefined) return this.#call(this.#callback, value);
    const [receiver] = this.#receivers;
    if (receiver !== undefined) {
      this.#receivers.delete(receiver);
      receiver.resolve({ done: false, value });
      return undefined;
    }
    const cost = costOf(value);
    this.#items.push({ value, cost });
    this.#unread += cost;
    if (this.#unread < WINDOW) return undefined;
    return (this.#taken ??= deferred()).promise;
  }

  /** Ended by the other side, or because the gateway has. @private */
  endBy(error: Error | undefined): void {
    if (this.#end !== undefined) return;
    this.#finish({ error });
    this.#controller?.abort(error ?? ended(this.id));
  }

  /** Ended in order, with nothing to be told to the other side. @private */
  finish(): void {
    if (this.#end === undefined) this.#finish({ error: undefined });
  }

  async #next({ signal }: AbortOptions): Promise<IteratorResult<T>> {
    signal?.throwIfAborted();
    if (this.#callback !== undefined) throw new TypeError("the items go to the callback");
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#take(item.cost);
      return { done: false, value: item.value };
    }
    if (this.#end !== undefined) return endOf(this.#end);
    const receiver = deferred<IteratorResult<T>>();
    this.#receivers.add(receiver);
    try {
      return await abortable(receiver.promise, signal);
    } finally {
      this.#receivers.delete(receiver);
    }
  }

  #take(cost: number): void {
    this.#unread -= cost;
    if (this.#taken === undefined || this.#unread > WINDOW / 2) return;
    this.#taken.resolve();
    this.#taken = undefined;
  }

  #call(callback: (item: T) => unknown, value: T): unknown {
    try {
      const taken = callback(value);
      if (!(taken instanceof Promise)) return undefined;
      return taken.then(undefined, (error: unknown) => this.#failed(error));
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #failed(error: unknown): void {
    this.close(error instanceof Error ? error : new Error(String(error)));
  }

  #callEnd(): void {
    if (!("endMarker" in this.#options) || this.#callback === undefined) return;
    void this.#call(this.#callback, this.#options.endMarker as T);
  }

  #finish(end: End): void {
    this.#end = end;
    for (const receiver of this.#receivers) {
      if (end.error === undefined) receiver.resolve({ done: true, value: undefined });
      else receiver.reject(end.error);
    }
    this.#receivers.clear();
    this.#room?.resolve();
    this.#room = undefined;
    this.#taken?.resolve();
    this.#taken = undefined;
    this.#callEnd();
    this.#closed.resolve(end.error);
  }
}

/** The channel to code that runs over there, and what becomes of it. */
export class Run<Result = unknown, T = unknown> extends GatewayChannel<T> {
  /**
   * What the code returned, or threw. The channel is closed by then. It also rejects, with the signal's
   * reason, when the run is given up.
   */
  readonly result: Promise<Result>;
  readonly #result = deferred<Result>();

  /** @private */
  constructor(id: number, owner: ChannelOwner) {
    super(id, owner);
    this.result = this.#result.promise;
    // The channel tells as well: nobody has to look here.
    this.result.catch(() => {});
  }

  /** @private */
  succeeded(value: Result): void {
    this.#result.resolve(value);
    this.finish();
  }

  /** @private */
  failed(error: unknown): void {
    this.#result.reject(error);
    this.endBy(error instanceof Error ? error : new Error(String(error)));
  }

  /** Asks the code to stop, and waits no more. @private */
  giveUp(reason: unknown): void {
    this.#result.reject(reason);
    this.close(reason instanceof Error ? reason : new Error(String(reason)));
  }
}

const RESOLVED = Promise.resolve();

function costOf(value: unknown): number {
  if (typeof value === "string") return 1 + Math.floor(value.length / UNIT_BYTES);
  if (ArrayBuffer.isView(value)) return 1 + Math.floor(value.byteLength / UNIT_BYTES);
  return 1;
}

function endOf({ error }: End): IteratorReturnResult<undefined> {
  if (error !== undefined) throw error;
  return { done: true, value: undefined };
}

function ended(id: number): GatewayError {
  return new GatewayError("GATEWAY_CHANNEL_CLOSED", `channel ${id} has ended: nothing more comes`);
}
