import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { isRemote, set, within } from "../../src/remote.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

class Slow {
  readonly answers: (() => void)[] = [];
  wait<T>(value: T): Promise<T> {
    const { promise, resolve } = deferred<T>();
    this.answers.push(() => resolve(value));
    return promise;
  }
  make(): Promise<{ n: number }> {
    return this.wait({ n: 1 });
  }
  quick(): number {
    return 1;
  }
  async *items(): AsyncGenerator<number> {
    yield await this.wait(1);
  }
}

async function open(timeoutMs?: number) {
  const clock = new ManualClock();
  const slow = new Slow();
  const pair = await sessionPair({ near: { clock, timeoutMs }, far: { exports: { slow } } });
  return Object.assign(pair, { clock, slow, api: pair.near.remote<Slow>("slow") });
}

describe("timeoutMs", () => {
  it("X04 fails what is not answered in time, drops the late answer, and the next call works", async () => {
    await using pair = await open(100);
    const late = pair.api.make();
    await pair.fence();
    pair.clock.advance(60);
    const later = pair.api.wait(2);
    await pair.fence();
    expect(pair.near.stats()).toMatchObject({ pending: 2 });
    pair.clock.advance(40);
    await expect(late).rejects.toMatchObject({
      code: "REMOTE_TIMEOUT",
      message: "no answer to slow.make within 100 ms",
    });
    expect(pair.near.stats()).toMatchObject({ pending: 1 });
    pair.slow.answers[0]?.();
    expect(await pair.api.quick()).toBe(1);
    await pair.fence();
    expect([pair.near.stats().imports, pair.far.stats().exports]).toEqual([0, 0]);
    pair.slow.answers[1]?.();
    expect(await later).toBe(2);
  });

  it("counts from each call, and leaves no timer where none waits", async () => {
    await using pair = await open(100);
    expect(await pair.api.quick()).toBe(1);
    pair.clock.advance(90);
    const call = pair.api.wait(3);
    await pair.fence();
    pair.clock.advance(90);
    pair.slow.answers[0]?.();
    expect(await call).toBe(3);
    pair.clock.advance(1_000);
    expect(await pair.api.quick()).toBe(1);
  });

  it("lets iterations take their time", async () => {
    await using pair = await open(100);
    const seen: number[] = [];
    const loop = (async () => {
      for await (const item of pair.api.items()) seen.push(item);
    })();
    await expect.poll(() => pair.slow.answers.length).toBe(1);
    pair.clock.advance(1_000);
    pair.slow.answers[0]?.();
    await loop;
    expect(seen).toEqual([1]);
  });

  it("is no reason for close() to wait", async () => {
    await using pair = await open(100);
    const late = pair.api.wait(1);
    await pair.fence();
    pair.clock.advance(100);
    await expect(late).rejects.toMatchObject({ code: "REMOTE_TIMEOUT" });
    await pair.near.close();
  });
});

describe("within()", () => {
  it("limits one use of a reference, its properties and results that are not there yet", async () => {
    await using pair = await open();
    const api = within(pair.api, 50);
    const calls = [api.wait(1), api.make().n, set(api, "x", 1)];
    await pair.fence();
    expect(await api.quick()).toBe(1);
    pair.clock.advance(50);
    const outcomes = await Promise.allSettled(calls);
    const codes = outcomes.map(
      (one) => one.status === "rejected" && (one.reason as { code: string }).code,
    );
    expect(codes).toEqual(["REMOTE_TIMEOUT", "REMOTE_TIMEOUT", "REMOTE_DENIED"]);
    const patient = pair.api.wait(4);
    await pair.fence();
    pair.clock.advance(10_000);
    for (const answer of pair.slow.answers) answer();
    expect(await patient).toBe(4);
    expect(isRemote(api)).toBe(true);
  });

  it("gives up with the reason of a signal, before or after it is sent", async () => {
    await using pair = await open(1_000);
    const stop = new AbortController();
    const call = within(pair.api, stop.signal).wait(1);
    await pair.fence();
    const reason = new Error("enough");
    stop.abort(reason);
    await expect(call).rejects.toBe(reason);
    const { calls } = pair.near.stats();
    await expect(within(pair.api, stop.signal).quick()).rejects.toBe(reason);
    expect(pair.near.stats().calls).toBe(calls);
    const patient = within(pair.api, Infinity).wait(2);
    await pair.fence();
    pair.clock.advance(5_000);
    for (const answer of pair.slow.answers) answer();
    expect(await patient).toBe(2);
  });

  it("keeps a timer only as long as its call", async () => {
    await using pair = await open();
    const before = pair.clock.pending;
    const call = within(pair.api, 50).quick();
    expect(pair.clock.pending).toBe(before + 1);
    expect(await call).toBe(1);
    expect(pair.clock.pending).toBe(before);
  });

  it("refuses what is no reference, and what is no limit", () => {
    expect(() => within({}, 5)).toThrow(TypeError);
    expect(() => within(Object(1) as object, "5" as unknown as number)).toThrow(TypeError);
  });
});

describe("a peer that answers after all", () => {
  it("more than maxPendingCalls late is asked no more until it does", async () => {
    await using pair = await sessionPair({
      near: { limits: { maxPendingCalls: 3 }, clock: new ManualClock() },
      far: { exports: { slow: new Slow() } },
    });
    const stop = new AbortController();
    const api = within(pair.near.remote<Slow>("slow"), stop.signal);
    const calls = [api.wait(1), api.wait(2), api.wait(3)];
    await expect.poll(() => pair.far.stats().serving).toBe(3);
    stop.abort(new Error("stop"));
    expect((await Promise.allSettled(calls)).map(({ status }) => status)).toEqual([
      "rejected",
      "rejected",
      "rejected",
    ]);
    await expect(pair.near.names()).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
    pair.far.abort(new Error("over"));
  });
});
