import assert from "node:assert/strict";

import type { ErrorCode } from "../base/error-codes.ts";
import { BanyanError } from "../base/errors.ts";
import type { Channel, ChannelLimits } from "../channel/channel.ts";

/** The two ends of one open channel. */
export interface ChannelPair extends AsyncDisposable {
  readonly near: Channel;
  readonly far: Channel;
}

/** What each end has to be set up with; where nothing is said the defaults hold. */
export interface PairLimits {
  readonly near?: Partial<ChannelLimits>;
  readonly far?: Partial<ChannelLimits>;
}

/** What one test of the suite does with a pair that it opens. */
export type ChannelCase = (open: (limits?: PairLimits) => Promise<ChannelPair>) => Promise<void>;

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
 * Sends until the channel says that it is full, and stays full for some turns of the event loop;
 * returns how many messages that took.
 */
export async function flood(channel: Channel): Promise<number> {
  let sent = 0;
  do {
    assert.ok(sent * FLOOD_MESSAGE_BYTES < FLOOD_LIMIT_BYTES, "the channel never says it is full");
    sent++;
  } while (channel.send(bytes(FLOOD_MESSAGE_BYTES)) || (await hasSettled(channel.drained())));
  return sent;
}

/**
 * Sends more than whatever lies between the two ends can hold, however full the channel is; returns
 * how many messages that took. What `flood` has put in may trickle on: through ssh it passes buffers
 * of several processes, and nothing tells when they are full.
 */
export function overfill(channel: Channel): number {
  const count = Math.ceil(SURPLUS_BYTES / FLOOD_MESSAGE_BYTES);
  for (let i = 0; i < count; i++) channel.send(bytes(FLOOD_MESSAGE_BYTES));
  return count;
}

const SURPLUS_BYTES = 32 * 1024 * 1024;

/** Whether `promise` settles on its own within some turns of the event loop. */
export async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  const settled = promise.then(() => true);
  for (let i = 0; i < SETTLE_TURNS; i++) {
    if (await Promise.race([settled, turn().then(() => false)])) return true;
  }
  return false;
}

const SETTLE_TURNS = 20;

/** Waits until a message from `from` was delivered at `to`, so that time has passed both ways. */
export async function roundTrip(from: Channel, to: Channel): Promise<void> {
  const received = collect(to);
  from.send(bytes(1));
  await received.count(1);
  await turn();
}

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

/** A message that carries a number up to 65,535. */
export function numbered(number: number): Uint8Array {
  return Uint8Array.of(number & 255, number >> 8);
}

export function numberOf(message: Uint8Array): number {
  return (message[0] ?? 0) + ((message[1] ?? 0) << 8);
}

export function isCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => BanyanError.has(error, code);
}
