import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, it } from "vitest";

import { inProcess, temporaryFolder, type CommandResult } from "./kit.ts";

const banyan = (args: string[], { cwd }: { cwd?: string } = {}): Promise<CommandResult> =>
  inProcess(args, "", cwd);

it("SL4 pull, edit, diff, push and pull keep a directory and the tree in step, from any folder", async () => {
  using tree = temporaryFolder();
  using other = temporaryFolder();
  const at = { cwd: tree.path };
  const source = join(tree.path, "source.ts");
  writeFileSync(source, "return n * 2;\n");
  await banyan(["code", "add", "calc.twice", source, "--var", "n", "-m", "async"], at);
  await banyan(["-t", tree.path, "code", "add", "other", source], at);

  const sync = (verb: string, ...rest: string[]): Promise<CommandResult> =>
    banyan(["sync", verb, ...rest], { cwd: other.path });
  const directory = join(tree.path, "files");
  const first = await banyan(["sync", "pull", "files"], at);
  expect(first).toMatchObject({
    code: 0,
    stdout: "added\tproc/calc/twice.ts\nadded\tproc/other.ts\n",
  });
  const file = join(directory, "proc/calc/twice.ts");
  expect(readFileSync(file, "utf8")).toBe(
    "// banyan: { is_async: true, vars: [ n ] }\nreturn n * 2;\n",
  );
  expect(await sync("diff", directory)).toMatchObject({ code: 0, stdout: "" });

  writeFileSync(file, readFileSync(file, "utf8").replace("2", "3"));
  const json = await sync("diff", directory, "-o", "json");
  expect(json.code).toBe(10);
  expect(JSON.parse(json.stdout)).toMatchObject([
    { file: "proc/calc/twice.ts", path: "calc.twice", here: "changed", there: null },
  ]);
  expect((await sync("diff", directory)).stdout).toMatch(/\n-return n \* 2;\n\+return n \* 3;\n/);
  expect((await sync("push", directory)).stdout).toBe("changed\tproc/calc/twice.ts\n");
  expect((await banyan(["code", "call", "calc.twice", "2"], at)).stdout).toBe("6\n");
  expect(await sync("pull", directory)).toMatchObject({ code: 0, stdout: "" });

  // Somebody else changes it in the tree, while it is changed here.
  writeFileSync(file, "return 1;\n");
  writeFileSync(source, "return 2;\n");
  await banyan(["code", "add", "calc.twice", source], at);
  for (const verb of ["push", "pull"]) {
    const refused = await sync(verb, directory, "-o", "json");
    expect(refused.code).toBe(4);
    expect(JSON.parse(refused.stderr)).toMatchObject({
      error: { code: "NODE_SYNC_CONFLICT", details: { files: ["proc/calc/twice.ts"] } },
    });
  }
  expect(readFileSync(file, "utf8")).toBe("return 1;\n");
  expect((await banyan(["code", "get", "calc.twice"], at)).stdout).toContain("return 2;");
  expect((await sync("push", directory, "proc/calc/twice.ts", "--force")).code).toBe(0);

  rmSync(join(directory, "proc/other.ts"));
  expect((await sync("push", directory)).stderr).toContain("--delete");
  expect((await banyan(["code", "get", "other"], at)).code).toBe(0);
  expect((await sync("push", directory, "--delete")).stdout).toBe("removed\tproc/other.ts\n");
  expect((await banyan(["code", "get", "other"], at)).code).toBe(3);
});

it("sync says what is wrong and exits as documented", async () => {
  using folder = temporaryFolder();
  using other = temporaryFolder();
  const at = { cwd: folder.path };
  const none = await banyan(["sync", "pull", "D"], at);
  expect(none).toMatchObject({ code: 3, stdout: "" });
  await banyan(["data", "set", "a", "1"], at);
  expect((await banyan(["sync", "pull", "D"], at)).code).toBe(0);
  expect((await banyan(["sync", "push", "nowhere"], at)).code).toBe(7);
  expect((await banyan(["sync", "push", "D", "../elsewhere"], at)).code).toBe(2);
  mkdirSync(join(folder.path, "D/proc"), { recursive: true });
  writeFileSync(join(folder.path, "D/proc/bad.ts"), "return (;");
  const bad = await banyan(["sync", "push", "D"], at);
  expect(bad.code).toBe(7);
  expect(bad.stderr).toMatch(/bad:1:9/);
  await banyan(["-t", other.path, "data", "set", "a", "1"]);
  expect((await banyan(["-t", other.path, "sync", "push", "D"], at)).code).toBe(4);
});
