import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";

import { expect, it, vi } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { ChannelError } from "../../src/base/errors.ts";
import { Bell } from "../../src/channel/mailbox.ts";
import { threadChannel } from "../../src/channel/thread.ts";

it("a mailbox listens also where it is rung while it is about to listen", async () => {
  const load = Atomics.load.bind(Atomics) as (words: Int32Array, index: number) => number;
  // What another thread may do between two steps of this one, once.
  const spy = vi.spyOn(Atomics, "load") as unknown as {
    mockImplementation(run: typeof load): void;
    mockRestore(): void;
  };
  spy.mockImplementation((words, index) => {
    const value = load(words, index);
    if (words.length === 1 && value === 0) Atomics.add(words, 0, 1);
    return value;
  });
  const { port1, port2 } = new MessageChannel();
  const channel = threadChannel(port1);
  spy.mockRestore();
  const arrived = deferred<Uint8Array>();
  channel.receive(arrived.resolve);
  await new Promise((resolve) => void setImmediate(resolve));
  // The other side, as far as it has to be there.
  const introduction = receiveMessageOnPort(port2)?.message as { readonly bell: SharedArrayBuffer };
  port2.postMessage(Uint8Array.of(7).buffer);
  new Bell(introduction.bell).ring();
  expect(await arrived.promise).toEqual(Uint8Array.of(7));
  channel.abort(new ChannelError("CHANNEL_CLOSED"));
});
