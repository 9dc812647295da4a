import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";

import { describe, expect, it, vi } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { ChannelError } from "../../src/base/errors.ts";
import { Bell, mailbox, type MailSource } from "../../src/channel/mailbox.ts";
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

/** Has one message, which `taken` resolves with. */
function sourceOfOne(): MailSource & { readonly taken: Promise<void> } {
  const taken = deferred<void>();
  let has = true;
  return {
    taken: taken.promise,
    take: () => {
      const had = has;
      has = false;
      if (had) taken.resolve();
      return had;
    },
    threadEnds: () => {},
  };
}

describe("mailbox.block()", () => {
  it("looks at the source it is for, and leaves it before its event loop turns", async () => {
    const said: string[] = [];
    const here = deferred<void>();
    const looked: MailSource = {
      ...sourceOfOne(),
      look: () => said.push("look") < 3,
      leave: () => {
        said.push("leave");
        here.resolve();
      },
    };
    mailbox.add(looked);
    expect(mailbox.block(() => said.length >= 3, performance.now() + 10_000, looked)).toBe(true);
    await here.promise;
    mailbox.remove(looked);
    expect(said).toEqual(["look", "look", "look", "leave"]);
  });

  it("leaves one source before it looks at another", () => {
    const said: string[] = [];
    const source = (name: string): MailSource => ({
      ...sourceOfOne(),
      look: () => said.push(`look at ${name}`) > 0,
      leave: () => void said.push(`leave ${name}`),
    });
    const [outer, inner] = [source("outer"), source("inner")];
    const until = performance.now() + 10_000;
    let isNested = false;
    mailbox.block(
      () => {
        if (said.length > 0 && !isNested) {
          isNested = true;
          mailbox.block(() => said.includes("look at inner"), until, inner);
        }
        return said.at(-1) === "look at outer" && isNested;
      },
      until,
      outer,
    );
    expect(said).toEqual([
      "look at outer",
      "leave outer",
      "look at inner",
      "leave inner",
      "look at outer",
    ]);
    mailbox.block(() => true, until);
  });

  it("asks whether the other side is still there while nothing comes", () => {
    let asked = 0;
    const source: MailSource = { ...sourceOfOne(), stillThere: () => void asked++ };
    expect(mailbox.block(() => asked === 3, performance.now() + 10_000, source)).toBe(true);
  });

  it("gives up at the deadline though something always comes", () => {
    const source: MailSource = { ...sourceOfOne(), look: () => true };
    expect(mailbox.block(() => false, performance.now() + 20, source)).toBe(false);
    mailbox.block(() => true, 0);
  });
});
