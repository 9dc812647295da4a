import { runInNewContext } from "node:vm";

import { describe, expect, it } from "vitest";

import { ERROR_CODES, type ErrorCode } from "../../src/base/error-codes.ts";
import { BanyanError, ChannelError, EngineError, errorFromCode } from "../../src/base/errors.ts";

describe("BanyanError", () => {
  it("carries code, message, details, cause and whether to try again", () => {
    const cause = new Error("seeded");
    const error = new EngineError("ENGINE_CONFLICT", "gone on", { cause, details: { at: 5 } });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "EngineError",
      message: "gone on",
      cause,
      retryable: true,
    });
    expect(error.details).toEqual({ at: 5 });
    expect(`${error}`).toBe("EngineError: gone on");
    expect(error.stack).toContain("EngineError: gone on");
  });

  it("says by itself what its code means, and has no cause where none was given", () => {
    const error = new ChannelError("CHANNEL_CLOSED");
    expect(error.message).toBe(ERROR_CODES.CHANNEL_CLOSED.says);
    expect("cause" in error).toBe(false);
    expect(error.details).toEqual({});
  });

  it("becomes JSON with its code, and without a stack", () => {
    const error = new ChannelError("CHANNEL_TOO_LARGE", "5 of 4", { details: { size: 5 } });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: "ChannelError",
      code: "CHANNEL_TOO_LARGE",
      message: "5 of 4",
      details: { size: 5 },
    });
  });

  it("is() knows ours by a brand that another copy of the package shares", () => {
    const foreign = runInNewContext(
      `Object.assign(new Error("x"), { code: "WIRE_LIMIT", [Symbol.for("banyan.error")]: true })`,
    ) as unknown;
    expect(foreign).not.toBeInstanceOf(Error);
    expect(BanyanError.is(foreign)).toBe(true);
    expect(BanyanError.has(foreign, "WIRE_LIMIT")).toBe(true);
    expect(BanyanError.has(foreign, "WIRE_MALFORMED")).toBe(false);
    for (const other of [undefined, null, "x", 1, new Error("x"), {}]) {
      expect(BanyanError.is(other)).toBe(false);
    }
  });

  it("shows its brand to nobody who lists or logs it", () => {
    expect(Object.getOwnPropertySymbols(new ChannelError("CHANNEL_CLOSED"))).toEqual([]);
  });
});

describe("errorFromCode()", () => {
  it("makes an error of each code's own layer", () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const error = errorFromCode(code, "x", {});
      const layer = code.slice(0, code.indexOf("_")).toLowerCase();
      expect(error?.name.toLowerCase()).toBe(`${layer}error`);
      expect(error?.code).toBe(code);
    }
  });

  it.each([undefined, 1, "NOPE_NOPE", "toString", "__proto__", "constructor", "CHANNEL_"])(
    "gives nothing for %s",
    (code) => {
      expect(errorFromCode(code, "x", {})).toBeUndefined();
    },
  );
});

describe("ERROR_CODES", () => {
  it("says something of each, lower case and without a full stop", () => {
    for (const { says } of Object.values(ERROR_CODES)) expect(says).toMatch(/^[a-z].*[^.]$/);
  });
});
