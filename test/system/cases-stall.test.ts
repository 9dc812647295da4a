/** Stored code that never gives its thread back, on a real node. */
import { expect, it } from "vitest";

import { Cluster, type NodeEntry } from "./cluster.ts";

const HEARTBEAT = `
  for (let n = 0; ; n++) {
    await _self.set(["beat", _self.job.name], { n, token: _self.token });
    await _self.timer(0.05);
  }`;

it("a job that is for(;;){} harms no other for long, is named, is not started a third time, and runs when it is mended", async () => {
  await using cluster = await Cluster.open("n1");
  const { tree, jobs } = cluster;
  const stop = new AbortController();
  const renewals = followNode(cluster, stop.signal);

  await cluster.proc("heartbeat", HEARTBEAT);
  const good = ["good1", "good2"];
  for (const name of good) await jobs.set(name, { code: "heartbeat" });
  const before = await Promise.all(good.map((name) => cluster.running(name)));
  await Promise.all(good.map((name) => cluster.value(["beat", name])));
  const lease = (await tree.get([".banyan", "node", "n1"])) as NodeEntry;

  await cluster.proc("evil", "await _self.setupDone();\nlet n = 0;\nfor (;;) {\n  n += 1;\n}");
  await jobs.set("evil.job", { code: "evil", delay: 0.1, jitter: 0 });
  const record = await cluster.record("run", "evil.job");
  expect(record.message).toMatch(/blocked its thread at tree:evil:[34]:\d+$/);
  expect(Object.keys(record.nodes)).toEqual(["n1"]);

  // The others were lost with their thread, and go on in another.
  const after = await Promise.all(good.map((name, i) => cluster.running(name, before[i]?.token)));
  expect(after.map(({ reason, backoff }) => [reason, backoff])).toEqual([
    ["lane", 0],
    ["lane", 0],
  ]);
  for (const [i, name] of good.entries()) {
    const token = after[i]?.token ?? 0;
    await cluster.value(["beat", name], (beat) => (beat as { token: number }).token === token);
  }

  await cluster.record("run", "evil.job", ({ message }) =>
    /tree:evil:[34]:\d+, for the second time/.test(message),
  );
  const state = await cluster.stopped("evil.job");
  expect(state).toMatchObject({ stalls: 2, comment: expect.stringContaining("tree:evil:") });
  expect((await jobs.why("evil.job"))["-"]).toBe("its code blocked the thread 2 times");
  const runs = await jobs.runs("evil.job");
  expect(runs.map(({ outcome }) => outcome)).toEqual(["stalled", "stalled"]);
  // The second time it had a thread of its own.
  for (const [i, name] of good.entries()) {
    expect(await jobs.state(name)).toMatchObject({ token: after[i]?.token, stopped: null });
    expect(await jobs.runs(name)).toHaveLength(2);
  }

  // Asking for it changes nothing; other code does.
  await jobs.run("evil.job");
  await cluster.proc("forty.two", "return 42");
  await jobs.set("later", { code: "forty.two" });
  await cluster.stopped("later");
  expect(await jobs.state("evil.job")).toMatchObject({ token: state.token });
  await cluster.proc("evil", "return 'mended'");
  expect(await cluster.stopped("evil.job", state.token)).toMatchObject({
    result: "mended",
    backoff: 0,
  });
  await cluster.record("run", "evil.job", ({ resolved }) => resolved !== undefined);

  stop.abort();
  const beats = await renewals;
  expect(new Set(beats.map(({ id }) => id))).toEqual(new Set([lease.id]));
  expect(beats.at(-1)?.beat).toBeGreaterThan(lease.beat);
  const waits = beats.slice(1).map(({ time }, i) => time - (beats[i]?.time ?? 0));
  expect(Math.max(...waits)).toBeLessThan(4_000);
});

/** Every write of the node's entry; `time` in milliseconds. */
async function followNode(
  cluster: Cluster,
  signal: AbortSignal,
): Promise<{ id: string; beat: number; time: number }[]> {
  const seen: { id: string; beat: number; time: number }[] = [];
  try {
    for await (const event of cluster.tree.watch([".banyan", "node", "n1"], { signal })) {
      if (event.type !== "put") continue;
      const { id, beat } = event.entry.value as NodeEntry;
      seen.push({ id, beat, time: event.entry.time });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return seen;
}
