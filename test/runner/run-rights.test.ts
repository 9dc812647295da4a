import { describe, expect, it } from "vitest";

import type { TestNode } from "./cluster.ts";
import { Cluster } from "./cluster.ts";
import { QUICK, running, stopped } from "./steps.ts";
import { GuardedHub } from "../node/guarded-hub.ts";
import { JobRoot } from "../../src/runner/job-root.ts";
import { Tree } from "../../src/tree/tree.ts";

/** Of somebody who may set jobs, and look what becomes of them. */
const SETS = {
  ":.banyan": "rxen",
  ":.banyan.#": "rxen",
  ":.banyan.job.#": "rwcxen",
  ":.banyan.code.#": "rxe",
};

/** A tree with a node, and a user over the network who has set jobs of the procedure `beat`. */
class Village implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly hub: GuardedHub;
  readonly node: TestNode;
  readonly ann: Tree;
  readonly annsJobs: JobRoot;

  private constructor(parts: Pick<Village, "cluster" | "hub" | "node" | "ann" | "annsJobs">) {
    this.cluster = parts.cluster;
    this.hub = parts.hub;
    this.node = parts.node;
    this.ann = parts.ann;
    this.annsJobs = parts.annsJobs;
  }

  /** @param through how its node uses the tree */
  static async open(through: "folder" | "network"): Promise<Village> {
    const cluster = await Cluster.open();
    const hub = await GuardedHub.open(cluster.engine, cluster.clock, undefined, false);
    for (const [pattern, letters] of Object.entries(SETS)) {
      await hub.owner.roles.set("sets", pattern, letters);
    }
    await cluster.proc(
      "beat",
      'await _client.set("beats", ((await _client.get("beats")) ?? 0) + 1)',
    );
    const pi = through === "network" ? { tree: await hub.user("pi", "node") } : {};
    const node = await cluster.start("n1", { ...QUICK, ...pi });
    const ann = await hub.user("ann", "sets");
    const annsJobs = await JobRoot.open(ann, { clock: cluster.clock });
    return new Village({ cluster, hub, node, ann, annsJobs });
  }

  beats(): Promise<unknown> {
    return this.cluster.tree.get("beats");
  }

  /** Moves time until the job is denied. */
  async denied(job: string): Promise<string> {
    const { comment } = await this.cluster.until(async () => {
      const listings = await this.cluster.jobs.list(job);
      return listings.find(({ state }) => state === "denied");
    });
    return comment ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster.settle(this.node.runner.close());
    await this.hub[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }
}

describe.each(["folder", "network"] as const)("RunRights at a node over the %s", (through) => {
  it("starts no job whose author lost x, says so, and starts it when that is given back", async () => {
    await using village = await Village.open(through);
    const { cluster, hub, annsJobs } = village;
    await annsJobs.set("heart", { code: "beat", repeat: 5 });
    await cluster.until(async () => (await village.beats()) === 2);
    await hub.owner.roles.set("sets", ":.banyan.code.proc.beat", "re");
    const comment = await village.denied("heart");
    expect(comment).toBe(
      "ann, who set the job, has no right x to run it any more, so beat is not started: " +
        "give that back, or let somebody set the job who may run it",
    );
    expect(await annsJobs.why("heart")).toEqual({ "-": comment });
    await cluster.clock.advanceAsync(60_000);
    expect(await village.beats()).toBe(2);
    const place = { subsystem: "job", path: "heart" };
    expect(await cluster.tree.errors.get(place)).toMatchObject({ code: "RUNNER_DENIED", count: 1 });
    await hub.owner.roles.unset("sets", ":.banyan.code.proc.beat");
    // At once: nobody waits for the next look.
    await cluster.clock.advanceAsync(500);
    expect(await village.beats()).toBe(3);
    await cluster.until(async () => (await cluster.tree.errors.get(place))?.resolved !== undefined);
    expect((await cluster.jobs.list("heart"))[0]?.state).toBe("stopped");
  });

  it("starts no job of somebody who is disabled, or removed, whoever asks for it", async () => {
    await using village = await Village.open(through);
    const { cluster, hub, annsJobs } = village;
    await annsJobs.set("heart", { code: "beat", target: null });
    await hub.owner.users.set("ann", { disabled: true });
    await cluster.jobs.run("heart");
    expect(await village.denied("heart")).toContain("ann, who set the job, is disabled");
    await hub.owner.users.remove("ann");
    await cluster.jobs.run("heart");
    await cluster.until(async () =>
      (await village.denied("heart")).includes("is no user any more"),
    );
    expect(await village.beats()).toBeUndefined();
    // Whoever sets it anew answers for it.
    await cluster.jobs.set("heart", { code: "beat" });
    await cluster.until(() => stopped(cluster, "heart"));
    expect(await village.beats()).toBe(1);
    await cluster.until(async () => (await cluster.jobs.list("heart"))[0]?.state === "stopped");
  });

  it("lets a run go on whose author loses the right meanwhile, and starts no other", async () => {
    await using village = await Village.open(through);
    const { cluster, hub, annsJobs } = village;
    const endless = "await _self.setupDone(); while (!_self.cancelled) await _self.timer(1)";
    await cluster.proc("endless", endless);
    await annsJobs.set("heart", { code: "endless", delay: 0 });
    const { token } = await cluster.until(() => running(cluster, "heart"));
    await hub.owner.roles.set("sets", ":.banyan.code.proc.#", "re");
    await cluster.clock.advanceAsync(20_000);
    expect(await running(cluster, "heart")).toMatchObject({ token });
    await cluster.settle(village.node.runner.close());
    const next = await cluster.start("n2", QUICK);
    expect(await village.denied("heart")).toContain("ann");
    await cluster.clock.advanceAsync(20_000);
    expect(await cluster.jobs.state("heart")).toMatchObject({ token, node: "n1" });
    await cluster.settle(next.runner.close());
  });
});

describe("RunRights", () => {
  it("asks nothing about jobs that the owner of the tree has set, under whatever name", async () => {
    await using village = await Village.open("folder");
    const { cluster, hub } = village;
    await hub.owner.users.set("ann", { roles: [] });
    const local = Tree.over(cluster.engine, { author: "ann", ownsEngine: false });
    await local.set(":.banyan.job.heart", { code: "beat" });
    await cluster.until(() => stopped(cluster, "heart"));
    expect(await village.beats()).toBe(1);
  });
});
