import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

import { describe, expect, it } from "vitest";

import { ROOT } from "./kit.ts";

const dist = (file: string): string =>
  JSON.stringify(pathToFileURL(join(ROOT, "build", file)).href);

/** 500 reloads to warm up, then 500 that are measured; prints the heap they left behind, in bytes. */
const SCRIPT = `
import { CodeRoot } from ${dist("node/code-root.js")};
import { ModuleRoot } from ${dist("code/module-root.js")};
import { MemoryEngine } from ${dist("engine/memory.js")};
import { Tree } from ${dist("tree/tree.js")};

const tree = Tree.over(new MemoryEngine({ history: 1 }));
const code = await CodeRoot.open(tree);
const modules = await ModuleRoot.open(code.library);
const filler = "// " + "x".repeat(4000);
let version = 0;
async function reload() {
  version += 1;
  await modules.add("m", { code: "export const n = " + version + "; " + filler });
  if (version === 1) await code.add("p", { code: 'import { n } from "tree:m"; return n' });
  if (code("p") !== version) throw new Error("not live");
}
async function heapAfter(count) {
  for (let i = 0; i < count; i++) await reload();
  for (let i = 0; i < 6; i++) { gc(); await new Promise(setImmediate); }
  return process.memoryUsage().heapUsed;
}
const before = await heapAfter(500);
const after = await heapAfter(500);
await code.close();
console.log(JSON.stringify({ grown: after - before, alive: code.library.alive }));
`;

describe("500 reloads of a module", () => {
  it("leave nothing behind (MO9)", async () => {
    const child = spawn(process.execPath, ["--expose-gc", "--input-type=module", "-e", SCRIPT], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const result = JSON.parse(await text(child.stdout)) as { grown: number; alive: number };
    // Each version's text alone has 4 kB: kept by a cache, they would be 2 MB and more.
    expect(result.grown).toBeLessThan(800_000);
    expect(result.alive).toBe(0);
  });
});
