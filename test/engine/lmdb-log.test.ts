import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "vitest";

import { LmdbLog } from "../../src/engine/lmdb-log.ts";
import { headAt } from "../../src/engine/lmdb-records.ts";
import { closeTables, openTables } from "../../src/engine/lmdb-tables.ts";
import { commit } from "../../src/engine/lmdb-transaction.ts";
import { decodeLogRow, encodeLogRow, type LogRecord, rowsOf } from "../../src/engine/log-row.ts";

function record(revision: number, size: number, operation?: string): LogRecord {
  const change = new Uint8Array(size).fill(revision);
  return { row: { revision, change, operation }, previous: undefined, isMade: false };
}

test("LmdbLog goes on behind a transaction that was given up as if it had never been", async () => {
  const folder = await mkdtemp(join(tmpdir(), "banyan-log-"));
  const tables = openTables(folder);
  const log = new LmdbLog(tables, { changes: 0, bytes: Infinity, ageMs: Infinity });
  const write = (records: LogRecord[]) => log.forget(log.append(headAt(0), records), 0);
  const refused = (): void =>
    commit(tables, () => {
      write([record(1, 20), record(2, 20)]);
      throw new Error("given up");
    });
  expect(refused).toThrow("given up");
  log.restart();
  expect(commit(tables, () => write([record(1, 30)]))).toEqual({
    revision: 1,
    forgotten: 1,
    bytes: 0,
    made: 0,
  });
  expect(log.record(1)).toEqual(record(1, 30));
  await closeTables(tables);
  await rm(folder, { recursive: true });
});

test("encodeLogRow() and decodeLogRow() keep all of a record, whatever of it there is", () => {
  const previous = new Uint8Array([7, 8]);
  const records = [
    record(5, 10, "o\u{20ac}"),
    { ...record(6, 0), isMade: true },
    { ...record(7, 300, ""), previous },
    { ...record(8, 20_000), previous: new Uint8Array(20_000) },
  ];
  expect(decodeLogRow(5, encodeLogRow(records).slice())).toEqual(records);
});

test("rowsOf() leaves nothing out, parts what is too large for a row, and no record", () => {
  const records = [...[100, 1_000, 1_000, 5_000, 100, 100].entries()].map(([i, size]) =>
    record(i + 1, size),
  );
  expect([...rowsOf(records)].map((part) => part.map(({ row }) => row.revision))).toEqual([
    [1, 2],
    [3],
    [4],
    [5, 6],
  ]);
  expect([...rowsOf([])]).toEqual([]);
});
