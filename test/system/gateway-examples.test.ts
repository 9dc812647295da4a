/** The examples of gateways, as somebody would run them. */
import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ROOT } from "./kit.ts";
import { type Sshd, sshdMissing, startSshd } from "./sshd.ts";

const run = promisify(execFile);
const CAT = join(ROOT, "examples/remote-files/cat.mjs");
const NOTEBOOK = join(ROOT, "examples/notebook/notebook.mjs");
const README = join(ROOT, "README.md");

describe("remote-files", () => {
  it("prints a file, in five lines of code", async () => {
    const { stdout } = await run(process.execPath, [CAT, "popen", README]);
    expect(stdout).toBe(readFileSync(README, "utf8"));
    const code = readFileSync(CAT, "utf8").split("\n").filter((line) => !/^(\/\/|import|$)/.test(line)); // prettier-ignore
    expect(code.length).toBe(5);
  });

  it("fails with the error of the other side where there is no file", async () => {
    const failed = run(process.execPath, [CAT, "popen", "/nowhere"]);
    await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("ENOENT") }); // prettier-ignore
  });
});

describe("notebook", () => {
  it.each(["popen", "worker"])("checks itself over %s", async (spec) => {
    const { stdout } = await run(process.execPath, [NOTEBOOK, spec, "--check"]);
    expect(stdout).toContain("all is well");
    expect(stdout).toContain("printed");
  });

  it("runs lines that come from a file, up to the first that fails", async () => {
    const notebook = spawn(process.execPath, [NOTEBOOK], { stdio: ["pipe", "pipe", "inherit"] });
    notebook.stdin.end("const a = 5\nif (a) {\n  a + 1\n}\nawait here.host\nb\nnever\n");
    const ended = new Promise((resolve) => notebook.once("exit", resolve));
    const lines = (await text(notebook.stdout)).split("\n");
    expect(lines.slice(0, 2)).toEqual(["undefined", "6"]);
    expect(lines[2]).toMatch(/^'.+'$/);
    expect(lines.slice(3).join("\n")).toContain("ReferenceError: b is not defined");
    expect(lines.join("\n")).not.toContain("never");
    expect(await ended).toBe(1);
  });
});

const missing = sshdMissing();
if (missing !== undefined) process.stderr.write(`\nSKIPPED: examples through ssh: ${missing}\n\n`);

describe.skipIf(missing !== undefined)("examples through ssh", () => {
  let sshd: Sshd;
  let spec: string;
  beforeAll(async () => {
    sshd = await startSshd();
    const { host, user, port, identity, settings = {} } = sshd.access;
    const options = Object.entries(settings).map(([name, value]) => `-o ${name}=${value}`);
    const words = `-p ${port} -i ${identity} ${options.join(" ")} ${user}@${host}`;
    spec = `ssh=${words}//node=${process.execPath}`;
  });
  afterAll(() => sshd[Symbol.asyncDispose]());

  it("print a file and check the notebook", async () => {
    const { stdout } = await run(process.execPath, [CAT, spec, README]);
    expect(stdout).toBe(readFileSync(README, "utf8"));
    const checked = await run(process.execPath, [NOTEBOOK, spec, "--check"]);
    expect(checked.stdout).toContain("all is well");
  });
});
