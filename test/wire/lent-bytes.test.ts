import { expect, it } from "vitest";

import { giveBack, lendCopy } from "../../src/wire/lent-bytes.ts";

const LARGE = 300_000;

function large(byte: number, size = LARGE): Uint8Array {
  return new Uint8Array(size).fill(byte);
}

it("memory that was given back is used again, and no other", () => {
  const first = lendCopy(large(1));
  const second = lendCopy(large(2));
  expect(second.buffer).not.toBe(first.buffer);
  giveBack(first);
  const third = lendCopy(large(3, LARGE - 5));
  expect(third.buffer).toBe(first.buffer);
  expect(Buffer.compare(third, large(3, LARGE - 5))).toBe(0);
  expect(Buffer.compare(second, large(2))).toBe(0);
  giveBack(second);
  giveBack(third);
});

it("memory is taken back once, and only by the array that was lent", () => {
  const own = large(1, 500_000);
  giveBack(own);
  const lent = lendCopy(large(2, 500_000));
  expect(lent.buffer).not.toBe(own.buffer);
  giveBack(new Uint8Array(lent.buffer));
  expect(lendCopy(large(3, 500_000)).buffer).not.toBe(lent.buffer);
  giveBack(lent);
  giveBack(lent);
  const again = lendCopy(large(4, 500_000));
  expect(again.buffer).toBe(lent.buffer);
  expect(lendCopy(large(5, 500_000)).buffer).not.toBe(lent.buffer);
});

it("memory is not kept without bound, nor spent on much smaller arrays", () => {
  const size = 3_000_000;
  const many = Array.from({ length: 5 }, () => lendCopy(large(1, size)));
  for (const bytes of many) giveBack(bytes);
  const buffers = new Set<unknown>(many.map(({ buffer }) => buffer));
  expect(buffers.has(lendCopy(large(2, size / 2)).buffer)).toBe(false);
  const again = Array.from({ length: 5 }, () => lendCopy(large(3, size)));
  expect(again.filter(({ buffer }) => buffers.has(buffer))).toHaveLength(2);
});
