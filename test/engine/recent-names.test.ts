import { describe, expect, test } from "vitest";

import { hashOf, RecentNames } from "../../src/engine/recent-names.ts";

const hash = (name: string): number => hashOf(Buffer.from(name));

describe("RecentNames", () => {
  test("finds all changes of a hash behind one, newest first, however many there are", () => {
    const names = new RecentNames();
    const hashes = ["a", "b", "c"].map(hash);
    // Far behind 32 bits, where a store is that has lost its power.
    const base = 5_000_000_000;
    for (let i = 1; i <= 10_000; i++) {
      // A third of them has no name.
      if (i % 3 !== 0) names.add(base + i, hashes[i % 2] as number, base + 2_000);
    }
    const expected = Array.from({ length: 8_000 }, (_, i) => 10_000 - i).filter((i) => i % 3 !== 0);
    for (const which of [0, 1]) {
      const found = [...names.find(hashes[which] as number, base + 2_000)];
      expect(found).toEqual(expected.filter((i) => i % 2 === which).map((i) => base + i));
    }
    expect([...names.find(hashes[2] as number, base)]).toEqual([]);
    expect([...names.find(hashes[0] as number, base + 10_000)]).toEqual([]);
  });

  test("forgets as it goes on, without growing", () => {
    const names = new RecentNames();
    for (let i = 1; i <= 10_000; i++) names.add(i, hash(`${i}`), Math.max(0, i - 100));
    for (let i = 9_901; i <= 10_000; i++) {
      expect([...names.find(hash(`${i}`), 9_900)]).toEqual([i]);
    }
    expect([...names.find(hash("9900"), 9_900)]).toEqual([]);
  });

  test("hashOf() gives a name the same hash every time, and another one another", () => {
    const key = new Uint8Array([1, 2, 3]);
    expect(hashOf(key)).toBe(hashOf(new Uint8Array([1, 2, 3])));
    expect(hashOf(key)).not.toBe(hashOf(new Uint8Array([1, 2, 4])));
    // Nor have many names that differ little.
    const names = Array.from({ length: 50_000 }, (_, i) => hash(`k${i}`));
    expect(new Set(names).size).toBe(names.length);
  });
});
