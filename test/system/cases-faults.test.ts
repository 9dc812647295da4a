/** Hubs and nodes that are killed, frozen and asked to end, under jobs that write what they do. */
import assert from "node:assert/strict";

import { expect, it } from "vitest";

import { Cluster, hubsOf, type NodeEntry } from "./cluster.ts";
import { isAlive } from "./kit.ts";

/** Goes on from where the run before it stopped, and says under which token it writes. */
const COUNTS = `
  let { n } = (await _self.get("count")) ?? { n: 0 };
  for (;;) {
    n += 1;
    await _self.set("count", { n, token: _self.token, node: _self.node });
    await _self.timer(0.02);
  }`;

interface Count {
  readonly n: number;
  readonly token: number;
  readonly node: string;
}

/** What the job wrote, in the order of revisions. */
class Witness implements AsyncDisposable {
  readonly counts: Count[] = [];
  readonly #cluster: Cluster;
  readonly #stop = new AbortController();
  readonly #following: Promise<void>;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#following = this.#follow();
  }

  get last(): Count {
    return this.counts.at(-1) ?? { n: 0, token: 0, node: "" };
  }

  /** Resolves when that many more were written, of those that fit. */
  async more(count: number, fits: (count: Count) => boolean = () => true): Promise<Count> {
    const from = this.counts.length;
    await this.#cluster.until(`${count} counts`, () => {
      return this.counts.slice(from).filter(fits).length >= count;
    });
    return this.last;
  }

  /** Every token follows all of those before it, and no number is lost or written twice. */
  judge(): number[] {
    const tokens = this.counts.map(({ token }) => token);
    assert.deepEqual(
      tokens,
      tokens.toSorted((a, b) => a - b),
    );
    const numbers = this.counts.map(({ n }) => n);
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i + 1),
    );
    return [...new Set(tokens)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    try {
      for await (const event of this.#cluster.tree.watch("count", { signal })) {
        if (event.type === "put") this.counts.push(event.entry.value as Count);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

async function counting(cluster: Cluster, job: object = {}): Promise<Witness> {
  const witness = new Witness(cluster);
  await cluster.proc("counts", COUNTS);
  await cluster.jobs.set("counts", { code: "counts", ...job });
  await witness.more(20);
  return witness;
}

it("AN11: a hub that is killed stops no job and starts none", async () => {
  await using cluster = await Cluster.open("n1", "n2");
  await using witness = await counting(cluster);
  const first = cluster.hub;
  process.kill(first, "SIGKILL");
  await witness.more(50);
  expect(cluster.hub).not.toBe(first);
  expect(witness.judge()).toHaveLength(1);
  expect(await cluster.jobs.runs("counts")).toHaveLength(1);
  expect(cluster.nodes.every(({ child }) => child.exitCode === null)).toBe(true);
});

it("a hub that is frozen is replaced and deposed when it wakes, and nothing is done twice", async () => {
  await using cluster = await Cluster.open("n1", "n2");
  await using witness = await counting(cluster);
  const frozen = cluster.hub;
  process.kill(frozen, "SIGSTOP");
  try {
    await witness.more(50);
    expect(cluster.hub).not.toBe(frozen);
  } finally {
    if (isAlive(frozen)) process.kill(frozen, "SIGCONT");
  }
  await cluster.until("the end of the deposed hub", () => !hubsOf(cluster.path).includes(frozen));
  await witness.more(50);
  // It takes about 3 s to be sure of a freeze. A busy machine needs longer, and a lease may be over.
  const runs = await cluster.jobs.runs("counts");
  expect(witness.judge()).toHaveLength(runs.length);
  expect(cluster.nodes.every(({ child }) => child.exitCode === null)).toBe(true);
});

it("a node that is killed is replaced at once, because its death is certain", async () => {
  await using cluster = await Cluster.open("n1", "n2");
  await using witness = await counting(cluster);
  const { node, token } = witness.last;
  const begin = performance.now();
  cluster.node(node).kill("SIGKILL");
  const next = await witness.more(1, (count) => count.token > token);
  // Its lease would have held for 4 to 5 seconds more.
  expect(performance.now() - begin).toBeLessThan(4_000);
  expect(next.node).not.toBe(node);
  await witness.more(10);
  expect(witness.judge()).toHaveLength(2);
  const [run, lost] = await cluster.jobs.runs("counts");
  expect([run?.reason, lost?.outcome]).toEqual(["failover", "lost"]);
  const record = await cluster.record("run", "counts");
  expect(record.message).toBe(`node ${node} went away while the job ran there`);
});

it("a node that is frozen for longer than its lease is replaced, and its writes are refused when it wakes", async () => {
  await using cluster = await Cluster.open("n1", "n2");
  await using witness = await counting(cluster);
  const { node, token } = witness.last;
  const frozen = cluster.node(node);
  const before = (await cluster.tree.get([".banyan", "node", node])) as NodeEntry;
  const others = cluster.nodes.filter(({ name }) => name !== node);
  frozen.kill("SIGSTOP");
  try {
    await witness.more(20, (count) => count.token > token);
  } finally {
    frozen.kill("SIGCONT");
  }
  const after = await cluster.until("its new lease", async () => {
    const entry = (await cluster.tree.get([".banyan", "node", node])) as NodeEntry;
    return entry.id !== before.id && entry.ended === undefined && entry;
  });
  expect(after.pid).toBe(before.pid);
  expect(frozen.log).toMatch(/lease/);
  await witness.more(20);
  expect(witness.judge()).toEqual([token, witness.last.token]);
  expect(witness.last.node).toBe(others[0]?.name);
  // It is a node like any other again.
  await cluster.proc("forty.two", "return 42");
  await cluster.jobs.set("later", { code: "forty.two", place: { node } });
  expect(await cluster.stopped("later")).toMatchObject({ result: 42 });
  expect(await cluster.jobs.runs("counts")).toHaveLength(2);
});

it("AN7: a node that is asked to end hands its job over, and exits with 0", async () => {
  await using cluster = await Cluster.open("n1", "n2");
  await using witness = await counting(cluster);
  const { node, token } = witness.last;
  const begin = performance.now();
  cluster.node(node).kill("SIGTERM");
  const next = await witness.more(1, (count) => count.token > token);
  expect(performance.now() - begin).toBeLessThan(3_000);
  expect(next.node).not.toBe(node);
  expect(await cluster.node(node).exit).toBe(0);
  await witness.more(10);
  expect(witness.judge()).toHaveLength(2);
  const [run, before] = await cluster.jobs.runs("counts");
  expect([run?.reason, before?.outcome, before?.cause]).toEqual(["takeover", "cancelled", "drain"]);
  expect((await cluster.command("node", "ls")).stdout).toMatch(new RegExp(`${node}\\tclosed`));
});

it("AN15: a node that crashed and came back counts the run it lost as a failure, and tries again", async () => {
  await using cluster = await Cluster.open("n1", "n2");
  const place = { node: "n1" };
  await using witness = await counting(cluster, { place, delay: 0.5, backoff: 1, jitter: 0 });
  const { token } = witness.last;
  cluster.node("n1").kill("SIGKILL");
  await cluster.node("n1").exit;
  await cluster.start("n1");
  const state = await cluster.running("counts", token);
  expect(state).toMatchObject({ node: "n1", reason: "retry", backoff: 1 });
  const record = await cluster.record("run", "counts");
  expect(record.message).toBe("the runner was restarted while the job ran");
  await witness.more(10);
  expect(witness.judge()).toHaveLength(2);
  const [run, lost] = await cluster.jobs.runs("counts");
  expect((run?.started ?? 0) - (lost?.stopped ?? 0)).toBeGreaterThan(0.49);
});

it("all nodes and the hub are killed at once, and the job goes on when nodes come back", async () => {
  await using cluster = await Cluster.open("n1", "n2");
  await using witness = await counting(cluster);
  for (const { pid } of cluster.nodes) process.kill(pid, "SIGKILL");
  process.kill(cluster.hub, "SIGKILL");
  await Promise.all(cluster.nodes.map(({ exit }) => exit));
  const { token, n } = (await cluster.tree.get("count")) as Count;
  await cluster.start("n3");
  const next = await witness.more(20, (count) => count.token > token);
  expect(next.node).toBe("n3");
  expect(next.n).toBeGreaterThan(n);
  expect(witness.judge()).toHaveLength(2);
});

it("KR1: node rm refuses a node that lives or is needed, and forgets one that is gone, not its values", async () => {
  await using cluster = await Cluster.open("n1", "n2", "n3");
  const { jobs, tree } = cluster;
  await cluster.proc("writes", 'await _self.set("kr1", _self.node); return 1');
  for (const node of ["n1", "n2"]) {
    await jobs.set(["on", node], { code: "writes", place: { node } });
    await cluster.stopped(["on", node]);
  }
  expect(await tree.get("kr1")).toBe("n2");
  const placed = await cluster.command("node", "rm", "n2");
  expect(placed).toMatchObject({ code: 4, stderr: expect.stringContaining("on.n2") });
  const live = await cluster.command("node", "rm", "n2", "--force");
  expect(live).toMatchObject({ code: 4, stderr: expect.stringContaining("n2 is alive") });
  expect(await cluster.command("node", "rm", "n9")).toMatchObject({ code: 3 });

  cluster.node("n1").kill("SIGKILL");
  await cluster.node("n1").exit;
  await tree.set("kr1.more", "of n1");
  await jobs.remove("on.n1");
  expect(await cluster.command("node", "rm", "n1")).toMatchObject({ code: 0 });
  const listed = await cluster.command("-o", "json", "node", "ls");
  expect(JSON.parse(listed.stdout)).toMatchObject([{ name: "n2" }, { name: "n3" }]);
  for (const root of [tree.system.run, tree.system.owner, tree.system.state]) {
    const slots = await tree.list(root).toArray();
    expect(slots.map(({ name }) => name)).not.toContain("n1");
  }
  expect(await tree.get("kr1")).toBe("n2");
  const authors = (await tree.history("kr1")).map(({ author }) => author?.split(" ")[0]);
  expect(authors).toEqual(["n2", "n1"]);
});
