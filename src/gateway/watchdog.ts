import { Worker } from "node:worker_threads";

/** How often it looks, and how long a process whose parent has gone may take to end by itself. */
const LOOK_MS = 1_000;
const GRACE_MS = 3_000;

/**
 * Ends this process soon after the one that started it has gone, also while code keeps its main thread
 * from noticing: a thread of its own looks at whose child this is.
 */
export function watchParent(): void {
  startWatch({});
}

/** How often the main thread shows that it turns. */
const BEAT_MS = 50;

/** The signal by which a process ends that kept its main thread for itself. */
export const BLOCKED_SIGNAL = process.platform === "win32" ? "SIGKILL" : "SIGALRM";

/** The signal by which a process ends that held too much memory. */
export const MEMORY_SIGNAL = process.platform === "win32" ? "SIGKILL" : "SIGUSR2";

/**
 * As `watchParent`, and ends this process by `BLOCKED_SIGNAL` where code has kept the main thread for
 * itself for `limitMs`, of time and of the processor's time, by whatever callback; by `MEMORY_SIGNAL` where
 * it holds more than `memoryMb`, also what is beside V8's heap. Code that has taken these signals over ends
 * a little later.
 *
 * @returns calls what has a limit of its own
 */
export function watchThread(limitMs: number, memoryMb: number): <T>(work: () => T) => T {
  // How often it has turned, and whether that is to be looked at.
  const turns = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  const beat = (): void => void Atomics.add(turns, 0, 1);
  setInterval(beat, BEAT_MS).unref();
  startWatch({ turns, limitMs, memoryMb, signal: BLOCKED_SIGNAL, memorySignal: MEMORY_SIGNAL });
  return (work) => {
    Atomics.store(turns, 1, 1);
    try {
      return work();
    } finally {
      beat();
      Atomics.store(turns, 1, 0);
    }
  };
}

interface Watched {
  readonly turns?: Int32Array;
  readonly limitMs?: number;
  readonly memoryMb?: number;
  readonly signal?: NodeJS.Signals;
  readonly memorySignal?: NodeJS.Signals;
}

function startWatch(watched: Watched): void {
  const worker = new Worker(WATCH, {
    eval: true,
    workerData: { parent: process.ppid, lookMs: LOOK_MS, graceMs: GRACE_MS, ...watched },
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 },
  });
  worker.unref();
  // Without it, a process still ends when its input does, unless it computes for ever.
  worker.on("error", () => {});
}

/** On Windows a child keeps the number of a parent that has gone. */
const WATCH = `
const { parent, lookMs, graceMs, turns, limitMs, memoryMb, signal, memorySignal } =
  require("node:worker_threads").workerData;
const isThere = () => {
  if (process.ppid !== parent) return false;
  try { process.kill(parent, 0); return true; } catch (error) { return error.code === "EPERM"; }
};
const timer = setInterval(() => {
  if (isThere()) return;
  clearInterval(timer);
  setTimeout(() => process.kill(process.pid, "SIGKILL"), graceMs);
}, lookMs);
let seen, since, used, isEnding = false;
const end = (signal) => {
  process.kill(process.pid, isEnding ? "SIGKILL" : signal);
  isEnding = true;
};
const usedMs = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
if (turns !== undefined) setInterval(() => {
  if (process.memoryUsage.rss() > memoryMb * 2 ** 20) return end(memorySignal);
  const now = Atomics.load(turns, 0);
  if (now !== seen || Atomics.load(turns, 1) === 1) {
    [seen, since, used] = [now, performance.now(), usedMs()];
  } else if (performance.now() - since > limitMs && usedMs() - used > limitMs) {
    end(signal);
  }
}, limitMs / 10);
`;
