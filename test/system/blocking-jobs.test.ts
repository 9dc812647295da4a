/** Jobs whose procedure has `is_async: false`, on real nodes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { MessageChannel } from "node:worker_threads";

import { open, runNode } from "banyan";
import { connectSync } from "banyan/remote";
import { expect, it } from "vitest";

import { Cluster, type NodeEntry } from "./cluster.ts";
import { banyan, temporaryFolder } from "./kit.ts";

const BLOCKS = { is_async: false };

/** Beats without ever yielding to its event loop. */
const HEARTBEAT = `
  for (let n = 0; ; n++) {
    _self.set(["beat", _self.job.name], { n, token: _self.token, node: _self.node });
    _self.timer(0.05).wait();
  }`;

/** The first event of a run. */
const TELLS = `(const event of _info) {
  const { type, state, peers, store } = event;
  return [event instanceof _cls.CompleteState, type, state, peers, store];
}`;

interface Beat {
  readonly n: number;
  readonly token: number;
  readonly node: string;
}

it("goes over to another node when its own is killed, and stops for good at a frozen one's", async () => {
  await using cluster = await Cluster.open("n1", "n2");
  await cluster.proc("beats", HEARTBEAT, BLOCKS);
  await cluster.jobs.set("job", { code: "beats" });
  const first = (await cluster.value(["beat", "job"])) as Beat;

  cluster.node(first.node).kill("SIGKILL");
  const isLater = (value: unknown, than: Beat): boolean =>
    ((value as Beat | undefined)?.token ?? 0) > than.token;
  const second = (await cluster.value(["beat", "job"], (value) => isLater(value, first))) as Beat;
  expect(second.node).not.toBe(first.node);

  await cluster.start("n3");
  const leaseOf = async (): Promise<string> =>
    ((await cluster.tree.get([".banyan", "node", second.node])) as NodeEntry).id;
  const lease = await leaseOf();
  cluster.node(second.node).kill("SIGSTOP");
  const third = (await cluster.value(["beat", "job"], (value) => isLater(value, second))) as Beat;
  expect(third.node).toBe("n3");
  cluster.node(second.node).kill("SIGCONT");
  await cluster.until("the node's return", async () => (await leaseOf()) !== lease);
  // Nothing that its old run still does is written.
  const tokens: number[] = [];
  const deadline = AbortSignal.timeout(20_000);
  for await (const event of cluster.tree.watch(["beat", "job"], { signal: deadline })) {
    if (event.type === "put") tokens.push((event.entry.value as Beat).token);
    if (tokens.length === 40) break;
  }
  expect(new Set(tokens)).toEqual(new Set([third.token]));
});

it("is told how much of its group is there, as code that waits is, where it goes on when it is cut off", async () => {
  await using cluster = await Cluster.open("n1");
  await cluster.proc("blocks", `for ${TELLS}`, BLOCKS);
  await cluster.proc("waits", `for await ${TELLS}`, { is_async: true });
  for (const name of ["blocks", "waits"]) {
    await cluster.jobs.set(name, { code: name, partition: "continue" });
    const { result } = await cluster.stopped(name);
    expect(result).toEqual([true, "actor", "complete", [], "ok"]);
  }
});

it("restarts with its code and its data, is cancelled while it waits, and times out while it spins", async () => {
  await using cluster = await Cluster.open("n1");
  const { jobs } = cluster;
  await cluster.proc("beats", HEARTBEAT, BLOCKS);
  await jobs.set("job", { code: "beats" });
  const first = await cluster.running("job");
  await cluster.proc("beats", `${HEARTBEAT} // new`, BLOCKS);
  const second = await cluster.running("job", first.token);
  expect(second.reason).toBe("code-change");
  await jobs.set("job", { code: "beats", data: { some: 1 } });
  const third = await cluster.running("job", second.token);
  await jobs.cancel("job");
  expect(await cluster.stopped("job", second.token)).toMatchObject({
    token: third.token,
    comment: "cancelled: somebody cancelled it",
  });

  // A neighbour on the lane and one in the pool notice nothing.
  await cluster.proc("async", "for (;;) await _self.timer(0.05)");
  await jobs.set("lane", { code: "async" });
  await jobs.set("pool", { code: "beats" });
  const before = await Promise.all([cluster.running("lane"), cluster.running("pool")]);
  await cluster.proc("spins", "_log.info('begun'); for (;;);", BLOCKS);
  await jobs.set("spin", { code: "spins", timeout: 0.5 });
  await cluster.stopped("spin");
  const [run] = await jobs.runs("spin");
  expect(run).toMatchObject({ outcome: "timeout", error: { code: "RUNNER_CANCELLED" } });
  expect((await jobs.logs("spin")).map(({ text }) => text)).toEqual(["begun"]);
  const after = await Promise.all([jobs.state("lane"), jobs.state("pool")]);
  expect(after.map((state) => state?.token)).toEqual(before.map(({ token }) => token));
});

it("is not started a third time when it ended its thread twice", async () => {
  await using cluster = await Cluster.open("n1");
  await cluster.proc("exits", "process.exit(3)", BLOCKS);
  await cluster.jobs.set("bad", { code: "exits", delay: 0.2, backoff: 1, jitter: 0 });
  const record = await cluster.record("run", "bad", ({ code }) => code === "RUNNER_POISONED");
  expect(record.message).toContain("called process.exit(3)");
  expect(await cluster.stopped("bad")).toMatchObject({ stalls: 2, harm: "exit" });
  await cluster.proc("exits", "return _client.get('answer') ?? 42", BLOCKS);
  const mended = await cluster.until("the repair", async () => {
    const state = await cluster.jobs.state("bad");
    return state?.result === 42 && state;
  });
  expect(mended.backoff).toBe(0);
});

it("what blocks is refused on a lane and on a node's own thread, with what to do about it", async () => {
  const says = /this thread must not wait for a remote object: .*is_async: false/;
  await using tree = await open("memory:");
  const { port1, port2 } = new MessageChannel();
  {
    await using _ = await runNode({ tree, name: "n1" });
    const session = connectSync(port1);
    expect(() => session.names()).toThrow(says);
  }
  port2.close();

  await using cluster = await Cluster.open("n1");
  await cluster.proc(
    "connects",
    `const { MessageChannel } = await import("node:worker_threads")
     const { connectSync } = await import(remote)
     connectSync(new MessageChannel().port1).names()`,
  );
  const remote = import.meta.resolve("banyan/remote");
  await cluster.jobs.set("job", { code: "connects", data: { remote } });
  const record = await cluster.record("run", "job");
  expect(record.message).toMatch(says);
});

it("code that blocks is stored, shown and called by the command", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "sum.ts");
  writeFileSync(file, "let sum = 0; for (const n of list) sum += n; return sum");
  const at = (...args: string[]) => banyan(["-t", folder.path, ...args]);
  const added = await at("code", "add", "sum", file, "--mode", "worker", "--var", "list");
  expect(added).toMatchObject({ code: 0 });
  const shown = await at("code", "get", "sum");
  expect(shown.stdout).toBe("let sum = 0; for (const n of list) sum += n; return sum\n");
  expect(shown.stderr).toContain("mode worker, vars list");
  const entry = JSON.parse((await at("-o", "json", "code", "get", "sum")).stdout) as object;
  expect(entry).toMatchObject({ is_async: false, mode: "worker" });
  expect((await at("code", "call", "sum", "[1,2,39]")).stdout.trim()).toBe("42");
});
