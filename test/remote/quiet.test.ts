import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { KEEP, Operation, QUIET } from "../../src/remote/protocol.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { hostile, request } from "./hostile-peer.ts";

class Step {
  readonly #sum: number;
  constructor(sum: number) {
    this.#sum = sum;
  }
  plus(n: number): Step {
    return new Step(this.#sum + n);
  }
  async later(n: number): Promise<Step> {
    await Promise.resolve();
    return new Step(this.#sum + n);
  }
  fail(): Step {
    throw new RangeError("no such step");
  }
  get sum(): number {
    return this.#sum;
  }
}

const open = () => sessionPair({ far: { exports: { start: new Step(1) } } });

describe("a result that only later calls use", () => {
  it("is not sent: one message each way for a chain of calls", async () => {
    await using pair = await open();
    const start = pair.near.remote<Step>("start");
    const before = pair.near.stats();
    expect(await start.plus(2).later(3).plus(4).sum).toBe(10);
    const { imports, pending, sentMessages, receivedMessages } = pair.near.stats();
    expect([imports, pending]).toEqual([0, 0]);
    expect(sentMessages - before.sentMessages).toBe(1);
    expect(receivedMessages - before.receivedMessages).toBe(1);
    expect(pair.far.stats()).toMatchObject({ exports: 3, waiting: 0, serving: 0 });
  });

  it("can be used, and waited for, at any time later", async () => {
    await using pair = await open();
    const first = pair.near.remote<Step>("start").later(1);
    expect(await first.plus(1).sum).toBe(3);
    expect(await first.plus(2).sum).toBe(4);
    const step = await first;
    expect(await step.sum).toBe(2);
    expect(await first).toBe(step);
    expect(await first.plus(3).sum).toBe(5);
    const chained = pair.near.remote<Step>("start").plus(5);
    void chained.plus(1);
    await pair.fence();
    expect(await chained.then((found) => found.sum)).toBe(6);
  });

  it("fails whoever uses it, and whoever waits for it later, with the same reason", async () => {
    await using pair = await open();
    const failed = pair.near.remote<Step>("start").fail();
    await expect(failed.plus(1)).rejects.toThrow(new RangeError("no such step"));
    await expect(failed).rejects.toThrow(new RangeError("no such step"));
    await expect(failed.plus(2)).rejects.toThrow(new RangeError("no such step"));
  });

  it("can't be waited for once the session is over", async () => {
    const pair = await open();
    const first = pair.near.remote<Step>("start").plus(1);
    expect(await first.plus(1).sum).toBe(3);
    await pair[Symbol.asyncDispose]();
    await expect(first).rejects.toMatchObject({ code: "REMOTE_CLOSED" });
  });

  it("is let go over there when nothing here can ask for it", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    await using pair = await open();
    const start = pair.near.remote<Step>("start");
    for (let i = 0; i < 100; i++) expect(await start.plus(1).plus(2).sum).toBe(4);
    expect(pair.far.stats().exports).toBe(200);
    await expect
      .poll(async () => {
        collect();
        await pair.fence();
        return pair.far.stats().exports;
      })
      // The last group is open for more.
      .toBeLessThanOrEqual(16);
  });
});

describe("a peer that wants no answer", () => {
  it("may finish with a result before it is there", async () => {
    const gate = deferred<number>();
    await using peer = await hostile({ exports: { wait: () => gate.promise } });
    peer.send((writer) => {
      request(writer, { kind: Operation.call | KEEP | QUIET, path: ["wait"] });
      for (const byte of [0x23, 1, 1]) writer.u8(byte);
    });
    await expect.poll(() => peer.session.stats()).toMatchObject({ serving: 1, waiting: 0 });
    gate.resolve(1);
    await expect.poll(() => peer.session.stats()).toMatchObject({ serving: 0, exports: 0 });
    peer.sendBytes(0x23, 1, 1);
    peer.sendBytes(0x23, 1, 2);
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });

  it("must keep what it asks for", async () => {
    await using peer = await hostile();
    peer.send((writer) => request(writer, { kind: Operation.call | QUIET, path: ["offered"] }));
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
  });
});
