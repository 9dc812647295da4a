import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { isCertainlyGone, ownProcess } from "../../src/runner/process-identity.ts";

function startOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]);
}

describe.runIf(process.platform === "linux")("isCertainlyGone()", () => {
  it("knows that this process lives, and that none of its pid but another start does", () => {
    const own = ownProcess();
    expect(own.pid).toBe(process.pid);
    expect(isCertainlyGone(own)).toBe(false);
    expect(isCertainlyGone({ ...own, start: own.start + 1 })).toBe(true);
  });

  it("can't tell about other machines, nor without a start", () => {
    const own = ownProcess();
    expect(isCertainlyGone({ ...own, start: own.start + 1, host: "elsewhere" })).toBe(false);
    expect(isCertainlyGone({ ...own, pid: 2 ** 22 + 1, start: 0 })).toBe(false);
    for (const pid of [0, -1, 1.5, Number.NaN]) {
      expect(isCertainlyGone({ ...own, pid, start: 5 })).toBe(false);
    }
  });

  it("tells a child that lives from one that has been killed", async () => {
    const child = spawn("sleep", ["60"]);
    await once(child, "spawn");
    const { host } = ownProcess();
    const identity = { pid: child.pid ?? 0, start: startOf(child.pid ?? 0), host };
    expect(isCertainlyGone(identity)).toBe(false);
    const closed = once(child, "close");
    child.kill("SIGKILL");
    await closed;
    expect(isCertainlyGone(identity)).toBe(true);
  });
});
