/** A tree on two machines, which are network namespaces here: join, cut, heal, loss of the hub's machine. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { JobRoot, open, type Tree } from "banyan";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { type CommandResult, temporaryFolder } from "./kit.ts";
import { Cable, whyNoNamespaces } from "./namespaces.ts";

const reason = whyNoNamespaces();
if (reason !== undefined) {
  // eslint-disable-next-line no-console -- Whoever reads the output is to know what was not looked at.
  console.error(`NOT TESTED: the second machine, because ${reason}`);
}

const COUNTS = `
  for (let n = ((await _self.get(at)) ?? 0) + 1; ; n += 1) {
    await _self.set(at, n);
    await _self.timer(0.05);
  }`;

/** Counts for itself, and tells the tree whenever it may. */
const GOES_ON = `
  let n = 0;
  const told = [];
  await _self.spawn(async () => { for (;;) { n += 1; await _self.timer(0.05); } });
  for await (const { type, state } of _info) {
    if (type !== "actor") continue;
    told.push(state);
    if (state !== "detached") await _self.set(at, { n, told, token: _self.token });
  }`;

interface Told {
  readonly n: number;
  readonly told: readonly string[];
  readonly token: number;
}

describe.skipIf(reason !== undefined)("the second machine", () => {
  const folder = temporaryFolder();
  let cable: Cable;
  let tree: Tree;
  let jobs: JobRoot;
  let far: { readonly log: string };
  const home = join(folder.path, "home");
  const away = join(folder.path, "away");
  const at = (machine: "near" | "far", ...args: string[]): Promise<CommandResult> =>
    cable[machine].run(args, machine === "near" ? home : away);
  const poll = { timeout: 30_000, interval: 50 };
  const states = async (): Promise<Record<string, string>> => {
    const found: Record<string, string> = {};
    for await (const { name, entry } of tree.list(tree.system.node)) {
      found[String(name)] = Object(entry?.value).ended === undefined ? "live" : "gone";
    }
    return found;
  };
  const counted = async (what: string): Promise<number> => Number((await tree.get(what)) ?? 0);
  const lone = async (): Promise<Told | undefined> => (await tree.get("alone")) as Told | undefined;
  /** Whether it was told so often that it is cut off, and then that it is back. */
  const wasTold = async (times: number): Promise<boolean> => {
    const told = (await lone())?.told ?? [];
    return (
      told.filter((state) => state === "detached").length >= times && told.at(-1) === "complete"
    );
  };
  const countsOn = async (what: string): Promise<void> => {
    const from = await counted(what);
    await expect.poll(() => counted(what), poll).toBeGreaterThan(from + 2);
  };
  const invite = async (...flags: string[]): Promise<string> => {
    const { code, stdout, stderr } = await at(
      "near",
      "invite",
      "--host",
      cable.near.address,
      ...flags,
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining("once")]);
    expect(stdout).toMatch(/^banyan join tls:\/\/\S+#\S+\n$/);
    return stdout.trim().split(" ").at(-1) as string;
  };
  const up = async (): Promise<void> => {
    const going = cable.near.start(["up", "--listen", "tls://0.0.0.0:7800"], home);
    await vi.waitFor(() => expect(going.log).toContain("hub of"), poll);
    tree = await open(home);
    jobs = await JobRoot.open(tree);
  };

  beforeAll(async () => {
    cable = new Cable();
    for (const directory of [home, away]) mkdirSync(directory);
    await up();
    cable.near.start(["node", "run", "-n", "n1"], home);
  });
  afterAll(async () => {
    await cable[Symbol.asyncDispose]();
    await tree.close();
    folder[Symbol.dispose]();
  });

  it("a wrong token, another certificate and a line that is cut off are refused, and leave nothing", async () => {
    const line = await invite();
    const tries = {
      wrong: `${line.slice(0, -1)}${line.endsWith("A") ? "B" : "A"}`,
      stranger: line.replace(/#[0-9a-f]{8}/, "#00000000"),
      short: line.slice(0, 60),
      nonsense: "tls://x:1#abc.bt_1",
    };
    const [wrong, stranger, ...bad] = await Promise.all(
      Object.entries(tries).map(([name, tried]) => at("far", "join", tried, name)),
    );
    expect(wrong).toMatchObject({ code: 5, stderr: expect.stringContaining("REMOTE_DENIED") });
    expect(stranger).toMatchObject({ code: 6, stderr: expect.stringContaining("fingerprint") });
    for (const result of bad) expect(result).toMatchObject({ code: 2, stdout: "" });
    for (const name of Object.keys(tries)) expect(existsSync(join(away, name))).toBe(false);
  });

  it("join makes a node of the other machine, with a unit that systemd takes", async () => {
    const line = await invite("--name", "n2");
    const joined = await at("far", "join", line, "-n", "n2", "--systemd", "banyan.service");
    expect(joined).toMatchObject({ code: 0, stdout: "" });
    expect(statSync(join(away, ".banyan/joined.json")).mode & 0o777).toBe(0o600);
    const unit = readFileSync(join(away, "banyan.service"), "utf8");
    expect(unit).toContain(`-t ${away} node run --name n2`);
    const verified = spawnSync("systemd-analyze", ["verify", join(away, "banyan.service")], {
      encoding: "utf8",
    });
    // Where there is no systemd, nobody uses the unit.
    const { error, status, stderr } = verified;
    expect(error === undefined ? [status, stderr] : [0, ""]).toEqual([0, ""]);

    far = cable.far.start(["node", "run", "-n", "n2"], away);
    await expect.poll(states, poll).toEqual({ n1: "live", n2: "live" });
    const { stdout } = await at("far", "-o", "json", "node", "ls");
    expect(JSON.parse(stdout)).toMatchObject([{ name: "n1" }, { name: "n2", state: "live" }]);
    const again = await at("far", "join", await invite(), "-n", "n4");
    expect(again).toMatchObject({ code: 4 });
    expect(await at("far", "up")).toMatchObject({ code: 4 });
    const examined = await at("far", "doctor");
    expect(examined).toMatchObject({ code: 0, stdout: expect.stringContaining("n2 in it") });
  });

  it("a token that is shown a second time is refused, and people are told", async () => {
    const line = await invite();
    mkdirSync(join(away, "thief"));
    expect(await at("far", "join", line, "thief", "-n", "thief")).toMatchObject({ code: 0 });
    const second = await at("far", "join", line, "owner", "-n", "owner");
    expect(second.code).toBe(5);
    expect(second.stderr).toMatch(
      new RegExp(`used by thief from ${cable.far.address}.*TREE_BAD_INVITE`),
    );
    const { stdout } = await at("near", "error", "ls");
    expect(stdout).toContain("shown again");
    expect(await at("near", "user", "rm", "thief")).toMatchObject({ code: 0 });
    expect(await at("far", "-t", "thief", "data", "ls")).toMatchObject({ code: 5 });
  });

  it("has the rights of a node, and no others", async () => {
    expect(await at("far", "user", "add", "mine", "--role", "admin")).toMatchObject({ code: 5 });
    expect(await at("far", "invite", "--list")).toMatchObject({ code: 5 });
  });

  it("a cut: the job stops there and goes on here; healed, both are there and one runs it", async () => {
    const proc = tree.system.proc.concat(["counts"]);
    await tree.set(proc, { code: COUNTS, is_async: true, vars: ["at"] });
    const data = { at: "alone" };
    await tree.set(tree.system.proc.concat(["goes"]), {
      code: GOES_ON,
      is_async: true,
      vars: ["at"],
    });
    await jobs.set("alone", { code: "goes", place: { node: "n2" }, partition: "continue", data });
    await expect.poll(lone, poll).toBeDefined();
    const was = await lone();
    await jobs.set("any", { code: "counts", place: { any: "default" }, data: { at: "any" } });
    await jobs.set("there", { code: "counts", place: { node: "n2" }, data: { at: "there" } });
    await Promise.all([countsOn("any"), countsOn("there")]);
    cable.cut();
    await expect.poll(() => far.log, poll).toMatch(/hub is out of reach/);
    await expect.poll(() => far.log, poll).toMatch(/lease is over/);
    await expect.poll(states, poll).toEqual({ n1: "live", n2: "gone" });
    await countsOn("any");
    const before = await counted("there");
    await tree.set("written.meanwhile", "yes");
    cable.heal();
    await expect.poll(() => far.log, poll).toMatch(/hub is back/);
    await expect.poll(states, poll).toEqual({ n1: "live", n2: "live" });
    const read = await at("far", "data", "get", "written.meanwhile");
    expect(read).toMatchObject({ code: 0, stdout: "yes\n" });
    await Promise.all([countsOn("any"), countsOn("there")]);
    expect(await counted("there")).toBeGreaterThan(before);
    await expect.poll(() => wasTold(1), poll).toBe(true);
    const { n = 0, token } = (await lone()) ?? {};
    expect([token, n > (was?.n ?? Infinity)]).toEqual([was?.token, true]);
    expect(await jobs.runs("alone")).toHaveLength(1);
  });

  it("the hub's machine is lost: the node says so and stops; all goes on when it is back", async () => {
    await tree.close();
    const said = far.log.length;
    cable.cut();
    // With it goes what would bring the hub back.
    const keeper = JSON.parse(readFileSync(join(home, ".banyan/keep.lock"), "utf8")) as {
      pid: number;
    };
    process.kill(keeper.pid, "SIGKILL");
    await cable.near.crash();
    await expect.poll(() => far.log.slice(said), poll).toMatch(/hub is out of reach/);
    await expect.poll(() => far.log.slice(said), poll).toMatch(/lease is over/);
    const alone = await at("far", "data", "get", "any");
    expect(alone).toMatchObject({ code: 6, stdout: "" });
    cable.heal();
    await up();
    await expect.poll(() => far.log.slice(said), poll).toMatch(/hub is back/);
    await expect.poll(async () => (await states())["n2"], poll).toBe("live");
    await Promise.all([countsOn("any"), countsOn("there")]);
    await expect.poll(() => wasTold(2), poll).toBe(true);
    expect(await jobs.runs("alone")).toHaveLength(1);
  });
});
