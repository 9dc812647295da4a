import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";
import * as lmdb from "lmdb";
import { describe, expect, test } from "vitest";

import { BanyanError } from "../../src/base/errors.ts";
import { type MapWindowsOptions, MapWindows, WINDOW_BYTES } from "../../src/engine/lmdb-map.ts";
import { LmdbPages, RowWalk } from "../../src/engine/lmdb-pages.ts";
import type { KeyRange } from "../../src/engine/store.ts";

const RECORD = Buffer.from("rows\0");
const ALL: KeyRange = { start: Uint8Array.of(), end: new Uint8Array(16).fill(0xff) };

type Row = readonly [key: string, value: string];

/** A store with one table, and what its file says of it. */
class Fixture implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "banyan-pages-"));
  readonly rows: lmdb.Database<Buffer, Buffer>;
  readonly pages: LmdbPages;
  readonly #root: lmdb.RootDatabase<Buffer, Buffer>;

  constructor() {
    const bytes = { encoding: "binary", keyEncoding: "binary", cache: false } as const;
    // Without a name for the folder that has none in it, LMDB takes it for a file's.
    this.#root = lmdb.open({ path: this.directory, noSubdir: false, maxDbs: 4, ...bytes });
    this.rows = this.#root.openDB("rows", bytes);
    this.pages = new LmdbPages(this.directory);
  }

  write(work: () => void): void {
    this.#root.transactionSync(work);
  }

  /** Looks at the file through the map from here on. */
  useMap(): { readonly made: number } {
    const { nativeAddon: native } = lmdb as unknown as {
      nativeAddon: MapWindowsOptions["native"];
    };
    const counting = {
      ...native,
      Cursor: native.Cursor,
      position: native.position,
      getCurrentShared: native.getCurrentShared,
      getBufferAddress: native.getBufferAddress,
      made: 0,
      createBufferForAddress: (address: number, size: number) => {
        if (size > 8) counting.made++;
        return native.createBufferForAddress(address, size);
      },
    };
    const keys = this.#keys();
    const transaction = this.#root.useReadTransaction() as unknown as { readonly address: number };
    this.pages.windows = new MapWindows({
      native: counting,
      pageSize: this.pages.pageSize,
      table: (this.#root as unknown as { readonly db: unknown }).db,
      transaction: transaction.address,
      key: RECORD,
      keys,
      fileSize: () => this.pages.size,
      mapSize: () => (this.#root.getStats() as { readonly mapSize: number }).mapSize,
    });
    return counting;
  }

  walked(range: KeyRange): Row[] {
    const walk = new RowWalk(this.pages);
    this.pages.windows?.begin();
    walk.begin(this.record, range);
    const rows: Row[] = [];
    while (walk.next()) {
      const { bytes, keyStart, keyEnd, valueBytes, valueStart, valueSize } = walk;
      const value = valueBytes.slice(valueStart, valueStart + valueSize);
      rows.push([hex(bytes.slice(keyStart, keyEnd)), hex(value)]);
    }
    return rows;
  }

  /** The same, as `lmdb` reads it. */
  expected({ start, end }: KeyRange): Row[] {
    const range = { start: Buffer.from(start), end: Buffer.from(end) };
    return [...this.rows.getRange(range)].map(({ key, value }) => [hex(key), hex(value)]);
  }

  get record(): Uint8Array {
    return Uint8Array.from(this.#root.getBinary(RECORD) ?? []);
  }

  [Symbol.dispose](): void {
    this.pages[Symbol.dispose]();
    void this.#root.close();
    rmSync(this.directory, { recursive: true });
  }

  /** lmdb's buffer for keys. */
  #keys(): Uint8Array {
    let keys: Uint8Array = new Uint8Array();
    const writeKey = (_key: unknown, target: Uint8Array, at: number): number => {
      keys = target;
      target[at] = 1;
      return at + 1;
    };
    const keyEncoder = { writeKey, readKey: () => undefined };
    const table = this.#root.openDB({ name: "rows", keyEncoder } as never);
    table.getBinary(RECORD);
    return keys;
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Few bytes, so that keys begin alike. */
const keyBytes = fc
  .array(fc.constantFrom(0, 1, 0x30, 0x7f, 0xff), { minLength: 1, maxLength: 12 })
  .map((bytes) => Uint8Array.from(bytes));

const range = fc.tuple(keyBytes, keyBytes).map(([a, b]): KeyRange => {
  return Buffer.compare(a, b) <= 0 ? { start: a, end: b } : { start: b, end: a };
});

interface Change {
  readonly key: Uint8Array;
  readonly size: number;
  readonly isDelete: boolean;
}

const change: fc.Arbitrary<Change> = fc.record({
  key: keyBytes,
  // Also what takes pages of its own.
  size: fc.oneof(fc.nat(40), fc.nat(3_000), fc.constantFrom(4_072, 4_073, 20_000)),
  isDelete: fc.boolean(),
});

function apply(fixture: Fixture, changes: readonly Change[]): void {
  fixture.write(() => {
    for (const { key, size, isDelete } of changes) {
      if (isDelete) void fixture.rows.remove(Buffer.from(key));
      else void fixture.rows.put(Buffer.from(key), Buffer.alloc(size, size));
    }
  });
}

function fill(fixture: Fixture, count: number): void {
  fixture.write(() => {
    for (let i = 0; i < count; i++) {
      const key = Buffer.alloc(4);
      key.writeUInt32BE(Math.imul(i, 0x9e_37_79_b1) >>> 0);
      void fixture.rows.put(key, Buffer.alloc(100, i));
    }
  });
}

describe("RowWalk", () => {
  test.each(["file", "map"])("gives the rows of any range as lmdb does, from the %s", (from) => {
    const property = fc.property(
      fc.array(fc.array(change, { maxLength: 200 }), { minLength: 1, maxLength: 4 }),
      fc.array(range, { minLength: 1, maxLength: 10 }),
      (rounds, ranges) => {
        using fixture = new Fixture();
        if (from === "map") fixture.useMap();
        for (const changes of rounds) {
          apply(fixture, changes);
          for (const one of [ALL, ...ranges]) {
            expect(fixture.walked(one)).toEqual(fixture.expected(one));
          }
        }
      },
    );
    fc.assert(property, { numRuns: 15 });
  });

  test("gives all rows of a tree of several levels", () => {
    using fixture = new Fixture();
    fill(fixture, 20_000);
    const rows = fixture.walked(ALL);
    expect(rows).toHaveLength(20_000);
    expect(rows).toEqual(fixture.expected(ALL));
  });

  test("goes on through the map when the file grows, and looks for it no more often than it must", () => {
    using fixture = new Fixture();
    fill(fixture, 5_000);
    const map = fixture.useMap();
    expect(fixture.walked(ALL)).toHaveLength(5_000);
    expect(map.made).toBeGreaterThan(0);
    fill(fixture, 20_000);
    expect(fixture.walked(ALL)).toEqual(fixture.expected(ALL));
    const { made } = map;
    expect(made).toBeGreaterThan(fixture.pages.size / WINDOW_BYTES / 4);
    fixture.walked(ALL);
    expect(map.made).toBe(made);
  });

  test("whatever a damaged file holds, it gives rows or says so", () => {
    using fixture = new Fixture();
    fill(fixture, 2_000);
    const whole = readFileSync(join(fixture.directory, "data.mdb"));
    const { record } = fixture;
    const directory = mkdtempSync(join(tmpdir(), "banyan-pages-"));
    let refused = 0;
    const damage = fc.tuple(fc.nat(whole.length / 2 - 1), fc.nat(0xff_ff));
    const property = fc.property(
      fc.array(damage, { minLength: 1, maxLength: 300 }),
      fc.boolean(),
      (damages, heads) => {
        const bytes = Buffer.from(whole);
        for (const [at, unit] of damages) {
          // Heads of pages, where all that leads on is.
          const place = heads ? (at & ~2047) + (at % 40) : at;
          if (place * 2 >= 2 * 4096) bytes.writeUInt16LE(unit, place * 2);
        }
        writeFileSync(join(directory, "data.mdb"), bytes);
        using pages = new LmdbPages(directory);
        const walk = new RowWalk(pages);
        try {
          walk.begin(record, ALL);
          for (let rows = 0; rows < 5_000 && walk.next(); rows++);
        } catch (error) {
          if (!BanyanError.has(error, "ENGINE_CORRUPT")) throw error;
          refused++;
        }
      },
    );
    // The root's number, for one, and that of the page its last node names.
    const root = Buffer.from(record).readUInt32LE(40) * 4096;
    const last = root + 24 + whole.readUInt16LE(root + 22 + whole.readUInt16LE(root + 20));
    fc.assert(property, {
      numRuns: 150,
      examples: [root, last, last + 4].map((at) => [[[at / 2, 0x02_00]], false]),
    });
    expect(refused).toBeGreaterThan(0);
    rmSync(directory, { recursive: true });
  });
});
