/** A store of LMDB that a test can kill, open again, and look into. */
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Engine } from "../../src/engine/engine.ts";
import { type LmdbEngine, type LmdbOptions, openLmdb } from "../../src/engine/lmdb.ts";
import { decodeHead } from "../../src/engine/lmdb-records.ts";
import {
  closeTables,
  type LmdbTables,
  META_KEYS,
  openTables,
} from "../../src/engine/lmdb-tables.ts";
import { commit } from "../../src/engine/lmdb-transaction.ts";
import { bytes, path } from "../../src/testing/engine-suite-kit.ts";
import { ManualClock } from "../../src/testing/manual-clock.ts";

/** A store whose time stands still. */
export class Disk implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly #base: string;
  readonly #options: LmdbOptions;
  #copies = 0;
  #engine: LmdbEngine | undefined;

  private constructor(base: string, options: LmdbOptions) {
    this.#base = base;
    this.#options = options;
  }

  static async open(options: LmdbOptions = {}): Promise<Disk> {
    const disk = new Disk(await mkdtemp(join(tmpdir(), "banyan-past-")), options);
    await disk.start();
    return disk;
  }

  /** With "a=1" in it, and a journal that is whole: what is written from now on goes there. */
  static async openWhole(): Promise<Disk> {
    const disk = await Disk.open();
    await disk.engine.put(path("a"), bytes("1"), { durability: "flushed" });
    return disk;
  }

  get engine(): LmdbEngine {
    if (this.#engine === undefined) throw new Error("not started");
    return this.#engine;
  }

  get path(): string {
    return join(this.#base, `${this.#copies}`);
  }

  async start(boot = "first"): Promise<void> {
    this.#engine = await openLmdb(this.path, { ...this.#options, boot, clock: this.clock });
  }

  /** The process is gone: what it did not commit is, too. */
  async kill(): Promise<void> {
    await this.killNow()();
  }

  /** The same, at this very moment, also within a step of the engine. @returns what closes what is left of it here */
  killNow(): () => Promise<void> {
    const killed = this.path;
    this.#copies++;
    mkdirSync(this.path);
    for (const name of readdirSync(killed)) {
      if (name !== "lock.mdb") copyIfThere(join(killed, name), join(this.path, name));
    }
    return async () => {
      const engine = this.#engine;
      this.#engine = undefined;
      await engine?.close();
    };
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Lets `work` at the tables while nobody has them open. */
  async tables(work: (tables: LmdbTables) => void): Promise<void> {
    const tables = openTables(this.path);
    commit(tables, () => work(tables));
    await closeTables(tables);
  }

  /** The last revision that LMDB has. */
  async committed(): Promise<number> {
    let revision = -1;
    await this.tables(({ meta }) => {
      revision = decodeHead(meta.get(META_KEYS.head) as Uint8Array).revision;
    });
    return revision;
  }

  /** Up to where past versions have rows of their own. */
  async made(): Promise<number> {
    let made = -1;
    await this.tables(({ meta }) => {
      made = decodeHead(meta.get(META_KEYS.head) as Uint8Array).made;
    });
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine?.close();
    await rm(this.#base, { recursive: true, force: true });
  }
}

/** The versions of an entry, as plain data. */
export async function past(engine: Engine, key: string): Promise<unknown[]> {
  const versions = await engine.history(path(key));
  return versions.map(({ value, revision, author, time }) => [
    value && Buffer.from(value).toString(),
    revision,
    author,
    time,
  ]);
}

/** The files of former owners may be taken away meanwhile, in the background. */
function copyIfThere(from: string, to: string): void {
  try {
    copyFileSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
