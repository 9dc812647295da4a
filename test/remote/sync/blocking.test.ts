import { EventEmitter, once } from "node:events";
import { MessageChannel } from "node:worker_threads";

import { describe, expect, it } from "vitest";

import { deferred } from "../../../src/base/deferred.ts";
import { threadChannel } from "../../../src/channel/thread.ts";
import { openSyncSession, refuseBlocking } from "../../../src/remote/sync/session.ts";
import { syncPair } from "./pair.ts";

function failThere(): void {
  throw new RangeError("no", { cause: new TypeError("why") });
}

describe("a synchronous call", () => {
  it("has its callbacks called before it returns, with their results and errors (F02 F06)", async () => {
    const caught: unknown[] = [];
    const tools = {
      plusThree: (f: () => number) => f() + 3,
      attempt: (f: () => void) => {
        try {
          f();
        } catch (error) {
          caught.push(error);
          throw error;
        }
      },
    };
    await using pair = syncPair({ exports: { tools } });
    const remote = pair.near.remote<typeof tools>("tools");
    expect(remote.plusThree(() => 1)).toBe(4);
    const mine = new RangeError("mine");
    let back: unknown;
    try {
      remote.attempt(() => {
        throw mine;
      });
    } catch (error) {
      back = error;
    }
    expect(back).toBe(mine);
    expect(caught[0]).toBeInstanceOf(RangeError);
  });

  it.each([10, 200])("may be answered by calling back, %i deep (F04)", async (depth) => {
    interface Side {
      down(n: number, other: Side): number;
    }
    const far: Side = { down: (n, other) => (n === 0 ? 0 : 1 + other.down(n - 1, far)) };
    await using pair = syncPair({ exports: { far } });
    const remote = pair.near.remote<Side>("far");
    const near: Side = { down: (n, other) => (n === 0 ? 0 : 1 + other.down(n - 1, near)) };
    expect(remote.down(depth, near)).toBe(depth);
  });

  it("fails with REMOTE_LIMIT where it is nested too deeply, and works again afterwards", async () => {
    const far = { call: (f: () => unknown) => f() };
    await using pair = syncPair({ exports: { far } });
    const remote = pair.near.remote<typeof far>("far");
    const forever = (): unknown => remote.call(forever);
    expect(forever).toThrow(expect.objectContaining({ code: "REMOTE_LIMIT" }));
    expect(remote.call(() => 5)).toBe(5);
  });

  it("works with emitters of either side (F14)", async () => {
    const emitter = new EventEmitter();
    const tools = { fire: (target: EventEmitter) => target.emit("x", 2) };
    await using pair = syncPair({ exports: { emitter, tools } });
    const heard: number[] = [];
    const remote = pair.near.remote<EventEmitter>("emitter");
    remote.on("x", (n: number) => heard.push(n));
    emitter.emit("x", 1);
    const mine = new EventEmitter();
    mine.on("x", (n: number) => heard.push(n));
    pair.near.remote<typeof tools>("tools").fire(mine);
    expect(heard).toEqual([1, 2]);
  });

  it("throws errors of the right class, with the stacks of both sides", async () => {
    const tools = { fail: failThere };
    await using pair = syncPair({ exports: { tools } });
    const remote = pair.near.remote<typeof tools>("tools");
    const callHere = (): void => remote.fail();
    let error: unknown;
    try {
      callHere();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RangeError);
    expect((error as RangeError).cause).toBeInstanceOf(TypeError);
    expect((error as RangeError).stack).toContain("failThere");
    expect((error as RangeError).stack).toContain("callHere");
  });

  it("times out, drops the late answer and gives back what is in it", async () => {
    const late = deferred<object>();
    await using pair = syncPair({ exports: { late: late.promise, now: { value: 1 } } });
    expect(pair.near.remote<{ value: number }>("now").value).toBe(1);
    const start = performance.now();
    expect(() => pair.near.withTimeout(20, () => pair.near.remote("late"))).toThrow(
      expect.objectContaining({ code: "REMOTE_TIMEOUT" }),
    );
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(pair.near.remote<{ value: number }>("now").value).toBe(1);
    const { exports } = pair.far.stats();
    late.resolve({ deep: { a: 1 }, run: () => {} });
    // What hangs on the promise runs before the event loop turns.
    await new Promise((resolve) => void setImmediate(resolve));
    expect(pair.near.names()).toEqual(["late", "now"]);
    expect(pair.near.names()).toEqual(["late", "now"]);
    expect(pair.far.stats().exports).toBe(exports);
    expect(pair.near.stats().pending).toBe(0);
  });

  it("is refused where the thread must not block", async () => {
    await using pair = syncPair({ exports: { thing: { a: 1 } } });
    const remote = pair.near.remote<{ a: number }>("thing");
    {
      using _grace = refuseBlocking("it renews a lease");
      expect(() => remote.a).toThrow("it renews a lease");
    }
    expect(remote.a).toBe(1);
  });

  it("fails at once on a closed session, and tells a name that is not there", async () => {
    const pair = syncPair({ exports: { thing: { a: 1 } } });
    const remote = pair.near.remote<{ a: number }>("thing");
    expect(() => pair.near.remote("nothing")).toThrow(
      expect.objectContaining({ code: "REMOTE_NOT_FOUND" }),
    );
    expect(pair.near.names()).toEqual(["thing"]);
    await pair[Symbol.asyncDispose]();
    expect(() => remote.a).toThrow(expect.objectContaining({ code: "REMOTE_CLOSED" }));
  });

  it("gives references back at the end of a scope, and never its result", async () => {
    const source = { make: (n: number) => ({ n }) };
    await using pair = syncPair({ exports: { source } });
    const remote = pair.near.remote<typeof source>("source");
    const before = pair.far.stats().exports;
    let most = 0;
    const kept = pair.near.scope(() => {
      for (let i = 0; i < 100; i++) {
        pair.near.scope(() => {
          for (let k = 0; k < 100; k++) expect(remote.make(k).n).toBe(k);
        });
        most = Math.max(most, pair.far.stats().exports);
      }
      return remote.make(7);
    });
    expect(most).toBeLessThan(200);
    expect(kept.n).toBe(7);
    expect(pair.far.stats().exports).toBeLessThan(before + 10);
  });
});

describe("a session with proxies", () => {
  it("keeps to the policy: own fields of instances, prototypes and compilers stay out of reach", async () => {
    class Vault {
      secret = "s";
      open(): string {
        return "opened";
      }
    }
    const generic = { steal(this: { secret: string }): string { return this.secret; } }; // prettier-ignore
    const data = { a: 1 };
    await using pair = syncPair({
      exports: { vault: new Vault(), generic, data, Vault },
      policy: "capability",
    });
    const vault = pair.near.remote<Vault>("vault");
    const denied = expect.objectContaining({ code: "REMOTE_DENIED" });
    expect(vault.open()).toBe("opened");
    expect(() => vault.secret).toThrow(denied);
    expect(() => pair.near.remote<typeof generic>("generic").steal.call(vault)).toThrow(denied);
    const { prototype } = pair.near.remote<typeof Vault>("Vault");
    expect(() => (prototype.open = () => "evil")).toThrow(denied);
    expect(() => Object.setPrototypeOf(vault, null)).toThrow(denied);
    expect(() => vault.constructor).toThrow(denied);
    expect(new Vault().open()).toBe("opened");
    const remote = pair.near.remote<Record<string, unknown>>("data");
    expect(remote.constructor).toBe(Object);
    expect(() => Object.defineProperty(remote, "toString", { value: 1 })).toThrow(denied);
    remote["b"] = 2;
    expect(data).toEqual({ a: 1, b: 2 });
    expect(Reflect.set(remote, "__proto__", null, {})).toBe(true);
    expect(() => (remote["__proto__"] = { polluted: 1 })).toThrow(denied);
  });

  it("fails what waits when the other side breaks off, within a second", async () => {
    const { port1, port2 } = new MessageChannel();
    const far = openSyncSession(threadChannel(port2), {
      exports: { leave: () => port2.close() },
    });
    const near = openSyncSession(threadChannel(port1));
    const leave = near.remote<() => void>("leave");
    expect(leave()).toBeUndefined();
    await once(port1, "close");
    expect(() => leave()).toThrow(expect.objectContaining({ code: "REMOTE_CLOSED" }));
    await Promise.all([near.closed, far.closed]);
  });
});
