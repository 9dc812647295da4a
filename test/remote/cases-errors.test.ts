/** The acceptance cases E (exceptions) of stubs; those of proxies are in `sync/`. */
import { describe, expect, it } from "vitest";

import { type RemoteError, set } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

class OwnError extends RangeError {
  readonly detail = "more";
}

const thrown: { error: unknown } = { error: undefined };
const api = {
  fail: (): never => {
    throw thrown.error;
  },
  later: async (): Promise<never> => {
    await Promise.resolve();
    throw thrown.error;
  },
  give: () => thrown.error,
  pass: async (f: () => unknown) => await f(),
};

async function failing(error: unknown): Promise<unknown> {
  thrown.error = error;
  await using pair = await sessionPair({ far: { exports: { api } } });
  try {
    return await pair.near.remote<typeof api>("api").fail();
  } catch (caught) {
    return caught;
  }
}

describe("errors", () => {
  it.each([Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError])(
    "E01 of %o arrive as errors of this side's class",
    async (Class) => {
      const error = await failing(new Class("what happened"));
      expect(error).toBeInstanceOf(Class);
      expect((error as Error).constructor).toBe(Class);
      expect([(error as Error).name, (error as Error).message]).toEqual([
        Class.name,
        "what happened",
      ]);
    },
  );

  it("E02 of an async function and of a callback come the same way", async () => {
    thrown.error = new TypeError("later");
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    await expect(remote.later()).rejects.toThrow(new TypeError("later"));
    const mine = new RangeError("mine");
    const passed = remote.pass(() => {
      throw mine;
    });
    expect(await passed.catch((error: unknown) => error)).toBe(mine);
  });

  it("E03 keep their causes and the errors they are made of, each of its class", async () => {
    const deep = new SyntaxError("deepest", { cause: { code: 5 } });
    const error = (await failing(
      new AggregateError([new TypeError("one"), "text", new RangeError("two")], "all", {
        cause: new URIError("cause", { cause: deep }),
      }),
    )) as AggregateError & { cause: Error & { cause: Error & { cause: unknown } } };
    expect(error).toBeInstanceOf(AggregateError);
    expect(error.errors[0]).toBeInstanceOf(TypeError);
    expect(error.errors[1]).toBe("text");
    expect(error.errors[2]).toBeInstanceOf(RangeError);
    expect(error.cause).toBeInstanceOf(URIError);
    expect(error.cause.cause).toBeInstanceOf(SyntaxError);
    expect(error.cause.cause.cause).toEqual({ code: 5 });
  });

  it("E04 of classes of their own are of the closest class that both sides have, by their name", async () => {
    const error = (await failing(new OwnError("own"))) as OwnError;
    expect(error).toBeInstanceOf(RangeError);
    expect(error.detail).toBe("more");
    expect(error).not.toBeInstanceOf(OwnError);
  });

  it("E05 arrive whatever is on them: cycles, functions, symbols, getters that throw", async () => {
    const error = Object.assign(new Error("arrives"), { plain: 1, f: () => 1, s: Symbol("x") });
    Object.assign(error, { self: error, list: [error] });
    Object.defineProperty(error, "bad", {
      enumerable: true,
      get: () => {
        throw new Error("no");
      },
    });
    const back = (await failing(error)) as typeof error;
    expect([back.message, back.plain]).toEqual(["arrives", 1]);
    const proxy = new Proxy(new Error("behind a proxy"), {
      get: () => {
        throw new Error("trap");
      },
    });
    expect(await failing(proxy)).toBeInstanceOf(Error);
  });

  it("E06 carry the stack of where they were thrown, and of the call", async () => {
    const error = (await failing(new Error("stacked"))) as Error;
    expect(error.stack).toContain("cases-errors.test.ts");
    expect(error.stack).toContain("at remote api.fail");
  });

  it("E07 are replaced by onError, and nothing of the original is sent", async () => {
    const secret = Object.assign(new Error("password is 1234"), { password: "1234" });
    thrown.error = secret;
    const seen: unknown[] = [];
    await using pair = await sessionPair({
      far: {
        exports: { api },
        onError: (error) => {
          seen.push(error);
          return Object.assign(new RangeError("something failed"), { ticket: 7 });
        },
      },
    });
    const error = (await pair.near
      .remote<typeof api>("api")
      .fail()
      .catch((reason: unknown) => reason)) as Error & { ticket: number; password?: string };
    expect(seen).toEqual([secret]);
    expect(error).toBeInstanceOf(RangeError);
    expect([error.message, error.ticket, error.password, error.stack?.includes("1234")]).toEqual([
      "something failed", 7, undefined, false,
    ]); // prettier-ignore
  });

  it("E08 may be anything: text, numbers, undefined, plain objects", async () => {
    expect(await failing("text")).toBe("text");
    expect(await failing(5)).toBe(5);
    expect(await failing(undefined)).toBe(undefined);
    expect(await failing(Object.freeze({ code: 1 }))).toEqual({ code: 1 });
  });

  it("E10 as results and properties are errors as well", async () => {
    thrown.error = new TypeError("a value");
    await using pair = await sessionPair({ far: { exports: { api } } });
    const remote = pair.near.remote<typeof api>("api");
    const value = await remote.give();
    expect(value).toBeInstanceOf(TypeError);
  });

  it("E11 of a source that can't be compiled name the place in it", async () => {
    await using pair = await sessionPair({ far: { policy: "trusted" } });
    const error = (await pair.near
      .evaluate("const ok = 1;\nlet = ;\n")
      .catch((reason: unknown) => reason)) as Error;
    expect(error).toBeInstanceOf(SyntaxError);
    expect(error.stack).toMatch(/evaluate-\d+\.js:2/);
    // What is compiled only when it is called, too.
    const lazy = (await pair.near.evaluate(
      "() => {\n\n  new Function('return (')()\n}",
    )) as () => Promise<unknown>;
    const late = (await lazy().catch((reason: unknown) => reason)) as Error;
    expect(late).toBeInstanceOf(SyntaxError);
    expect(late.stack).toMatch(/evaluate-\d+\.js:3/);
  });

  it("E12 of a setter come back from the assignment", async () => {
    class Guarded {
      set value(_: number) {
        throw new RangeError("refused");
      }
    }
    await using pair = await sessionPair({ far: { exports: { object: new Guarded() } } });
    const object = pair.near.remote<Guarded>("object");
    await expect(set(object, "value", 1)).rejects.toThrow(new RangeError("refused"));
  });

  it("E13 of a name that is not offered list those that are", async () => {
    await using pair = await sessionPair({ far: { exports: { one: 1, two: () => 2 } } });
    const error = (await pair.near
      .remote<() => void>("three")()
      .catch((reason: unknown) => reason)) as RemoteError;
    expect(error.code).toBe("REMOTE_NOT_FOUND");
    expect(error.message).toBe('nothing is exported as "three"; there is one, two');
    expect(await pair.near.names()).toEqual(["one", "two"]);
  });
});
