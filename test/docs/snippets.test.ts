/**
 * Every ```ts block of the documents is type-checked and run, each as a program of its own; where a
 * ```text block follows directly, that is what it must print. The ```sh blocks of one document run one
 * after the other in a folder of their own, with `banyan` on the path. Other languages are only read.
 */
import { execFile, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { documents, snippetsOf, type Snippet } from "./snippets.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
// Inside the package, so that `import ... from "banyan"` finds it by its own name.
const compiled = join(root, "dist", "docs-snippets");
const all = documents(root).flatMap((file) => snippetsOf(root, file));
const programs = all.filter(({ language }) => language === "ts");
const scripts = all.filter(({ language }) => language === "sh");

beforeAll(() => {
  rmSync(compiled, { recursive: true, force: true });
  mkdirSync(compiled, { recursive: true });
  for (const snippet of programs) {
    writeFileSync(join(compiled, `${nameOf(snippet)}.mts`), `${snippet.text}\nexport {};\n`);
  }
  writeFileSync(join(compiled, "tsconfig.json"), JSON.stringify(TSCONFIG));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", compiled], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`snippets of the documents have type errors:\n${stdout}`);
});

afterAll(() => rmSync(compiled, { recursive: true, force: true }));

describe("documents", () => {
  it("have programs to run", () => {
    expect(programs.length).toBeGreaterThan(5);
  });

  for (const snippet of programs) {
    it(`${snippet.file}:${snippet.line} runs`, async () => {
      const file = join(compiled, `${nameOf(snippet)}.mjs`);
      const { stdout } = await run(process.execPath, [file], { cwd: compiled, timeout: 30_000 });
      expect(stdout.trimEnd()).toBe((snippet.output ?? stdout).trimEnd());
    });
  }

  for (const file of new Set(scripts.map((script) => script.file))) {
    it(`${file}: its commands run in order`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "banyan-docs-"));
      try {
        const env = withCommand(folder);
        const work = join(folder, "work");
        mkdirSync(work);
        for (const script of scripts.filter((one) => one.file === file)) {
          const { stdout } = await run("sh", ["-eu", "-c", script.text], {
            cwd: work,
            env,
            timeout: 30_000,
          });
          const output = script.output ?? stdout;
          expect(stdout.trimEnd(), `line ${script.line}`).toBe(output.trimEnd());
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
});

const TSCONFIG = {
  extends: "../../tsconfig.json",
  compilerOptions: {
    noEmit: false,
    outDir: ".",
    rootDir: ".",
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    noUnusedLocals: false,
    noPropertyAccessFromIndexSignature: false,
  },
  include: ["*.mts"],
  exclude: [],
};

function nameOf({ file, line }: Snippet): string {
  return `${file.replaceAll(/[^\w]/g, "-")}-${line}`;
}

/** The environment with a `banyan` that runs this build. */
function withCommand(folder: string): NodeJS.ProcessEnv {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const command = join(bin, "banyan");
  writeFileSync(
    command,
    `#!/bin/sh\nexec "${process.execPath}" "${join(root, "dist/entry/banyan.js")}" "$@"\n`,
  );
  chmodSync(command, 0o755);
  return { ...process.env, PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`, NO_COLOR: "1" };
}
