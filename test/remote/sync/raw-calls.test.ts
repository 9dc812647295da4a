import { MessageChannel } from "node:worker_threads";

import { describe, expect, it } from "vitest";

import { ChannelError } from "../../../src/base/errors.ts";
import { threadChannel } from "../../../src/channel/thread.ts";
import { Frame, Operation } from "../../../src/remote/protocol.ts";
import { Reflection } from "../../../src/remote/reflect.ts";
import {
  answer,
  call,
  list,
  plain,
  type RawPeer,
  rawPeer,
  type RawRequest,
  theirs,
  thing,
  type,
  type Write,
} from "./raw-peer.ts";

const coded = (code: string): unknown => expect.objectContaining({ code });
const FUNCTION = 1;

/** `thing` is #1, which is a function; everything else is left to the test. */
function withThing(
  then: (request: RawRequest, peer: RawPeer) => void,
): (request: RawRequest, peer: RawPeer) => void {
  return (request, peer) => {
    if (request.operation === Operation.get) {
      peer.send(answer(request.id, thing(1, type.unknown, FUNCTION)));
    } else {
      then(request, peer);
    }
  };
}

/** How long it took, and what it threw. */
function failing(body: () => unknown): { readonly error: unknown; readonly ms: number } {
  const start = performance.now();
  try {
    body();
  } catch (error) {
    return { error, ms: performance.now() - start };
  }
  return { error: undefined, ms: performance.now() - start };
}

function bytes(...values: number[]): Write {
  return (writer) => {
    for (const value of values) writer.u8(value);
  };
}

describe("a call that a raw peer answers badly (Z12)", () => {
  it.each<[string, (id: number) => readonly Write[]]>([
    ["an answer to a call that was never made", () => [answer(77, plain(1))]],
    ["two answers", (id) => [answer(id, plain(1)), answer(id, plain(2))]],
    ["a value without end", (id) => [bytes(Frame.answer, id, 0xc8, 0xff, 0xff, 0x7f)]],
    ["half a frame", (id) => [bytes(Frame.answer, id)]],
    ["garbage", () => [bytes(0xff, 0xfe, 0x7f, 0x00, 0x13)]],
    ["a tag that there is not", (id) => [bytes(Frame.answer, id, 0xd3)]],
    ["a type that was not told", (id) => [answer(id, thing(2, type.known(9)))]],
    ["an intrinsic that there is not", (id) => [answer(id, theirs.intrinsic("process"))]],
    ["something of ours that it never had", (id) => [answer(id, theirs.home(5))]],
    ["a settled promise that there is not", () => [bytes(Frame.settled, 9, 1, 1)]],
    ["lists within each other without end", (id) => [answer(id, deep(10_000))]],
  ])("fails at once with the session: %s", async (_, answers) => {
    await using peer = rawPeer(withThing(({ id }, { send }) => send(...answers(id))));
    const remote = peer.near.remote<() => unknown>("thing");
    const { error, ms } = failing(() => remote());
    // Of two answers, the first was one.
    expect(error ?? coded("REMOTE_BROKEN")).toEqual(coded("REMOTE_BROKEN"));
    expect(ms).toBeLessThan(5_000);
    expect(await peer.near.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("fails in its time where nothing more comes, and the session goes on", async () => {
    let silent = true;
    await using peer = rawPeer(
      withThing(({ id }, { send }) => {
        if (!silent) send(answer(id, plain(5)));
      }),
    );
    const remote = peer.near.remote<() => unknown>("thing");
    expect(() => peer.near.withTimeout(20, () => remote())).toThrow(coded("REMOTE_TIMEOUT"));
    silent = false;
    expect(remote()).toBe(5);
    peer.send(answer(2, plain("late")));
    expect(remote()).toBe(5);
  });

  it("fails in its time where messages come without end", async () => {
    await using peer = rawPeer(
      withThing(() => {}),
      { exports: { nothing: () => {} } },
    );
    const remote = peer.near.remote<() => unknown>("thing");
    using _ = eachMessage(() => {
      peer.send(call("nothing", 0));
    });
    const { error, ms } = failing(() => peer.near.withTimeout(50, () => remote()));
    expect(error).toEqual(coded("REMOTE_TIMEOUT"));
    expect(ms).toBeLessThan(20_000);
  });

  it("holds no more requests meanwhile than maxPendingCalls, and refuses the others", async () => {
    let served = 0;
    const limits = { maxPendingCalls: 10 };
    await using peer = rawPeer(
      withThing(({ id }, { send }) => {
        for (let i = 0; i < 100; i++) send(call("count", 0));
        send(answer(id, plain("done")));
      }),
      { exports: { count: () => ++served }, limits },
    );
    const remote = peer.near.remote<() => unknown>("thing");
    expect(remote()).toBe("done");
    expect(served).toBe(0);
    await new Promise((resolve) => void setImmediate(resolve));
    while (peer.near.stats().serving > 0)
      await new Promise((resolve) => void setImmediate(resolve));
    for (let i = 0; i < 20; i++) await new Promise((resolve) => void setImmediate(resolve));
    expect(served).toBe(10);
  });
});

describe("a request that is served while a thread blocks", () => {
  const exports = { use: (what: { readonly x: unknown }) => what.x };

  it("lasts no longer than the call it is served within, whatever it waits for", async () => {
    await using peer = rawPeer(
      withThing(({ reflection, chain }, { send }) => {
        if (reflection === Reflection.apply) send(call("use", chain, thing(2)));
      }),
      { exports },
    );
    const remote = peer.near.remote<() => unknown>("thing");
    const { error, ms } = failing(() => {
      peer.near.withTimeout(100, () => remote());
    });
    expect(error).toEqual(coded("REMOTE_TIMEOUT"));
    expect(ms).toBeLessThan(20_000);
  });

  it("is followed by no other once a call is over its time, also of another chain", async () => {
    let nested = 0;
    await using peer = rawPeer(
      withThing((_, { send }) => {
        if (++nested < 1_000) send(call("use", 1_000 + nested, thing(1 + nested)));
      }),
      { exports, timeoutMs: 100 },
    );
    const remote = peer.near.remote<() => unknown>("thing");
    const { error, ms } = failing(() => remote());
    expect((error as { code: string }).code).toMatch(/REMOTE_(TIMEOUT|LIMIT)/);
    expect(ms).toBeLessThan(20_000);
    expect(nested).toBeLessThan(300);
  });
});

/** Lists of one list each. */
function deep(levels: number): Write {
  return (writer) => {
    for (let i = 0; i < levels; i++) list(() => {})(writer);
  };
}

/** Does this for each message that the thread hands out, and sees to it that there is always one more. */
function eachMessage(run: () => void): Disposable {
  const { port1, port2 } = new MessageChannel();
  const [near, far] = [threadChannel(port1), threadChannel(port2)];
  let stopped = false;
  far.receive(() => {
    if (stopped) return;
    run();
    near.send(new Uint8Array(1));
  });
  near.receive(() => {});
  near.send(new Uint8Array(1));
  return {
    [Symbol.dispose]: () => {
      stopped = true;
      near.abort(new ChannelError("CHANNEL_CLOSED", "the test is over"));
    },
  };
}
