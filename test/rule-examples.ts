import { BanyanError } from "../src/base/errors.ts";

/** The error of ours that it fails with. */
export async function refusal(work: Promise<unknown>): Promise<BanyanError> {
  try {
    await work;
  } catch (error) {
    if (BanyanError.is(error)) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

/** DistKV's integer, and its percentage below it. */
export const INT = {
  code: 'if (!Number.isInteger(value)) throw new Error("not an int")',
  good: [0, 1, 2],
  bad: ["dud", 1.5],
};
export const PERCENT = {
  code: 'if (value < 0 || value > 100) throw new Error("not a percentage")',
  good: [0, 55, 100],
  bad: [-1, 555],
};

/** DistKV's codec of integers that a client has as text. */
export const INT_CODEC = {
  decode:
    'if (typeof value !== "string") throw new TypeError("not a string"); return parseInt(value)',
  encode: "return String(value)",
  in: [
    ["1", 1],
    ["2", 2],
  ] as const,
  out: [
    [1, "1"],
    [-3, "-3"],
  ] as const,
};
