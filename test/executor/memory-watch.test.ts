import { expect, it } from "vitest";

import { MemoryWatch } from "../../src/executor/memory-watch.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

function open() {
  const clock = new ManualClock();
  const thread = { beat: 0, held: 10, process: 1_000 };
  const over: number[] = [];
  const watch = new MemoryWatch({
    clock,
    limitMb: 100,
    beat: () => thread.beat,
    heldMb: () => thread.held,
    processMb: () => thread.process,
    onOver: (heldMb) => over.push(heldMb),
  });
  const pass = (change: () => void): void => {
    change();
    clock.advance(100);
  };
  return { clock, thread, over, watch, pass };
}

it("MemoryWatch takes a thread that turns at its word, whatever the process grows by", () => {
  const { thread, over, watch, pass, clock } = open();
  watch.start();
  for (let i = 0; i < 5; i++) pass(() => [thread.beat++, (thread.process += 1_000)]);
  expect(over).toEqual([]);
  pass(() => [thread.beat++, (thread.held = 101)]);
  expect(over).toEqual([101]);
  expect(clock.pending).toBe(0);
});

it("MemoryWatch counts to a thread that blocks what the process grows by, up to twice the limit", () => {
  const { thread, over, watch, pass } = open();
  watch.start();
  pass(() => thread.beat++);
  pass(() => {});
  pass(() => (thread.process += 190));
  expect(over).toEqual([]);
  pass(() => (thread.process += 1));
  expect(over).toEqual([201]);
});

it("MemoryWatch forgets the growth when the thread turns again, and all when it is stopped", () => {
  const { thread, over, watch, pass, clock } = open();
  watch.start();
  pass(() => thread.beat++);
  pass(() => {});
  pass(() => (thread.process += 150));
  pass(() => thread.beat++);
  pass(() => {});
  pass(() => (thread.process += 150));
  expect(over).toEqual([]);
  watch.stop();
  pass(() => (thread.process += 1_000));
  expect([over, clock.pending]).toEqual([[], 0]);
});
