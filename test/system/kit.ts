import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";

import type { runCli } from "../../src/cli/program.ts";

export const ROOT = resolve(import.meta.dirname, "../..");
export const COMMAND = join(ROOT, "dist/entry/banyan.js");

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command to its end. */
export async function banyan(
  args: readonly string[],
  options: {
    input?: string;
    cwd?: string;
    env?: Record<string, string>;
    /** Asks the command to end, as Ctrl-C does. */
    signal?: AbortSignal;
  } = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [COMMAND, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { ...process.env, NO_COLOR: "1", ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  options.signal?.addEventListener("abort", () => child.kill("SIGINT"), { once: true });
  child.stdin.end(options.input ?? "");
  const exit = new Promise<number | null>((done) => child.once("exit", (code) => done(code)));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { code, stdout, stderr };
}

/** What the built command does, in this process: for many of them where a process each would take long. */
export async function inProcess(
  args: readonly string[],
  input = "",
  cwd = tmpdir(),
): Promise<CommandResult> {
  const program = join(ROOT, "build/cli/program.js");
  const { runCli: run } = (await import(program)) as { runCli: typeof runCli };
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const { signal } = new AbortController();
  const stdin = Readable.from([input]);
  const env = { ...process.env, NO_COLOR: "1" };
  const code = await run(args, { stdin, stdout, stderr, env, cwd, signal });
  stdout.end();
  stderr.end();
  return { code, stdout: await text(stdout), stderr: await text(stderr) };
}

/** An empty folder that goes, with its hub, at the end of the test. */
export function temporaryFolder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), "banyan-test-"));
  return {
    path,
    [Symbol.dispose]: () => {
      // Nobody is to bring it back.
      rmSync(join(path, ".banyan/listen.json"), { force: true });
      const pid = hubPid(path);
      if (pid !== undefined && isAlive(pid)) process.kill(pid, "SIGKILL");
      // What was killed may still be writing there.
      rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 });
    },
  };
}

/** The process of a tree's hub, as its own record says. */
export function hubPid(tree: string): number | undefined {
  const file = join(tree, ".banyan", "hub.json");
  if (!existsSync(file)) return undefined;
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { pid: number }).pid;
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** `items` themselves, in an order of chance. */
export function shuffled<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}
