import { Worker } from "node:worker_threads";

import type { Log } from "../base/log.ts";
import { isCertainlyGone, type ProcessIdentity } from "../runner/process-identity.ts";

/** How long opening the store may take before its last owner is taken to be frozen inside a write. */
const PATIENCE_MS = 1_000;

/**
 * Kills the hub before us if it holds the store's lock for good. It did not answer, so it is dead,
 * stopped or stuck; dead ones hold nothing. Its pid and start time are checked in the moment of the
 * kill, because a pid is used again. Dispose when the store is open.
 *
 * Another thread does it: taking the lock blocks this one.
 */
export function watchOverPredecessor(before: ProcessIdentity | undefined, log: Log): Disposable {
  const mayLive = before !== undefined && before.pid !== process.pid && !isCertainlyGone(before);
  if (!mayLive || before.start === 0) return { [Symbol.dispose]: () => {} };
  log.warn("the last hub lives and does not answer", { pid: before.pid });
  const worker = new Worker(KILLER, {
    eval: true,
    workerData: { ...before, patienceMs: PATIENCE_MS },
  });
  worker.unref();
  return { [Symbol.dispose]: () => void worker.terminate() };
}

/** A program of its own, without our modules: they would load through the thread that is blocked. */
const KILLER = `
const { workerData: { pid, start, patienceMs } } = require("node:worker_threads");
const { readFileSync } = require("node:fs");
setTimeout(() => {
  try {
    const text = readFileSync("/proc/" + pid + "/stat", "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    if (Number(fields[19]) === start) process.kill(pid, "SIGKILL");
  } catch {
    // It is gone, and its lock with it.
  }
}, patienceMs);
`;
