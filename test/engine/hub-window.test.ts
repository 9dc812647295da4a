import { afterEach, describe, expect, it } from "vitest";

import { type Deferred, deferred } from "../../src/base/deferred.ts";
import { Window } from "../../src/engine/hub-window.ts";

const MEGABYTE = 1024 * 1024;

/** Whoever waits for an answer that was given has heard of it. */
async function settled(): Promise<void> {
  await new Promise(setImmediate);
}

afterEach(settled);

function failed(): never {
  throw new Error("nothing fails here");
}

/** Calls that nobody answers yet. */
class Calls {
  readonly all: Deferred<void>[] = [];

  next(): Promise<void> {
    const call = deferred<void>();
    this.all.push(call);
    return call.promise;
  }

  answer(): void {
    for (const { resolve } of this.all.splice(0)) resolve();
  }
}

describe("Window", () => {
  it("has room until as many calls are unanswered as it lets be", async () => {
    const calls = new Calls();
    const window = new Window(3, failed);
    expect([window.add(calls.next()), window.add(calls.next())]).toEqual([undefined, undefined]);
    const room = window.add(calls.next());
    expect(room).toBeInstanceOf(Promise);
    calls.all[1]?.resolve();
    await room;
    expect(window.add(calls.next())).toBeInstanceOf(Promise);
    calls.answer();
  });

  it("has room until a megabyte is unanswered, however few calls that are", async () => {
    const calls = new Calls();
    const window = new Window(4, failed);
    expect(window.add(calls.next(), MEGABYTE - 1)).toBeUndefined();
    const room = window.add(calls.next(), 1);
    expect(room).toBeInstanceOf(Promise);
    calls.answer();
    await room;
    expect(window.add(calls.next(), 10 * MEGABYTE)).toBeInstanceOf(Promise);
    calls.answer();
  });

  it("lets one call at a time through where others leave 64 megabytes unanswered, and holds up nobody who answers", async () => {
    const stuck = new Calls();
    const calls = new Calls();
    for (let i = 0; i < 64; i++) void new Window(4, failed).add(stuck.next(), MEGABYTE);
    const window = new Window(4, failed);
    for (let i = 0; i < 3; i++) {
      const room = window.add(calls.next(), 1);
      expect(room).toBeInstanceOf(Promise);
      calls.answer();
      await room;
    }
    stuck.answer();
    await settled();
    expect(window.add(calls.next(), 1)).toBeUndefined();
    calls.answer();
  });

  it("says that a call failed, and counts it no more", async () => {
    let failures = 0;
    const window = new Window(1, () => failures++);
    await window.add(Promise.reject(new Error("gone")), 2 * MEGABYTE);
    expect(failures).toBe(1);
    expect(new Window(2, failed).add(undefined, MEGABYTE - 1)).toBeUndefined();
  });
});
