/** The acceptance cases D (references), X (disconnects) and B (large things) of stubs. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { connect, listen, openSession, release, type Session, within } from "../../src/remote.ts";
import { memoryChannelPair } from "../../src/channel/memory.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

async function collected(done: () => boolean, fence: () => Promise<void>): Promise<void> {
  for (let i = 0; i < 50 && !done(); i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    await fence();
  }
}

const thing = { n: 5 };
let disposed = 0;
class Resource {
  readonly #size = 1;
  get size(): number {
    return this.#size;
  }
  [Symbol.dispose](): void {
    disposed++;
  }
}
const api = {
  thing: () => thing,
  make: () => ({ n: 1 }),
  resource: () => new Resource(),
  many: () => Array.from({ length: 50 }, () => thing),
  hold: (held: unknown) => {
    const mine = { held };
    return mine;
  },
  never: () => new Promise(() => {}),
  pass: (f: () => unknown) => f(),
  echo: (value: unknown) => value,
  size: (value: string | Uint8Array) => value.length,
};

async function open() {
  const pair = await sessionPair({ far: { exports: { api } } });
  return Object.assign(pair, { api: pair.near.remote<typeof api>("api") });
}

describe("references", () => {
  it("D01 that are released are forgotten by the other side", async () => {
    await using pair = await open();
    const ref = await pair.api.make();
    expect(pair.far.stats().exports).toBe(1);
    release(ref);
    await pair.fence();
    expect([pair.near.stats().imports, pair.far.stats().exports]).toEqual([0, 0]);
  });

  it("D02 that are sent again while they are given back stay alive", async () => {
    await using pair = await open();
    for (let i = 0; i < 200; i++) {
      const first = await pair.api.thing();
      const second = pair.api.thing();
      release(first);
      const again = await second;
      expect(await again.n).toBe(5);
      if (i % 2 === 0) release(again);
    }
  });

  it("D04 to one object, fifty times in a message, are one entry, given back at once", async () => {
    const exports = {
      many: () => Array.from({ length: 50 }, () => new Map([[1, 1]])),
      one: api.many,
    };
    await using pair = await sessionPair({ far: { exports, plain: "copy" } });
    const all = await pair.near.remote<() => object[], "copy">("one")();
    expect(all).toHaveLength(50);
    const maps = await pair.near.remote<() => Map<number, number>[], "copy">("many")();
    expect(pair.far.stats().exports).toBe(50);
    const { sentMessages } = pair.near.stats();
    for (const map of maps as unknown as object[]) release(map);
    await pair.fence();
    expect(pair.far.stats().exports).toBe(0);
    expect(pair.near.stats().sentMessages - sentMessages).toBeLessThanOrEqual(5);
  });

  it("D06 of a loop in a scope stay few, however many it makes", async () => {
    await using pair = await open();
    await pair.near.scope(async () => {
      for (let i = 0; i < 20; i++) {
        await pair.near.scope(async () => {
          await Promise.all(Array.from({ length: 500 }, () => pair.api.make()));
        });
        await pair.fence();
        expect(pair.far.stats().exports).toBeLessThanOrEqual(500);
      }
    });
    await pair.fence();
    expect(pair.far.stats().exports).toBe(0);
  });

  it("D08 of a call that never reaches the other side are taken back", async () => {
    await using pair = await open();
    const wrong = pair.api as unknown as { echo(...args: unknown[]): Promise<unknown> };
    await expect(wrong.echo({}, () => 1, new Map(), 2n ** 200_000n)).rejects.toMatchObject({
      code: "WIRE_LIMIT",
    });
    expect(pair.near.stats()).toMatchObject({ exports: 0, pending: 0, waiting: 0 });
    const stop = AbortSignal.abort(new Error("too late"));
    await expect(within(wrong, stop).echo({}, () => 1)).rejects.toThrow("too late");
    expect(pair.near.stats().exports).toBe(0);
    await pair.near.close();
    await expect(wrong.echo({}, () => 1)).rejects.toMatchObject({ code: "REMOTE_CLOSED" });
    expect(pair.near.stats().exports).toBe(0);
  });

  it("D10 are void at the end of the session, and nothing is retained", async () => {
    const held: WeakRef<object>[] = [];
    const pair = await open();
    await (async () => {
      const ref = await pair.api.hold({ near: true });
      held.push(new WeakRef<object>(ref));
      const callback = { call: () => 1 };
      held.push(new WeakRef<object>(callback));
      await pair.api.hold(callback);
    })();
    await pair[Symbol.asyncDispose]();
    // Whoever looks at one keeps it until the end of the job.
    for (let i = 0; i < 5; i++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(held.map((ref) => ref.deref() === undefined)).toEqual([true, true]);
  });

  it("D11 are given back with using", async () => {
    await using pair = await open();
    disposed = 0;
    {
      using resource = await pair.api.resource();
      expect(await resource.size).toBe(1);
    }
    await pair.fence();
    // The reference is given back; the object over there is its owner's to dispose of.
    expect([pair.far.stats().exports, disposed]).toEqual([0, 0]);
  });

  it("D12 across the wire and back hold each other: stats() shows it, release() or the end frees it", async () => {
    await using pair = await open();
    const near: { far?: unknown } = {};
    near.far = await pair.api.hold(near);
    const held = new WeakRef<object>(near);
    await collected(
      () => pair.far.stats().exports === 0,
      () => pair.fence(),
    );
    // Neither collector sees the other half of the circle.
    expect(pair.near.stats()).toMatchObject({ exports: 1, imports: 1 });
    expect(pair.far.stats()).toMatchObject({ exports: 1, imports: 1 });
    expect(held.deref()).toBe(near);
    release(near.far);
    delete near.far;
    await collected(
      () => pair.near.stats().exports === 0,
      () => pair.fence(),
    );
    expect(pair.far.stats()).toMatchObject({ exports: 0, imports: 0 });
  });

  it("D14 that were released fail, and do not bring the object back; a property keeps its own alive", async () => {
    await using pair = await open();
    const ref = await pair.api.make();
    const property = ref.n;
    release(ref);
    await expect(ref.n).rejects.toMatchObject({ code: "REMOTE_RELEASED" });
    await expect((async () => await property)()).rejects.toMatchObject({ code: "REMOTE_RELEASED" });
    const passed = pair.api.echo(ref);
    await expect(passed).rejects.toMatchObject({ code: "REMOTE_RELEASED" });
    await pair.fence();
    expect(pair.far.stats().exports).toBe(0);
    const alive = await (async () => (await pair.api.make()).n)();
    expect(alive).toBe(1);
    const only = await (async () => {
      const made = await pair.api.make();
      return { n: made.n };
    })();
    for (let i = 0; i < 5; i++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await only.n).toBe(1);
  });
});

describe("a session that ends", () => {
  it("X01 fails every pending call at once, with one error", async () => {
    const pair = await open();
    const calls = [pair.api.never(), pair.api.never()];
    await pair.near.names();
    pair.far.abort(new Error("gone"));
    const reasons = await Promise.allSettled(calls);
    expect(reasons.map((one) => one.status)).toEqual(["rejected", "rejected"]);
    expect((reasons[0] as PromiseRejectedResult).reason).toMatchObject({ code: "REMOTE_BROKEN" });
    expect((reasons[0] as PromiseRejectedResult).reason).toBe(
      (reasons[1] as PromiseRejectedResult).reason,
    );
  });

  it("X10 takes nothing more, and says so", async () => {
    const pair = await open();
    await pair.near.close();
    await expect(pair.api.thing()).rejects.toMatchObject({ code: "REMOTE_CLOSED" });
    await expect(pair.near.names()).rejects.toMatchObject({ code: "REMOTE_CLOSED" });
    await expect((async () => await pair.api.thing)()).rejects.toMatchObject({
      code: "REMOTE_CLOSED",
    });
    await expect(
      (async () => {
        for await (const _ of pair.api.many()) break;
      })(),
    ).rejects.toMatchObject({ code: "REMOTE_CLOSED" });
  });

  it("X11 tells each listener once, and those that come late at once", async () => {
    const pair = await open();
    const heard: string[] = [];
    using one = pair.near.onBroken(() => heard.push("one"));
    pair.near.onBroken(() => heard.push("never"))[Symbol.dispose]();
    pair.far.abort(new Error("x"));
    await pair.near.closed;
    pair.near.onBroken(() => heard.push("late"));
    expect(heard).toEqual(["one", "late"]);
    one[Symbol.dispose]();
  });

  it("X12 hands the reason of an abort to onBroken, as the error it is", async () => {
    const pair = await open();
    const told = deferred<unknown>();
    using listener = pair.near.onBroken(told.resolve);
    pair.far.abort(Object.assign(new RangeError("out of work"), { code: 7 }));
    const error = (await told.promise) as RangeError & { code: number };
    listener[Symbol.dispose]();
    expect(error).toBeInstanceOf(RangeError);
    expect([error.message, error.code]).toEqual(["out of work", 7]);
  });

  it("X13 aborts what it was asked to do by signals, on the side that serves", async () => {
    const aborted = deferred<unknown>();
    const wait = (signal: AbortSignal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          aborted.resolve(signal.reason);
          resolve("stopped");
        });
      });
    await using pair = await sessionPair({ far: { exports: { wait } } });
    const stop = new AbortController();
    const call = pair.near.remote<typeof wait>("wait")(stop.signal);
    await pair.fence();
    stop.abort(new Error("enough"));
    expect(await call).toBe("stopped");
    expect(String(await aborted.promise)).toBe("Error: enough");
  });
});

const SCHEMES = ["memory", "unix", "tcp", "ws"] as const;

interface Far extends AsyncDisposable {
  readonly near: Session;
  readonly far: Session;
}

async function over(
  scheme: (typeof SCHEMES)[number],
  exports: Record<string, unknown>,
): Promise<Far> {
  const limits = { maxMessageBytes: 160 * 2 ** 20 };
  if (scheme === "memory") {
    const [nearEnd, farEnd] = memoryChannelPair({ limits });
    const opening = openSession(nearEnd, { limits });
    const far = await openSession(farEnd, { exports, limits });
    const near = await opening;
    return { near, far, [Symbol.asyncDispose]: async () => await near.close() };
  }
  const folder = mkdtempSync(join(tmpdir(), "banyan-b-"));
  const url = scheme === "unix" ? `unix:${join(folder, "s")}` : `${scheme}://127.0.0.1:0`;
  const opened = deferred<Session>();
  const listener = await listen(url, { exports, limits, onSession: opened.resolve });
  const near = await connect(listener.address, { limits });
  return {
    near,
    far: await opened.promise,
    [Symbol.asyncDispose]: async () => {
      await near.close();
      await listener.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describe.each(SCHEMES)("large things over %s", (scheme) => {
  it("B02 a stream with a slow reader is read no further than asked, and other calls pass", async () => {
    let produced = 0;
    const PIECE = 256 * 1024;
    // A hundred MiB where that is quick.
    const pieces = scheme === "memory" || scheme === "unix" ? 400 : 128;
    const stream = () =>
      new ReadableStream(
        {
          pull: (controller) => {
            if (produced++ === pieces) controller.close();
            else controller.enqueue(new Uint8Array(PIECE));
          },
        },
        { highWaterMark: 0 },
      );
    await using pair = await over(scheme, { stream, ping: () => "pong" });
    const reader = (await pair.near.remote<typeof stream>("stream")()).getReader();
    const ping = pair.near.remote<() => string>("ping");
    let read = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      read += (value as Uint8Array).length;
      if (read % (64 * PIECE) !== 0) continue;
      expect(await ping()).toBe("pong");
      // What was taken out of the source and not read is some pieces.
      expect(produced * PIECE - read).toBeLessThanOrEqual(32 * PIECE);
    }
    expect(read).toBe(pieces * PIECE);
  }, 180_000);

  it("B04 a stream in a result that nobody reads is cancelled when it is released", async () => {
    const cancelled = deferred<void>();
    const source = () => new ReadableStream({ cancel: () => cancelled.resolve() });
    await using pair = await over(scheme, { source });
    const body = await pair.near.remote<() => ReadableStream>("source")();
    release(body);
    await cancelled.promise;
    await expect.poll(() => pair.far.stats().exports).toBe(0);
  });

  it("B06 64 MiB of text and bytes go both ways, in pieces that are put together once", async () => {
    await using pair = await over(scheme, { api });
    const remote = pair.near.remote<typeof api>("api");
    const size = 64 * 2 ** 20;
    const bytes = new Uint8Array(size).fill(7);
    expect(await remote.size(bytes)).toBe(size);
    const back = (await remote.echo(bytes)) as Uint8Array;
    expect([back.length, back[0], back.at(-1)]).toEqual([size, 7, 7]);
    const text = "x".repeat(size);
    expect(await remote.size(text)).toBe(text.length);
    expect((await remote.echo(text)) === text).toBe(true);
  }, 180_000);
});
