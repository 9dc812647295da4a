import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { runCached } from "../../src/node/code-cache.ts";

let folder: string;
let said: unknown[];

beforeEach(() => {
  vi.useFakeTimers();
  folder = mkdtempSync(join(tmpdir(), "banyan-code-"));
  said = [];
  vi.stubGlobal("say", (what: unknown) => said.push(what));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  rmSync(folder, { recursive: true });
});

function program(text: string): string {
  const file = join(folder, "program.cjs");
  writeFileSync(file, text);
  // To the clock of files both may be of one moment.
  utimesSync(file, 1_000, text.charCodeAt(5) * 1_000);
  return file;
}

describe("runCached()", () => {
  test("runs a program as require would", () => {
    const file = program(
      `say(require("node:path").basename(__filename)); say(typeof module.exports);`,
    );
    runCached(file, undefined);
    expect(said).toEqual(["program.cjs", "object"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("keeps what was compiled, and makes it anew only when it is of no use", () => {
    const file = program("say('A');");
    const cache = join(folder, "cache");
    runCached(file, cache);
    expect(existsSync(cache)).toBe(false);
    vi.runAllTimers();
    const kept = readFileSync(cache);
    runCached(file, cache);
    expect(vi.getTimerCount()).toBe(0);
    expect(said).toEqual(["A", "A"]);
    const { mtimeMs } = statSync(file);
    for (const [text, bad] of [
      ["B", kept.subarray(0, 40)],
      ["C", Buffer.concat([kept.subarray(0, kept.indexOf("\n") + 1), Buffer.alloc(300)])],
    ] as const) {
      // Its own text each: V8 remembers what this process has compiled.
      writeFileSync(file, `say('${text}');`);
      utimesSync(file, 1_000, mtimeMs / 1_000);
      writeFileSync(cache, bad);
      runCached(file, cache);
      expect(said.at(-1)).toBe(text);
      vi.runAllTimers();
      expect(readFileSync(cache).length).toBe(kept.length);
    }
  });

  test("doesn't give V8 what is damaged anywhere", () => {
    const file = program("say('A');");
    const { mtimeMs } = statSync(file);
    const cache = join(folder, "cache");
    runCached(file, cache);
    vi.runAllTimers();
    const kept = readFileSync(cache);
    for (const share of [0.4, 0.6, 0.8, 0.99]) {
      const damaged = Buffer.from(kept);
      const at = Math.floor(kept.length * share);
      damaged[at] = (damaged[at] ?? 0) ^ 0x55;
      writeFileSync(file, `say('${String(share).at(-1)}');`);
      utimesSync(file, 1_000, mtimeMs / 1_000);
      writeFileSync(cache, damaged);
      runCached(file, cache);
      // It is made anew.
      expect(vi.getTimerCount()).toBe(1);
      vi.runAllTimers();
    }
    expect(said).toEqual(["A", "4", "6", "8", "9"]);
  });

  test("never runs what another text of the same length was compiled to", () => {
    const cache = join(folder, "cache");
    runCached(program("say('A');"), cache);
    vi.runAllTimers();
    runCached(program("say('B');"), cache);
    expect(said).toEqual(["A", "B"]);
  });

  test("runs where nothing can be kept, and says why", () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    runCached(program("say('A');"), join(folder, "none", "cache"));
    vi.runAllTimers();
    expect(said).toEqual(["A"]);
    expect(warned).toHaveBeenCalledOnce();
    warned.mockRestore();
  });
});
