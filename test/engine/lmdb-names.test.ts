import { expect, test } from "vitest";

import { LmdbLog } from "../../src/engine/lmdb-log.ts";
import { LmdbNames } from "../../src/engine/lmdb-names.ts";
import { decodeHead } from "../../src/engine/lmdb-records.ts";
import { META_KEYS } from "../../src/engine/lmdb-tables.ts";
import { path, put } from "../../src/testing/engine-suite-kit.ts";
import { Disk } from "./disk-kit.ts";

const PLAIN = {
  value: undefined,
  ifRevision: undefined,
  condition: undefined,
  author: "me",
  durability: undefined,
} as const;

const AT = { path: path("a"), key: Uint8Array.of(1) };

test("what a write came to in a transaction that was given up is forgotten with it", async () => {
  await using disk = await Disk.open();
  await disk.kill();
  const request = {
    path: path("a"),
    key: Uint8Array.of(1),
    operation: "one",
    repeats: 0,
    ...PLAIN,
  };
  const ended = { result: { revision: 1, previous: undefined } };
  await disk.tables((tables) => {
    const log = new LmdbLog(tables, { changes: 10, bytes: 1e6, ageMs: 1e6 });
    const names = new LmdbNames(tables, log, disk.clock);
    const head = decodeHead(tables.meta.get(META_KEYS.head) ?? new Uint8Array());
    const before = () => names.before(request, new Map(), head);
    names.turn();
    names.ended(request, ended);
    names.restart();
    expect(before()).toBeUndefined();
    names.turn();
    names.ended(request, ended);
    names.turn();
    names.restart();
    expect(names.before({ ...request, repeats: false }, new Map(), head)).toEqual(ended);
  });
});

test("the log is read once, however many are sent again whose first sending it has forgotten", async () => {
  await using disk = await Disk.open({ history: 10 });
  for (let i = 0; i < 3; i++) {
    await Promise.all(Array.from({ length: 300 }, (_, k) => put(disk.engine, "a", `${i} ${k}`)));
  }
  await disk.kill();
  await disk.tables((tables) => {
    const log = new LmdbLog(tables, { changes: 10, bytes: 1e6, ageMs: 1e6 });
    const plain = log.rowsBehind.bind(log);
    let reads = 0;
    log.rowsBehind = (after) => {
      reads++;
      return plain(after);
    };
    const names = new LmdbNames(tables, log, disk.clock);
    const head = decodeHead(tables.meta.get(META_KEYS.head) ?? new Uint8Array());
    expect(head.made).toBeGreaterThan(0);
    for (let i = 0; i < 20; i++) {
      const operation = `lost ${i}`;
      const ended = names.before({ ...PLAIN, ...AT, operation, repeats: i % 3 }, new Map(), head);
      expect(ended?.error).toMatchObject({ code: "ENGINE_AMBIGUOUS" });
    }
    expect(reads).toBe(1);
  });
});
