import assert from "node:assert/strict";

import { ChannelError } from "../base/errors.ts";
import {
  bytes,
  type ChannelCase,
  type ChannelPair,
  collect,
  flood,
  hasSettled,
  isCode,
  numbered,
  numberOf,
  overfill,
  type PairLimits,
  type Received,
  roundTrip,
} from "./channel-pair.ts";
import { BREAKING, CLOSING } from "./channel-suite-end.ts";
import type { TestFunction } from "./test-function.ts";

export interface ChannelSuiteOptions {
  readonly test: TestFunction;
  /** A fresh pair of joined ends each time. Its disposal closes both and checks for leaks. */
  readonly open: (limits: PairLimits) => Promise<ChannelPair>;
}

/** What every channel must do, whatever carries it. */
export function channelSuite({ test, open }: ChannelSuiteOptions): void {
  for (const cases of [DELIVERY, FLOW, LIMITS, CLOSING, BREAKING]) {
    for (const [name, run] of Object.entries(cases)) {
      test(name, () => run((limits = {}) => open(limits)));
    }
  }
}

const DELIVERY: Readonly<Record<string, ChannelCase>> = {
  "send() keeps messages whole and in order, from none to millions of bytes": async (open) => {
    await using pair = await open();
    const sizes = [0, 1, 3, 65_535, 65_536, 0, 300_000, 1, 1_048_577, 5_000_000, 2];
    const received = collect(pair.far);
    for (const size of sizes) pair.near.send(bytes(size));
    await received.count(sizes.length);
    assert.deepEqual(
      received.messages.map((message) => message.byteLength),
      sizes,
    );
    for (const message of received.messages) {
      assert.ok(Buffer.from(message).equals(bytes(message.byteLength)), "the bytes are the same");
    }
  },

  "send() keeps the order of many messages of one tick, both ways": async (open) => {
    await using pair = await open();
    const [near, far] = [collect(pair.near), collect(pair.far)];
    const numbers = Array.from({ length: 5_000 }, (_, i) => i);
    for (const i of numbers) {
      pair.near.send(numbered(i));
      pair.far.send(numbered(i));
    }
    await Promise.all([near.count(numbers.length), far.count(numbers.length)]);
    assert.deepEqual(near.messages.map(numberOf), numbers);
    assert.deepEqual(far.messages.map(numberOf), numbers);
  },

  "send() calls nobody back before it returns": async (open) => {
    await using pair = await open();
    const received = collect(pair.far);
    pair.near.send(bytes(8));
    assert.equal(received.messages.length, 0);
    await received.count(1);
  },

  "send() may be called by a receiver": async (open) => {
    await using pair = await open();
    const rounds = 2_000;
    pair.far.receive((message) => void pair.far.send(message));
    await new Promise<void>((resolve) => {
      pair.near.receive((message) => {
        if (numberOf(message) === rounds) resolve();
        else pair.near.send(numbered(numberOf(message) + 1));
      });
      pair.near.send(numbered(0));
    });
  },

  "send() takes a part of a buffer, and leaves the rest to its owner": async (open) => {
    await using pair = await open();
    const received = collect(pair.far);
    for (const size of [10, 200_000]) {
      const buffer = new Uint8Array(size + 20).fill(7);
      pair.near.send(buffer.subarray(10, 10 + size));
      buffer.fill(9, 0, 10).fill(9, 10 + size);
    }
    await received.count(2);
    assert.deepEqual(received.messages[0], new Uint8Array(10).fill(7));
    assert.ok(Buffer.from(received.messages[1] ?? []).equals(new Uint8Array(200_000).fill(7)));
  },

  "send() leaves the bytes readable, and the receiver can't change them": async (open) => {
    await using pair = await open();
    const received = collect(pair.far);
    const sent = [bytes(100), bytes(300_000)];
    for (const message of sent) {
      pair.near.send(message);
      pair.near.send(message);
    }
    await received.count(4);
    received.messages[0]?.fill(0);
    received.messages[2]?.fill(0);
    assert.deepEqual(sent[0], bytes(100));
    assert.ok(Buffer.from(sent[1] ?? []).equals(bytes(300_000)));
    assert.deepEqual(received.messages[1], bytes(100), "no two messages share bytes");
    assert.ok(Buffer.from(received.messages[3] ?? []).equals(bytes(300_000)));
  },

  "receivedBytes grows with all that comes, also with an empty message": async (open) => {
    await using pair = await open();
    const received = collect(pair.far);
    const seen = [pair.far.receivedBytes];
    for (const [i, size] of [0, 1_000, 0].entries()) {
      pair.near.send(bytes(size));
      await received.count(i + 1);
      seen.push(pair.far.receivedBytes);
    }
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      seen,
    );
    assert.equal(new Set(seen).size, seen.length);
    assert.ok((seen.at(-1) ?? 0) - (seen[0] ?? 0) >= 1_000);
  },

  "receive() gets what came before it, in order": async (open) => {
    await using pair = await open();
    for (let i = 0; i < 10; i++) pair.near.send(numbered(i));
    await roundTrip(pair.far, pair.near);
    const received = collect(pair.far);
    for (let i = 10; i < 20; i++) pair.near.send(numbered(i));
    await received.count(20);
    assert.deepEqual(
      received.messages.map(numberOf),
      Array.from({ length: 20 }, (_, i) => i),
    );
  },

  "receive() refuses a second receiver": async (open) => {
    await using pair = await open();
    collect(pair.far);
    assert.throws(() => pair.far.receive(() => {}), TypeError);
  },

  "messages stay what they were when later ones arrive": async (open) => {
    await using pair = await open();
    const received = collect(pair.far);
    for (let i = 0; i < 200; i++) {
      pair.near.send(new Uint8Array(1_000).fill(i));
      await received.count(i + 1);
    }
    for (const [i, message] of received.messages.entries()) {
      assert.deepEqual(message, new Uint8Array(1_000).fill(i));
    }
  },
};

const FLOW: Readonly<Record<string, ChannelCase>> = {
  "pause() stops delivery even within what has arrived; resume() goes on in order": async (
    open,
  ) => {
    await using pair = await open();
    const received: Received = collect(pair.far, () => {
      if (received.messages.length === 1) pair.far.pause();
    });
    for (let i = 0; i < 100; i++) pair.near.send(numbered(i));
    await received.count(1);
    await roundTrip(pair.far, pair.near);
    assert.equal(received.messages.length, 1);
    pair.far.resume();
    await received.count(100);
    assert.deepEqual(
      received.messages.map(numberOf),
      Array.from({ length: 100 }, (_, i) => i),
    );
  },

  "pause() and resume() at every message lose and swap nothing": async (open) => {
    await using pair = await open();
    let paused = false;
    const received = collect(pair.far, () => {
      assert.equal(paused, false, "nothing is delivered during a pause");
      paused = true;
      pair.far.pause();
      setImmediate(() => {
        paused = false;
        pair.far.resume();
      });
    });
    for (let i = 0; i < 200; i++) pair.near.send(numbered(i));
    await received.count(200);
    assert.deepEqual(
      received.messages.map(numberOf),
      Array.from({ length: 200 }, (_, i) => i),
    );
  },

  "send() says false when the peer doesn't read, and drained() when it has": async (open) => {
    await using pair = await open();
    const received = collect(pair.far);
    pair.far.pause();
    const sent = (await flood(pair.near)) + overfill(pair.near);
    const drained = pair.near.drained();
    assert.equal(await hasSettled(drained), false);
    pair.far.resume();
    await drained;
    await received.count(sent);
    assert.equal(pair.near.send(bytes(1)), true);
  },

  "send() says false where nobody receives at all": async (open) => {
    await using pair = await open();
    const sent = await flood(pair.near);
    const received = collect(pair.far);
    await pair.near.drained();
    await received.count(sent);
  },

  "drained() resolves at once where there is room": async (open) => {
    await using pair = await open();
    await pair.near.drained();
  },

  "drained() resolves when the channel closes": async (open) => {
    await using pair = await open();
    await flood(pair.near);
    const drained = pair.near.drained();
    pair.near.abort(new ChannelError("CHANNEL_CLOSED"));
    await drained;
    await pair.near.drained();
  },
};

const LIMITS: Readonly<Record<string, ChannelCase>> = {
  "send() refuses a message over the limit and stays open": async (open) => {
    await using pair = await open({ near: { maxMessageBytes: 1_000 } });
    const received = collect(pair.far);
    assert.throws(() => pair.near.send(bytes(1_001)), isCode("CHANNEL_TOO_LARGE"));
    pair.near.send(bytes(1_000));
    await received.count(1);
    assert.equal(received.messages[0]?.byteLength, 1_000);
  },

  "a message over the receiver's limit breaks the channel after those before it": async (open) => {
    await using pair = await open({ far: { maxMessageBytes: 1_000 } });
    const received = collect(pair.far);
    pair.near.send(bytes(1_000));
    pair.near.send(bytes(1_001));
    pair.near.send(bytes(1));
    assert.ok(isCode("CHANNEL_TOO_LARGE")(await pair.far.closed));
    assert.deepEqual(
      received.messages.map((message) => message.byteLength),
      [1_000],
    );
    await pair.near.closed;
  },
};
