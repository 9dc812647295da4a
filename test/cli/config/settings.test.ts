import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";

import { describe, expect, it } from "vitest";

import { Contexts } from "../../../src/cli/config/contexts.ts";
import { readProject } from "../../../src/cli/config/project-file.ts";
import { Settings } from "../../../src/cli/config/settings.ts";
import { runCli } from "../../../src/cli/program.ts";

const HUB = `tls://box:7800#${"ab".repeat(32)}`;

describe("Settings", () => {
  it("CF3 a flag goes before the environment, the project file, the context and the default", async () => {
    using place = new Place();
    await place.context("prod", {
      tree: "/c",
      user: "joe",
      codecs: "c",
      author: "c",
      output: "yaml",
    });
    await place.use("prod");
    place.write("banyan.yaml", "# ours\ntree: ./p\ncodecs: p\noutput: json\n");
    const settings = await place.settings(
      { tree: "/f" },
      { BANYAN_TREE: "/e", BANYAN_CODECS: "e", BANYAN_USER: "" },
    );
    const winners = settings.list().map(({ name, candidates: [first] }) => [name, first?.value, first?.origin.kind, first?.origin.where]); // prettier-ignore
    expect(winners.filter(([, value]) => value !== undefined)).toEqual([
      ["context", "prod", "context", "prod"],
      ["tree", "/f", "flag", "--tree"],
      ["codecs", "e", "env", "BANYAN_CODECS"],
      ["output", "json", "project", `${place.path}/banyan.yaml:4`],
      ["author", "c", "context", "prod"],
    ]);
    const [, tree] = settings.list();
    expect(tree?.candidates.map(({ value }) => value)).toEqual(["/f", "/e", join(place.path, "p"), "/c"]); // prettier-ignore
  });

  it("finds the project file upwards, whose paths are relative to it", async () => {
    using place = new Place();
    place.write("banyan.yaml", "tree: ./here\nkey_file: keys/main\n");
    mkdirSync(join(place.path, "a/b"), { recursive: true });
    const settings = await place.settings({}, {}, "a/b");
    expect(settings.get("tree")).toBe(join(place.path, "here"));
    expect(settings.get("key_file")).toBe(join(place.path, "keys/main"));
    place.write("a/banyan.yaml", `tree: ${HUB}\n`);
    expect((await place.settings({}, {}, "a/b")).get("tree")).toBe(HUB);
    expect((await place.settings({}, {}, "a/b")).get("key_file")).toBeUndefined();
  });

  it("takes a context that is named as one takes what names it", async () => {
    using place = new Place();
    await place.context("one", { tree: "/one" });
    await place.context("two", { tree: "/two" });
    await place.use("one");
    place.write("banyan.yaml", "context: two\n");
    expect((await place.settings()).get("tree")).toBe("/two");
    const env = { BANYAN_TREE: "/e", BANYAN_CONTEXT: "two" };
    expect((await place.settings({}, env)).get("tree")).toBe("/e");
    expect((await place.settings({ context: "one" }, env)).get("tree")).toBe("/one");
    await expect(place.settings({ context: "three" })).rejects.toMatchObject({ code: "CLI_NOT_FOUND" }); // prettier-ignore
    place.write("banyan.yaml", "tree: /p\n");
    expect((await place.settings({}, { BANYAN_CONTEXT: "two" })).get("tree")).toBe("/two");
  });

  it("gives a context's token to its own tree and user alone", async () => {
    using place = new Place();
    await place.context("prod", { tree: HUB, user: "joe", token: "bt_x" });
    await place.use("prod");
    const token = async (flags: Record<string, string>, env = {}): Promise<unknown> =>
      (await place.settings(flags, env)).get("token");
    expect(await token({})).toBe("bt_x");
    expect(await token({ tree: "tls://other:1" })).toBeUndefined();
    expect(await token({}, { BANYAN_TREE: HUB })).toBeUndefined();
    expect(await token({ user: "ann" })).toBeUndefined();
    expect(await token({}, { BANYAN_TOKEN: "bt_e" })).toBe("bt_e");
    expect((await place.settings({ tree: "/x" })).get("user")).toBeUndefined();
    place.write("banyan.yaml", "tree: ./p\n");
    expect(await token({})).toBeUndefined();
  });
});

describe("readProject()", () => {
  it.each([
    ["treee: x", "banyan.yaml:1:1: there is no setting treee; did you mean tree?"],
    ["tree: a\n\n  \nfoo: 1", "banyan.yaml:4:1: there is no setting foo; there are context, tree"],
    ["tree: a\ntoken: bt_x", "banyan.yaml:2:1: a token does not belong"],
    ["output: xml", "banyan.yaml:1: output is one of table, json"],
    ["tree: [a]", "banyan.yaml:1: tree is a text"],
    ["user: 5", "banyan.yaml:1: user is a text"],
    ["- a", "banyan.yaml:1:1: it is a map"],
    ["tree: 'a", "banyan.yaml:1:"],
    ["tree: a\ntree: b", "banyan.yaml:2:1: Map keys must be unique"],
  ])("refuses %j with its place", async (content, says) => {
    const read = readProject("banyan.yaml", content);
    await expect(read).rejects.toMatchObject({ code: "CLI_BAD_CONFIG" });
    await expect(read).rejects.toThrow(says);
  });

  it("takes an empty file, and one of comments", async () => {
    expect((await readProject("x", "")).settings.size).toBe(0);
    expect((await readProject("x", "# nothing\n")).settings.size).toBe(0);
  });
});

describe("Contexts", () => {
  it("keeps files that nobody else can read, and uses none that others can", async () => {
    using place = new Place();
    await place.context("prod", { tree: HUB, token: "bt_x" });
    const folder = join(place.path, "config/banyan/contexts");
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "prod.json")).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["prod.json"]);
    chmodSync(join(folder, "prod.json"), 0o644);
    await expect(place.contexts.get("prod")).rejects.toThrow(/open to others/);
  });

  it("says no word of what stands in a file that can't be used", async () => {
    using place = new Place();
    await place.context("prod", { tree: HUB });
    const file = join(place.path, "config/banyan/contexts/prod.json");
    for (const content of [
      '{"tree":"x","tokn":"bt_secret"}',
      '{"token":"bt_secret"',
      '{"tree":5}',
    ]) {
      writeFileSync(file, content);
      const got = place.contexts.get("prod");
      await expect(got).rejects.toMatchObject({ code: "CLI_BAD_CONFIG" });
      await expect(got).rejects.not.toThrow(/secret/);
    }
    expect(await place.contexts.remove("prod")).toBe(true);
  });

  it("refuses names that are no names of files", async () => {
    using place = new Place();
    for (const name of ["", "-", "../x", "a/b", ".x", "x".repeat(99), "a b"]) {
      await expect(place.context(name, { tree: "/x" })).rejects.toMatchObject({
        code: "CLI_USAGE",
      });
    }
  });
});

describe("banyan context", () => {
  it("add, ls, use, show and rm keep trees under names, and never show a token", async () => {
    using place = new Place();
    expect(await place.run(["context", "add", "here", "./tree"])).toMatchObject({ code: 0 });
    const added = await place.run(["-u", "joe", "context", "add", "prod", HUB, "--token"], "bt_secret\n"); // prettier-ignore
    expect(added).toMatchObject({ code: 0 });
    expect(await place.run(["context", "add", "prod", "/x"])).toMatchObject({ code: 4 });
    expect(await place.run(["context", "add", "bad", "tls://no"])).toMatchObject({ code: 2 });
    expect(await place.run(["context", "use", "prod"])).toMatchObject({ code: 0 });
    expect((await place.run(["context", "ls"])).stdout).toBe(
      `\there\t${place.path}/tree\t\t\n*\tprod\t${HUB}\tjoe\tyes\n`,
    );
    const shown = await place.run(["-o", "json", "context", "show"]);
    expect(JSON.parse(shown.stdout)).toEqual({ name: "prod", inUse: true, tree: HUB, user: "joe", token: true }); // prettier-ignore
    const config = await place.run(["-o", "json", "config", "show", "--origin"], "", { BANYAN_PASSWORD: "pw" }); // prettier-ignore
    expect(config.stdout).toContain('"(secret)"');
    for (const { stdout, stderr } of [added, shown, config]) {
      expect(stdout + stderr).not.toMatch(/bt_secret|pw"/);
    }
    await place.run(["context", "use", "here"]);
    await place.run(["context", "use", "-"]);
    expect((await place.run(["context", "show", "-o", "json"])).stdout).toContain('"prod"');
    expect(await place.run(["context", "rm", "prod"])).toMatchObject({ code: 0 });
    expect(await place.run(["context", "rm", "prod"])).toMatchObject({ code: 3 });
    expect(await place.run(["context", "show"])).toMatchObject({ code: 3 });
    expect(await place.run(["context", "use"])).toMatchObject({ code: 2 });
  });

  it("mends what stops every other command", async () => {
    using place = new Place();
    await place.context("gone", { tree: "/x" });
    await place.use("gone");
    rmSync(join(place.path, "config/banyan/contexts/gone.json"));
    place.write("banyan.yaml", "treee: x\n");
    const broken = await place.run(["config", "show"]);
    expect(broken.code).toBe(7);
    expect(broken.stderr).toContain(`${place.path}/banyan.yaml:1:1`);
    expect((await place.run(["context", "use", "--none"])).code).toBe(0);
    place.write("banyan.yaml", "");
    expect((await place.run(["config", "show"])).code).toBe(0);
  });
});

describe("banyan config show", () => {
  it("CF3 --origin says for each setting which value wins, where it came from, and what it goes before", async () => {
    using place = new Place();
    await place.context("prod", { tree: "/c", codecs: "c" });
    await place.use("prod");
    place.write("banyan.yaml", "tree: ./p\n");
    const env = { BANYAN_TREE: "/e", BANYAN_AUTHOR: "me" };
    const args = ["--tree", "/f", "-o", "json", "config", "show", "--origin"];
    const { stdout } = await place.run(args, "", env);
    const rows = new Map((JSON.parse(stdout) as { name: string }[]).map((row) => [row.name, row]));
    expect(rows.get("tree")).toEqual({
      name: "tree",
      value: "/f",
      origin: { kind: "flag", where: "--tree" },
      over: [
        { value: "/e", origin: { kind: "env", where: "BANYAN_TREE" } },
        {
          value: `${place.path}/p`,
          origin: { kind: "project", where: `${place.path}/banyan.yaml:1` },
        },
        { value: "/c", origin: { kind: "context", where: "prod" } },
      ],
    });
    expect(rows.get("output")).toMatchObject({ value: "json", origin: { kind: "flag" } });
    expect(rows.get("codecs")).toMatchObject({ value: "c", origin: { kind: "context" } });
    expect(rows.get("author")).toMatchObject({ value: "me", origin: { kind: "env" } });
    expect(rows.get("user")).toMatchObject({ value: null, origin: { kind: "default" } });
    const plain = await place.run(["config", "show", "--origin"]);
    expect(plain.stdout).toContain(`tree\t${place.path}/p\tproject ${place.path}/banyan.yaml:1\t/c (context prod)\n`); // prettier-ignore
  });
});

/** A folder, with the settings of a user in it. */
class Place implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "banyan-config-"));
  readonly env = { XDG_CONFIG_HOME: join(this.path, "config") };
  readonly contexts = new Contexts(this.env);

  settings(flags: Record<string, string> = {}, env = {}, below = ""): Promise<Settings> {
    return Settings.load({ flags, env: { ...this.env, ...env }, cwd: join(this.path, below) });
  }

  context(name: string, context: Parameters<Contexts["set"]>[1]): Promise<void> {
    return this.contexts.set(name, context);
  }

  use(name: string): Promise<void> {
    return this.contexts.use(name);
  }

  write(file: string, content: string): void {
    writeFileSync(join(this.path, file), content);
  }

  async run(
    args: readonly string[],
    input = "",
    env = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const { signal } = new AbortController();
    const io = { stdin: Readable.from([input]), stdout, stderr, cwd: this.path, signal };
    const code = await runCli(args, { ...io, env: { ...this.env, NO_COLOR: "1", ...env } });
    stdout.end();
    stderr.end();
    return { code, stdout: await text(stdout), stderr: await text(stderr) };
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
