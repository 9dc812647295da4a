import { expect, it } from "vitest";

import type { Executor } from "../../src/executor/executor.ts";
import { LanesApart } from "../../src/executor/lanes-apart.ts";

function open(): { readonly apart: LanesApart; readonly lanes: { closed: boolean }[] } {
  const lanes: { closed: boolean }[] = [];
  const apart = new LanesApart(() => {
    const lane = { closed: false };
    lanes.push(lane);
    const close = async (): Promise<void> => void (lane.closed = true);
    return { kind: "lane", start: fail, close, [Symbol.asyncDispose]: close };
  });
  return { apart, lanes };
}

function fail(): never {
  throw new Error("runs nothing");
}

it("LanesApart.seat() gives each of a few runs a lane of its own, and more an even share of eight", async () => {
  const { apart, lanes } = open();
  const seats: Executor[] = [];
  for (let i = 0; i < 8; i++) seats.push(apart.seat(1));
  expect(apart.size).toBe(8);
  for (let i = 0; i < 12; i++) seats.push(apart.seat(1));
  expect(lanes).toHaveLength(8);
  for (const seat of seats.slice(8)) await seat.close();
  expect(lanes.filter(({ closed }) => closed)).toEqual([]);
});

it("LanesApart.seat() shares no lane between rounds, and none at all from the third on", () => {
  const { apart, lanes } = open();
  for (const round of [1, 2, 3, 3, 4]) apart.seat(round);
  expect(lanes).toHaveLength(5);
});

it("LanesApart closes a lane with its last seat, once", async () => {
  const { apart, lanes } = open();
  const seats = Array.from({ length: 9 }, () => apart.seat(1));
  await seats[0]?.close();
  await seats[0]?.close();
  expect(lanes[0]).toEqual({ closed: false });
  await seats[8]?.close();
  expect(lanes[0]).toEqual({ closed: true });
  expect(apart.size).toBe(7);
  for (const seat of seats) await seat.close();
  expect([apart.size, lanes.every(({ closed }) => closed)]).toEqual([0, true]);
});
