import { isNativeError } from "node:util/types";

import { describe, expect, it, vi } from "vitest";

import { RemoteError } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

class OwnError extends TypeError {
  override readonly name = "OwnError";
  readonly code = 42;
}

async function thrown(error: unknown): Promise<unknown> {
  const fail = (): void => {
    throw error;
  };
  await using pair = await sessionPair({ far: { exports: { api: { fail } } } });
  return await reasonOf(pair.near.remote<{ fail: () => void }>("api").fail());
}

async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

function failFar(): void {
  throw Object.assign(new Error("password is 123"), { secret: 123 });
}

async function run(f: () => unknown): Promise<unknown> {
  return await f();
}

describe("errors of the other side", () => {
  it("are real errors of the same class, with name, message and properties", async () => {
    const own = (await thrown(new OwnError("bad"))) as OwnError;
    expect(isNativeError(own)).toBe(true);
    expect(own).toBeInstanceOf(TypeError);
    expect([own.name, own.message, own.code]).toEqual(["OwnError", "bad", 42]);
    const ours = (await thrown(new RemoteError("REMOTE_LIMIT", "too much"))) as RemoteError;
    expect(ours).toBeInstanceOf(RemoteError);
    expect(ours).toMatchObject({ code: "REMOTE_LIMIT", retryable: true });
  });

  it("keep their cause and the errors they are made of", async () => {
    const cause = new RangeError("deep");
    const error = (await thrown(
      new AggregateError([cause, "text"], "all", { cause }),
    )) as AggregateError;
    expect(error.cause).toBeInstanceOf(RangeError);
    expect(error.errors[0]).toBeInstanceOf(RangeError);
    expect(error.errors[1]).toBe("text");
  });

  it("carry the stack of where they were thrown, and the call they belong to", async () => {
    const { stack = "" } = (await thrown(new Error("here"))) as Error;
    expect(stack).toContain("errors.test.ts");
    expect(stack).toMatch(/at remote api\.fail$/);
  });

  it("say where the call was made, with callSites", async () => {
    await using pair = await sessionPair({
      near: { callSites: true },
      far: { exports: { failFar } },
    });
    const error = await reasonOf(pair.near.remote<() => void>("failFar")());
    expect((error as Error).stack?.match(/errors\.test\.ts/g)?.length).toBeGreaterThan(1);
  });

  it("may be anything", async () => {
    expect(await thrown("text")).toBe("text");
    expect(await thrown(undefined)).toBe(undefined);
  });

  it("E05 arrive even if nothing of theirs can", async () => {
    const hostile = new Error("x".repeat(10));
    Object.assign(hostile, { self: hostile, f: () => 1, s: Symbol("own") });
    Object.defineProperty(hostile, "bad", {
      enumerable: true,
      get: () => {
        throw new Error("getter");
      },
    });
    expect(((await thrown(hostile)) as Error).message).toBe("x".repeat(10));
  });

  it("come home as the same object", async () => {
    const error = new Error("mine");
    await using pair = await sessionPair({ far: { exports: { run } } });
    const call = pair.near.remote<typeof run>("run")(() => {
      throw error;
    });
    expect(await reasonOf(call)).toBe(error);
  });

  it("E07 can be rewritten by onError, and nothing of the original is sent then", async () => {
    const onError = vi.fn<(error: unknown) => unknown>(() => new Error("something failed"));
    await using pair = await sessionPair({ far: { exports: { failFar }, onError } });
    const remote = pair.near.remote<() => void>("failFar");
    const error = (await reasonOf(remote())) as Error;
    expect(error.message).toBe("something failed");
    expect(JSON.stringify(Object.values(error)) + error.stack).not.toContain("123");
    onError.mockImplementation(() => {
      throw new Error("hook");
    });
    expect(((await reasonOf(remote())) as Error).message).toBe("the call failed");
  });

  it("fail their own call only, also where a result can't cross", async () => {
    const api = { bad: () => 2n ** 200_000n, good: () => 1, getter: () => ({ get x() { throw new Error("get"); } }) }; // prettier-ignore
    await using pair = await sessionPair({ far: { exports: { api }, plain: "copy" } });
    const remote = pair.near.remote<typeof api>("api");
    const [bad, getter, good] = await Promise.allSettled([
      remote.bad(),
      remote.getter(),
      remote.good(),
    ]);
    expect(bad).toMatchObject({ status: "rejected", reason: { code: "WIRE_LIMIT" } });
    expect(getter).toMatchObject({ status: "rejected", reason: { message: "get" } });
    expect(good).toMatchObject({ value: 1 });
  });

  it("that come home again and again keep their stack as it is", async () => {
    const error = new Error("always the same");
    const api = { run: async (f: () => unknown) => await f() };
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const fail = (): never => {
      throw error;
    };
    const before = error.stack;
    for (let i = 0; i < 3; i++) expect(await reasonOf(remote.run(fail))).toBe(error);
    expect(error.stack).toBe(before);
  });

  it("name what is offered where a name is not", async () => {
    await using pair = await sessionPair({ far: { exports: { one: 1, two: 2 } } });
    await expect(pair.near.remote("three")).rejects.toMatchObject({
      code: "REMOTE_NOT_FOUND",
      details: { names: ["one", "two"] },
    });
    expect(await pair.near.names()).toEqual(["one", "two"]);
  });
});
