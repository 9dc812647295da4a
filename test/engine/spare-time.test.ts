import { expect, test } from "vitest";

import { SpareTime } from "../../src/engine/spare-time.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

test("SpareTime waits until few changes are made, and says so once", () => {
  const clock = new ManualClock();
  let revision = 0;
  let times = 0;
  const spare = new SpareTime({ clock, revision: () => revision, onTime: () => times++ });
  clock.advance(1_000);
  expect(times).toBe(0);
  spare.ask();
  spare.ask();
  for (let i = 0; i < 3; i++) {
    revision += 1_000;
    clock.advance(20);
    expect(times).toBe(0);
  }
  clock.advance(20);
  expect(times).toBe(1);
  clock.advance(1_000);
  expect(times).toBe(1);
  spare.ask();
  spare.stop();
  expect(clock.pending).toBe(0);
});
