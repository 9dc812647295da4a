import { describe, expect, it } from "vitest";

import { type Remote, type StandardSchema, validated } from "../../src/remote.ts";
import { sessionPair } from "../../src/testing/session-pair.ts";

/** As a library would make them. */
function schema(check: (value: unknown) => string | undefined, later = false): StandardSchema {
  const validate = (value: unknown) => {
    const message = check(value);
    return message === undefined ? { value } : { issues: [{ message, path: [0, { key: "n" }] }] };
  };
  return {
    "~standard": {
      version: 1,
      validate: later ? async (value) => await Promise.resolve(validate(value)) : validate,
    },
  };
}

const numbers = schema((value) =>
  (value as unknown[]).every((one) => typeof one === "number") ? undefined : "no number",
);
const text = schema((value) => (typeof value === "string" ? undefined : "no text"), true);
const doubling: StandardSchema = {
  "~standard": {
    version: 1,
    validate: (value) => ({ value: (value as number[]).map((n) => n * 2) }),
  },
};

const api = {
  add: (a: number, b: number) => a + b,
  name: (): string => 5 as unknown as string,
  later: async (n: number) => await Promise.resolve(`n is ${n}`),
  hidden: () => 1,
};

describe("O05 validated()", () => {
  it("on the side that offers, lets only what was declared reach a method", async () => {
    const offered = validated(api, {
      add: { args: numbers },
      later: { args: doubling, result: text },
    });
    await using pair = await sessionPair({ far: { exports: { api: offered } } });
    const remote = pair.near.remote<typeof api>("api");
    expect(await remote.add(1, 2)).toBe(3);
    expect(await remote.later(2)).toBe("n is 4");
    const wrong = remote.add("1" as unknown as number, 2);
    await expect(wrong).rejects.toMatchObject({
      code: "REMOTE_INVALID",
      message: "what add was called with is not as declared at 0.n: no number",
      details: { issues: [{ message: "no number", path: "0.n" }] },
    });
    await expect(remote.hidden()).rejects.toThrow(TypeError);
    // Neither by the function itself, nor by putting another in its place.
    const add = await remote.add;
    await expect(add("1" as unknown as number, 2)).rejects.toMatchObject({
      code: "REMOTE_INVALID",
    });
    expect(() => {
      (offered as { add: unknown }).add = () => 0;
    }).toThrow(TypeError);
  });

  it("on the side that calls, catches what a peer declares and does not send", async () => {
    await using pair = await sessionPair({ far: { exports: { api } } });
    const stub: Remote<typeof api> = pair.near.remote<typeof api>("api");
    const remote = validated(stub, { add: {}, name: { result: text }, later: { result: text } });
    expect(await remote.add(1, 2)).toBe(3);
    expect(await remote.later(1)).toBe("n is 1");
    await expect(remote.name()).rejects.toMatchObject({
      code: "REMOTE_INVALID",
      message: "the result of name is not as declared at 0.n: no text",
    });
  });

  it("answers at once where nothing is to be waited for, and refuses what is no schema", () => {
    expect(validated(api, { add: { args: numbers } }).add(1, 2)).toBe(3);
    expect(() => validated(api, { add: { args: {} as StandardSchema } })).toThrow(TypeError);
  });
});
