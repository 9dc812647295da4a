/** DistKV's cases of code, modules and the command, with the built command on a tree with a node. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { CodeRoot, ModuleRoot } from "banyan";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { Cluster } from "./cluster.ts";
import { COMMAND } from "./kit.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.open("n1");
});
afterAll(() => cluster[Symbol.asyncDispose]());

function file(name: string, text: string): string {
  const path = join(cluster.path, name);
  writeFileSync(path, text);
  return path;
}

describe("CO, MO: code and modules", () => {
  it("CO1, MO1: a procedure is called by its name, and imports what a module exports", async () => {
    await using code = await CodeRoot.open(cluster.tree);
    await using modules = await ModuleRoot.open(cluster.tree);
    await code.add("co1", { code: "return 42" });
    expect([code("co1"), code(["co1"])]).toEqual([42, 42]);
    await modules.add("bar.baz", { code: "export function quux(): number { return 42 }" });
    const text = 'import { quux } from "tree:bar.baz";\nreturn quux() + n';
    await code.add("forty.two", { code: text, vars: ["n"] });
    expect([code("forty.two", 0), code.run("forty.two", { n: 1 })]).toEqual([42, 43]);
    expect((await cluster.command("code", "call", "forty.two", "2")).stdout).toBe("44\n");
    await cluster.jobs.set("mo1", { code: "forty.two", data: { n: 3 } });
    expect(await cluster.stopped("mo1")).toMatchObject({ result: 45 });
  });

  it("CO2: code that does not compile is refused with its place and exit 7, and not stored", async () => {
    const bad = file("bad.ts", "const x = 1;\nreturn x +;\n");
    const refused = await cluster.command("code", "add", "co2", bad);
    expect(refused).toMatchObject({ code: 7, stdout: "" });
    expect(refused.stderr).toMatch(/co2:2:11/);
    expect(refused.stderr).toMatch(/> 2 \| return x \+;/);
    expect(await cluster.command("code", "get", "co2")).toMatchObject({ code: 3 });
  });

  it("CO6: a job that computes for a second leaves the node's lease and its calls alone", async () => {
    const busy = "const end = Date.now() + 1_000; while (Date.now() < end); return 'done'";
    await cluster.proc("co6", busy);
    const before = (await cluster.tree.get([".banyan", "node", "n1"])) as { id: string };
    await cluster.jobs.set("co6", { code: "co6" });
    expect(await cluster.stopped("co6")).toMatchObject({ result: "done", backoff: 0 });
    expect(await cluster.tree.get([".banyan", "node", "n1"])).toMatchObject({ id: before.id });
  });

  it("CO10: a module in use is not removed, and the users are named; by force it is", async () => {
    await cluster.command("module", "add", "co10", file("m.ts", "export const n = 1;"));
    const user = file("p.ts", 'import { n } from "tree:co10"; return n;');
    expect(await cluster.command("code", "add", "co10.user", user)).toMatchObject({ code: 0 });
    const refused = await cluster.command("module", "rm", "co10");
    expect(refused.code).toBe(4);
    expect(refused.stderr).toContain("co10.user");
    expect(await cluster.command("module", "rm", "co10", "--force")).toMatchObject({ code: 0 });
    const record = await cluster.record("compile", "proc.co10.user");
    expect(record).toMatchObject({ code: "CODE_MISSING_MODULE" });
    await cluster.command("code", "rm", "co10.user");
    await cluster.record("compile", "proc.co10.user", ({ resolved }) => resolved !== undefined);
  });

  it("CO10: a procedure that a job runs is not removed, and the job is named", async () => {
    await cluster.proc("co10.run", "return 1");
    await cluster.jobs.set("co10.job", { code: "co10.run", target: null });
    const refused = await cluster.command("code", "rm", "co10.run");
    expect(refused.code).toBe(4);
    expect(refused.stderr).toContain("co10.job");
    expect(await cluster.command("code", "rm", "co10.run", "--force")).toMatchObject({ code: 0 });
    expect(
      await cluster.tree.get(cluster.tree.system.proc.concat(["co10", "run"])),
    ).toBeUndefined();
  });

  it("MO3: a module that breaks is on record with its users, spares runs, and heals when mended", async () => {
    const { tree } = cluster;
    const at = tree.system.module.concat(["mo3"]);
    await tree.set(at, { code: "export const n = 1;" });
    await cluster.proc(
      "mo3.user",
      'import { n } from "tree:mo3";\nfor await (const event of _info) if (event.value) return n;',
    );
    await cluster.proc("mo3.call", 'import { n } from "tree:mo3";\nreturn n;');
    await cluster.jobs.set("mo3", { code: "mo3.user" });
    const { token } = await cluster.running("mo3");
    await tree.set(at, { code: "export const n = ;" });
    const broken = await cluster.record("compile", "module.mo3");
    expect(broken.message).toContain("mo3:1:");
    expect(broken.data).toMatchObject({ line: 1 });
    const user = await cluster.record("compile", "proc.mo3.user");
    expect(user.message).toContain("mo3:1:");
    const called = await cluster.command("code", "call", "mo3.call");
    expect(called.code).toBe(7);
    expect(called.stderr).toContain("mo3:1:");
    expect(await cluster.jobs.state("mo3")).toMatchObject({ token, stopped: null });
    await tree.set(at, { code: "export const n = 2;" });
    for (const path of ["module.mo3", "proc.mo3.user", "proc.mo3.call"]) {
      await cluster.record("compile", path, ({ resolved }) => resolved !== undefined);
    }
    expect((await cluster.command("code", "call", "mo3.call")).stdout).toBe("2\n");
    // Its code is another now, so it was started anew.
    expect(await cluster.running("mo3", token)).toMatchObject({ reason: "code-change" });
    await cluster.jobs.remove("mo3", { force: true });
  });

  it("MO5: a circle of imports is refused and shown", async () => {
    const one = file("one.ts", 'import "tree:mo5.two"; export const one = 1;');
    const two = file("two.ts", 'import "tree:mo5.one"; export const two = 2;');
    expect(await cluster.command("module", "add", "mo5.one", one, "--force")).toMatchObject({
      code: 0,
    });
    const refused = await cluster.command("-o", "json", "module", "add", "mo5.two", two);
    expect(refused.code).toBe(7);
    const { error } = JSON.parse(refused.stderr) as { error: { code: string; message: string } };
    expect(error.code).toBe("CODE_CYCLE");
    expect(error.message).toMatch(/mo5\.one.*mo5\.two|mo5\.two.*mo5\.one/);
    expect(await cluster.command("module", "get", "mo5.two")).toMatchObject({ code: 3 });
    await cluster.command("module", "rm", "mo5.one");
  });
});

describe("CL: the command", () => {
  it("CL1: an unknown option, command or choice exits with 2 and suggests what is known", async () => {
    for (const [args, suggestion] of [
      [["data", "get", "x", "--recursiv"], "--recursive"],
      [["job", "sett", "x"], "set"],
      [["-o", "jsn", "data", "ls"], "json"],
      [["code", "add", "x", "-", "--mode", "fast"], "inline"],
    ] as const) {
      const { code, stdout, stderr } = await cluster.command(...args);
      expect([args, code, stdout]).toEqual([args, 2, ""]);
      expect(stderr).toContain(suggestion);
    }
  });

  it("CL3: a table that is piped has no colour, unless it is forced", async () => {
    await cluster.tree.set("cl3", 1);
    const plain = await cluster.command("error", "ls", "-a");
    expect(plain.stdout).not.toContain("\u001B[");
    const wrong = ["-t", cluster.path, "data", "get", "no.such"];
    const { code, stderr } = await output(wrong, { FORCE_COLOR: "1", NO_COLOR: undefined });
    expect(code).toBe(3);
    expect(stderr).toContain("\u001B[");
    expect((await output(wrong, { NO_COLOR: "1" })).stderr).not.toContain("\u001B[");
  });

  it("group expects nodes, by name or number, and tells who is there and who is missing", async () => {
    const { command } = cluster;
    const group = (...args: string[]): ReturnType<typeof command> =>
      cluster.command("group", ...args);
    expect((await group("ls")).stdout).toBe("default\tcomplete\tn1\t\t\n");
    expect(await group("expect", "default", "n1", "n2")).toMatchObject({ code: 0 });
    expect((await group("ls")).stdout).toBe("default\tpartial\tn1\tn2\tn1, n2\n");
    expect(await group("expect", "default", "1")).toMatchObject({ code: 0 });
    expect((await group("ls")).stdout).toBe("default\tcomplete\tn1\t\t1\n");
    expect(await group("rm", "default")).toMatchObject({ code: 0 });
    expect(await group("rm", "default")).toMatchObject({ code: 3 });
    expect(await group("expect", "-", "1")).toMatchObject({ code: 2 });
  });

  it.each([
    {
      command: ["data", "watch", "cl5"],
      set: (name: string, n: number) => cluster.tree.set(`cl5.${name}`, n),
      // An entry, with its value.
      read: (line: string) => (JSON.parse(line) as { entry: { value: unknown } }).entry.value,
    },
    {
      command: ["job", "ls", "-w", "cl5"],
      set: (name: string, n: number) =>
        cluster.jobs.set(`cl5.${name}`, { code: `c${n}`, target: null }),
      // A row, with its procedure.
      read: (line: string) =>
        Number((JSON.parse(line) as { code: { $path: string } }).code.$path.slice(1)),
    },
  ])(
    "CL5: $command tells the state, then changes; a closed pipe ends it with 0, SIGINT with 130",
    async (watch) => {
      await watch.set("a", 1);
      const args = ["-t", cluster.path, "-o", "jsonl", ...watch.command];
      const child = spawn(process.execPath, [COMMAND, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const lines: string[] = [];
      const first = new Promise<void>((resolve) => {
        child.stdout.on("data", (chunk) => {
          lines.push(...String(chunk).trimEnd().split("\n"));
          if (lines.length === 1) void watch.set("b", 2);
          if (lines.length >= 2) resolve();
        });
      });
      await first;
      expect(lines.map((line) => watch.read(line))).toEqual([1, 2]);
      child.kill("SIGINT");
      expect((await once(child, "exit"))[0]).toBe(130);

      const cut = spawn(process.execPath, [COMMAND, ...args], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const ended = once(cut, "exit");
      let complaint = "";
      cut.stderr.on("data", (chunk) => (complaint += String(chunk)));
      await once(cut.stdout, "data");
      cut.stdout.destroy();
      // It finds out when it writes the next time.
      let n = 2;
      const writing = cluster.until("its end", async () => {
        if (cut.exitCode === null) await watch.set("c", (n += 1));
        return cut.exitCode !== null;
      });
      expect((await ended)[0]).toBe(0);
      await writing;
      expect(complaint).not.toMatch(/EPIPE|Error/);
    },
  );
});

async function output(
  args: readonly string[],
  env: Record<string, string | undefined>,
): Promise<{ code: number; stderr: string }> {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  const [code] = await once(child, "close");
  return { code: code as number, stderr };
}
