import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { describe, expect, it } from "vitest";

import { systemClock } from "../../src/base/clock.ts";
import { listen } from "../../src/remote.ts";
import { ROOT, temporaryFolder } from "./kit.ts";

const SCRIPT = join(ROOT, "test/system/processes/idle-client.mjs");

const api = {
  quick: () => "quick",
  // Later than an idle process would have ended.
  slow: (what: string) => new Promise((resolve) => systemClock.after(300, () => resolve(what))),
  call: (f: (n: number) => number) => f(1),
};

async function run(url: string, what: string): Promise<{ code: unknown; stdout: string }> {
  const child = spawn(process.execPath, [SCRIPT, url, what], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [stdout, [code]] = await Promise.all([
    text(child.stdout),
    once(child, "exit") as Promise<unknown[]>,
  ]);
  return { code, stdout };
}

describe("S11 a session with unref", () => {
  it.each(["unix", "tcp", "ws"])(
    "over %s ends with its process when it is idle, and not before an answer has come",
    async (scheme) => {
      using folder = temporaryFolder();
      const url = {
        unix: `unix:${join(folder.path, "s")}`,
        tcp: "tcp://127.0.0.1:0",
        ws: "ws://127.0.0.1:0",
      }[scheme]!;
      await using listener = await listen(url, { exports: { api } });
      const { address } = listener;
      expect(await run(address, "idle")).toEqual({ code: 0, stdout: "quick\n" });
      expect(await run(address, "calls")).toEqual({ code: 0, stdout: "called\n" });
      expect(await run(address, "serves")).toEqual({ code: 0, stdout: "2\n" });
      expect(await run(address, "closes")).toEqual({ code: 0, stdout: "closed\n" });
    },
  );
});
