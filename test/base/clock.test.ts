import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { systemClock } from "../../src/base/clock.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const DAY_MS = 24 * 3_600_000;

it("after() runs once when the delay is over", () => {
  const run = vi.fn<() => void>();
  systemClock.after(1_000, run);
  vi.advanceTimersByTime(999);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(5_000);
  expect(run).toHaveBeenCalledOnce();
});

it("after() waits longer than setTimeout can", () => {
  const run = vi.fn<() => void>();
  systemClock.after(100 * DAY_MS, run);
  vi.advanceTimersByTime(100 * DAY_MS - 1);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(run).toHaveBeenCalledOnce();
});

it("after() is called off by disposing, also in a later stretch of a long wait", () => {
  const run = vi.fn<() => void>();
  {
    using _timer = systemClock.after(10, run);
  }
  const long = systemClock.after(100 * DAY_MS, run);
  vi.advanceTimersByTime(50 * DAY_MS);
  long[Symbol.dispose]();
  vi.advanceTimersByTime(100 * DAY_MS);
  expect(run).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});

it("after() with no end never runs", () => {
  const run = vi.fn<() => void>();
  const timer = systemClock.after(Infinity, run);
  vi.advanceTimersByTime(1_000 * DAY_MS);
  expect(run).not.toHaveBeenCalled();
  timer[Symbol.dispose]();
});

it("after() keeps no process alive", () => {
  vi.useRealTimers();
  const set = vi.spyOn(globalThis, "setTimeout");
  using _timer = systemClock.after(60_000, () => {});
  const timer = set.mock.results[0]?.value as NodeJS.Timeout | undefined;
  expect(timer?.hasRef()).toBe(false);
  set.mockRestore();
});

it("now() and wall() tell time in milliseconds", () => {
  vi.useRealTimers();
  const [now, wall] = [systemClock.now(), systemClock.wall()];
  expect(systemClock.now()).toBeGreaterThanOrEqual(now);
  expect(Math.abs(Date.now() - wall)).toBeLessThan(1_000);
});
