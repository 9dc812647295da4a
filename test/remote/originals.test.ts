/** Errors and what they are copies of (E02, E04, E09): with stubs, and with proxies. */
import { describe, expect, it } from "vitest";

import { instanceOf, originalOf, release, type Remote } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";
import { syncPair } from "./sync/pair.ts";

class OddError extends RangeError {
  readonly detail: string;
  tries = 0;
  constructor(detail: string) {
    super(`odd: ${detail}`);
    this.detail = detail;
  }
  retry(): number {
    return ++this.tries;
  }
}
class OtherError extends Error {}

const thrown: unknown[] = [];
const api = {
  OddError,
  OtherError,
  fail: (detail: string): never => {
    throw new OddError(detail);
  },
  later: async (detail: string): Promise<never> => {
    await Promise.resolve();
    throw new OddError(detail);
  },
  note: (error: unknown): number => thrown.push(error),
  same: (error: unknown): boolean => thrown.includes(error),
};

function caught(body: () => unknown): OddError {
  try {
    body();
  } catch (error) {
    return error as OddError;
  }
  throw new Error("nothing was thrown");
}

describe("an error that a stub's call rejects with", () => {
  it("is a real one, and knows the very one that was thrown (E04)", async () => {
    await using pair = await sessionPair({ far: { exports: { api }, policy: "trusted" } });
    const remote = pair.near.remote<typeof api>("api");
    const error = await remote.later("a").catch((reason: unknown) => reason as OddError);
    expect([error instanceof RangeError, error.message, error.detail]).toEqual([
      true,
      "odd: a",
      "a",
    ]);
    const original = originalOf(error) as Remote<OddError>;
    expect([await original.retry(), await original.retry()]).toEqual([1, 2]);
    expect(await original.tries).toBe(2);
    expect(await instanceOf(error, remote.OddError)).toBe(true);
    expect(await instanceOf(error, remote.OtherError)).toBe(false);
    expect(await instanceOf(error, RangeError)).toBe(true);
  });

  it("comes home as the one that was thrown, however many others came between", async () => {
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const own = new OddError("own");
    const echo = { throwOwn: (): never => { throw own; }, is: (e: unknown) => e === own }; // prettier-ignore
    await using other = await sessionPair({ far: { exports: { echo } } });
    const far = other.near.remote<typeof echo>("echo");
    const first = await far.throwOwn().catch((reason: unknown) => reason);
    for (let i = 0; i < 300; i++) await remote.fail(String(i)).catch(() => {});
    for (let i = 0; i < 300; i++) await far.throwOwn().catch(() => {});
    expect(await far.is(first)).toBe(true);
    // By way of a third, which has a copy of the copy.
    const held = originalOf(first);
    release(held);
    expect(await far.is(first)).toBe(true);
  });

  it("gives its reference back, is none where it says all itself, and shows what onError lets through", async () => {
    await using pair = await sessionPair({
      far: { exports: { api }, onError: () => new OtherError("hidden") },
    });
    const remote = pair.near.remote<typeof api>("api");
    const error = await remote.fail("secret").catch((reason: unknown) => reason);
    expect(String(error)).toBe("Error: hidden");
    expect(await instanceOf(error, remote.OtherError)).toBe(true);
    expect(await instanceOf(error, remote.OddError)).toBe(false);
    const before = pair.far.stats().exports;
    release(originalOf(error));
    await pair.near.names();
    expect(pair.far.stats().exports).toBe(before - 1);
    await using plain = await sessionPair();
    const missing = await Promise.resolve(plain.near.remote("nothing")).catch((e: unknown) => e);
    expect(missing).toMatchObject({ code: "REMOTE_NOT_FOUND" });
    expect(originalOf(missing)).toBe(undefined);
    expect(originalOf(new Error("mine"))).toBe(undefined);
    expect(originalOf(5)).toBe(undefined);
  });

  it("under capability has the methods of its class, and not its fields", async () => {
    await using pair = await sessionPair({ far: { exports: { api } } });
    const error = await pair.near.remote<typeof api>("api").fail("x").catch((e: unknown) => e); // prettier-ignore
    const original = originalOf(error) as Remote<OddError>;
    expect(await original.retry()).toBe(1);
    await expect(original.tries).rejects.toMatchObject({ code: "REMOTE_DENIED" });
  });

  it("takes no room that the peer's calls need", async () => {
    const limits = { maxExports: 40 };
    await using pair = await sessionPair({ far: { exports: { api }, limits } });
    const remote = pair.near.remote<typeof api>("api");
    const errors: unknown[] = [];
    for (let i = 0; i < 60; i++) {
      errors.push(await remote.fail(String(i)).catch((reason: unknown) => reason));
    }
    expect(errors.filter((error) => originalOf(error) !== undefined).length).toBe(10);
    expect(pair.far.stats().exports).toBe(10);
    await expect(remote.fail("more")).rejects.toThrow("odd: more");
  });
});

describe("an error that a proxy's call throws", () => {
  it("is a real one, of the class that threw it, and knows the very one (E04 E09)", async () => {
    await using pair = syncPair({ exports: { api } });
    const remote = pair.near.remote<typeof api>("api");
    const { OddError: Odd, OtherError: Other } = remote;
    const error = caught(() => remote.fail("a"));
    const before = pair.near.stats().roundTrips;
    expect(error instanceof RangeError).toBe(true);
    expect(error instanceof Odd).toBe(true);
    expect(error instanceof Other).toBe(false);
    expect(new RangeError("mine") instanceof Odd).toBe(false);
    expect([error.message, error.detail, error.stack?.includes("fail")]).toEqual(["odd: a", "a", true]); // prettier-ignore
    expect(pair.near.stats().roundTrips).toBe(before);
    const original = originalOf(error) as OddError;
    expect([original.retry(), original.tries, original instanceof Odd]).toEqual([1, 1, true]);
    remote.note(error);
    expect(remote.same(original)).toBe(true);
    expect(remote.same(error)).toBe(true);
    expect(thrown.at(-1)).toBeInstanceOf(OddError);
  });

  it("is shown and read without asking, also when the session is over", async () => {
    const pair = syncPair({ exports: { api } });
    const error = caught(() => pair.near.remote<typeof api>("api").fail("a"));
    await pair[Symbol.asyncDispose]();
    expect([error.message, error.detail, String(error)]).toEqual(["odd: a", "a", "RangeError: odd: a"]); // prettier-ignore
    expect(error.stack).toContain("odd: a");
  });
});
