import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { banyan, temporaryFolder } from "./kit.ts";

describe("banyan data", () => {
  it("set and get keep text, JSON, paths and bytes apart (PA15)", async () => {
    using folder = temporaryFolder();
    const at = ["-t", folder.path, "-q"];
    expect(await banyan([...at, "data", "set", "foo", "-v", "123"])).toMatchObject({ code: 0 });
    expect(await banyan([...at, "data", "set", "foo.bar", "-e", '{"a":[1,2.5]}'])).toMatchObject({
      code: 0,
    });
    await banyan([...at, "data", "set", "foo.path", "-p", "a:2.c"]);
    await banyan([...at, "data", "set", ":", "123"]);
    expect((await banyan([...at, "data", "get", "foo", "-o", "json"])).stdout).toBe('"123"\n');
    expect((await banyan([...at, "data", "get", "foo.bar"])).stdout).toBe('{"a":[1,2.5]}\n');
    expect((await banyan([...at, "data", "get", "foo.path", "-o", "yaml"])).stdout).toBe(
      "!P a:2.c\n",
    );
    expect((await banyan([...at, "data", "get", ":"])).stdout).toBe("123\n");
    const listed = await banyan([...at, "-o", "json", "data", "ls", "foo"]);
    expect((JSON.parse(listed.stdout) as { path: string }[]).map(({ path }) => path)).toEqual([
      "foo.bar",
      "foo.path",
    ]);
  });

  it("says what is wrong and exits as documented", async () => {
    using folder = temporaryFolder();
    const at = ["-t", folder.path, "-q"];
    const missing = await banyan([...at, "data", "get", "a"]);
    expect(missing).toMatchObject({ code: 3, stdout: "" });
    expect(missing.stderr).toMatch(/no tree/);

    await banyan([...at, "data", "set", "a", "1"]);
    expect(await banyan([...at, "data", "get", "b"])).toMatchObject({ code: 3, stdout: "" });
    expect(await banyan([...at, "data", "set", "a", "2", "--new"])).toMatchObject({ code: 4 });
    expect(await banyan([...at, "data", "set", "a", "2", "--if-revision", "9999"])).toMatchObject({
      code: 4,
    });
    const bad = await banyan([...at, "data", "get", "a..b"]);
    expect(bad.code).toBe(2);
    expect(bad.stderr).toMatch(/3|column|position/);
    expect((await banyan([...at, "data", "get", "a"])).stdout).toBe("1\n");
  });

  it("gives errors as JSON where data would be", async () => {
    using folder = temporaryFolder();
    const { stderr, code } = await banyan(["-t", folder.path, "-o", "json", "data", "get", "a"]);
    expect(code).toBe(3);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "NODE_NO_TREE" } });
  });

  it("del deletes one entry, or with --recursive all below it", async () => {
    using folder = temporaryFolder();
    const at = ["-t", folder.path, "-q"];
    for (const path of ["x", "x.y", "x.y.z"]) await banyan([...at, "data", "set", path, "1"]);
    expect((await banyan([...at, "data", "del", "x"])).code).toBe(0);
    expect((await banyan([...at, "data", "get", "x.y"])).stdout).toBe("1\n");
    expect((await banyan([...at, "data", "del", "x", "-r"])).code).toBe(0);
    expect((await banyan([...at, "data", "get", "x.y.z"])).code).toBe(3);
    expect((await banyan([...at, "data", "del", "x"])).code).toBe(3);
  });
});

describe("banyan code", () => {
  it("add, call and get work with modules, and refuse what does not compile", async () => {
    using folder = temporaryFolder();
    const at = ["-t", folder.path, "-q"];
    const file = (name: string, source: string): string => {
      const path = join(folder.path, name);
      writeFileSync(path, source);
      return path;
    };
    const module = file("m.ts", "export const twice = (x: number): number => x * 2;\n");
    const proc = file("p.ts", 'import { twice } from "tree:calc.m";\nreturn twice(n);\n');
    const early = await banyan([...at, "code", "add", "calc.p", proc, "--var", "n"]);
    expect(early.code).toBe(7);
    expect(early.stderr).toMatch(/calc\.m/);

    expect((await banyan([...at, "module", "add", "calc.m", module])).code).toBe(0);
    expect((await banyan([...at, "code", "add", "calc.p", proc, "--var", "n"])).code).toBe(0);
    expect((await banyan([...at, "code", "call", "calc.p", "21"])).stdout).toBe("42\n");
    expect((await banyan([...at, "code", "get", "calc.p"])).stdout).toContain("return twice(n)");
    expect((await banyan([...at, "code", "call", "calc.p"])).code).toBe(7);
    expect((await banyan([...at, "code", "call", "no.such"])).code).toBe(3);
    expect((await banyan([...at, "module", "rm", "calc.m"])).code).toBe(4);

    const broken = file("b.ts", "const x = 1;\nreturn x +;\n");
    const refused = await banyan([...at, "code", "add", "bad", broken]);
    expect(refused.code).toBe(7);
    expect(refused.stderr).toMatch(/bad:2:11/);
    expect((await banyan([...at, "code", "get", "bad"])).code).toBe(3);

    const thrower = file("t.ts", 'throw new RangeError("too far");\n');
    await banyan([...at, "code", "add", "thrower", thrower]);
    const failed = await banyan([...at, "code", "call", "thrower"]);
    expect(failed.code).toBe(8);
    expect(failed.stderr).toMatch(/RangeError: too far/);
  });
});

describe("banyan job", () => {
  it("set checks the entry, and ls, get, state and rm tell of it", async () => {
    using folder = temporaryFolder();
    const at = ["-t", folder.path, "-q"];
    expect((await banyan([...at, "job", "set", "j", "--at", "never"])).code).toBe(7);
    const set = await banyan([...at, "job", "set", "j", "-c", "some.code", "--at", "never"]);
    expect(set).toMatchObject({ code: 0 });
    const listed = await banyan([...at, "-o", "json", "job", "ls"]);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ path: { $path: "j" } }]);
    expect((await banyan([...at, "job", "why", "j"])).stdout).toMatch(/target/);
    const text = "code: some.code\nplaec: { any: default }\n";
    const typo = await banyan([...at, "job", "set", "k", "-f", "-"], { input: text });
    expect(typo.code).toBe(7);
    expect(typo.stderr).toMatch(/place/);
    expect((await banyan([...at, "job", "get", "k"])).code).toBe(3);
    expect((await banyan([...at, "job", "rm", "j"])).code).toBe(0);
    expect((await banyan([...at, "job", "state", "j"])).code).toBe(3);
  });
});

describe("banyan", () => {
  it("answers an unknown option with a suggestion and exit 2 (CL1)", async () => {
    const { code, stderr } = await banyan(["data", "get", "x", "--recursiv"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--recursive/);
    expect((await banyan(["dat"])).code).toBe(2);
    expect((await banyan(["-o", "xml", "data", "ls"])).code).toBe(2);
  });

  it("--version and --help exit with 0 and write to stdout", async () => {
    expect((await banyan(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await banyan(["--help"])).stdout).toContain("dev");
  });

  it("refuses a directory that is no tree and a damaged store, and changes nothing", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "file");
    writeFileSync(file, "x");
    expect((await banyan(["-t", file, "data", "set", "a", "1"])).code).not.toBe(0);
    expect((await banyan(["-t", join(folder.path, "none"), "data", "ls"])).code).toBe(3);
    expect((await banyan(["-t", "http://x", "data", "ls"])).code).toBe(2);
    const dev = await banyan(["-t", folder.path, "dev", folder.path]);
    expect(dev.code).toBe(7);
    expect(dev.stderr).toMatch(/proc/);
  });

  it("prints no colour into a pipe", async () => {
    using folder = temporaryFolder();
    await banyan(["-t", folder.path, "data", "set", "a", "1"]);
    const { stdout } = await banyan(["-t", folder.path, "data", "ls"], { env: { NO_COLOR: "" } });
    expect(stdout).not.toContain("\u001B");
    expect(stdout).toMatch(/^a\t1\t/);
  });
});
