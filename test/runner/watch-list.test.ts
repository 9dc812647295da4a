import { describe, expect, it } from "vitest";

import type { JobListEvent } from "../../src/runner/job-root.ts";
import { formatPath } from "../../src/wire/path-text.ts";
import { Cluster } from "./cluster.ts";
import { ENDLESS, QUICK } from "./steps.ts";

/** What a reader was told, who reads at once. */
class Told {
  readonly batches: (readonly JobListEvent[])[] = [];
  readonly ended: Promise<unknown>;

  constructor(events: AsyncIterable<readonly JobListEvent[]>) {
    this.ended = this.#read(events).catch((error: unknown) => error);
  }

  /** As "path state" each. */
  get lines(): string[] {
    return this.batches
      .flat()
      .map(({ path, listing }) => `${formatPath(path)} ${listing?.state ?? "gone"}`);
  }

  async #read(events: AsyncIterable<readonly JobListEvent[]>): Promise<void> {
    for await (const batch of events) this.batches.push(batch);
  }
}

describe("watchList()", () => {
  it("tells all jobs at once, then each that became different, and no other", async () => {
    await using cluster = await Cluster.open();
    const node = await cluster.start("n1", QUICK);
    await cluster.proc("endless", ENDLESS);
    await cluster.jobs.set("a.off", { code: "endless", enabled: false });
    await cluster.jobs.set("a.never", { code: "endless", target: null });
    await cluster.jobs.set("b", { code: "endless", target: null });
    const asked = new AbortController();
    const told = new Told(cluster.jobs.watchList("a", { signal: asked.signal }));
    await cluster.until(() => told.batches.length === 1);
    expect(told.lines).toEqual(["a.never new", "a.off disabled"]);
    expect(told.batches[0]?.map(({ listing }) => listing)).toEqual(await cluster.jobs.list("a"));
    // Leases are renewed, and other jobs change: that is no news.
    await cluster.jobs.set("b", { code: "endless" });
    await cluster.clock.advanceAsync(5_000);
    expect(told.lines.slice(2)).toEqual([]);
    await cluster.jobs.run("a.never");
    await cluster.until(() => told.lines.at(-1) === "a.never running");
    await cluster.jobs.set("a.off", "nonsense").catch(() => {});
    await cluster.tree.set(":.banyan.job.a.off", "nonsense");
    await cluster.until(() => told.lines.at(-1) === "a.off bad entry");
    await cluster.jobs.remove("a.off");
    await cluster.until(() => told.lines.at(-1) === "a.off gone");
    // What a dead node left running does not run.
    node.kill();
    const other = await cluster.start("n2", { ...QUICK, groups: ["others"] });
    await cluster.until(() => told.lines.at(-1) === "a.never interrupted");
    asked.abort(new Error("enough"));
    expect(await told.ended).toMatchObject({ message: "enough" });
    expect(other.alive).toBe(true);
  });

  it("tells a reader that lags how things are by then", async () => {
    await using cluster = await Cluster.open();
    await cluster.jobs.set("a", { code: "none", target: null });
    const events = cluster.jobs.watchList();
    expect((await events.next()).value).toHaveLength(1);
    for (let n = 0; n < 100; n++) await cluster.jobs.set("a", { code: `none.${n}`, target: null });
    await cluster.clock.advanceAsync(10);
    const { value } = await events.next();
    expect(value?.map(({ listing }) => formatPath(listing?.code ?? []))).toEqual(["none.99"]);
    await events.return();
  });

  it("begins with nothing where there are no jobs, and ends with its tree", async () => {
    await using cluster = await Cluster.open();
    const told = new Told(cluster.jobs.watchList());
    await cluster.until(() => told.batches.length === 1);
    expect(told.lines).toEqual([]);
    await cluster.tree.close();
    expect(await told.ended).toMatchObject({ code: "TREE_CLOSED" });
  });
});
