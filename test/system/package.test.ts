/** The package as it is built: a few files, which its entries share. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, it } from "vitest";

import { banyan, ROOT, temporaryFolder } from "./kit.ts";

const run = promisify(execFile);

/** What a program that uses the package prints, as JSON. */
async function printed(program: string, flags: readonly string[] = []): Promise<unknown> {
  const args = [...flags, "--input-type=module", "-e", program];
  const { stdout } = await run(process.execPath, args, { cwd: ROOT });
  return JSON.parse(stdout);
}

/** The specifiers that a built file imports at once. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/^(?:import|export)\s(?:[^;"]*?from )?"([^"]+)";/gm)].map(
    ([, name = ""]) => name,
  );
}

it("the entries of the package share one copy of each class", async () => {
  const same = await printed(`
    const index = await import("banyan");
    const others = [];
    for (const entry of ["banyan/remote", "banyan/gateway"]) others.push(await import(entry));
    const tree = await index.open("memory:");
    const error = await tree.get("a..b").catch((error) => error);
    await tree.close();
    console.log(JSON.stringify([
      ...others.map(({ BanyanError }) => BanyanError === index.BanyanError),
      ...others.map(({ BanyanError }) => error instanceof BanyanError),
    ]));
  `);
  expect(same).toEqual([true, true, true, true]);
});

it("each module of the sources is in one file of the package only", () => {
  const maps = readdirSync(join(ROOT, "dist"), { recursive: true, encoding: "utf8" })
    .filter((name) => /^(?:shared|entry|testing)\/[^/]+\.js\.map$/.test(name))
    .map(
      (name) => JSON.parse(readFileSync(join(ROOT, "dist", name), "utf8")) as { sources: string[] },
    );
  const sources = maps.flatMap((map) => map.sources.filter((source) => source.includes("/src/")));
  expect(sources.length).toBeGreaterThan(300);
  expect(sources.filter((source, i) => sources.indexOf(source) !== i)).toEqual([]);
});

it("a stack of the package leads to its sources, where Node is asked to use source maps", async () => {
  const stack = await printed(
    `import { parsePath } from "banyan";
    try { parsePath("a..b"); } catch (error) { console.log(JSON.stringify(error.stack)); }`,
    ["--enable-source-maps"],
  );
  expect(stack).toMatch(/src\/wire\/path-text\.ts:\d+/);
});

it("banyan is a few files, and no package, for a program that only opens a tree", () => {
  const files = new Set([join(ROOT, "dist/index.js")]);
  const packages = new Set<string>();
  for (const file of files) {
    for (const name of importsOf(file)) {
      if (name.startsWith(".")) files.add(join(file, "..", name));
      else if (!name.startsWith("node:")) packages.add(name);
    }
  }
  expect(files.size).toBeGreaterThan(4);
  expect(files.size).toBeLessThan(10);
  expect([...packages]).toEqual([]);
});

it("a process that has opened a tree and read from it has loaded no cryptography, threads or compiler", async () => {
  using folder = temporaryFolder();
  await banyan(["-t", folder.path, "data", "set", "a.b", "1"]);
  const loaded = await printed(`
    const before = new Set(process.moduleLoadList);
    const { open } = await import("banyan");
    const tree = await open(${JSON.stringify(folder.path)});
    const value = await tree.get("a.b");
    const loaded = process.moduleLoadList.filter((name) => !before.has(name));
    console.log(JSON.stringify([value, loaded]));
    await tree.close();
  `);
  const [value, modules] = loaded as [unknown, string[]];
  expect(value).toBe(1);
  expect(modules).toContain("NativeModule net");
  const rare = /crypto|worker_threads|NativeModule (?:tls|http|https|vm|zlib|inspector)\b/;
  expect(modules.filter((name) => rare.test(name))).toEqual([]);
});
