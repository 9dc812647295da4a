import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { OF_BYTES, openFolder } from "../../src/engine/lmdb-open.ts";
import { openReader } from "../../src/engine/lmdb-reader.ts";

describe("openFolder()", () => {
  test("makes no directory where there is none", () => {
    using place = new Place();
    expect(() => openFolder(place.store, OF_BYTES)).toThrow(/is not there/);
    expect(() => openReader(place.store)).toThrow(/is not there/);
    expect(readdirSync(place.root)).toEqual([]);
  });

  test.runIf(process.platform === "linux")(
    "does not bring back a directory that is removed while it opens that",
    () => {
      using place = new Place();
      mkdirSync(place.store);
      const options = {
        get maxDbs() {
          rmSync(place.store, { recursive: true });
          return 1;
        },
      };
      expect(() => openFolder(place.store, options)).toThrow(/No such file/);
      expect(existsSync(place.store)).toBe(false);
    },
  );

  test("opens stores one after another, each for itself", async () => {
    using place = new Place();
    const names = ["one", "two"].map((name) => join(place.root, name));
    for (const name of names) mkdirSync(name);
    const stores = names.map((name) => openFolder(name, { maxDbs: 1, ...OF_BYTES }));
    const key = Buffer.from("key");
    for (const [i, store] of stores.entries()) store.putSync(key, Uint8Array.of(i));
    expect(stores.map((store) => store.get(key)?.[0])).toEqual([0, 1]);
    for (const store of stores) await store.close();
    expect(readdirSync(names[0] ?? "").toSorted()).toEqual(["data.mdb", "lock.mdb"]);
  });
});

class Place implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), "banyan-open-"));
  readonly store = join(this.root, "store");

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }
}
