/** Requests of bytes alone. */
import { describe, expect, it } from "vitest";

import { deferred } from "../../src/base/deferred.ts";
import { byteCallsOf } from "../../src/remote/byte-calls.ts";
import { Frame, KEEP, Operation, QUIET } from "../../src/remote/protocol.ts";
import type { Session, SessionOptions } from "../../src/remote/session.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import type { TraceEvent } from "../../src/remote/trace.ts";
import type { Writer } from "../../src/wire/writer.ts";
import { hostile } from "./hostile-peer.ts";

function ask(session: Session, ...bytes: number[]): Promise<unknown> {
  return byteCallsOf(session).ask((writer) => writer.bytes(Uint8Array.from(bytes)));
}

function zeros(size: number): (writer: Writer) => void {
  return (writer) => writer.bytes(new Uint8Array(size));
}

/** Sessions of which the far one answers with a copy of what it got. */
async function echoing(near: SessionOptions = {}, far: SessionOptions = {}) {
  const pair = await sessionPair({ near, far });
  byteCallsOf(pair.far).take((bytes) => bytes.slice());
  return pair;
}

describe("byteCallsOf", () => {
  it("asks whoever takes bytes at the other side, both ways, and gives what that gives", async () => {
    await using pair = await echoing();
    expect(await ask(pair.near, 1, 2, 3)).toEqual(Uint8Array.of(1, 2, 3));
    expect(await ask(pair.near)).toEqual(new Uint8Array());
    byteCallsOf(pair.near).take(async (bytes) => ({ length: bytes.length }));
    const given = (await ask(pair.far, 1, 2)) as { length: Promise<number> } & Disposable;
    expect(await given.length).toBe(2);
    given[Symbol.dispose]();
    await pair.fence();
  });

  it("is in order with all other calls", async () => {
    const came: string[] = [];
    const exports = { note: (text: string) => void came.push(text) };
    await using pair = await sessionPair({ far: { exports } });
    byteCallsOf(pair.far).take((bytes) => void came.push(`bytes ${bytes[0]}`));
    const note = pair.near.remote<(text: string) => void>("note");
    await Promise.all([note("a"), ask(pair.near, 1), note("b"), ask(pair.near, 2), note("c")]);
    expect(came).toEqual(["a", "bytes 1", "b", "bytes 2", "c"]);
    expect(pair.near.stats().roundTrips).toBe(1);
  });

  it("fails where nobody takes them, and with what who takes them throws or rejects with", async () => {
    await using pair = await sessionPair();
    await expect(ask(pair.near, 1)).rejects.toMatchObject({ code: "REMOTE_NOT_FOUND" });
    byteCallsOf(pair.far).take((bytes) => {
      if (bytes[0] === 1) throw new RangeError("thrown");
      return Promise.reject(new TypeError("rejected"));
    });
    await expect(ask(pair.near, 1)).rejects.toThrow(new RangeError("thrown"));
    await expect(ask(pair.near, 2)).rejects.toThrow(new TypeError("rejected"));
    expect(() => byteCallsOf({} as Session)).toThrow(TypeError);
  });

  it("leaves nothing behind of what could not be written", async () => {
    await using pair = await echoing();
    const failed = byteCallsOf(pair.near).ask((writer) => {
      writer.bytes(Uint8Array.of(9, 9, 9));
      throw new RangeError("half-way");
    });
    const next = ask(pair.near, 7);
    await expect(failed).rejects.toThrow("half-way");
    expect(await next).toEqual(Uint8Array.of(7));
  });

  it("sends what does not fit behind the rest of a message in one of its own, and refuses what fits in none", async () => {
    await using pair = await echoing({ limits: { maxMessageBytes: 20_000 } });
    const calls = byteCallsOf(pair.near);
    const sizes = [12_000, 14_000, 16_000];
    const answers = await Promise.all(sizes.map((size) => calls.ask(zeros(size))));
    expect(answers.map((bytes) => (bytes as Uint8Array).length)).toEqual(sizes);
    await expect(calls.ask(zeros(20_000))).rejects.toMatchObject({ code: "WIRE_LIMIT" });
    expect(await ask(pair.near, 1)).toEqual(Uint8Array.of(1));
  });

  it("keeps the limits of calls on both sides", async () => {
    await using pair = await sessionPair({
      near: { limits: { maxPendingCalls: 3 } },
      far: { limits: { maxPendingCalls: 2 } },
    });
    const wait = deferred<string>();
    byteCallsOf(pair.far).take(() => wait.promise);
    const asked = [1, 2, 3, 4].map((byte) => ask(pair.near, byte));
    // The far side serves two, the near one asks three.
    await expect(asked[2]).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
    await expect(asked[3]).rejects.toMatchObject({ code: "REMOTE_LIMIT" });
    wait.resolve("done");
    expect(await Promise.all(asked.slice(0, 2))).toEqual(["done", "done"]);
  });

  it("is waited for by close(), and fails with the session", async () => {
    await using pair = await sessionPair();
    const wait = deferred<string>();
    const came = deferred<void>();
    byteCallsOf(pair.far).take(() => {
      came.resolve();
      return wait.promise;
    });
    const asked = ask(pair.near, 1);
    await came.promise;
    const closing = pair.near.close();
    await expect(ask(pair.near, 2)).rejects.toMatchObject({ code: "REMOTE_CLOSED" });
    wait.resolve("before the end");
    expect(await asked).toBe("before the end");
    await closing;

    await using other = await sessionPair();
    byteCallsOf(other.far).take(() => new Promise(() => {}));
    const lost = ask(other.near, 1);
    other.far.abort(new Error("broken"));
    await expect(lost).rejects.toMatchObject({ code: "REMOTE_BROKEN" });
  });

  it("tells a trace of them, and of no bytes", async () => {
    const near: TraceEvent[] = [];
    const far: TraceEvent[] = [];
    await using pair = await echoing(
      { trace: (event) => void near.push(event) },
      { trace: (event) => void far.push(event) },
    );
    await ask(pair.near, 1);
    const request = { type: "request", request: 1, operation: "bytes", path: [] };
    const answer = { type: "answer", request: 1 };
    expect(near.slice(0, 2)).toMatchObject([
      { direction: "sent", ...request },
      { direction: "received", ...answer },
    ]);
    expect(far.slice(0, 2)).toMatchObject([
      { direction: "received", ...request },
      { direction: "sent", ...answer },
    ]);
  });

  it("is refused within what is being sent, as any call, and disturbs nothing", async () => {
    const exports = { count: (value: object) => Object.keys(value).length };
    await using pair = await sessionPair({ near: { plain: "copy" }, far: { exports } });
    byteCallsOf(pair.far).take(() => "bytes");
    const count = pair.near.remote<(value: object) => number>("count");
    const within: Promise<unknown>[] = [];
    const value = {
      get a() {
        within.push(ask(pair.near, 1), count({}));
        return 1;
      },
    };
    const sent = count(value);
    expect(within).toHaveLength(2);
    for (const one of within) await expect(one).rejects.toThrow("while its object was being sent");
    expect(await sent).toBe(1);
    expect(await ask(pair.near, 1)).toBe("bytes");
  });
});

describe("a peer that breaks the protocol with bytes alone", () => {
  it.each<[string, number[]]>([
    ["that are less than they say", [Operation.bytes, 5, 0, 0, 0, 1, 2]],
    ["of 4 GiB", [Operation.bytes, 255, 255, 255, 255, 1]],
    ["without a size", [Operation.bytes, 1, 0]],
    ["that are kept", [Operation.bytes | KEEP, 0, 0, 0, 0, 0]],
    ["that are quiet", [Operation.bytes | KEEP | QUIET, 0, 0, 0, 0, 0]],
  ])("%s loses the session, with REMOTE_PROTOCOL", async (_, bytes) => {
    await using peer = await hostile();
    byteCallsOf(peer.session).take(() => 1);
    peer.sendBytes(...bytes);
    expect(await peer.session.closed).toMatchObject({ code: "REMOTE_PROTOCOL" });
    expect((await peer.answer)[0]).toBe(Frame.broken);
  });
});
