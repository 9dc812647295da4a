import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";

import { FreePages, readFreePages } from "../../src/engine/free-pages.ts";
import { closeTables, type LmdbTables, openTables } from "../../src/engine/lmdb-tables.ts";
import { commit } from "../../src/engine/lmdb-transaction.ts";

const HEADS = 2;

test("readFreePages() finds every page that is in no table", async () => {
  const directory = mkdtempSync(join(tmpdir(), "banyan-free-"));
  const tables = openTables(directory);
  try {
    let most = 0;
    for (let round = 0; round < 60; round++) {
      commit(tables, () => {
        for (let i = 0; i < 40; i++) {
          const key = Buffer.from(`k${(i * 7 + round * 13) % 400}`);
          if ((i + round) % 3 === 0) tables.tree.removeSync(key);
          else tables.tree.putSync(key, Buffer.alloc((i % 5) * 3_000 + 10, round));
        }
      });
      const free = readFreePages(directory, Infinity);
      most = Math.max(most, free.bytes);
      expect(free.bytes).toBe(tables.count.usedBytes - usedBytes(tables));
      expect(free.bytesIn(4 * free.pageSize)).toBeLessThanOrEqual(free.bytes);
    }
    expect(most).toBeGreaterThan(256 * 1024);
    expect(readFreePages(directory, 1).bytes).toBe(0);
  } finally {
    await closeTables(tables);
    rmSync(directory, { recursive: true });
  }
});

test("FreePages.bytesIn() counts pieces that are large enough, as often as they are", () => {
  const free = new FreePages(4_096, [1, 3, 7]);
  expect(free.bytes).toBe(11 * 4_096);
  expect(free.bytesIn(3 * 4_096)).toBe(9 * 4_096);
  expect(free.bytesIn(3 * 4_096 + 1)).toBe(4 * 4_096);
  expect(free.bytesIn(8 * 4_096)).toBe(0);
});

interface Stats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

/** What the tables, that of the tables and that of the free pages take. */
function usedBytes({ root, tree, log, operations, history, meta }: LmdbTables): number {
  root.resetReadTxn();
  const { free, root: names } = root.getStats() as { free: Stats; root: Stats };
  const all = [tree, log, ...operations, history, meta].map((table) => table.getStats() as Stats);
  let pages = HEADS;
  for (const stats of [free, names, ...all]) {
    pages += stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;
  }
  return pages * free.pageSize;
}
