import { once } from "node:events";
import { Worker } from "node:worker_threads";

import { expect, test } from "vitest";

import { Halves } from "../../src/engine/halves.ts";

test("Halves takes half of many only behind a time in which there was nothing to do", async () => {
  const halves = new Halves();
  halves.share(64);
  // In the same turn, in which nobody can have slept.
  expect([64, 32, 1_000, 1, 0].map((count) => halves.share(count))).toEqual([64, 32, 1_000, 1, 0]);
  // Another thread needs more than that to begin.
  const worker = new Worker("", { eval: true });
  await once(worker, "exit");
  expect(halves.share(40)).toBe(40);
  expect(halves.share(65)).toBe(33);
  expect(halves.share(65)).toBe(65);
});
