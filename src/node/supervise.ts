import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";

import { abortable, onAbort } from "../base/abort.ts";
import { systemClock, type Clock } from "../base/clock.ts";
import { deferred } from "../base/deferred.ts";
import type { Log } from "../base/log.ts";

/** One process that is to be there. */
export interface ChildSpec {
  readonly name: string;
  /** The script and its arguments; this process's own Node runs it. */
  readonly args: readonly string[];
  /** How long after its end it is started again. */
  readonly restartMs: number;
  /** An exit with status 0 is meant: it is not started again. */
  readonly endsAlone?: boolean;
  /** The others need it to end in order: it is asked to end when they have. */
  readonly endsLast?: boolean;
}

/** Whether a supervisor has started this process. */
export function isSupervised(env: Readonly<Record<string, string | undefined>>): boolean {
  return env[SUPERVISED] !== undefined;
}

/** Calls `listener` when the process that supervises this one is gone; never where there is none. */
export function onSupervisorGone(listener: () => void): void {
  if (!isSupervised(process.env)) return;
  process.stdin.resume();
  process.stdin.on("close", listener);
  // Listening alone is no reason to stay: a child whose work is done ends.
  if ("unref" in process.stdin && typeof process.stdin.unref === "function") process.stdin.unref();
}

export interface SuperviseOptions {
  readonly log: Log;
  /** Asks every child to end (SIGTERM), then ends those that do not (SIGKILL). */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** How long a child may take to end in order. */
const GRACE_MS = 5_000;

/** Set for children: end when standard input ends. */
const SUPERVISED = "BANYAN_SUPERVISED";

/** Exit statuses after which trying again can't help: a wrong command line, a tree that is gone, a
 * directory that is none. */
const HOPELESS: readonly (number | null)[] = [2, 3, 7];

/**
 * Keeps processes alive until the signal aborts. One that ends is started again after its pause; one
 * that was started wrongly ends everything.
 *
 * @throws Error where a child can't be started at all
 */
export async function supervise(
  specs: readonly ChildSpec[],
  options: SuperviseOptions,
): Promise<void> {
  const kept = specs.map((spec) => {
    const own = new AbortController();
    return { spec, own, done: keep(spec, { ...options, signal: own.signal }) };
  });
  try {
    const asked = new Promise<void>((resolve) => void onAbort(options.signal, resolve));
    await Promise.race([asked, Promise.all(kept.map(({ done }) => done))]);
  } finally {
    for (const last of [false, true]) {
      const wave = kept.filter(({ spec }) => (spec.endsLast ?? false) === last);
      for (const { own } of wave) own.abort(new Error("everything ends"));
      await Promise.allSettled(wave.map(({ done }) => done));
    }
  }
}

async function keep(spec: ChildSpec, options: SuperviseOptions): Promise<void> {
  const { log, signal, clock = systemClock } = options;
  while (!signal.aborted) {
    // The pipe says nothing: it ends when this process does, however it ends, and the child with it.
    const child = spawn(process.execPath, spec.args, {
      stdio: ["pipe", "inherit", "inherit"],
      env: { ...process.env, [SUPERVISED]: "1" },
    });
    const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    log.info(`${spec.name} started`, { pid: child.pid });
    const [code, killedBy] = await untilEnd(child, ended, { signal, clock });
    if (signal.aborted || (spec.endsAlone === true && code === 0)) return;
    if (HOPELESS.includes(code))
      throw new Error(`${spec.name} can't be started; see its message above`);
    log.warn(`${spec.name} ended and starts again in ${spec.restartMs / 1000} s`, {
      pid: child.pid,
      ...(killedBy === null ? { code } : { signal: killedBy }),
    });
    await pause(spec.restartMs, { signal, clock });
  }
}

async function untilEnd<T>(
  child: ChildProcess,
  ended: Promise<T>,
  { signal, clock }: { signal: AbortSignal; clock: Clock },
): Promise<T> {
  try {
    return await abortable(ended, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    child.kill("SIGTERM");
    using _grace = clock.after(GRACE_MS, () => child.kill("SIGKILL"));
    return await ended;
  }
}

async function pause(
  ms: number,
  { signal, clock }: { signal: AbortSignal; clock: Clock },
): Promise<void> {
  const over = deferred<void>();
  using _timer = clock.after(ms, () => over.resolve());
  // The timer holds nothing alive by itself, and a supervisor between two children has nothing else.
  const alive = setInterval(() => {}, 1_000);
  try {
    await abortable(over.promise, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  } finally {
    clearInterval(alive);
  }
}
