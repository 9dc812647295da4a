import { Worker } from "node:worker_threads";

/** How often it looks, and how long a process whose parent has gone may take to end by itself. */
const LOOK_MS = 1_000;
const GRACE_MS = 3_000;

/**
 * Ends this process soon after the one that started it has gone, also while code keeps its main thread
 * from noticing: a thread of its own looks at whose child this is.
 */
export function watchParent(): void {
  const worker = new Worker(WATCH, {
    eval: true,
    workerData: { parent: process.ppid, lookMs: LOOK_MS, graceMs: GRACE_MS },
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 },
  });
  worker.unref();
  // Without it, a process still ends when its input does, unless it computes for ever.
  worker.on("error", () => {});
}

/** On Windows a child keeps the number of a parent that has gone. */
const WATCH = `
const { parent, lookMs, graceMs } = require("node:worker_threads").workerData;
const isThere = () => {
  if (process.ppid !== parent) return false;
  try { process.kill(parent, 0); return true; } catch (error) { return error.code === "EPERM"; }
};
const timer = setInterval(() => {
  if (isThere()) return;
  clearInterval(timer);
  setTimeout(() => process.kill(process.pid, "SIGKILL"), graceMs);
}, lookMs);
`;
