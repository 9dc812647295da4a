import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { BanyanError, CodeError, EngineError } from "../../src/base/errors.ts";
import {
  fromErrorRecord,
  toBriefErrorRecord,
  toErrorRecord,
  type ErrorRecord,
} from "../../src/wire/error-record.ts";
import { DEFAULT_VALUE_LIMITS } from "../../src/wire/limits.ts";
import { Path } from "../../src/wire/path.ts";
import { decodeValue, encodeValue } from "../../src/wire/value.ts";

/** The whole way, as bytes. */
function cross(error: unknown): Error & Record<string, unknown> {
  return decodeValue(encodeValue(error)) as Error & Record<string, unknown>;
}

function trap(): never {
  throw new TypeError("no");
}

function propsOf(error: object): object {
  return Object.fromEntries(Object.entries(error));
}

class OddError extends TypeError {
  override readonly name = "OddError";
}

describe("an error that crosses", () => {
  it.each([Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError])(
    "is a native %o with message and stack",
    (Class) => {
      const error = new Class("what happened");
      const arrived = cross(error);
      expect(Object.getPrototypeOf(arrived)).toBe(Class.prototype);
      expect(Object.prototype.toString.call(arrived)).toBe("[object Error]");
      expect(arrived.name).toBe(error.name);
      expect(arrived.message).toBe("what happened");
      expect(arrived.stack).toBe(error.stack);
      expect(Object.keys(arrived)).toStrictEqual([]);
    },
  );

  it("keeps the name of a class nobody knows here, on the built-in class it extends", () => {
    const arrived = cross(new OddError("x"));
    expect(Object.getPrototypeOf(arrived)).toBe(TypeError.prototype);
    expect(arrived.name).toBe("OddError");
    expect(arrived.toString()).toBe("OddError: x");
  });

  it("keeps own properties that are plain values", () => {
    const props = { code: "ENOENT", errno: -2, path: Path.root, data: { list: [1n, "é", null] } };
    expect(propsOf(cross(Object.assign(new Error("x"), props)))).toStrictEqual(props);
  });

  it("drops properties that can't cross, and arrives", () => {
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = cyclic;
    const error = Object.assign(new Error("x"), {
      kept: 1,
      cyclic,
      call: () => 1,
      symbol: Symbol("s"),
      map: new Map(),
      inner: { call: () => 1 },
      list: [new Set()],
      huge: "a".repeat(1_000_000),
    });
    Object.defineProperty(error, "throws", {
      enumerable: true,
      get: () => {
        throw new Error("from the getter");
      },
    });
    expect(propsOf(cross(error))).toStrictEqual({ kept: 1 });
  });

  it.each(["__proto__", "toString", "valueOf", "hasOwnProperty", "toJSON", "constructor", "then"])(
    "never has an own property %s, from neither side",
    (name) => {
      const error = new Error("x");
      Object.defineProperty(error, name, { value: { a: 1 }, enumerable: true });
      expect(Object.hasOwn(cross(error), name)).toBe(false);
      const props = Object.fromEntries([[name, { a: 1 }]]);
      const built = fromErrorRecord({ name: "Error", message: "x", props, errorProps: props });
      expect(Object.hasOwn(built, name)).toBe(false);
      expect(Object.getPrototypeOf(built)).toBe(Error.prototype);
    },
  );

  it("keeps its causes and stops at a cycle", () => {
    const inner = new RangeError("inner");
    const outer = new Error("outer", { cause: new TypeError("middle", { cause: inner }) });
    inner.cause = outer;
    const middle = cross(outer).cause as Error;
    expect(middle).toBeInstanceOf(TypeError);
    expect(middle.cause).toBeInstanceOf(RangeError);
    expect((middle.cause as Error).cause).toBeUndefined();
    expect(Object.getOwnPropertyDescriptor(cross(outer), "cause")?.enumerable).toBe(false);
  });

  it("keeps a cause that is no error", () => {
    expect(cross(new Error("x", { cause: { code: 1 } })).cause).toStrictEqual({ code: 1 });
    expect(cross(new Error("x", { cause: null })).cause).toBeNull();
    expect(cross(new Error("x", { cause: new Map() })).cause).toBe("[object Map]");
  });

  it("ends a chain of causes that is too long", () => {
    let error = new Error("0");
    for (let i = 1; i < 1_000; i++) error = new Error(`${i}`, { cause: error });
    let length = 0;
    for (let at: unknown = cross(error); at instanceof Error; at = at.cause) length++;
    expect(length).toBe(16);
  });

  it("keeps properties that are errors, as errors", () => {
    const arrived = cross(Object.assign(new Error("x"), { parent: new RangeError("p") }));
    expect(arrived["parent"]).toBeInstanceOf(RangeError);
  });

  it("keeps the errors of an AggregateError", () => {
    const error = new AggregateError([new TypeError("a"), 5, () => 1], "all failed");
    const arrived = cross(error) as unknown as AggregateError;
    expect(arrived).toBeInstanceOf(AggregateError);
    expect(arrived.message).toBe("all failed");
    expect(arrived.errors).toHaveLength(3);
    expect(arrived.errors[0]).toBeInstanceOf(TypeError);
    expect(arrived.errors[1]).toBe(5);
    expect(arrived.errors[2]).toBe("() => 1");
  });

  it("ends in bounded work where errors hold each other many times over", () => {
    const all: AggregateError[] = Array.from({ length: 12 }, () => new AggregateError([], "x"));
    for (const error of all) error.errors = [...all, ...all];
    expect(cross(all[0])).toBeInstanceOf(AggregateError);
  });

  it("is one of ours again, with code, details and cause", () => {
    const error = new EngineError("ENGINE_CONFLICT", "stale", {
      details: { revision: 5 },
      cause: new Error("why"),
    });
    const arrived = cross(error);
    expect(arrived).toBeInstanceOf(EngineError);
    expect(BanyanError.has(arrived, "ENGINE_CONFLICT")).toBe(true);
    expect(arrived["details"]).toStrictEqual({ revision: 5 });
    expect(arrived["retryable"]).toBe(true);
    expect((arrived.cause as Error).message).toBe("why");
    expect(arrived.stack).toBe(error.stack);
  });

  it("has code and details in one place, and a peer's properties don't replace them", () => {
    const record = toErrorRecord(new EngineError("ENGINE_FULL", "x", { details: { a: 1 } }));
    expect(record.props).toBeUndefined();
    const props = { code: "ENGINE_CLOSED", details: 5, retryable: false };
    const built = fromErrorRecord({ ...record, props, errorProps: props });
    expect(built).toMatchObject({ code: "ENGINE_FULL", details: { a: 1 }, retryable: true });
  });

  it("is one of ours with a property of its own", () => {
    const error = Object.assign(new CodeError("CODE_SYNTAX"), { line: 3, retryable2: true });
    expect(cross(error)).toMatchObject({ code: "CODE_SYNTAX", line: 3, retryable2: true });
  });

  it("keeps the name of an AbortError and a TimeoutError", () => {
    const { reason } = AbortSignal.abort() as { reason: Error };
    expect(cross(reason)).toMatchObject({ name: "AbortError", message: reason.message });
    const timeout = new DOMException("too late", "TimeoutError");
    expect(cross(timeout)).toMatchObject({ name: "TimeoutError", message: "too late" });
  });

  it("arrives whatever its getters do", () => {
    const error = new Error("x");
    for (const name of ["stack", "name", "message", "cause", "errors", "code"]) {
      Object.defineProperty(error, name, {
        get: () => {
          throw new TypeError("no");
        },
      });
    }
    expect(cross(error)).toBeInstanceOf(Error);
    expect(cross(error).name).toBe("Error");
    const { proxy, revoke } = Proxy.revocable(new Error("x"), {});
    revoke();
    expect(toErrorRecord(proxy).name).toBe("Error");
    for (const name of ["has", "get", "ownKeys", "getPrototypeOf", "getOwnPropertyDescriptor"]) {
      const hostile = new Proxy(new EngineError("ENGINE_FULL"), { [name]: trap });
      expect(toErrorRecord(hostile).message).not.toBe("");
    }
  });

  it("arrives in brief where its record is over a limit", () => {
    const error = Object.assign(new TypeError("m".repeat(10_000)), { list: [1, 2, 3, 4, 5, 6] });
    const tight = { ...DEFAULT_VALUE_LIMITS, maxBytes: 5_000, maxItems: 20 };
    const arrived = decodeValue(encodeValue([error], tight), tight) as Error[];
    expect(arrived[0]).toBeInstanceOf(TypeError);
    expect(arrived[0]?.message).toBe("m".repeat(4_096));
  });
});

describe("toErrorRecord()", () => {
  it.each([
    ["a string", "thrown: a string"],
    [undefined, "thrown: undefined"],
    [Symbol("s"), "thrown: Symbol(s)"],
    [Object.create(null), "thrown: a value that can't be shown"],
  ])("makes a record of anything that was thrown: %s", (thrown, message) => {
    expect(toErrorRecord(thrown)).toStrictEqual({ name: "Error", message });
  });

  it("cuts texts that are too long", () => {
    const { message } = toErrorRecord(new Error("a".repeat(100_000)));
    expect(message).toBe(`${"a".repeat(65_536)}...`);
  });

  it("gives nothing that refers to the error", () => {
    const data = { list: [1] };
    const record = toErrorRecord(Object.assign(new Error("x"), { data }));
    data.list.push(2);
    expect(record.props).toStrictEqual({ data: { list: [1] } });
  });
});

describe("toBriefErrorRecord()", () => {
  it("has name, message, type and code alone", () => {
    const record = toBriefErrorRecord(
      new EngineError("ENGINE_FULL", "full", { details: { a: 1 } }),
    );
    expect(record).toStrictEqual({ code: "ENGINE_FULL", name: "EngineError", message: "full" });
  });
});

describe("fromErrorRecord()", () => {
  it("makes an error of anything", () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (record) => {
        expect(fromErrorRecord(record)).toBeInstanceOf(Error);
      }),
    );
  });

  it("makes an error of any record, and it can be read", () => {
    const any = fc.anything();
    const names = ["type", "name", "message", "stack", "code", "details", "props", "errorProps"];
    const fields = Object.fromEntries([...names, "cause", "errors"].map((field) => [field, any]));
    fc.assert(
      fc.property(fc.record(fields, { requiredKeys: [] }), (record) => {
        const error = fromErrorRecord(record);
        expect(error).toBeInstanceOf(Error);
        expect(typeof `${error.name} ${error.message} ${String(error.stack)}`).toBe("string");
      }),
      { numRuns: 1_000 },
    );
  });

  it.each(["Map", "Function", "__proto__", "constructor", "BanyanError", "Error"])(
    "makes no instance of %s because a peer names it",
    (type) => {
      const error = fromErrorRecord({ type, name: type, message: "x" });
      expect(Object.getPrototypeOf(error)).toBe(Error.prototype);
    },
  );

  it("takes no code that is not in the table", () => {
    for (const code of ["toString", "__proto__", "ENGINE_", "NOT_OURS"]) {
      expect(BanyanError.is(fromErrorRecord({ name: "x", message: "y", code }))).toBe(false);
    }
  });

  it("notes no stack of this side's, and leaves it to others as it was", () => {
    const before = Error.stackTraceLimit;
    const limits: unknown[] = [];
    const limit = { get: () => before, set: (value: unknown) => void limits.push(value) };
    Object.defineProperty(Error, "stackTraceLimit", { ...limit, configurable: true });
    try {
      fromErrorRecord({ name: "Error", message: "x", errors: [] });
    } finally {
      const value = { value: before, writable: true, enumerable: true, configurable: true };
      Object.defineProperty(Error, "stackTraceLimit", value);
    }
    expect(limits).toEqual([0, before]);
  });

  it("ends at records that are nested too deep, and never shows this side's stack", () => {
    let record: ErrorRecord = { name: "Error", message: "0" };
    for (let i = 1; i < 10_000; i++) {
      record = { name: "Error", message: `${i}`, cause: { error: record } };
    }
    const error = fromErrorRecord(record);
    expect(error.stack).toBe("Error: 9999");
    let last = error;
    while (last.cause instanceof Error) last = last.cause;
    expect(last.stack).not.toContain("error-record.ts");
  });
});
