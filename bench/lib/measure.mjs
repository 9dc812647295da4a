// Shared measuring code: warmed up, checked, medians of interleaved repetitions, ratios within one run.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const WARM_MS = Number(process.env.BENCH_WARM_MS ?? 300);
export const RUN_MS = Number(process.env.BENCH_MS ?? 700);

/** On a busy machine a warm-up of time alone compiles nothing: it lasts for so many operations, or so much longer. */
const WARM_OPERATIONS = 5_000;
const MOST_WARM = 5;

/** `k` loops at a time, each waiting for its operation before the next; operations a second. */
export async function rate(operation, { k = 1, warmMs = WARM_MS, runMs = RUN_MS } = {}) {
  let i = 0;
  const phase = async (ms, least) => {
    const start = performance.now();
    const until = start + ms;
    const atLast = start + ms * MOST_WARM;
    let count = 0;
    const goesOn = (now) => now < until || (count < least && now < atLast);
    const one = async () => {
      while (goesOn(performance.now())) {
        await operation(i++);
        count += 1;
      }
    };
    await Promise.all(Array.from({ length: k }, one));
    return (count / (performance.now() - start)) * 1000;
  };
  await phase(warmMs, WARM_OPERATIONS);
  return phase(runMs, 0);
}

/** The same for something synchronous, timed in blocks. */
export function syncRate(operation, { block = 1000, warmMs = WARM_MS, runMs = RUN_MS } = {}) {
  let i = 0;
  const phase = (ms) => {
    const start = performance.now();
    let count = 0;
    while (performance.now() - start < ms) {
      for (let j = 0; j < block; j++) operation(i++);
      count += block;
    }
    return (count / (performance.now() - start)) * 1000;
  };
  phase(warmMs);
  return phase(runMs);
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function percentile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** Numbers as people read them: 123k, 1.24M, 0.65, 12.3. */
export function short(number) {
  if (number >= 1e6) return `${(number / 1e6).toFixed(2)}M`;
  if (number >= 1e4) return `${Math.round(number / 1e3)}k`;
  if (number >= 100) return String(Math.round(number));
  return number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

const folders = [];
const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  for (const folder of folders) {
    endHub(folder);
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The process of a tree's hub, as its own record says. */
export function hubPid(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, ".banyan", "hub.json"), "utf8")).pid;
  } catch {
    return undefined;
  }
}

/** Hubs outlive who started them for a while. */
export function endHub(folder) {
  const pid = hubPid(folder);
  if (pid === undefined) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "banyan-bench-"));
  folders.push(folder);
  return folder;
}

/** Starts a script of this folder as a process of its own; resolves with it and its first message. */
export async function helper(url, ...args) {
  const child = fork(url, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  keep(child);
  const first = await Promise.race([
    once(child, "message").then(([message]) => ({ message })),
    once(child, "exit").then(([code, signal]) => ({ ended: code ?? signal })),
  ]);
  if ("ended" in first) throw new Error(`${url} ended with ${first.ended}`);
  return { child, ready: first.message };
}

/** Makes sure that a process ends with this one. */
export function keep(child) {
  children.add(child);
  child.on("exit", () => children.delete(child));
}

/**
 * The other end of `ask`: runs `work` for each message of the parent's. What it throws ends the
 * process, and with it the bench.
 */
export function answer(work) {
  process.on("message", (message) => {
    void Promise.resolve(work(message)).then((result) => process.send({ result }));
  });
  process.on("disconnect", () => process.exit());
  process.send("ready");
}

/** Far longer than anything takes: a peer may lose what is waited for. */
const MOST_WAIT_MS = 300_000;

/** Lets a helper do something; resolves with its result. @throws where it ends, or says nothing for five minutes */
export async function ask(child, message) {
  const reply = await new Promise((resolve, reject) => {
    const onExit = (code, signal) => reject(new Error(`a helper ended with ${code ?? signal}`));
    const says = `a helper has said nothing to ${JSON.stringify(message)} for ${MOST_WAIT_MS / 1_000} s`;
    const limit = setTimeout(() => reject(new Error(says)), MOST_WAIT_MS).unref();
    child.once("exit", onExit);
    child.once("message", (answered) => {
      clearTimeout(limit);
      child.off("exit", onExit);
      resolve(answered);
    });
    child.send(message);
  });
  return reply.result;
}

export async function end(child, signal = "SIGTERM") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
}
