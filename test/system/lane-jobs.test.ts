/** Stored code that ends the thread it shares, on a real node. */
import { expect, it } from "vitest";

import { Cluster, type NodeEntry } from "./cluster.ts";

const HEARTBEAT = `
  for (let n = 0; ; n++) {
    await _self.set(["beat", _self.job.name], { n, token: _self.token });
    await _self.timer(0.05);
  }`;

it("a job that calls process.exit() costs its neighbour one restart, gets a thread of its own, then none", async () => {
  await using cluster = await Cluster.open("n1");
  const { tree, jobs } = cluster;
  await cluster.proc("heartbeat", HEARTBEAT);
  await jobs.set("good", { code: "heartbeat", place: { all: "default" } });
  await cluster.value(["beat", "good"]);

  await cluster.proc("exits", "await _self.timer(0.1); process.exit(3)");
  await jobs.set("bad.job", { code: "exits", delay: 1, backoff: 1, jitter: 0 });
  const record = await cluster.record("run", "bad.job", ({ code }) => code === "RUNNER_POISONED");
  expect(record.message).toContain("called process.exit(3)");
  expect(record.message).toContain("not started again until it changes");
  const state = await cluster.stopped("bad.job");
  expect(state).toMatchObject({ stalls: 2, harm: "exit" });
  expect((await jobs.why("bad.job"))["-"]).toBe("its code ended the thread 2 times");
  expect((await jobs.runs("bad.job")).map(({ outcome }) => outcome)).toEqual([
    "crashed",
    "crashed",
  ]);

  expect(await cluster.running("good")).toMatchObject({ reason: "lane", backoff: 0 });
  const [next, first, ...more] = await jobs.runs("good");
  expect([next?.outcome, first?.outcome, more]).toEqual([undefined, "lost", []]);
  expect(await tree.errors.get({ subsystem: "run", path: "good" })).toBeUndefined();
  await cluster.value(
    ["beat", "good"],
    (beat) => (beat as { token: number }).token === next?.token,
  );

  await cluster.proc("exits", "return 'mended'");
  expect(await cluster.stopped("bad.job", state.token)).toMatchObject({ result: "mended" });
});

it("a job that holds too much memory is found among others, which lose no more than a run, and its node lives", async () => {
  await using cluster = await Cluster.open();
  const node = await cluster.start("n1", "--memory", "128");
  const { tree, jobs } = cluster;
  const { id } = (await tree.get([".banyan", "node", "n1"])) as NodeEntry;
  await cluster.proc("heartbeat", HEARTBEAT);
  const good = ["good1", "good2", "good3"];
  for (const name of good) await jobs.set(name, { code: "heartbeat" });
  for (const name of good) await cluster.value(["beat", name]);

  const hog =
    "const all = []; for (;;) { all.push(new Array(1e6).fill(1)); await _self.timer(0.01) }";
  await cluster.proc("hog", hog);
  await jobs.set("bad.job", { code: "hog", delay: 1, backoff: 1, jitter: 0 });
  const record = await cluster.record("run", "bad.job", ({ code }) => code === "RUNNER_POISONED");
  expect(record.message).toMatch(/"bad\.job" held \d+ MB, and may hold 128 MB: .*--memory/);
  expect((await jobs.why("bad.job"))["-"]).toBe("its code held too much memory 2 times");
  const outcomes = (await jobs.runs("bad.job")).map(({ outcome }) => outcome);
  expect(outcomes).toEqual(["crashed", "crashed", "lost"]);

  for (const name of good) {
    const state = await cluster.running(name);
    expect(state).toMatchObject({ reason: "lane", backoff: 0 });
    expect((await jobs.runs(name)).map(({ outcome }) => outcome)).toEqual([undefined, "lost"]);
    expect(await tree.errors.get({ subsystem: "run", path: name })).toBeUndefined();
    const { token } = state;
    await cluster.value(["beat", name], (beat) => (beat as { token: number }).token === token);
  }
  expect(await tree.get([".banyan", "node", "n1"])).toMatchObject({ id, pid: node.pid });
});

it("a run that has lost its job is stopped without its neighbours, though it still writes", async () => {
  await using cluster = await Cluster.open("n1");
  const { tree, jobs } = cluster;
  await cluster.proc("heartbeat", HEARTBEAT);
  for (const name of ["good", "taken"]) {
    await jobs.set(name, { code: "heartbeat" });
    await cluster.value(["beat", name]);
  }
  const good = await cluster.running("good");
  const { token } = await cluster.running("taken");
  // Another owner's record: from here on, every write of the run is refused.
  const owner = tree.system.owner.concat(["-", "taken"]);
  const record = await tree.get(owner);
  await tree.set(owner, { ...(record as object), lease: null });
  await cluster.running("taken", token);
  await cluster.value(["beat", "taken"], (beat) => (beat as { token: number }).token > token);
  expect(await jobs.state("good")).toMatchObject({ token: good.token, stopped: null });
  expect(await jobs.runs("good")).toHaveLength(1);
});
