import assert from "node:assert/strict";

import { ChannelError } from "../base/errors.ts";
import {
  bytes,
  type ChannelCase,
  collect,
  flood,
  hasSettled,
  isCode,
  numbered,
  type Received,
  roundTrip,
} from "./channel-pair.ts";

/** How a channel ends in order. */
export const CLOSING: Readonly<Record<string, ChannelCase>> = {
  "close() delivers what was sent, and both ends see an orderly end": async (open) => {
    await using pair = await open();
    const received = collect(pair.far);
    for (let i = 0; i < 200; i++) pair.near.send(bytes(i * 100));
    const closing = pair.near.close();
    assert.equal(pair.near.state, "closing");
    await closing;
    assert.equal(await pair.far.closed, undefined);
    assert.equal(await pair.near.closed, undefined);
    assert.equal(received.messages.length, 200);
    assert.deepEqual([pair.near.state, pair.far.state], ["closed", "closed"]);
  },

  "close() waits until a slow peer has read more than the transport holds": async (open) => {
    await using pair = await open();
    const received = collect(pair.far);
    pair.far.pause();
    const sent = await flood(pair.near);
    const closing = pair.near.close();
    pair.far.resume();
    await closing;
    assert.equal(await pair.near.closed, undefined);
    assert.equal(received.messages.length, sent);
  },

  "close() at both ends at once delivers what both sent": async (open) => {
    await using pair = await open();
    const [near, far] = [collect(pair.near), collect(pair.far)];
    for (let i = 0; i < 100; i++) {
      pair.near.send(bytes(5_000));
      pair.far.send(bytes(5_000));
    }
    await Promise.all([pair.near.close(), pair.far.close()]);
    assert.deepEqual([await pair.near.closed, await pair.far.closed], [undefined, undefined]);
    assert.deepEqual([near.messages.length, far.messages.length], [100, 100]);
  },

  "close() by the peer ends this side too": async (open) => {
    await using pair = await open();
    collect(pair.far);
    collect(pair.near);
    await pair.far.close();
    assert.equal(await pair.near.closed, undefined);
    assert.equal(pair.near.state, "closed");
    assert.throws(() => pair.near.send(bytes(1)), isCode("CHANNEL_CLOSED"));
  },

  "close() ends a pause: what arrived is delivered": async (open) => {
    await using pair = await open();
    const received: Received = collect(pair.far, () => {
      if (received.messages.length === 1) pair.far.pause();
    });
    for (let i = 0; i < 10; i++) pair.near.send(numbered(i));
    await received.count(1);
    await pair.far.close();
    assert.equal(received.messages.length, 10);
  },

  "close() ends where nobody ever received": async (open) => {
    await using pair = await open();
    for (let i = 0; i < 10; i++) pair.near.send(bytes(1_000));
    await roundTrip(pair.far, pair.near);
    await pair.far.close();
    assert.equal(await pair.near.closed, undefined);
  },

  "close() gives up when its signal aborts, and closes all the same": async (open) => {
    await using pair = await open();
    await flood(pair.near);
    await pair.near.close({ signal: AbortSignal.abort() });
    assert.equal(pair.near.state, "closed");
    assert.ok(isCode("CHANNEL_CLOSED")(await pair.near.closed));
  },

  "close() and disposing may be repeated, also after abort()": async (open) => {
    await using pair = await open();
    collect(pair.far);
    await Promise.all([pair.near.close(), pair.near.close()]);
    await pair.near.close();
    await pair.near[Symbol.asyncDispose]();
    pair.near.abort(new ChannelError("CHANNEL_MALFORMED"));
    assert.equal(await pair.near.closed, undefined);
    await using other = await open();
    other.near.abort(new ChannelError("CHANNEL_CLOSED"));
    await other.near.close();
    await other.near[Symbol.asyncDispose]();
  },

  "send() after close() throws CHANNEL_CLOSED": async (open) => {
    await using pair = await open();
    collect(pair.far);
    const closing = pair.near.close();
    assert.throws(() => pair.near.send(bytes(1)), isCode("CHANNEL_CLOSED"));
    await closing;
    assert.throws(() => pair.near.send(bytes(1)), isCode("CHANNEL_CLOSED"));
  },

  "closed settles after the last message was delivered, however late": async (open) => {
    await using pair = await open();
    const received: Received = collect(pair.far, () => {
      if (received.messages.length === 1) pair.far.pause();
    });
    for (let i = 0; i < 10; i++) pair.near.send(numbered(i));
    await received.count(1);
    const closing = pair.near.close();
    assert.equal(await hasSettled(pair.far.closed), false);
    const deliveredAtEnd = pair.far.closed.then(() => received.messages.length);
    pair.far.resume();
    assert.equal(await deliveredAtEnd, 10);
    await closing;
  },
};

/** How a channel breaks. */
export const BREAKING: Readonly<Record<string, ChannelCase>> = {
  "abort() closes at once, drops what was not sent and says why": async (open) => {
    await using pair = await open();
    const received = collect(pair.far);
    const reason = new ChannelError("CHANNEL_MALFORMED");
    pair.near.send(bytes(10));
    pair.near.abort(reason);
    assert.equal(pair.near.state, "closed");
    assert.throws(() => pair.near.send(bytes(1)), isCode("CHANNEL_CLOSED"));
    pair.near.abort(new ChannelError("CHANNEL_CLOSED"));
    assert.equal(await pair.near.closed, reason);
    await pair.far.closed;
    assert.equal(received.messages.length, 0);
  },

  "abort() while closing ends the wait": async (open) => {
    await using pair = await open();
    await flood(pair.near);
    const closing = pair.near.close();
    const reason = new ChannelError("CHANNEL_CLOSED", "enough");
    pair.near.abort(reason);
    await closing;
    assert.equal(await pair.near.closed, reason);
  },

  "a receiver that throws breaks the channel and gets no more": async (open) => {
    await using pair = await open();
    const cause = new Error("seeded");
    const received = collect(pair.far, () => {
      throw cause;
    });
    for (let i = 0; i < 10; i++) pair.near.send(bytes(10));
    const error = await pair.far.closed;
    assert.ok(isCode("CHANNEL_MALFORMED")(error));
    assert.equal(error?.cause, cause);
    assert.equal(received.messages.length, 1);
    await pair.near.closed;
  },

  "a receiver that throws over what was kept breaks the channel too": async (open) => {
    await using pair = await open();
    for (let i = 0; i < 10; i++) pair.near.send(bytes(10));
    await roundTrip(pair.far, pair.near);
    const received = collect(pair.far, () => {
      throw new Error("seeded");
    });
    assert.ok(isCode("CHANNEL_MALFORMED")(await pair.far.closed));
    assert.equal(received.messages.length, 1);
  },
};
