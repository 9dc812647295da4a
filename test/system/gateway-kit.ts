import { readFileSync } from "node:fs";

/** Says so, and then leaves its thread no time for anything else. */
export const COMPUTE = "channel.send(1); await new Promise(setImmediate); for (;;) {}";

/** Whether a process still runs: one that has ended, and that nobody has asked about, does not. */
export function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1") !== "";
  } catch {
    return false;
  }
}
