/** DistKV's cases of networks that split and lose, with clients of one hub behind a wire that a test cuts. */
import { open, type PathLike, type Tree } from "banyan";
import { seededRandom } from "banyan/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { temporaryFolder } from "./kit.ts";
import { listeningTree, ROOT, Wire } from "./network-kit.ts";

const POLL = { timeout: 30_000, interval: 10 };

describe("clients behind a wire", () => {
  const folder = temporaryFolder();
  let hub: Awaited<ReturnType<typeof listeningTree>>;
  let token: string;
  beforeAll(async () => {
    hub = await listeningTree(folder.path);
    ({ token } = await hub.local.users.addToken(ROOT.user));
  });
  afterAll(async () => {
    await hub[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  async function clients(count: number, address: string): Promise<Tree[]> {
    const one = (): Promise<Tree> => open(address, { credentials: { token } });
    return Promise.all(Array.from({ length: count }, one));
  }

  it.each([-10, -1, 0, 10])(
    "KR3: split 5 to 5 with %s writes, all agree when it heals, and every change is told once",
    async (writes) => {
      await using wire = await Wire.open(hub.address());
      const near = await clients(5, hub.address());
      const far = await clients(5, wire.address);
      const all = [...near, ...far];
      const top = ["kr3", writes];
      const writer = near[0] as Tree;
      await writer.set([...top, "gone"], 1);
      const told = await Promise.all(all.map((tree) => Told.open(tree, top)));
      const mirrors = await Promise.all(far.map((tree) => tree.mirror(top)));
      wire.cut();
      await vi.waitUntil(() => mirrors.every(({ stale }) => stale), POLL);
      await near[1]?.delete([...top, "gone"]);
      // What the cut side writes waits until it is back, or would be refused.
      const side = writes < 0 ? far : near;
      const written = Promise.all(
        Array.from({ length: Math.abs(writes) }, (_, i) =>
          (side[i % 5] as Tree).set([...top, i], i),
        ),
      );
      if (writes >= 0) await written;
      expect(mirrors.every((mirror) => mirror.has([...top, "gone"]))).toBe(true);
      wire.heal();
      await written;
      const { revision } = await writer.set([...top, "last"], true);
      await Promise.all(mirrors.map((mirror) => mirror.waitFor(revision)));
      const expected = Array.from({ length: Math.abs(writes) }, (_, i) => `${i}`);
      for (const one of told) {
        await vi.waitUntil(() => one.changes.at(-1) === "last", POLL);
        expect(one.changes.slice(1, -1).toSorted()).toEqual(
          [...expected, "gone deleted"].toSorted(),
        );
        expect(one.changes[0]).toBe("gone");
      }
      for (const mirror of mirrors) expect([mirror.size, mirror.stale]).toEqual([Math.abs(writes) + 1, false]); // prettier-ignore
      await Promise.all(all.map((tree) => tree.close()));
    },
  );

  it("KR4: over a wire that delays and breaks, all of ten clients see the last of all writes", async () => {
    await using wire = await Wire.open(hub.address());
    const trees = await clients(10, wire.address);
    const mirrors = await Promise.all(trees.map((tree) => tree.mirror("kr4")));
    wire.disturb(seededRandom(4), { delayed: 0.2, broken: 0.01 });
    const last = await Promise.all(
      trees.map(async (tree, n) => {
        let revision = 0;
        for (let round = 0; round < 10; round++) {
          const keys = Array.from({ length: 10 }, (_, key) => tree.set(["kr4", n, key], round));
          revision = Math.max(...(await Promise.all(keys)).map((result) => result.revision));
        }
        return revision;
      }),
    );
    expect(wire.broken).toBeGreaterThan(0);
    await Promise.all(mirrors.map((mirror) => mirror.waitFor(Math.max(...last))));
    for (const mirror of mirrors) {
      const values = [...mirror.entries()].map(({ value }) => value);
      expect(values).toEqual(Array.from({ length: 100 }, () => 9));
    }
    // 1,000 writes, each applied once, whatever had to be sent again.
    const versions = await hub.local.history("kr4:0:0");
    expect(versions.map(({ value }) => value)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    wire.calm();
    await Promise.all(trees.map((tree) => tree.close()));
  });
});

/** The names of the entries that a watch told of, in order. */
class Told {
  readonly changes: string[] = [];

  static async open(tree: Tree, top: PathLike): Promise<Told> {
    const told = new Told();
    const watch = tree.watch(top);
    void (async () => {
      for await (const event of watch) {
        if (event.type === "reset") told.changes.push("reset");
        if (event.type === "put") told.changes.push(String(event.entry.path.at(-1)));
        if (event.type === "delete") told.changes.push(`${String(event.path.at(-1))} deleted`);
      }
    })().catch(() => told.changes.push("failed"));
    await vi.waitUntil(() => told.changes.length > 0, POLL);
    return told;
  }
}
