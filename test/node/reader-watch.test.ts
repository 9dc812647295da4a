import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { openLmdb } from "../../src/engine/lmdb.ts";
import { evictReader, parseReaders, type ReaderSlot } from "../../src/engine/lmdb-readers.ts";
import { ReaderWatch } from "../../src/node/reader-watch.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";
import { Path } from "../../src/wire/path.ts";

function temporaryFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "banyan-readers-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

class Fixture implements Disposable {
  readonly folder = temporaryFolder();
  readonly clock = new ManualClock();
  readonly told: string[] = [];
  readonly logged: string[] = [];
  slots: ReaderSlot[] = [];
  /** Something is written all the time. */
  isWritten = true;
  #revision = 1;
  readonly watch: ReaderWatch;

  constructor() {
    writeFileSync(join(this.folder.path, "data.mdb"), "");
    const note = (message: string): void => void this.logged.push(message);
    this.watch = new ReaderWatch({
      offer: { directory: this.folder.path, device: 1, inode: 1, processes: "" },
      slots: () => this.slots,
      revision: () => (this.isWritten ? ++this.#revision : this.#revision),
      asked: () => {},
      hold: () => Promise.resolve({ [Symbol.dispose]: () => {} }),
      clock: this.clock,
      log: { debug: note, info: note, warn: note, error: note },
    });
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 500) {
      this.clock.advance(500);
      this.watch.check();
    }
  }

  grow(bytes: number): void {
    truncateSync(join(this.folder.path, "data.mdb"), bytes);
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

const slot = (pid: number, transaction: number | undefined): ReaderSlot => ({
  pid,
  thread: "7f",
  transaction,
});

describe("ReaderWatch", () => {
  it("sends a reader to the socket whose read goes on for two seconds, and says so once", () => {
    using fixture = new Fixture();
    using reader = fixture.watch.add({ pid: 4, stop: (why) => fixture.told.push(why) });
    using other = fixture.watch.add({ pid: 5, stop: () => fixture.told.push("wrong") });
    fixture.slots = [slot(4, 10), slot(5, undefined)];
    fixture.pass(2_000);
    expect(fixture.told).toEqual([]);
    fixture.pass(5_000);
    expect([reader, other]).toHaveLength(2);
    expect(fixture.told).toHaveLength(1);
    expect(fixture.told[0]).toMatch(/more than 2 s/);
  });

  it("leaves readers alone that read again and again", () => {
    using fixture = new Fixture();
    fixture.watch.add({ pid: 4, stop: (why) => fixture.told.push(why) });
    for (let i = 0; i < 20; i++) {
      fixture.slots = [slot(4, 10 + i)];
      fixture.pass(500);
    }
    expect(fixture.told).toEqual([]);
  });

  it("leaves a reader alone as long as nothing is written that it could be in the way of", () => {
    using fixture = new Fixture();
    fixture.watch.add({ pid: 4, stop: (why) => fixture.told.push(why) });
    fixture.isWritten = false;
    fixture.slots = [slot(4, 10)];
    fixture.pass(20_000);
    expect(fixture.told).toEqual([]);
    fixture.isWritten = true;
    fixture.pass(1_500);
    expect(fixture.told).toEqual([]);
    fixture.pass(1_000);
    expect(fixture.told).toHaveLength(1);
  });

  it("puts a frozen reader of ours out once the store has grown by its limit, and no other", () => {
    using fixture = new Fixture();
    fixture.watch.add({ pid: 4, stop: () => {} })[Symbol.dispose]();
    fixture.slots = [slot(4, 10), slot(6, 10)];
    fixture.pass(20_000);
    expect(fixture.logged.filter((line) => line.includes("frozen"))).toEqual([]);
    fixture.grow(65 * 1024 * 1024);
    fixture.pass(5_000);
    expect(fixture.logged.filter((line) => line.includes("loses its place"))).toHaveLength(1);
    expect(fixture.logged.filter((line) => line.includes("foreign reader"))).toHaveLength(1);
  });

  it("puts a frozen reader out sooner where the store grows fast", () => {
    using fixture = new Fixture();
    fixture.watch.add({ pid: 4, stop: () => {} });
    fixture.slots = [slot(4, 10)];
    fixture.pass(500);
    fixture.grow(257 * 1024 * 1024);
    fixture.pass(3_500);
    expect(fixture.logged.filter((line) => line.includes("loses its place"))).toEqual([]);
    fixture.pass(500);
    expect(fixture.logged.filter((line) => line.includes("loses its place"))).toHaveLength(1);
  });
});

describe("parseReaders()", () => {
  it("reads LMDB's own table", () => {
    const text = "    pid     thread     txnid\n   4711 7f12ab4740 12\n 815 7f12ab4741 -\n";
    expect(parseReaders(text)).toEqual([
      { pid: 4711, thread: "7f12ab4740", transaction: 12 },
      { pid: 815, thread: "7f12ab4741", transaction: undefined },
    ]);
    expect(parseReaders("(no active readers)\n")).toEqual([]);
  });
});

describe("evictReader()", () => {
  it("takes its place from a process that holds a read, and the store's pages are used again", async () => {
    using folder = temporaryFolder();
    await using engine = await openLmdb(folder.path);
    const put = (size: number): Promise<unknown> =>
      engine.put(Path.fromElements(["a"]), new Uint8Array(size));
    await put(10);
    const holder = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `import { open } from "lmdb";
         const root = open({ path: ${JSON.stringify(folder.path)}, readOnly: true, noSubdir: false, maxDbs: 16 });
         const reading = root.useReadTransaction();
         root.getStats();
         [...root.getKeys({ transaction: reading })];
         console.log("holds");
         setInterval(() => {}, 1000);`,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    try {
      await once(holder.stdout, "data");
      holder.kill("SIGSTOP");
      const held = (): ReaderSlot | undefined =>
        engine
          .readers()
          .find(({ pid, transaction }) => pid === holder.pid && transaction !== undefined);
      const before = held();
      expect(before).toBeDefined();
      await put(20);
      expect(held()).toEqual(before);
      expect(await evictReader(folder.path, before as ReaderSlot)).toBe(true);
      expect(held()).toBeUndefined();
      expect(await evictReader(folder.path, before as ReaderSlot)).toBe(false);
      await put(30);
    } finally {
      holder.kill("SIGKILL");
    }
  });
});
