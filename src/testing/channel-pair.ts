import assert from "node:assert/strict";

import type { Channel } from "../channel/channel.ts";

/** The two ends of one open channel. */
export interface ChannelPair extends AsyncDisposable {
  readonly near: Channel;
  readonly far: Channel;
}

/** What a receiver of `collect` has had so far. */
export interface Received {
  readonly messages: readonly Uint8Array[];
  /** Resolves when there are `count` messages; fails when the channel closes before. */
  count(count: number): Promise<void>;
}

/** Receives and keeps everything; `then` is called after each message was kept. */
export function collect(channel: Channel, then: () => void = () => {}): Received {
  const messages: Uint8Array[] = [];
  let waiting: { count: number; resolve: () => void } | undefined;
  channel.receive((message) => {
    messages.push(message);
    if (waiting !== undefined && messages.length >= waiting.count) waiting.resolve();
    then();
  });
  return {
    messages,
    async count(count) {
      if (messages.length >= count) return;
      const enough = new Promise<void>((resolve) => (waiting = { count, resolve }));
      await Promise.race([enough, channel.closed]);
      assert.ok(messages.length >= count, `closed after ${messages.length} of ${count} messages`);
    },
  };
}

/** How much a channel may take before it has to say that it is full. */
const FLOOD_LIMIT_BYTES = 64 * 1024 * 1024;
const FLOOD_MESSAGE_BYTES = 100_000;

/**
 * Sends until the channel says that it is full, and stays full for a turn of the event loop; returns
 * how many messages that took.
 */
export async function flood(channel: Channel): Promise<number> {
  const most = FLOOD_LIMIT_BYTES / FLOOD_MESSAGE_BYTES;
  for (let sent = 1; sent <= most; sent++) {
    if (channel.send(bytes(FLOOD_MESSAGE_BYTES))) continue;
    if (!(await hasSettled(channel.drained()))) return sent;
  }
  assert.fail(`the channel took ${FLOOD_LIMIT_BYTES} bytes that nobody reads`);
}

/** Whether `promise` settles on its own within some turns of the event loop. */
export async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => (settled = true));
  for (let i = 0; i < SETTLE_TURNS && !settled; i++) await turn();
  return settled;
}

const SETTLE_TURNS = 20;

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** A message that differs at every offset from its neighbours, and by its size. */
export function bytes(size: number): Uint8Array {
  const message = new Uint8Array(size);
  for (let i = 0; i < size; i++) message[i] = (i * 31 + (i >> 8) + size) & 255;
  return message;
}
