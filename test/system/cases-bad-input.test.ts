/** What is wrong, at every door: it is refused or put on record, disturbs nobody, and heals. */
import { readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";

import { type ErrorRecord, formatPath, type Path, type PathElement } from "banyan";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

import { Cluster, NodeProcess } from "./cluster.ts";
import { GARBAGE } from "./garbage.ts";
import { inProcess } from "./kit.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.open("n1", "n2");
  await cluster.proc("forty.two", "return 42");
  await cluster.proc(
    "healthy",
    'for (let n = 0; ; n++) { await _self.set("beat", n); await _self.timer(0.02); }',
  );
  await cluster.jobs.set("healthy", { code: "healthy" });
  await beats();
});
afterAll(() => cluster[Symbol.asyncDispose]());

let before: unknown;
beforeEach(async () => {
  before = await vitals();
});

describe("entries that are none", () => {
  it.each(["job", "proc", "module", "owner", "state", "node", "run", "group", "error"] as const)(
    "in %s disturb nothing, and leave nothing behind when they are gone",
    async (where) => {
      const paths = await litter(where);
      await unharmed();
      await cleanUp(paths);
      await unharmed();
      await cluster.until("no open error", async () => (await openErrors()).length === 0);
    },
  );

  it("everywhere at once leave the command able to show what there is", async () => {
    const paths: Path[] = [];
    for (const where of [
      "job",
      "proc",
      "module",
      "owner",
      "state",
      "node",
      "run",
      "error",
    ] as const) {
      paths.push(...(await litter(where)));
    }
    for (const line of [
      "node ls",
      "job ls",
      "job state bad.job",
      "job runs bad.number",
      "error ls -a",
      "code ls",
      "module ls",
      "data ls :.banyan.job.bad",
    ]) {
      const { code, stdout, stderr } = await cluster.command(...line.split(" "));
      expect([line, code, stderr]).toEqual([line, 0, ""]);
      expect(stdout).not.toMatch(/\[object/);
    }
    await cleanUp(paths);
    await unharmed();
  });

  it("as jobs and as code are on record, each at its own place, and heal one by one", async () => {
    const { tree } = cluster;
    const names = ["number", "list", "job", "null", "bytes", "huge"];
    for (const name of names) {
      await tree.set(tree.system.job.concat(["heal", name]), GARBAGE[name]);
      await tree.set(tree.system.proc.concat(["heal", name]), GARBAGE[name]);
    }
    for (const name of names) {
      const job = await cluster.record("job", ["heal", name]);
      expect(job).toMatchObject({ code: "RUNNER_BAD_JOB" });
      expect(job.message).toMatch(/must be|unknown field|one of/);
      const code = await cluster.record("compile", ["proc", "heal", name]);
      expect(code).toMatchObject({ code: "CODE_INVALID" });
      expect(code.message).toContain(`heal.${name}`);
    }
    for (const name of names) {
      await cluster.proc(`heal.${name}`, "return 42");
      await cluster.jobs.set(["heal", name], { code: ["heal", name] });
    }
    for (const name of names)
      expect(await cluster.stopped(["heal", name])).toMatchObject({ result: 42 });
    await cluster.until("no open error", async () => (await openErrors()).length === 0);
    await unharmed();
  });

  it("as owners and states keep no job from running", async () => {
    const { tree } = cluster;
    const names = Object.keys(GARBAGE).filter((name) => name !== "huge");
    for (const name of names) {
      await tree.set(tree.system.owner.concat(["-", "odd", name]), GARBAGE[name]);
      await tree.set(tree.system.state.concat(["-", "odd", name]), GARBAGE[name]);
      await cluster.jobs.set(["odd", name], { code: "forty.two" });
    }
    for (const name of names) {
      const ran = await cluster.until(`odd.${name}`, async () => {
        const state = await cluster.jobs.state(["odd", name], "-");
        return state?.result === 42 && state;
      });
      expect(ran).toMatchObject({ backoff: 0 });
    }
    for (const name of names) await cluster.jobs.remove(["odd", name], { force: true });
    await unharmed();
  });
});

describe("paths and values", () => {
  it("that can't be are refused before anything is written, with a code and exit status", async () => {
    const { tree } = cluster;
    const paths: (readonly PathElement[])[] = [
      Array.from({ length: 33 }, () => "a"),
      ["x".repeat(1_025)],
      odd([undefined]),
      odd([{}]),
      odd([["a"]]),
      [Number.NaN],
      [Infinity],
      ["\uD800"],
    ];
    for (const path of paths) {
      await expect(tree.set(path, 1)).rejects.toMatchObject({ code: "WIRE_BAD_PATH" });
      await expect(tree.get(path)).rejects.toMatchObject({ code: "WIRE_BAD_PATH" });
    }
    const loop: unknown[] = [];
    loop.push(loop);
    const values = [
      undefined,
      () => 1,
      Symbol("x"),
      loop,
      new Map(),
      new URL("file:/x"),
      [() => 1],
    ];
    for (const value of values) {
      await expect(tree.set("v", value)).rejects.toMatchObject({ code: "TREE_BAD_VALUE" });
    }
    await expect(tree.set("v", "x".repeat(5_000_000))).rejects.toMatchObject({
      code: "ENGINE_TOO_LARGE",
    });
    expect(await tree.get("v")).toBeUndefined();
    await tree.set("large", "x".repeat(3_000_000));
    expect(await tree.get("large")).toHaveLength(3_000_000);

    const file = join(cluster.path, "large.txt");
    writeFileSync(file, "x".repeat(5_000_000));
    const exits = [
      [["data", "set", "v", "-f", file], 7, "ENGINE_TOO_LARGE"],
      [["data", "set", formatPath(Array.from({ length: 33 }, () => "a")), "1"], 2, "WIRE_BAD_PATH"],
      [["data", "set", "v", "-e", "{"], 2, "CLI_USAGE"],
      [["data", "set", "v", "1", "-e", "1"], 2, "CLI_USAGE"],
      [["data", "set", "v", "-f", join(cluster.path, "none")], 3, "CLI_NOT_FOUND"],
      [["job", "set", "v", "-c", "forty.two", "--delay", "-1"], 2, "CLI_USAGE"],
      [["job", "set", "v", "-c", "forty.two", "--any", "--all"], 2, "CLI_USAGE"],
      [["job", "run", "v"], 3, "RUNNER_NOT_FOUND"],
    ] as const;
    for (const [args, exit, code] of exits) {
      const refused = await cluster.command("-o", "json", ...args);
      expect([args, refused.code, refused.stdout]).toEqual([args, exit, ""]);
      expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code } });
    }
    expect(await tree.get("v")).toBeUndefined();
    await unharmed();
  });

  it("names, numbers and words that can't be are the command line's fault, and no crash", async () => {
    for (const line of [
      "user add a/b",
      "user add x@@y!",
      "role set a/b a r",
      "data keep a --versions 1.5",
      "data keep a --versions 99999",
    ]) {
      const { code, stdout, stderr } = await inProcess(["-t", cluster.path, ...line.split(" ")]);
      expect([line, code, stdout]).toEqual([line, 2, ""]);
      expect(stderr).toMatch(/^error: .*\(CLI_USAGE\)\n$/);
    }
    const short = await inProcess(["-t", cluster.path, "user", "add", "ann", "-p"], "short\n");
    expect(short).toMatchObject({ code: 2, stderr: expect.stringContaining("8 characters") });
    const typo = await inProcess(["-t", cluster.path, "user", "add", "joe", "-r", "raeder"]);
    expect(typo).toMatchObject({ code: 0, stderr: expect.stringContaining("no role raeder") });
  });

  it("too large as a run's result or write are that run's error", async () => {
    const place = { node: "n1" };
    await cluster.proc("big.result", 'return "x".repeat(5_000_000)');
    await cluster.proc("big.write", 'await _self.set("v", "x".repeat(5_000_000))');
    for (const name of ["big.result", "big.write"]) {
      await cluster.jobs.set(name, { code: name, place });
      expect(await cluster.stopped(name)).toMatchObject({ backoff: 1 });
    }
    expect((await cluster.jobs.runs("big.write"))[0]?.error).toMatchObject({
      code: "ENGINE_TOO_LARGE",
    });
    expect((await cluster.jobs.runs("big.result"))[0]?.error).toMatchObject({
      code: "RUNNER_BAD_RESULT",
    });
    for (const name of ["big.result", "big.write"]) await cluster.jobs.remove(name);
    await unharmed();
  });
});

describe("processes", () => {
  it("a second node of a name is refused with exit 4 while the first lives", async () => {
    const second = new NodeProcess("n1", cluster.path, []);
    expect(await second.exit).toBe(4);
    expect(second.log).toMatch(/n1 is alive/);
    await unharmed();
  });

  it("a node with wrong options does not start", async () => {
    for (const flags of [
      ["--type", "some"],
      ["--slots", "many"],
      ["--slots", "-1"],
      ["-l", "=x"],
      ["-g", ""],
      ["--unknown"],
    ]) {
      const node = new NodeProcess("odd", cluster.path, flags);
      expect([flags, await node.exit]).toEqual([flags, 2]);
    }
    for (const name of ["", "-"]) {
      const node = new NodeProcess(name, cluster.path, []);
      expect([name, await node.exit]).toEqual([name, 2]);
    }
    await unharmed();
  });
});

describe("the hub's socket", () => {
  /** From before the first test of these: it takes a while. */
  let silent: Promise<unknown>;
  beforeAll(async () => {
    const socket = await opened();
    silent = new Promise((resolve) => socket.resume().once("close", resolve));
  });

  it.each([
    ["random bytes", () => [crypto.getRandomValues(new Uint8Array(10_000))]],
    ["a request of another protocol", () => [new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")]],
    ["a length of 4 GiB", () => [header(0xffffffff), new Uint8Array(100_000)]],
    ["a length below the limit, and then nothing", () => [header(60_000_000), new Uint8Array(10)]],
    ["half a header", () => [new Uint8Array([5, 0])]],
    ["a message of no bytes", () => [header(0)]],
    ["versions to come", () => [hello(7, 9)]],
    ["versions the wrong way round", () => [hello(9, 1)]],
    ["a hello that breaks off", () => [hello(1, 1)]],
    ["a refusal", () => [framed([0x42, 0x4e, 0x59, 0x58, 0xff])]],
    ["a thousand empty messages", () => Array.from({ length: 1_000 }, () => header(0))],
  ] as const)("takes %s, and closes that connection alone", async (_, pieces) => {
    await speak(pieces(), true);
    await unharmed();
  });

  it("answers versions to come with a refusal that names its own", async () => {
    const answer = await speak([hello(7, 9)], true);
    const text = new TextDecoder().decode(answer);
    expect(text).toContain("REMOTE_VERSION");
    expect(text).toMatch(/7 to 9.*1 to 1/);
  });

  it("bears 200 connections that say nothing, or half of something", async () => {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => opened()));
    for (const [i, socket] of sockets.entries()) if (i % 2 === 0) socket.write(header(1_000));
    await unharmed();
    expect(await cluster.command("data", "get", "large", "-m")).toMatchObject({ code: 0 });
    for (const socket of sockets) socket.destroy();
    await unharmed();
  });

  it("closes a connection that never said hello", async () => {
    await silent;
    await unharmed();
  });
});

/** What no caller that is checked by the compiler would pass. */
function odd(path: readonly unknown[]): readonly PathElement[] {
  return path as readonly PathElement[];
}

type Place = "job" | "proc" | "module" | "owner" | "state" | "node" | "run" | "group" | "error";

/** Writes garbage wherever entries of that kind may be, and gives where. */
async function litter(where: Place): Promise<Path[]> {
  const { tree } = cluster;
  const root = tree.system[where];
  const slotted = where === "owner" || where === "state" || where === "run";
  const parents = slotted
    ? [root.concat(["-", "bad"]), root.concat(["n1", "bad"]), root.append("strange")]
    : [root.append(where === "error" ? "run" : "bad"), ...(where === "node" ? [root] : [])];
  const garbage = Object.entries(GARBAGE);
  const entries = [
    ...parents.flatMap((at) => garbage.map(([name, value]) => [at.append(name), value] as const)),
    [root, GARBAGE["proto"]] as const,
    [root.append(7), "x"] as const,
    [root.append("-"), 5] as const,
  ];
  await Promise.all(entries.map(([path, value]) => tree.set(path, value)));
  return entries.map(([path]) => path);
}

async function cleanUp(paths: readonly Path[]): Promise<void> {
  await Promise.all(paths.map((path) => cluster.tree.delete(path)));
}

/** What may not change: the hub's process, the nodes' leases, and the healthy job's run. */
async function vitals(): Promise<unknown> {
  const { tree, jobs, hub } = cluster;
  const leases = ["n1", "n2"].map((name) => tree.get([".banyan", "node", name]));
  const ids = (await Promise.all(leases)).map((entry) => (entry as { id: string }).id);
  const state = await jobs.state("healthy");
  return { hub, ids, token: state?.token, stopped: state?.stopped };
}

/** Resolves when the healthy job has written a few more times. */
async function beats(): Promise<void> {
  const from = Number((await cluster.tree.get("beat")) ?? -1);
  await cluster.value("beat", (n) => Number(n) > from + 5);
}

async function unharmed(): Promise<void> {
  await beats();
  expect(await vitals()).toEqual(before);
  for (const { child } of cluster.nodes) {
    expect([child.exitCode, child.signalCode]).toEqual([null, null]);
  }
}

async function openErrors(): Promise<ErrorRecord[]> {
  const all: ErrorRecord[] = [];
  for await (const record of cluster.tree.errors.list()) all.push(record);
  return all;
}

function opened(): Promise<Socket> {
  const record = JSON.parse(readFileSync(join(cluster.path, ".banyan/hub.json"), "utf8")) as {
    socket: string;
  };
  return new Promise((resolve, reject) => {
    const socket = connect(record.socket.replace(/^unix:/, ""), () => resolve(socket));
    socket.on("error", reject);
  });
}

function hello(min: number, max: number): Uint8Array {
  return framed([0x42, 0x4e, 0x59, 0x4e, min, max]);
}

function framed(message: readonly number[]): Uint8Array {
  return new Uint8Array([...header(message.length), ...message]);
}

function header(size: number): Uint8Array {
  return new Uint8Array(new Uint32Array([size]).buffer);
}

/** What the hub says until it closes the connection; with `end` after this side has. */
async function speak(pieces: readonly Uint8Array[], end: boolean): Promise<Uint8Array> {
  const socket = await opened();
  const answer: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => answer.push(chunk));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  for (const piece of pieces) socket.write(piece);
  if (end) socket.end();
  await closed;
  return Buffer.concat(answer);
}
