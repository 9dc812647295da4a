import { expect, it } from "vitest";
import * as fc from "fast-check";

import { IdTable } from "../../src/base/id-table.ts";

interface Entry {
  readonly id: number;
}

// Close together, as numbers that are counted; and apart, as a peer may choose them.
const anyId = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.maxSafeNat());

it("IdTable gives what a Map gives, whatever comes and goes", () => {
  const step = fc.record({ id: anyId, goes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
      const table = new IdTable<Entry>();
      const map = new Map<number, Entry>();
      for (const { id, goes } of steps) {
        expect(table.get(id)).toBe(map.get(id));
        const before = map.get(id);
        const entry = { id };
        if (goes) map.delete(id);
        else map.set(id, entry);
        const taken = goes ? table.take(id) : (table.set(id, entry), before);
        expect(taken).toBe(before);
        expect(table.has(id)).toBe(!goes);
        expect(table.size).toBe(map.size);
      }
      expect(table.values()).toEqual([...map.values()].sort((a, b) => a.id - b.id));
      table.clear();
      expect([table.size, table.values()]).toEqual([0, []]);
      for (const id of map.keys()) expect(table.get(id)).toBeUndefined();
    }),
  );
});

it("IdTable holds entries through a hundred thousand that come and go, and gives the room back", () => {
  const table = new IdTable<Entry>();
  let taken = 0;
  const stays = [7, 2 ** 40, Number.MAX_SAFE_INTEGER].map((id) => ({ id }));
  for (const entry of stays) table.set(entry.id, entry);
  for (let id = 1000; id < 101_000; id++) {
    table.set(id, { id });
    if (id >= 60_000) taken += Number(table.take(id - 59_000)?.id === id - 59_000);
  }
  for (let id = 42_000; id < 101_000; id++) taken += Number(table.take(id)?.id === id);
  expect(taken).toBe(100_000);
  expect(table.size).toBe(stays.length);
  expect(table.values()).toEqual(stays);
});

it("take() leaves numbers in reach that fell on the same slot", () => {
  const table = new IdTable<Entry>();
  const ids = Array.from({ length: 64 }, (_, i) => 5 + i * 2 ** 32);
  for (const id of ids) table.set(id, { id });
  for (const id of ids.filter((_, i) => i % 2 === 0)) table.take(id);
  for (const [i, id] of ids.entries()) expect(table.has(id)).toBe(i % 2 === 1);
});
