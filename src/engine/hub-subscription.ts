import type { Deferred } from "../base/deferred.ts";
import type { Path } from "../wire/path.ts";
import type { EngineMessage, EngineSubscription, SubscribeOptions } from "./engine.ts";
import type { HubConnection } from "./hub-link.ts";
import { Subscriptions } from "./subscriptions.ts";

/** A subscription that is renewed on each connection. What is sent in between is lost, as promised. */
export class HubSubscription implements EngineSubscription {
  readonly #topic: Path;
  readonly #first: Deferred<void>;
  /** One subscriber of its own: queue, limit and end are those of every engine. */
  readonly #local = new Subscriptions();
  readonly #reader: EngineSubscription;
  #handle: { close(): PromiseLike<void> } | undefined;
  #round = 0;
  #ended = false;

  constructor(
    topic: Path,
    options: SubscribeOptions,
    { first, onEnd }: { readonly first: Deferred<void>; readonly onEnd: () => void },
  ) {
    this.#topic = topic;
    this.#first = first;
    this.#reader = this.#local.openWith(topic, options, first.promise, () => {
      this.#stop();
      onEnd();
    });
    if (options.signal?.aborted === true) this.#stop();
  }

  get dropped(): number {
    return this.#reader.dropped;
  }

  get ready(): Promise<void> {
    return this.#reader.ready;
  }

  attach(connection: HubConnection): void {
    if (this.#ended) return;
    this.#round += 1;
    const round = this.#round;
    const sink = (message: EngineMessage): void => {
      if (this.#round === round) this.#local.publish(message);
    };
    void connection.hub.subscribe(this.#topic, sink).then(
      (handle) => {
        const remote = handle as unknown as { close(): PromiseLike<void> };
        this.#first.resolve();
        if (this.#round === round) this.#handle = remote;
        else void remote.close().then(undefined, () => {});
      },
      // The connection is lost; the next one attaches again.
      () => {},
    );
  }

  detach(): void {
    this.#round += 1;
    this.#handle = undefined;
  }

  end(): void {
    this.#local.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<EngineMessage> {
    return this.#reader[Symbol.asyncIterator]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }

  #stop(): void {
    this.#ended = true;
    this.#round += 1;
    // Whoever waits to be heard waits no more.
    this.#first.resolve();
    void this.#handle?.close().then(undefined, () => {});
    this.#handle = undefined;
  }
}
