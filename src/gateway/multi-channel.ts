import type { AbortOptions } from "../base/abort.ts";
import type { GatewayChannel, Run } from "./gateway-channel.ts";

/** An item and the channel that it came by. */
export type FromChannel<Item, Channel> = readonly [channel: Channel, item: Item];

/** Several channels as one: of the runs of one program on every gateway of a group, or of any. */
export class MultiChannel<
  Item = unknown,
  Channel extends GatewayChannel<Item> = Run<unknown, Item>,
> implements Iterable<Channel> {
  readonly channels: readonly Channel[];

  constructor(channels: Iterable<Channel>) {
    this.channels = [...channels];
  }

  get length(): number {
    return this.channels.length;
  }

  [Symbol.iterator](): Iterator<Channel> {
    return this.channels[Symbol.iterator]();
  }

  /** Sends one item by each. Resolves when all have room for more. */
  async sendEach(item: unknown): Promise<void> {
    await Promise.all(this.channels.map((channel) => channel.send(item)));
  }

  /** Waits for one item from each, in the order of the channels. @throws as `receive` of the first that fails */
  receiveEach(options: AbortOptions = {}): Promise<Item[]> {
    return Promise.all(this.channels.map((channel) => channel.receive(options)));
  }

  /**
   * All items of all channels as they come, until the last has ended. An error that one of them is
   * closed with is thrown when what came by the others before has been taken; leaving the loop leaves
   * the channels open, and what was received but not looked at is lost.
   */
  async *items(): AsyncGenerator<FromChannel<Item, Channel>, void, undefined> {
    const next = (
      channel: Channel,
      items: AsyncIterator<Item>,
    ): Promise<{ channel: Channel; items: AsyncIterator<Item>; result: IteratorResult<Item> }> =>
      items.next().then((result) => ({ channel, items, result }));
    const waiting = new Map(
      this.channels.map((channel) => [channel, next(channel, channel[Symbol.asyncIterator]())]),
    );
    while (waiting.size > 0) {
      const { channel, items, result } = await Promise.race(waiting.values());
      waiting.delete(channel);
      if (result.done === true) continue;
      // Behind the others: who sends much must not keep them waiting.
      waiting.set(channel, next(channel, items));
      yield [channel, result.value];
    }
  }

  /**
   * Waits until all have ended.
   *
   * @throws what the first that failed was closed with, after all have ended; the signal's reason
   */
  async waitClosed(options: AbortOptions = {}): Promise<void> {
    const results = await Promise.allSettled(
      this.channels.map((channel) => channel.waitClosed(options)),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Ends all, for both sides. */
  close(error?: Error): void {
    for (const channel of this.channels) channel.close(error);
  }
}
